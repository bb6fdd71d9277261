//! What a broker knows after it was killed, and after it was closed.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use embedded_kafka::{Broker, StartError};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use support::*;

/// What became of the rounds of a transactional load.
#[derive(Debug, Default)]
struct Outcomes {
    committed: BTreeSet<u32>,
    aborted: BTreeSet<u32>,
    unknown: BTreeSet<u32>,
}

/// Runs transactions until told to stop: each writes its number to both
/// partitions of `out` and commits it as an offset; every fifth is aborted.
fn load(bootstrap: &str, group: &ConsumerGroupMetadata, stop: &AtomicBool) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut producer = None;
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let fresh = producer.take().or_else(|| connected(bootstrap));
        let Some(current) = fresh else { continue };
        match transaction(&current, group, round) {
            Ok(()) if round % 5 == 4 => outcomes.aborted.insert(round),
            Ok(()) => outcomes.committed.insert(round),
            Err(_) => {
                outcomes.unknown.insert(round);
                continue;
            }
        };
        producer = Some(current);
    }
    outcomes
}

fn connected(bootstrap: &str) -> Option<TestProducer> {
    let producer: TestProducer = config(bootstrap)
        .set("transactional.id", "load")
        .set("linger.ms", "0")
        .set("reconnect.backoff.ms", "10")
        .set("reconnect.backoff.max.ms", "100")
        .create()
        .unwrap();
    producer.init_transactions(Duration::from_secs(5)).ok().map(|()| producer)
}

fn transaction(
    producer: &TestProducer,
    group: &ConsumerGroupMetadata,
    round: u32,
) -> Result<(), KafkaError> {
    let timeout = Duration::from_secs(5);
    producer.begin_transaction()?;
    for partition in 0..2 {
        send(producer, "out", partition, "k", &format!("{round:06}"));
    }
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("in", 0, Offset::Offset(i64::from(round)))?;
    producer.send_offsets_to_transaction(&offsets, group, timeout)?;
    // A commit with reports outstanding waits 100 ms in the client.
    let deadline = Instant::now() + timeout;
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(200));
    }
    if round % 5 == 4 {
        return producer.abort_transaction(timeout);
    }
    producer.commit_transaction(timeout)
}

/// The promise of the whole broker. `EMBEDDED_KAFKA_KILLS` sets how often.
#[test]
fn killing_the_broker_under_load_loses_nothing_and_shows_nothing_unfinished() {
    let kills =
        std::env::var("EMBEDDED_KAFKA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start(folder.path(), "127.0.0.1:0");
    let bootstrap = broker.bootstrap.clone();
    create_topic(&bootstrap, "in", 1);
    create_topic(&bootstrap, "out", 2);
    let consumer: BaseConsumer = config(&bootstrap).set("group.id", "g").create().unwrap();
    let group = consumer.group_metadata().unwrap();
    let stop = AtomicBool::new(false);

    let (outcomes, _broker) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&bootstrap, &group, &stop));
        for kill in 0..kills {
            // Odd times, so that the kills fall into all phases of a transaction.
            std::thread::sleep(Duration::from_millis(500 + kill * 37 % 211));
            broker.kill();
            broker = BrokerProcess::start(folder.path(), &bootstrap);
        }
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        (loading.join().unwrap(), broker)
    });
    // Fences what the last producer may have left open.
    drop(transactional(&bootstrap, "load"));

    let seen = read_all(&bootstrap, "out", 2, "read_committed");
    assert_eq!(seen[&0], seen[&1], "a transaction is seen whole or not at all");
    let numbers: Vec<u32> = seen[&0].iter().map(|value| value.parse().unwrap()).collect();
    let distinct: BTreeSet<u32> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "no record twice");
    assert_eq!(outcomes.committed.difference(&distinct).count(), 0, "nothing acknowledged is lost");
    assert_eq!(outcomes.aborted.intersection(&distinct).count(), 0, "nothing aborted is seen");
    let last = numbers.iter().max().copied().map(i64::from);
    assert_eq!(committed(&bootstrap, "g", "in", 0).0, last, "offsets go with their records");
    assert!(outcomes.committed.len() > 10, "the load must have worked: {outcomes:?}");
    println!(
        "{kills} kills: {} committed, {} aborted, {} unknown",
        outcomes.committed.len(),
        outcomes.aborted.len(),
        outcomes.unknown.len()
    );
}

#[test]
fn what_was_acknowledged_without_a_transaction_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start(folder.path(), "127.0.0.1:0");
    let bootstrap = broker.bootstrap.clone();
    create_topic(&bootstrap, "t", 1);
    produce(&bootstrap, "t", 0, &["a", "b", "c"]);
    let consumer: BaseConsumer = config(&bootstrap).set("group.id", "g").create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("t", 0, Offset::Offset(2)).unwrap();
    consumer.commit(&offsets, rdkafka::consumer::CommitMode::Sync).unwrap();
    broker.kill();

    let _broker = BrokerProcess::start(folder.path(), &bootstrap);
    assert_eq!(values(&bootstrap, "t", 1, "read_committed"), ["a", "b", "c"]);
    assert_eq!(committed(&bootstrap, "g", "t", 0).0, Some(2));
}

#[test]
fn an_open_transaction_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start(folder.path(), "127.0.0.1:0");
    let bootstrap = broker.bootstrap.clone();
    create_topic(&bootstrap, "t", 1);
    let producer = transactional(&bootstrap, "p");
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k", "before");
    producer.flush(LONG).unwrap();
    broker.kill();

    let _broker = BrokerProcess::start(folder.path(), &bootstrap);
    assert!(values(&bootstrap, "t", 1, "read_committed").is_empty());
    send(&producer, "t", 0, "k", "after");
    producer.commit_transaction(LONG).unwrap();
    assert_eq!(values(&bootstrap, "t", 1, "read_committed"), ["before", "after"]);
}

#[test]
fn a_closed_broker_opens_with_everything_and_only_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = TestBroker::start(Broker::builder().data_dir(folder.path()));
    broker.create_topic("t", 1);
    produce(&broker.bootstrap, "t", 0, &["a"]);
    let second = broker
        .runtime
        .block_on(Broker::builder().data_dir(folder.path()).listen("127.0.0.1:0").start());
    assert!(matches!(second, Err(StartError::InUse { .. })), "{second:?}");
    broker.stop();

    let broker = TestBroker::start(Broker::builder().data_dir(folder.path()));
    produce(&broker.bootstrap, "t", 0, &["b"]);
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed"), ["a", "b"]);
    broker.stop();
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_permitted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(Broker::builder().listen("0.0.0.0:0").start());
    assert!(matches!(refused, Err(StartError::NotLoopback { .. })));
}

#[test]
fn a_taken_port_is_an_error_or_another_port_as_asked_for() {
    let first = TestBroker::ephemeral();
    let builder = || Broker::builder().ephemeral().listen(&*first.bootstrap);
    let refused = first.runtime.block_on(builder().start());
    assert!(matches!(refused, Err(StartError::Listen { .. })), "{refused:?}");
    let second = first.runtime.block_on(builder().or_free_port(true).start()).unwrap();
    assert_ne!(second.address().to_string(), first.bootstrap);
    first.runtime.block_on(second.shutdown());
    first.stop();
}
