//! Transactions as rdkafka uses them.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use support::*;

fn offsets(topic: &str, partition: i32, offset: i64, metadata: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    list.elements()[0].set_metadata(metadata);
    list
}

#[test]
fn a_committed_transaction_is_seen_whole_and_an_aborted_one_not_at_all() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 2);
    let producer = transactional(&broker.bootstrap, "p");
    for (round, commit) in [(0, true), (1, false), (2, true)] {
        producer.begin_transaction().unwrap();
        for partition in 0..2 {
            send(&producer, "t", partition, "k", &format!("{round}-{partition}"));
        }
        if commit {
            producer.commit_transaction(LONG).unwrap();
        } else {
            producer.flush(LONG).unwrap();
            producer.abort_transaction(LONG).unwrap();
        }
    }
    let seen = values(&broker.bootstrap, "t", 2, "read_committed");
    assert_eq!(seen, ["0-0", "2-0", "0-1", "2-1"]);
    let all = values(&broker.bootstrap, "t", 2, "read_uncommitted");
    assert_eq!(all, ["0-0", "1-0", "2-0", "0-1", "1-1", "2-1"]);
    broker.stop();
}

#[test]
fn an_open_transaction_holds_back_what_comes_behind_it() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let slow = transactional(&broker.bootstrap, "slow");
    let fast = transactional(&broker.bootstrap, "fast");
    slow.begin_transaction().unwrap();
    send(&slow, "t", 0, "k", "slow");
    slow.flush(LONG).unwrap();
    fast.begin_transaction().unwrap();
    send(&fast, "t", 0, "k", "fast");
    fast.commit_transaction(LONG).unwrap();
    assert!(values(&broker.bootstrap, "t", 1, "read_committed").is_empty());

    slow.commit_transaction(LONG).unwrap();
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed"), ["slow", "fast"]);
    broker.stop();
}

#[test]
fn a_second_producer_of_the_same_id_fences_the_first() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let zombie = transactional(&broker.bootstrap, "p");
    zombie.begin_transaction().unwrap();
    send(&zombie, "t", 0, "k", "zombie");
    zombie.flush(LONG).unwrap();

    let heir = transactional(&broker.bootstrap, "p");
    heir.begin_transaction().unwrap();
    send(&heir, "t", 0, "k", "heir");
    heir.commit_transaction(LONG).unwrap();

    let refused = zombie.commit_transaction(LONG).unwrap_err();
    let KafkaError::Transaction(error) = refused else { panic!("{refused:?}") };
    assert!(error.is_fatal(), "{error:?}");
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed"), ["heir"]);
    broker.stop();
}

#[test]
fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let producer: TestProducer = config(&broker.bootstrap)
        .set("transactional.id", "p")
        .set("transaction.timeout.ms", "1000")
        .set("message.timeout.ms", "1000")
        .create()
        .unwrap();
    producer.init_transactions(LONG).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "t", 0, "k", "late");
    producer.flush(LONG).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(producer.commit_transaction(LONG).is_err());

    produce(&broker.bootstrap, "t", 0, &["next"]);
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed"), ["next"]);
    broker.stop();
}

/// A consumer in a group that has its assignment.
fn member(bootstrap: &str, group: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    eventually("an assignment", || {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
            let here = Offset::Offset(record.offset());
            consumer.seek(record.topic(), record.partition(), here, LONG).unwrap();
        }
        consumer.assignment().unwrap().count() > 0
    });
    consumer
}

