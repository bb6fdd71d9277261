//! Events as stages send them, of about two kilobytes: one of each run, so that
//! the order of runs holds nothing up; or several, so that order can be checked.

use crate::{enqueue, producer_config};
use anyhow::Context;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::fmt::Write;
use std::time::Duration;

/// Columns of the dataset; each has a line of lineage.
const COLUMNS: u32 = 8;

/// Runs whose events stand between each other in the topic.
const RUNS_TOGETHER: u64 = 64;

#[derive(clap::Args)]
pub struct Options {
    /// Lineage topic to write to; it must exist.
    #[arg(long, default_value = "lineage")]
    topic: String,
    /// Events to write.
    #[arg(long)]
    count: u64,
    /// Events of each run, up to ten.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10))]
    per_run: u64,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<()> {
    let producer: BaseProducer = producer_config(bootstrap).create()?;
    for number in 0..options.count {
        let (run, body) = event(number, options.per_run);
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

/// The run of the event of this number, and which one of its run it is.
fn place(number: u64, per_run: u64) -> (u64, u64) {
    let together = RUNS_TOGETHER * per_run;
    let (block, within) = (number / together, number % together);
    (block * RUNS_TOGETHER + within % RUNS_TOGETHER, within / RUNS_TOGETHER)
}

/// The run and the event of this number. The second in the time of the event says
/// which one of its run it is.
pub fn event(number: u64, per_run: u64) -> (String, String) {
    let (run, step) = place(number, per_run);
    let run = format!("00000000-0000-7000-8000-{run:012x}");
    let event_type = if step == 0 { "START" } else { "RUNNING" };
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
        "{{\"eventType\":\"{event_type}\",\"eventTime\":\"2026-01-02T03:04:0{step}Z\",\"producer\":\
         \"https://example.org/load\",\"schemaURL\":\
         \"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\",\"run\":\
         {{\"runId\":\"{run}\"}},\"job\":{{\"namespace\":\"load\",\"name\":\"job\"}},\"inputs\":\
         [{}],\"outputs\":[{}]}}",
        dataset("raw.orders", ""),
        dataset("orders.loaded", &lineage)
    );
    (run, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_run_stand_apart_and_in_order() {
        assert_eq!(place(7, 1), (7, 0));
        assert_eq!(
            [0, 1, 64, 255, 256].map(|n| place(n, 4)),
            [(0, 0), (1, 0), (0, 1), (63, 3), (64, 0)]
        );
        let (run, body) = event(64, 4);
        assert!(body.contains(&format!("\"runId\":\"{run}\"")), "{body}");
        assert!(body.contains("\"eventTime\":\"2026-01-02T03:04:01Z\""), "{body}");
    }
}
