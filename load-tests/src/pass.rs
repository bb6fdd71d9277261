//! A topic copied to another: what broker and librdkafka alone cost.
//!
//! Each `commit_interval` one transaction holds the copies and the offsets of
//! what was copied, as in a stage of the hub. It ends after `count` records.

use crate::{enqueue, producer_config};
use anyhow::{Context, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Deadline of a single call to the broker.
const CALL: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub struct Options {
    /// Topic to read from.
    #[arg(long)]
    from: String,
    /// Topic to write to, with as many partitions.
    #[arg(long)]
    to: String,
    /// Consumer group, and the first part of the transactional id.
    #[arg(long)]
    group: String,
    /// Records to copy.
    #[arg(long)]
    count: u64,
    /// Milliseconds between two commits.
    #[arg(long, default_value_t = 100)]
    commit_interval: u64,
    /// Seconds after which a copy that is not finished is a failure.
    #[arg(long, default_value_t = 600)]
    time_limit: u64,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<()> {
    let mut copy = Copy::new(bootstrap, options)?;
    let commit_interval = Duration::from_millis(options.commit_interval);
    let deadline = Instant::now() + Duration::from_secs(options.time_limit);
    let mut committed = Instant::now();
    while copy.copied < options.count {
        // The clock is asked when the input pauses and each 256 records.
        if copy.record()? && copy.copied % 256 != 0 {
            continue;
        }
        copy.producer.poll(Duration::ZERO);
        if committed.elapsed() >= commit_interval {
            copy.commit()?;
            committed = Instant::now();
        }
        ensure!(
            Instant::now() < deadline,
            "copied {} of {} records in {} s",
            copy.copied,
            options.count,
            options.time_limit
        );
    }
    copy.commit()
}

struct Copy<'a> {
    options: &'a Options,
    consumer: BaseConsumer,
    producer: BaseProducer,
    copied: u64,
    in_transaction: bool,
    /// The offset to go on from, by partition, of what was copied since the last commit.
    offsets: HashMap<i32, i64>,
}

impl<'a> Copy<'a> {
    fn new(bootstrap: &str, options: &'a Options) -> anyhow::Result<Self> {
        let producer: BaseProducer = producer_config(bootstrap)
            .set("transactional.id", format!("{}-{}", options.group, options.to))
            .create()?;
        producer.init_transactions(CALL)?;
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", &options.group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("queued.min.messages", "100000")
            .set("fetch.message.max.bytes", "4194304")
            .set("fetch.wait.max.ms", "50")
            .create()?;
        consumer.subscribe(&[&options.from])?;
        let offsets = HashMap::new();
        Ok(Self { options, consumer, producer, copied: 0, in_transaction: false, offsets })
    }

    /// Copies a record; `false` if none came within 5 ms.
    fn record(&mut self) -> anyhow::Result<bool> {
        let Some(record) = self.consumer.poll(Duration::from_millis(5)) else {
            return Ok(false);
        };
        let record =
            record.with_context(|| format!("cannot read from topic `{}`", self.options.from))?;
        if !self.in_transaction {
            self.producer.begin_transaction()?;
            self.in_transaction = true;
        }
        let copy = BaseRecord::to(&self.options.to)
            .key(record.key().unwrap_or_default())
            .payload(record.payload().unwrap_or_default())
            .partition(record.partition());
        enqueue(&self.producer, copy)
            .with_context(|| format!("cannot write to topic `{}`", self.options.to))?;
        self.offsets.insert(record.partition(), record.offset() + 1);
        self.copied += 1;
        Ok(true)
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        if !self.in_transaction {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in self.offsets.drain() {
            offsets.add_partition_offset(&self.options.from, partition, Offset::Offset(offset))?;
        }
        let group = self.consumer.group_metadata().context("the consumer is in no group")?;
        self.producer.send_offsets_to_transaction(&offsets, &group, CALL)?;
        self.producer.commit_transaction(CALL)?;
        self.in_transaction = false;
        Ok(())
    }
}
