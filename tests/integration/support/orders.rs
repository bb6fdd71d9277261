//! Orders into the first topic, and whether what came of them is right.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lineage_hub::cli::generate::orders::{self, Orders};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{
    Project,
    reading::{Read, Tail, read_all},
};

/// Bytes that are no text: headers pass through as they are.
const ORIGIN: &[u8] = b"shop\xff\x00";

/// What a right pipeline makes of the orders that were sent.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    /// By order id; their values as they were sent.
    pub(crate) malformed: BTreeMap<String, Vec<u8>>,
    /// Whether an order is paid, and its total then.
    pub(crate) well_formed: BTreeMap<String, Option<f64>>,
}

impl Workload {
    pub(crate) fn records(&self) -> usize {
        self.malformed.len() + self.well_formed.len()
    }

    /// Total by order id, of those that reach the last topic.
    pub(crate) fn loaded(&self) -> BTreeMap<&str, f64> {
        let paid = self.well_formed.iter().filter_map(|(id, total)| Some((id.as_str(), (*total)?)));
        paid.collect()
    }
}

/// Sends `count` orders as fast as it goes.
pub(crate) fn send(project: &Project, count: usize, seed: u64) -> Workload {
    send_at(project, count, seed, usize::MAX)
}

/// Sends `count` orders, about `rate` a second.
pub(crate) fn send_at(project: &Project, count: usize, seed: u64, rate: usize) -> Workload {
    println!("{count} orders of seed {seed}");
    let workload = send_while(&Target::of(project), seed, rate, |sent| sent < count);
    assert_eq!(workload.records(), count, "the generator repeats an id");
    workload
}

/// Sends orders in the background, for as long as a test needs them: how long
/// a rebalance takes is the broker's and the machine's affair.
pub(crate) struct Sender {
    enough: Arc<AtomicBool>,
    /// The least that it was to send is sent.
    least: Arc<AtomicBool>,
    sending: Option<JoinHandle<Workload>>,
}

impl Sender {
    /// Sends about `rate` orders a second, and at least `least`.
    pub(crate) fn start(project: &Project, least: usize, seed: u64, rate: usize) -> Self {
        println!("{least} orders of seed {seed} and more");
        let enough = Arc::new(AtomicBool::new(false));
        let (target, stop) = (Target::of(project), Arc::clone(&enough));
        let reached = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&reached);
        let sending = thread::spawn(move || {
            let more = |sent| {
                if sent >= least {
                    tell.store(true, Ordering::Relaxed);
                }
                sent < least || !stop.load(Ordering::Relaxed)
            };
            send_while(&target, seed, rate, more)
        });
        Self { enough, least: reached, sending: Some(sending) }
    }

    pub(crate) fn has_sent_enough(&self) -> bool {
        self.least.load(Ordering::Relaxed)
    }

    /// What was sent, after the last of it has been.
    pub(crate) fn stop(mut self) -> Workload {
        self.enough.store(true, Ordering::Relaxed);
        let workload = self.sending.take().unwrap().join().unwrap();
        println!("{} orders were sent", workload.records());
        workload
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}

/// Where orders are sent to.
struct Target {
    client: ClientConfig,
    topic: String,
}

impl Target {
    fn of(project: &Project) -> Self {
        let mut client = project.cluster.client();
        client.set("partitioner", "murmur2_random").set("linger.ms", "50");
        client.set("enable.idempotence", "true");
        Self { client, topic: project.name("raw.orders") }
    }
}

/// Sends about `rate` orders a second while `more` of the count so far says so.
fn send_while(
    target: &Target,
    seed: u64,
    rate: usize,
    mut more: impl FnMut(usize) -> bool,
) -> Workload {
    let producer: BaseProducer = target.client.create().unwrap();
    let mut orders = Orders::new(seed);
    let (mut value, mut workload) = (Vec::new(), Workload::default());
    let begun = Instant::now();
    let mut number = 0;
    while more(number) {
        let order = orders.write_next(&mut value);
        let id = String::from_utf8(orders::key(&value).to_vec()).unwrap();
        send_one(&producer, &target.topic, number, &id, &value);
        if order.malformed {
            workload.malformed.insert(id, value.clone());
        } else {
            workload.well_formed.insert(id, order.total);
        }
        if number.is_multiple_of(100) {
            producer.poll(Duration::ZERO);
            let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        number += 1;
    }
    // A broker may be away for a minute meanwhile.
    producer.flush(Duration::from_mins(3)).unwrap();
    workload
}

fn send_one(producer: &BaseProducer, topic: &str, number: usize, id: &str, value: &[u8]) {
    let number = number.to_string();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "number", value: Some(&number) })
        .insert(Header { key: "origin", value: Some(ORIGIN) });
    let mut record = BaseRecord::to(topic).key(id).payload(value).headers(headers);
    while let Err((error, unsent)) = producer.send(record) {
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        assert_eq!(error, full);
        producer.poll(Duration::from_millis(10));
        record = unsent;
    }
}

