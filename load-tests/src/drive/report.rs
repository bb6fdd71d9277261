//! What is told on stdout, a line of JSON at a time.

use super::books::{Books, Tally};
use super::{LATE, Options, Punctuality, Shared};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::Ordering;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Tick(Tick),
    Summary(Summary),
}

impl Line {
    pub fn tell(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
}

/// What happened since the tick before.
#[derive(Serialize)]
pub struct Tick {
    /// Since the start of the program.
    seconds: f64,
    sent: u64,
    /// Records under way: sent, not filtered, and not there yet.
    waiting: usize,
    #[serde(flatten)]
    latency: Latency,
}

impl Tick {
    pub fn new(shared: &Shared) -> Self {
        let mut books = shared.books();
        let recent = books.take_recent();
        Self {
            seconds: round(shared.begun.elapsed().as_secs_f64()),
            sent: shared.sent.load(Ordering::Relaxed),
            waiting: books.waiting(),
            latency: Latency::of(&recent),
        }
    }
}

/// In milliseconds.
#[derive(Serialize)]
pub struct Latency {
    records: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        Self {
            records: histogram.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: milliseconds(histogram.max()),
        }
    }
}

/// What came of a whole run.
#[derive(Serialize)]
pub struct Summary {
    rate: u32,
    seconds: u32,
    #[serde(flatten)]
    latency: Latency,
    /// Records sent later than `late_ms` after they were due.
    late: u64,
    late_ms: f64,
    latest_ms: f64,
    expected: Tally,
    found: Tally,
    unexpected: u64,
    missing: usize,
    /// Quantile and milliseconds, denser towards the slowest: for the plot.
    curve: Vec<(f64, f64)>,
}

impl Summary {
    pub fn new(books: &Books, options: &Options, punctuality: &Punctuality) -> Self {
        let curve = books.latency.iter_quantiles(4);
        Self {
            rate: options.rate,
            seconds: options.seconds,
            latency: Latency::of(&books.latency),
            late: punctuality.late,
            late_ms: LATE.as_secs_f64() * 1000.0,
            latest_ms: round(punctuality.latest.as_secs_f64() * 1000.0),
            expected: books.expected,
            found: books.found,
            unexpected: books.unexpected,
            missing: books.waiting(),
            curve: curve
                .map(|step| (step.quantile(), milliseconds(step.value_iterated_to())))
                .collect(),
        }
    }
}

fn milliseconds(micros: u64) -> f64 {
    round(micros as f64 / 1000.0)
}

/// To three digits behind the point: more was not measured.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
