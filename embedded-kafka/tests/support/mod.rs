//! A broker and rdkafka clients for the tests.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test helper fails by panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use embedded_kafka::{Broker, BrokerBuilder};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

/// A producer that takes its delivery reports by itself.
pub(crate) type TestProducer = ThreadedProducer<DefaultProducerContext>;

/// Longest that one request may take.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// Longest that a test waits for anything; a machine under load is no failure.
const PATIENCE: Duration = Duration::from_mins(2);

/// A broker with a runtime of its own, so that tests may block.
pub(crate) struct TestBroker {
    pub(crate) runtime: Runtime,
    broker: Option<Broker>,
    pub(crate) bootstrap: String,
}

impl TestBroker {
    pub(crate) fn ephemeral() -> Self {
        Self::start(Broker::builder().ephemeral())
    }

    pub(crate) fn start(builder: BrokerBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let broker = runtime.block_on(builder.listen("127.0.0.1:0").start()).unwrap();
        let bootstrap = broker.address().to_string();
        Self { runtime, broker: Some(broker), bootstrap }
    }

    pub(crate) fn stop(mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        create_topic(&self.bootstrap, name, partitions);
    }
}

pub(crate) fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4");
    config
}

pub(crate) fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap).create().unwrap()
}

pub(crate) fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let admin = admin(bootstrap);
    let made = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
    assert!(made[0].is_ok(), "{made:?}");
}

pub(crate) fn producer(bootstrap: &str) -> TestProducer {
    config(bootstrap).set("enable.idempotence", "true").set("linger.ms", "1").create().unwrap()
}

/// A producer with its transactions initialised.
pub(crate) fn transactional(bootstrap: &str, id: &str) -> TestProducer {
    let producer: TestProducer = config(bootstrap)
        .set("transactional.id", id)
        .set("linger.ms", "1")
        .set("transaction.timeout.ms", "60000")
        .create()
        .unwrap();
    producer.init_transactions(LONG).unwrap();
    producer
}

pub(crate) fn send(producer: &TestProducer, topic: &str, partition: i32, key: &str, value: &str) {
    producer.send(BaseRecord::to(topic).partition(partition).key(key).payload(value)).unwrap();
}

/// A consumer at the start of all partitions of a topic, outside any group.
pub(crate) fn reader(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    isolation: &str,
) -> BaseConsumer {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", "unused")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    consumer
}

/// All that can be read now: values by partition, in order.
pub(crate) fn read_all(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    isolation: &str,
) -> BTreeMap<i32, Vec<String>> {
    let consumer = reader(bootstrap, topic, partitions, isolation);
    let mut read: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut ended = 0;
    let deadline = Instant::now() + LONG;
    while ended < partitions {
        assert!(Instant::now() < deadline, "topic {topic} is not read to its end: {read:?}");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ended += 1,
            Some(record) => {
                let record = record.unwrap();
                let value = String::from_utf8(record.payload().unwrap().to_vec()).unwrap();
                read.entry(record.partition()).or_default().push(value);
            }
        }
    }
    read
}

pub(crate) fn values(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    isolation: &str,
) -> Vec<String> {
    read_all(bootstrap, topic, partitions, isolation).into_values().flatten().collect()
}

/// Committed offset and metadata of a partition.
pub(crate) fn committed(
    bootstrap: &str,
    group: &str,
    topic: &str,
    partition: i32,
) -> (Option<i64>, String) {
    let consumer: BaseConsumer = config(bootstrap).set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let found = consumer.committed_offsets(asked, LONG).unwrap();
    let element = found.find_partition(topic, partition).unwrap();
    let offset = match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    (offset, element.metadata().to_owned())
}

/// Waits until `done` says so.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends without a transaction and waits for the acknowledgements.
pub(crate) fn produce(bootstrap: &str, topic: &str, partition: i32, values: &[&str]) {
    let producer = producer(bootstrap);
    for value in values {
        send(&producer, topic, partition, value, value);
    }
    producer.flush(LONG).unwrap();
    assert_eq!(producer.in_flight_count(), 0);
}

/// The broker's program, in a process of its own that can be killed.
pub(crate) struct BrokerProcess {
    child: Child,
    pub(crate) bootstrap: String,
}

impl BrokerProcess {
    pub(crate) fn start(data_dir: &Path, listen: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_embedded-kafka"))
            .args(["--listen", listen, "--data-dir"])
            .arg(data_dir)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut bootstrap = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut bootstrap).unwrap();
        Self { child, bootstrap: bootstrap.trim().to_owned() }
    }

    /// As `kill -9`: nothing is written any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