#[test]
fn offsets_in_a_transaction_come_and_go_with_its_records() {
    let broker = TestBroker::ephemeral();
    for topic in ["in", "out"] {
        broker.create_topic(topic, 1);
    }
    produce(&broker.bootstrap, "in", 0, &["a", "b"]);
    let consumer = member(&broker.bootstrap, "g", "in");
    let metadata = consumer.group_metadata().unwrap();
    let producer = transactional(&broker.bootstrap, "p");

    producer.begin_transaction().unwrap();
    send(&producer, "out", 0, "k", "A");
    let list = offsets("in", 0, 1, "half");
    producer.send_offsets_to_transaction(&list, &metadata, LONG).unwrap();
    producer.abort_transaction(LONG).unwrap();
    assert_eq!(committed(&broker.bootstrap, "g", "in", 0), (None, String::new()));

    producer.begin_transaction().unwrap();
    send(&producer, "out", 0, "k", "B");
    let list = offsets("in", 0, 2, "{\"in\":2}");
    producer.send_offsets_to_transaction(&list, &metadata, LONG).unwrap();
    producer.commit_transaction(LONG).unwrap();
    assert_eq!(committed(&broker.bootstrap, "g", "in", 0), (Some(2), "{\"in\":2}".to_owned()));
    assert_eq!(values(&broker.bootstrap, "out", 1, "read_committed"), ["B"]);
    drop(consumer);
    broker.stop();
}

#[test]
fn offsets_of_an_old_generation_are_refused() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("in", 2);
    let first = member(&broker.bootstrap, "g", "in");
    let old = first.group_metadata().unwrap();
    let second: BaseConsumer = config(&broker.bootstrap).set("group.id", "g").create().unwrap();
    second.subscribe(&["in"]).unwrap();
    eventually("a rebalance", || {
        let _ = first.poll(Duration::from_millis(20));
        let _ = second.poll(Duration::from_millis(20));
        second.assignment().unwrap().count() == 1
    });

    let producer = transactional(&broker.bootstrap, "p");
    producer.begin_transaction().unwrap();
    let list = offsets("in", 0, 7, "");
    assert!(producer.send_offsets_to_transaction(&list, &old, LONG).is_err());
    producer.abort_transaction(LONG).unwrap();
    assert_eq!(committed(&broker.bootstrap, "g", "in", 0).0, None);
    drop((first, second));
    broker.stop();
}

#[test]
fn consume_transform_produce_is_exactly_once_over_aborts_and_restarts() {
    const RECORDS: usize = 80;
    let broker = TestBroker::ephemeral();
    for topic in ["in", "out"] {
        broker.create_topic(topic, 2);
    }
    let input: Vec<String> = (0..RECORDS).map(|i| format!("{i:04}")).collect();
    for (partition, half) in input.chunks(RECORDS / 2).enumerate() {
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        produce(&broker.bootstrap, "in", partition as i32, &half);
    }

    let mut round = 0;
    eventually("the end of the input", || {
        round += 1;
        let consumer = member(&broker.bootstrap, "g", "in");
        let producer = transactional(&broker.bootstrap, "p");
        // Each round commits a few batches, and leaves one in the middle.
        for batch in 0..4 {
            producer.begin_transaction().unwrap();
            let mut next = TopicPartitionList::new();
            for _ in 0..10 {
                let Some(record) = consumer.poll(Duration::from_millis(300)) else { break };
                let record = record.unwrap();
                let value = std::str::from_utf8(record.payload().unwrap()).unwrap();
                send(&producer, "out", record.partition(), "k", value);
                let offset = Offset::Offset(record.offset() + 1);
                if next.find_partition("in", record.partition()).is_none() {
                    next.add_partition("in", record.partition());
                }
                next.set_partition_offset("in", record.partition(), offset).unwrap();
            }
            if batch == 3 && round % 2 == 0 {
                producer.flush(LONG).unwrap();
                producer.abort_transaction(LONG).unwrap();
            } else if batch < 3 {
                let metadata = consumer.group_metadata().unwrap();
                producer.send_offsets_to_transaction(&next, &metadata, LONG).unwrap();
                producer.commit_transaction(LONG).unwrap();
            }
        }
        consumer.unsubscribe();
        let done: i64 = (0..2).filter_map(|p| committed(&broker.bootstrap, "g", "in", p).0).sum();
        done >= RECORDS as i64
    });
    // What the last rounds left open is fenced away.
    let _heir = transactional(&broker.bootstrap, "p");
    let mut output = values(&broker.bootstrap, "out", 2, "read_committed");
    output.sort_unstable();
    assert_eq!(output, input);
    broker.stop();
}
