//! What is awaited and since when, what came, and how long it took.

use crate::order::Outcome;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Instant;

/// Latencies are kept in microseconds, to three digits; longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// What reached the ends of the pipeline, or should have.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Tally {
    pub loaded: u64,
    pub dead_lettered: u64,
    /// Sum of the totals of the loaded orders.
    pub total: f64,
}

/// A record that is under way; filtered ones are not awaited.
struct Awaited {
    is_order: bool,
    due: Option<Instant>,
}

pub struct Books {
    awaited: HashMap<u128, Awaited>,
    pub expected: Tally,
    pub found: Tally,
    /// Came although not awaited: a second time, at the wrong end, or of nobody.
    pub unexpected: u64,
    pub latency: Histogram<u64>,
    /// Latencies since `take_recent`.
    recent: Histogram<u64>,
}

impl Books {
    pub fn new() -> anyhow::Result<Self> {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
        Ok(Self {
            awaited: HashMap::new(),
            expected: Tally::default(),
            found: Tally::default(),
            unexpected: 0,
            recent: latency.clone(),
            latency,
        })
    }

    pub fn sent(&mut self, key: &[u8], outcome: Outcome, due: Option<Instant>) {
        let is_order = match outcome {
            Outcome::Loaded(total) => {
                self.expected.loaded += 1;
                self.expected.total += total;
                true
            }
            Outcome::DeadLettered => {
                self.expected.dead_lettered += 1;
                false
            }
            Outcome::Filtered => return,
        };
        if let Some(id) = order_id(key) {
            self.awaited.insert(id, Awaited { is_order, due });
        }
    }

    /// An order came out of the last topic.
    pub fn loaded(&mut self, key: &[u8], total: f64, now: Instant) {
        self.found.loaded += 1;
        self.found.total += total;
        let Some(awaited) = self.settle(key, true) else { return };
        if let Some(due) = awaited.due {
            let micros = now.saturating_duration_since(due).as_micros();
            let micros = u64::try_from(micros).unwrap_or(LONGEST_US).max(1);
            self.latency.saturating_record(micros);
            self.recent.saturating_record(micros);
        }
    }

    /// A record came out of the dead letters.
    pub fn dead_lettered(&mut self, key: &[u8]) {
        self.found.dead_lettered += 1;
        self.settle(key, false);
    }

    fn settle(&mut self, key: &[u8], is_order: bool) -> Option<Awaited> {
        let id = order_id(key)
            .filter(|id| self.awaited.get(id).is_some_and(|awaited| awaited.is_order == is_order));
        let awaited = id.and_then(|id| self.awaited.remove(&id));
        self.unexpected += u64::from(awaited.is_none());
        awaited
    }

    /// Records that are under way, or lost.
    pub fn waiting(&self) -> usize {
        self.awaited.len()
    }

    /// Latencies since the last call.
    pub fn take_recent(&mut self) -> Histogram<u64> {
        let recent = self.recent.clone();
        self.recent.reset();
        recent
    }
}

/// The key of an order, a UUID in text, as a number: a third of the memory.
fn order_id(key: &[u8]) -> Option<u128> {
    key.iter().filter(|byte| **byte != b'-').try_fold(0, |id: u128, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(id << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const FIRST: &[u8] = b"00000000-0000-4000-8000-000000000001";
    const SECOND: &[u8] = b"00000000-0000-4000-8000-000000000002";

    #[test]
    fn latency_counts_from_the_moment_that_a_record_was_due() {
        let mut books = Books::new().unwrap();
        let due = Instant::now();
        books.sent(FIRST, Outcome::Loaded(2.0), Some(due));
        books.sent(SECOND, Outcome::Loaded(3.0), None);
        assert_eq!(books.waiting(), 2);
        books.loaded(FIRST, 2.0, due + Duration::from_millis(50));
        books.loaded(SECOND, 3.0, due + Duration::from_secs(9));
        assert_eq!(books.latency.len(), 1);
        assert!(books.latency.max().abs_diff(50_000) < 100);
        assert_eq!((books.waiting(), books.unexpected), (0, 0));
        assert_eq!(books.expected, books.found);
        assert_eq!(books.take_recent().len(), 1);
        assert_eq!(books.take_recent().len(), 0);
    }

    #[test]
    fn what_comes_twice_or_at_the_wrong_end_is_unexpected_and_what_does_not_come_waits() {
        let mut books = Books::new().unwrap();
        let now = Instant::now();
        books.sent(FIRST, Outcome::Loaded(2.0), Some(now));
        books.sent(SECOND, Outcome::DeadLettered, Some(now));
        books.loaded(FIRST, 2.0, now);
        books.loaded(FIRST, 2.0, now);
        books.loaded(SECOND, 1.0, now);
        books.loaded(b"no key", 1.0, now);
        assert_eq!((books.unexpected, books.waiting()), (3, 1));
        books.dead_lettered(SECOND);
        assert_eq!((books.unexpected, books.waiting()), (3, 0));
    }

    #[test]
    fn filtered_orders_are_not_awaited() {
        let mut books = Books::new().unwrap();
        books.sent(FIRST, Outcome::Filtered, None);
        assert_eq!(books.waiting(), 0);
    }
}