/// Waits until all that was sent is through.
#[track_caller]
pub(crate) fn wait(project: &Project, workload: &Workload) {
    wait_beside(project, workload, 0, 0);
}

/// As [`wait`], with this many loaded records and dead letters of others in the same topics.
pub(crate) fn wait_beside(project: &Project, workload: &Workload, loaded: usize, dead: usize) {
    let mut tail = Tail::open(&project.cluster, &project.name("orders.loaded"));
    tail.wait_for(workload.loaded().len() + loaded);
    let mut letters = Tail::open(&project.cluster, &project.name("raw.orders.dlq"));
    letters.wait_for(workload.malformed.len() + dead);
}

/// Every order once where it belongs, with its bytes, key and headers, and
/// nothing anywhere that does not belong there.
#[track_caller]
pub(crate) fn check(project: &Project, workload: &Workload) {
    let read = |topic: &str| read_all(&project.cluster, &project.name(topic));
    let extracted = by_id(&read("orders.extracted"));
    let ids: Vec<&String> = workload.well_formed.keys().collect();
    assert!(extracted.keys().eq(ids), "orders.extracted has other orders than were sent");

    let expected = workload.loaded();
    for topic in ["orders.transformed", "orders.loaded"] {
        let found = by_id(&read(topic));
        assert!(found.keys().eq(expected.keys()), "{topic} has other orders than are paid");
        for (id, record) in found {
            let (total, wanted) = (record.json()["total"].as_f64().unwrap(), expected[id.as_str()]);
            assert!((total - wanted).abs() < 1e-9 * wanted, "{topic}: {id} {total}, not {wanted}");
            assert_eq!(record.header("origin"), Some(ORIGIN));
        }
    }
    check_dead_letters(project, workload);
    for stage_input in ["orders.extracted", "orders.transformed"] {
        assert_eq!(read(&format!("{stage_input}.dlq")), []);
    }
}

#[track_caller]
fn check_dead_letters(project: &Project, workload: &Workload) {
    let raw = read_all(&project.cluster, &project.name("raw.orders"));
    let raw: BTreeMap<_, _> =
        raw.iter().map(|record| ((record.partition, record.offset), record)).collect();
    let letters = by_id(&read_all(&project.cluster, &project.name("raw.orders.dlq")));
    let expected: Vec<&String> = workload.malformed.keys().collect();
    assert!(letters.keys().eq(expected), "other dead letters than were malformed");
    for (id, letter) in letters {
        assert_eq!(letter.value.as_ref(), Some(&workload.malformed[&id]));
        let number = |header: &str| -> i64 {
            let text = std::str::from_utf8(letter.header(header).unwrap()).unwrap();
            text.parse().unwrap()
        };
        let place = (number("lineage-hub-dlq-partition") as i32, number("lineage-hub-dlq-offset"));
        let original = raw[&place];
        assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
        assert!(letter.headers.starts_with(&original.headers), "{:?}", letter.headers);
        assert_eq!(letter.timestamp, original.timestamp);
        assert_eq!(letter.header("lineage-hub-dlq-stage"), Some(&b"extract"[..]));
    }
}

/// Records by their key, an order id; none may be there twice.
#[track_caller]
fn by_id(records: &[Read]) -> BTreeMap<String, Read> {
    let mut found = BTreeMap::new();
    for record in records {
        let id = String::from_utf8(record.key.clone().unwrap()).unwrap();
        let twice = found.insert(id, record.clone());
        assert_eq!(twice, None, "an order is there twice, the second time as {record:?}");
    }
    found
}
