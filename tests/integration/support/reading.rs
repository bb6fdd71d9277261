//! What is in Kafka, read by rdkafka alone: committed records and groups' offsets.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
};

use super::{PATIENCE, cluster::Cluster, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A record as a reader of committed records sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Read {
    /// The value as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().unwrap()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.and_then(|(_, value)| value.as_deref())
    }

    /// Bytes of key, value and headers.
    pub(crate) fn size(&self) -> u64 {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        (length(&self.key) + length(&self.value) + headers) as u64
    }
}

/// A reader of a whole topic that goes on where it was.
pub(crate) struct Tail {
    consumer: BaseConsumer,
    topic: String,
    /// For each partition, whether its end has been reached.
    at_end: Vec<bool>,
    pub(crate) records: Vec<Read>,
}

impl Tail {
    /// From the first record on; the topic must be there, or come soon.
    pub(crate) fn open(cluster: &Cluster, topic: &str) -> Self {
        let mut config = cluster.client();
        config
            .set("group.id", "independent-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let partitions = partitions(&consumer, topic);
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions as i32 {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let at_end = vec![false; partitions];
        Self { consumer, topic: topic.to_owned(), at_end, records: Vec::new() }
    }

    /// Takes in what is there by now, and returns how many records that makes in all.
    pub(crate) fn count(&mut self) -> usize {
        let mut wait = Duration::from_millis(20);
        while let Some(polled) = self.consumer.poll(wait) {
            match polled {
                Ok(message) => {
                    self.at_end[message.partition() as usize] = false;
                    self.records.push(own(&message));
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.at_end[partition as usize] = true;
                    if self.at_end.iter().all(|at_end| *at_end) {
                        wait = Duration::ZERO;
                    }
                }
                // librdkafka mends what passes; what does not ends the wait for it.
                Err(error) => eprintln!("reading {}: {error}", self.topic),
            }
        }
        self.records.len()
    }

    /// Waits until there are `count` records.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.count() < count {
            let found = self.records.len();
            let topic = &self.topic;
            assert!(Instant::now() < deadline, "{topic} has {found} of {count} records");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads on to the end of every partition; how many records that makes.
    #[track_caller]
    pub(crate) fn wait_to_end(mut self) -> usize {
        self.reach_end();
        self.records.len()
    }

    #[track_caller]
    fn reach_end(&mut self) {
        wait_until(&format!("{} is read to its end", self.topic.clone()), || {
            self.count();
            self.at_end.iter().all(|at_end| *at_end)
        });
    }

    #[track_caller]
    fn finish(mut self) -> Vec<Read> {
        self.reach_end();
        self.records
    }
}

/// All committed records of a topic.
#[track_caller]
pub(crate) fn read_all(cluster: &Cluster, topic: &str) -> Vec<Read> {
    Tail::open(cluster, topic).finish()
}

fn own(message: &impl Message) -> Read {
    let headers = message.headers().into_iter().flat_map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(ToOwned::to_owned)))
    });
    Read {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(ToOwned::to_owned),
        value: message.payload().map(ToOwned::to_owned),
        headers: headers.collect(),
    }
}

/// How many partitions a topic has, once it is there. Now and then librdkafka leaves
/// a fresh client's question without an answer; the next one gets one.
fn partitions(consumer: &BaseConsumer, topic: &str) -> usize {
    let mut partitions = 0;
    wait_until(&format!("topic {topic} is there"), || {
        match consumer.fetch_metadata(Some(topic), Duration::from_secs(5)) {
            Ok(metadata) => partitions = metadata.topics()[0].partitions().len(),
            Err(error) => eprintln!("asking for {topic}: {error}"),
        }
        partitions > 0
    });
    partitions
}

/// What a group has committed for each partition of a topic: offset and metadata,
/// once no transaction with more of them is open.
pub(crate) fn committed(
    cluster: &Cluster,
    group: &str,
    topic: &str,
) -> BTreeMap<i32, (i64, String)> {
    offsets(cluster, group, topic, "read_committed")
}

/// As [`committed`], without those of a transaction that is open: who was killed in
/// the midst of one leaves it so for a minute, or until it is started again.
pub(crate) fn committed_so_far(
    cluster: &Cluster,
    group: &str,
    topic: &str,
) -> BTreeMap<i32, (i64, String)> {
    offsets(cluster, group, topic, "read_uncommitted")
}

fn offsets(
    cluster: &Cluster,
    group: &str,
    topic: &str,
    isolation: &str,
) -> BTreeMap<i32, (i64, String)> {
    let mut config = cluster.client();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut wanted = TopicPartitionList::new();
    for partition in 0..partitions(&consumer, topic) as i32 {
        wanted.add_partition(topic, partition);
    }
    let found = consumer.committed_offsets(wanted, TIMEOUT).unwrap();
    let offset = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    let elements = found.elements();
    let offsets = elements.iter().filter_map(|element| {
        let offset = offset(element.offset())?;
        Some((element.partition(), (offset, element.metadata().to_owned())))
    });
    offsets.collect()
}
