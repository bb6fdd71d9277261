//! Open-loop load: orders at a fixed rate, whatever becomes of them, and what
//! comes of each at the end of the pipeline, read committed.
//!
//! ```text
//! schedule -> orders -> [500,000 records] librdkafka -> first topic
//!               `-> books (what is awaited, and since when) <- reader <- last topic, dead letters
//! ```
//!
//! The latency of a record counts from the moment at which it was due, also
//! where it was sent later: a generator that waits for a slow system and then
//! measures from its own sending leaves out the very time that users wait.
//!
//! On stdout come a line of JSON each `--tell-each` seconds and one at the end.

mod books;
mod reader;
mod report;
mod schedule;

use crate::order::Orders;
use crate::{enqueue, producer_config};
use anyhow::{Context, ensure};
use books::Books;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use reader::Reader;
use report::Line;
use schedule::Schedule;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Orders that are sent first and waited for: then the whole pipeline runs.
const FIRST_ORDERS: u64 = 100;
/// Longest that the pipeline may take to start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// A record sent later than this after it was due counts as late.
const LATE: Duration = Duration::from_millis(10);
/// Shortest sleep of the sender: what becomes due meanwhile is sent together.
const NAP: Duration = Duration::from_millis(1);

#[derive(clap::Args)]
pub struct Options {
    /// Topic to write to; it must exist.
    #[arg(long)]
    topic: String,
    /// Last topic of the pipeline.
    #[arg(long)]
    loaded: String,
    /// Topic of the dead letters of all stages.
    #[arg(long)]
    dead_letters: String,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// Records a second.
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Seconds that count.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Seconds before them that do not.
    #[arg(long, default_value_t = 5)]
    warm_up: u32,
    /// Longest that the last records are waited for, in seconds.
    #[arg(long, default_value_t = 60)]
    drain_limit: u64,
    /// Seconds between two lines of what was seen since the last.
    #[arg(long, default_value_t = 1)]
    tell_each: u64,
    /// The same seed gives the same records.
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// What sender and reader share.
struct Shared {
    books: Mutex<Books>,
    sent: AtomicU64,
    all_sent: AtomicBool,
    failed: AtomicBool,
    begun: Instant,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How punctual the sender was, over the records that count.
#[derive(Default)]
struct Punctuality {
    late: u64,
    latest: Duration,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<()> {
    ensure!(options.rate > 0 && options.seconds > 0, "`--rate` and `--seconds` must be at least 1");
    let shared = Shared {
        books: Mutex::new(Books::new()?),
        sent: AtomicU64::new(0),
        all_sent: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        begun: Instant::now(),
    };
    let reader = Reader::new(bootstrap, options)?;
    let mut sender = Sender::new(bootstrap, options, &shared)?;
    let (punctuality, read) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let read = reader.run(&shared, Duration::from_secs(options.tell_each));
            shared.failed.store(read.is_err(), Ordering::Relaxed);
            read
        });
        let punctuality = sender.run();
        shared.failed.fetch_or(punctuality.is_err(), Ordering::Relaxed);
        shared.all_sent.store(true, Ordering::Relaxed);
        let read = reading.join().unwrap_or_else(|_| anyhow::bail!("the reader's thread panicked"));
        (punctuality, read)
    });
    read?;
    Line::Summary(report::Summary::new(&shared.books(), options, &punctuality?)).tell()
}

struct Sender<'a> {
    options: &'a Options,
    shared: &'a Shared,
    producer: BaseProducer,
    orders: Orders,
}

impl<'a> Sender<'a> {
    fn new(bootstrap: &str, options: &'a Options, shared: &'a Shared) -> anyhow::Result<Self> {
        // Of a producer that is bound by latency; the linger is librdkafka's own.
        let producer = producer_config(bootstrap).set("linger.ms", "5").create()?;
        Ok(Self { options, shared, producer, orders: Orders::new(options.seed) })
    }

    fn run(&mut self) -> anyhow::Result<Punctuality> {
        self.until_running()?;
        let warm_up = u64::from(self.options.rate) * u64::from(self.options.warm_up);
        let schedule = Schedule::new(self.options.rate, Instant::now());
        let count = warm_up + u64::from(self.options.rate) * u64::from(self.options.seconds);
        let mut punctuality = Punctuality::default();
        let mut next = 0;
        while next < count {
            let due = schedule.due_by(Instant::now()).min(count);
            while next < due {
                let moment = schedule.moment(next);
                let counts = next >= warm_up;
                let delay = moment.elapsed();
                if counts && delay > LATE {
                    punctuality.late += 1;
                }
                if counts {
                    punctuality.latest = punctuality.latest.max(delay);
                }
                self.send(counts.then_some(moment))?;
                next += 1;
            }
            self.producer.poll(Duration::ZERO);
            ensure!(!self.shared.failed.load(Ordering::Relaxed), "the reader failed");
            let wait = schedule.moment(next).saturating_duration_since(Instant::now());
            thread::sleep(wait.max(NAP));
        }
        self.flush()?;
        Ok(punctuality)
    }

    /// Stages that join their groups are no part of anybody's latency.
    fn until_running(&mut self) -> anyhow::Result<()> {
        for _ in 0..FIRST_ORDERS {
            self.send(None)?;
        }
        self.flush()?;
        let deadline = Instant::now() + START_LIMIT;
        while self.shared.books().waiting() > 0 {
            ensure!(!self.shared.failed.load(Ordering::Relaxed), "the reader failed");
            ensure!(
                Instant::now() < deadline,
                "the pipeline did not pass {FIRST_ORDERS} orders on in {} s",
                START_LIMIT.as_secs()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends the next order. `due`: none where its latency does not count.
    fn send(&mut self, due: Option<Instant>) -> anyhow::Result<()> {
        let outcome = self.orders.next();
        // Awaited before it is sent, or it might come back before.
        self.shared.books().sent(self.orders.key(), outcome, due);
        let number = self.shared.sent.fetch_add(1, Ordering::Relaxed);
        let partition = i32::try_from(number % u64::from(self.options.partitions))?;
        let record = BaseRecord::to(&self.options.topic)
            .key(self.orders.key())
            .payload(self.orders.json())
            .partition(partition);
        enqueue(&self.producer, record)
            .with_context(|| format!("cannot write to topic `{}`", self.options.topic))
    }

    fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(Duration::from_mins(1)).with_context(|| {
            format!("topic `{}` did not take all records in a minute", self.options.topic)
        })
    }
}
