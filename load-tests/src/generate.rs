//! The input of a run: orders into a topic, partition after partition in turn.

use crate::order::{Orders, Outcome};
use crate::{enqueue, producer_config};
use anyhow::Context;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::Serialize;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Options {
    /// Topic to write to; it must exist.
    #[arg(long)]
    topic: String,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// Records to write.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// The same seed gives the same records.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Bytes by which each record is larger than orders are.
    #[arg(long, default_value_t = 0)]
    padding: usize,
}

/// What a right pipeline makes of the records, and how large they are.
#[derive(Serialize)]
struct Expected {
    records: u64,
    bytes: u64,
    loaded: u64,
    dead_lettered: u64,
    /// Sum of the totals of the loaded orders.
    total: f64,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<()> {
    let producer: BaseProducer = producer_config(bootstrap).create()?;
    let mut orders = Orders::padded(options.seed, options.padding);
    let mut expected =
        Expected { records: options.count, bytes: 0, loaded: 0, dead_lettered: 0, total: 0.0 };
    let partitions = (0..i32::try_from(options.partitions)?).cycle();
    for (index, partition) in (0..options.count).zip(partitions) {
        match orders.next() {
            Outcome::Loaded(total) => {
                expected.loaded += 1;
                expected.total += total;
            }
            Outcome::DeadLettered => expected.dead_lettered += 1,
            Outcome::Filtered => {}
        }
        expected.bytes += orders.json().len() as u64;
        let record = BaseRecord::to(&options.topic)
            .key(orders.key())
            .payload(orders.json())
            .partition(partition);
        enqueue(&producer, record)
            .with_context(|| format!("cannot write to topic `{}`", options.topic))?;
        if index % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_mins(1)).with_context(|| {
        format!("topic `{}` did not take all records in a minute", options.topic)
    })?;
    println!("{}", serde_json::to_string(&expected)?);
    Ok(())
}
