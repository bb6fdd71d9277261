//! Measures a broker through librdkafka, so that brokers can be put side by side:
//! `cargo run --example measure -- HOST:PORT [PID of the broker]`
//!
//! 100,000 records of 200 bytes, acks all, idempotent; then 300 transactions of
//! 10 records. With the PID, the broker's CPU time and memory (from `/proc`).
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const RECORDS: usize = 100_000;
const RECORD_BYTES: usize = 200;
const TRANSACTIONS: usize = 300;
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let pid = arguments.next();
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let topic = format!("measure-{stamp}");
    create(&bootstrap, &topic)?;

    let before = cpu_ticks(pid.as_deref());
    throughput(&bootstrap, &topic)?;
    let between = cpu_ticks(pid.as_deref());
    transactions(&bootstrap, &topic)?;
    let after = cpu_ticks(pid.as_deref());
    if let (Some(before), Some(between), Some(after)) = (before, between, after) {
        println!(
            "broker cpu: {} ms records, {} ms transactions",
            (between - before) * 10,
            (after - between) * 10
        );
    }
    Ok(())
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("linger.ms", "5");
    config
}

fn create(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new()))?;
    made.into_iter().try_for_each(|made| made.map(|_| ())).map_err(|(_, code)| code.into())
}

/// Sends; waits for room when the client's queue is full.
fn send(producer: &BaseProducer, topic: &str, value: &[u8]) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<(), [u8]>::to(topic).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                producer.poll(Duration::from_millis(1));
                record = same;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

fn throughput(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let producer: BaseProducer = config(bootstrap).set("enable.idempotence", "true").create()?;
    let value = vec![b'v'; RECORD_BYTES];
    send(&producer, topic, &value)?;
    producer.flush(TIMEOUT)?;
    let begun = Instant::now();
    for _ in 0..RECORDS {
        send(&producer, topic, &value)?;
    }
    producer.flush(TIMEOUT)?;
    let took = begun.elapsed();
    println!("{:.0} records/s, idempotent, acks all", RECORDS as f64 / took.as_secs_f64());
    Ok(())
}

fn transactions(bootstrap: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let producer: BaseProducer =
        config(bootstrap).set("linger.ms", "0").set("transactional.id", topic).create()?;
    producer.init_transactions(TIMEOUT)?;
    let value = vec![b'v'; RECORD_BYTES];
    let mut times = Vec::with_capacity(TRANSACTIONS);
    for _ in 0..TRANSACTIONS {
        let begun = Instant::now();
        producer.begin_transaction()?;
        for _ in 0..10 {
            send(&producer, topic, &value)?;
        }
        // A commit with reports outstanding waits for the client, not for the broker.
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
        }
        producer.commit_transaction(TIMEOUT)?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
    println!("transaction of 10 records: p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
    Ok(())
}

/// User and system time of a process, in hundredths of a second.
fn cpu_ticks(pid: Option<&str>) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
