//! The programs of the load tests that must cost as little as they can: the
//! generator of the input, a passthrough as the floor to compare with, load at a
//! fixed rate (`drive`), and the ends that the forwarder is measured between
//! (`forward`). And the pictures of what was measured (`plot`).
//!
//! ```text
//! generate: order -> [500,000 records] librdkafka -> raw topic; expected results -> stdout
//! pass:     topic -> librdkafka -> [500,000 records] librdkafka -> topic
//! ```
//!
//! Neither of these two looks into a record that came from Kafka.

mod drive;
mod forward;
mod generate;
mod order;
mod pass;
mod plot;

use clap::{Parser, Subcommand};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Generates, drives and plots the load of the load tests")]
struct Arguments {
    /// Broker to connect to.
    #[arg(long, global = true, default_value = "127.0.0.1:19092")]
    bootstrap: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes orders to a topic, and what a right pipeline makes of them to stdout as JSON.
    Generate(generate::Options),
    /// Copies a topic to another, exactly once.
    Pass(pass::Options),
    /// Sends orders at a fixed rate, and tells how long each takes to the end of the pipeline.
    Drive(drive::Options),
    /// Writes lineage events to a topic.
    LineageEvents(forward::events::Options),
    /// Takes lineage events over HTTP, and tells how long they took.
    StandIn(forward::stand_in::Options),
    /// Posts lineage events over HTTP, as fast as connections allow.
    Post(forward::post::Options),
    /// Draws stored results, each as an SVG beside it.
    Plot(plot::Options),
}

fn main() -> anyhow::Result<()> {
    let Arguments { bootstrap, command } = Arguments::parse();
    match command {
        Command::Generate(options) => generate::run(&bootstrap, &options),
        Command::Pass(options) => pass::run(&bootstrap, &options),
        Command::Drive(options) => drive::run(&bootstrap, &options),
        Command::LineageEvents(options) => forward::events::run(&bootstrap, &options),
        Command::StandIn(options) => forward::stand_in::run(&options),
        Command::Post(options) => forward::post::run(&options),
        Command::Plot(options) => plot::run(&options),
    }
}

/// Settings of a producer that is bound by throughput; the queue has room for
/// 500,000 records or 1 GiB.
fn producer_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("batch.size", "262144")
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "1048576");
    config
}

/// Puts a record into the producer's queue, and waits where that is full.
fn enqueue(
    producer: &BaseProducer,
    mut record: BaseRecord<'_, [u8], [u8]>,
) -> Result<(), KafkaError> {
    loop {
        record = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => refused,
            Err((error, _)) => return Err(error),
        };
        producer.poll(Duration::from_millis(5));
    }
}
