//! Events as stages send them, of about two kilobytes: one of each run, so that
//! the order of runs holds nothing up.

use crate::{enqueue, producer_config};
use anyhow::Context;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::fmt::Write;
use std::time::Duration;

/// Columns of the dataset; each has a line of lineage.
const COLUMNS: u32 = 8;

#[derive(clap::Args)]
pub struct Options {
    /// Lineage topic to write to; it must exist.
    #[arg(long, default_value = "lineage")]
    topic: String,
    /// Events to write.
    #[arg(long)]
    count: u64,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<()> {
    let producer: BaseProducer = producer_config(bootstrap).create()?;
    for number in 0..options.count {
        let (run, body) = event(number);
        let record = BaseRecord::to(&options.topic).key(run.as_bytes()).payload(body.as_bytes());
        enqueue(&producer, record)
            .with_context(|| format!("cannot write to topic `{}`", options.topic))?;
        if number % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_mins(1))?;
    Ok(())
}

/// The run and the event of this number.
pub fn event(number: u64) -> (String, String) {
    let run = format!("00000000-0000-7000-8000-{number:012x}");
    let (mut schema, mut columns) = (String::new(), String::new());
    for column in 0..COLUMNS {
        let comma = if column == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(schema, "{comma}{{\"name\":\"column_{column}\",\"type\":\"string\"}}");
        let _ = write!(
            columns,
            "{comma}\"column_{column}\":{{\"inputFields\":[{{\"namespace\":\"kafka://kafka:9092\",\
             \"name\":\"raw.orders\",\"field\":\"column_{column}\",\"transformations\":[{{\"type\":\
             \"DIRECT\",\"subtype\":\"IDENTITY\",\"masking\":false}}]}}]}}"
        );
    }
    let dataset = |name: &str, more: &str| {
        format!(
            "{{\"namespace\":\"kafka://kafka:9092\",\"name\":\"{name}\",\"facets\":{{\"schema\":\
             {{\"_producer\":\"p\",\"_schemaURL\":\"s\",\"fields\":[{schema}]}}{more}}}}}"
        )
    };
    let lineage = format!(
        ",\"columnLineage\":{{\"_producer\":\"p\",\"_schemaURL\":\"s\",\"fields\":{{{columns}}}}}"
    );
    let body = format!(
        "{{\"eventType\":\"START\",\"eventTime\":\"2026-01-02T03:04:05Z\",\"producer\":\
         \"https://example.org/load\",\"schemaURL\":\
         \"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\",\"run\":\
         {{\"runId\":\"{run}\"}},\"job\":{{\"namespace\":\"load\",\"name\":\"job\"}},\"inputs\":\
         [{}],\"outputs\":[{}]}}",
        dataset("raw.orders", ""),
        dataset("orders.loaded", &lineage)
    );
    (run, body)
}
