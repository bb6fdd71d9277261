//! Topics and their records as rdkafka's clients see them.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::time::{Duration, Instant};

use embedded_kafka::Broker;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use support::*;

#[test]
fn a_topic_is_made_on_demand_only_where_that_is_wanted() {
    for wanted in [false, true] {
        let builder =
            Broker::builder().ephemeral().auto_create_topics(wanted).default_partitions(3);
        let broker = TestBroker::start(builder);
        let producer: TestProducer =
            config(&broker.bootstrap).set("message.timeout.ms", "1500").create().unwrap();
        producer.send(BaseRecord::<(), str>::to("asked").payload("v")).unwrap();
        producer.flush(LONG).unwrap();
        let consumer: BaseConsumer = config(&broker.bootstrap).create().unwrap();
        let metadata = consumer.fetch_metadata(None, LONG).unwrap();
        let partitions: Vec<usize> =
            metadata.topics().iter().map(|topic| topic.partitions().len()).collect();
        assert_eq!(partitions, if wanted { vec![3] } else { vec![] });
        broker.stop();
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused_with_the_reason() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let admin = admin(&broker.bootstrap);
    let refusal = |topic: NewTopic<'_>| {
        let (topics, options) = ([topic], AdminOptions::new());
        broker
            .runtime
            .block_on(admin.create_topics(&topics, &options))
            .unwrap()
            .remove(0)
            .unwrap_err()
            .1
    };
    let one = || TopicReplication::Fixed(1);
    assert_eq!(refusal(NewTopic::new("t", 1, one())), RDKafkaErrorCode::TopicAlreadyExists);
    assert_eq!(refusal(NewTopic::new("a/b", 1, one())), RDKafkaErrorCode::InvalidTopic);
    assert_eq!(refusal(NewTopic::new("n", 20_000, one())), RDKafkaErrorCode::InvalidPartitions);
    let many = TopicReplication::Fixed(3);
    assert_eq!(refusal(NewTopic::new("n", 1, many)), RDKafkaErrorCode::InvalidReplicationFactor);
    let odd = NewTopic::new("n", 1, one()).set("retention.mss", "1");
    assert_eq!(refusal(odd), RDKafkaErrorCode::InvalidConfig);
    let wrong = NewTopic::new("n", 1, one()).set("cleanup.policy", "burn");
    assert_eq!(refusal(wrong), RDKafkaErrorCode::InvalidConfig);
    // In the names of Kafka's metrics `.` and `_` are the same.
    broker.create_topic("a.b_c", 1);
    assert_eq!(refusal(NewTopic::new("a_b.c", 1, one())), RDKafkaErrorCode::InvalidTopic);
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed").len(), 0);
    broker.stop();
}

#[test]
fn deleted_records_stay_deleted_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start(folder.path(), "127.0.0.1:0");
    let bootstrap = broker.bootstrap.clone();
    create_topic(&bootstrap, "t", 1);
    produce(&bootstrap, "t", 0, &["a", "b", "c"]);
    let mut before = TopicPartitionList::new();
    before.add_partition_offset("t", 0, Offset::Offset(2)).unwrap();
    let admin = admin(&bootstrap);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(admin.delete_records(&before, &AdminOptions::new())).unwrap();
    assert_eq!(values(&bootstrap, "t", 1, "read_committed"), ["c"]);
    broker.kill();
    let _broker = BrokerProcess::start(folder.path(), &bootstrap);
    assert_eq!(values(&bootstrap, "t", 1, "read_committed"), ["c"]);
}

#[test]
fn a_time_leads_to_the_first_record_behind_it_under_every_compression() {
    let broker = TestBroker::ephemeral();
    for compression in ["none", "gzip", "zstd"] {
        let topic = format!("t-{compression}");
        broker.create_topic(&topic, 1);
        let producer: TestProducer = config(&broker.bootstrap)
            .set("compression.type", compression)
            .set("linger.ms", "50")
            .create()
            .unwrap();
        for i in 0..100i64 {
            let record = BaseRecord::<(), str>::to(&topic).partition(0).payload("v");
            producer.send(record.timestamp(1_000 + i * 10)).unwrap();
        }
        producer.flush(LONG).unwrap();
        let consumer: BaseConsumer = config(&broker.bootstrap).create().unwrap();
        for (time, offset) in
            [(0, Offset::Offset(0)), (1_495, Offset::Offset(50)), (9_999, Offset::End)]
        {
            let mut asked = TopicPartitionList::new();
            asked.add_partition_offset(&topic, 0, Offset::Offset(time)).unwrap();
            let found = consumer.offsets_for_times(asked, LONG).unwrap();
            assert_eq!(found.elements()[0].offset(), offset, "{compression} at {time}");
        }
    }
    broker.stop();
}

#[test]
fn a_record_over_the_fetch_size_is_read_and_one_over_the_topics_size_refused() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let large = "v".repeat(400_000);
    produce(&broker.bootstrap, "t", 0, &["small", &large, "small"]);
    let consumer: BaseConsumer = config(&broker.bootstrap)
        .set("group.id", "g")
        .set("fetch.message.max.bytes", "1000")
        .create()
        .unwrap();
    let mut start = TopicPartitionList::new();
    start.add_partition_offset("t", 0, Offset::Beginning).unwrap();
    consumer.assign(&start).unwrap();
    let mut sizes = Vec::new();
    eventually("three records", || {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
            sizes.push(record.payload().unwrap().len());
        }
        sizes.len() == 3
    });
    assert_eq!(sizes, [5, 400_000, 5]);
    // A consumer that is dropped after its broker waits for it.
    drop(consumer);

    let producer: TestProducer =
        config(&broker.bootstrap).set("message.max.bytes", "3000000").create().unwrap();
    let too_large = "v".repeat(2_000_000);
    let sent = producer.send(BaseRecord::<(), str>::to("t").partition(0).payload(&too_large));
    assert!(sent.is_ok(), "the client takes it");
    producer.flush(LONG).unwrap();
    assert_eq!(values(&broker.bootstrap, "t", 1, "read_committed").len(), 3);
    broker.stop();
}

#[test]
fn a_fetch_waits_for_the_bytes_it_asks_for_and_no_longer_than_it_asks_for() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let consumer: BaseConsumer = config(&broker.bootstrap)
        .set("group.id", "g")
        .set("fetch.min.bytes", "50000")
        .set("fetch.wait.max.ms", "3000")
        .create()
        .unwrap();
    let mut start = TopicPartitionList::new();
    start.add_partition_offset("t", 0, Offset::Beginning).unwrap();
    consumer.assign(&start).unwrap();
    // The first fetch is under way.
    assert!(consumer.poll(Duration::from_millis(300)).is_none());
    produce(&broker.bootstrap, "t", 0, &["a"]);
    assert!(consumer.poll(Duration::from_millis(100)).is_none(), "one record is too little");
    assert!(consumer.poll(Duration::from_secs(6)).is_some());

    let begun = Instant::now();
    let large = "v".repeat(60_000);
    produce(&broker.bootstrap, "t", 0, &[&large]);
    assert!(consumer.poll(Duration::from_secs(3)).is_some());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(consumer);
    broker.stop();
}
