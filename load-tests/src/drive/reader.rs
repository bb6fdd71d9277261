//! Reads both ends of the pipeline, committed records only, and tells how it goes.

use super::report::{Line, Tick};
use super::{Options, Shared};
use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the ends are watched once all has come: what came twice may follow.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What is looked at of a loaded order.
#[derive(Deserialize)]
struct Loaded {
    total: f64,
}

pub struct Reader {
    consumer: BaseConsumer,
    dead_letters: String,
    drain_limit: Duration,
}

impl Reader {
    pub fn new(bootstrap: &str, options: &Options) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            // Partitions are assigned by hand; librdkafka wants a name all the same.
            .set("group.id", format!("drive-{}", options.loaded))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        for topic in [&options.loaded, &options.dead_letters] {
            for partition in 0..i32::try_from(options.partitions)? {
                assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&assignment)?;
        let drain_limit = Duration::from_secs(options.drain_limit);
        Ok(Self { consumer, dead_letters: options.dead_letters.clone(), drain_limit })
    }

    /// Reads until all that was sent has come, or until it is late for it.
    pub fn run(&self, shared: &Shared, tell_each: Duration) -> anyhow::Result<()> {
        let mut tell_at = Instant::now() + tell_each;
        let (mut sent_at, mut complete_at) = (None, None);
        loop {
            self.record(shared)?;
            let now = Instant::now();
            if now >= tell_at {
                tell_at += tell_each;
                Line::Tick(Tick::new(shared)).tell()?;
            }
            if shared.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            if !shared.all_sent.load(Ordering::Relaxed) {
                continue;
            }
            if shared.books().waiting() == 0 {
                let complete_at = *complete_at.get_or_insert(now);
                if now - complete_at >= AFTERMATH {
                    return Ok(());
                }
            } else if now - *sent_at.get_or_insert(now) >= self.drain_limit {
                return Ok(());
            }
        }
    }

    fn record(&self, shared: &Shared) -> anyhow::Result<()> {
        let Some(record) = self.consumer.poll(Duration::from_millis(50)) else { return Ok(()) };
        let record = record.context("cannot read the pipeline's output")?;
        let now = Instant::now();
        let key = record.key().unwrap_or_default();
        if record.topic() == self.dead_letters {
            shared.books().dead_lettered(key);
        } else {
            let payload = record.payload().unwrap_or_default();
            let order: Loaded = serde_json::from_slice(payload)
                .with_context(|| format!("no loaded order at offset {}", record.offset()))?;
            shared.books().loaded(key, order.total, now);
        }
        Ok(())
    }
}
