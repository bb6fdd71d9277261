//! Bounded runs that were cancelled or have failed, as the lineage topic tells of them.
//!
//! A stage drops the records of such a run and counts them as filtered. When it
//! hears of the cancelling does not matter to the books: each record is worked on
//! or dropped, and accounted for once, in its transaction.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    broker::{Broker, BrokerError, Reader, StartAt},
    lineage::{RunCancel, is_ours},
    record::Topic,
    runtime::{Backoff, Shutdown, spawn_guarded},
};

/// Runs that are kept; beyond that the oldest are forgotten. Ids are ordered by time.
const RUNS_MAX: usize = 10_000;
/// How far back the topic is read at the start: records of a run that was cancelled
/// earlier are worked on like others.
const BACK: Duration = Duration::from_hours(24);
/// How long one look into the topic waits for a record.
const LOOK: Duration = Duration::from_millis(200);

/// Longest that a stage waits at its start until all earlier ones are heard of.
const CATCH_UP: Duration = Duration::from_secs(10);

/// The cancelled runs; cheap to clone, and all clones see the same.
#[derive(Debug, Clone, Default)]
pub struct CancelledRuns {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Asked for each block, so that without a cancelled run nothing is locked.
    any: AtomicBool,
    /// The topic is not read to its end yet.
    is_behind: AtomicBool,
    runs: RwLock<BTreeSet<Uuid>>,
}

/// What is read of an event that tells of a cancelled run.
#[derive(Deserialize)]
struct Told {
    run: ToldRun,
    producer: String,
}

#[derive(Deserialize)]
struct ToldRun {
    #[serde(rename = "runId")]
    id: Uuid,
    facets: ToldFacets,
}

#[derive(Deserialize)]
struct ToldFacets {
    #[serde(rename = "lineageHub_cancel")]
    cancel: Option<RunCancel>,
}

impl CancelledRuns {
    /// Follows the lineage topic on a thread of its own until shutdown.
    pub fn follow(
        &self,
        broker: &Broker,
        topic: &Topic,
        shutdown: &Shutdown,
    ) -> std::io::Result<()> {
        let (cancelled, broker, topic) = (self.clone(), broker.clone(), topic.clone());
        let stop = shutdown.clone();
        self.shared.is_behind.store(true, Ordering::Release);
        spawn_guarded("cancelled-runs", shutdown, move || cancelled.run(&broker, &topic, &stop))
            .map(|_| ())
    }

    fn run(&self, broker: &Broker, topic: &Topic, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        while !shutdown.is_cancelled() {
            if let Err(error) = self.read(broker, topic, shutdown) {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "cancelled runs are not heard of for now");
                thread::sleep(backoff.next_wait());
            }
        }
    }

    fn read(&self, broker: &Broker, topic: &Topic, shutdown: &Shutdown) -> Result<(), BrokerError> {
        let from = Timestamp::now().as_millisecond() - BACK.as_millis() as i64;
        let mut reader = Reader::open(broker, topic, StartAt::Time(from))?;
        while !shutdown.is_cancelled() {
            if let Some(block) = reader.next(LOOK)? {
                for record in block.iter() {
                    self.hear(record.value().unwrap_or_default());
                }
            }
            if reader.is_at_end() {
                self.shared.is_behind.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Waits, within bounds, until all runs that were cancelled before are heard of: a
    /// stage that stopped at a record of such a run would stop at it again.
    pub(super) fn wait_until_heard(&self, shutdown: &Shutdown) {
        let deadline = Instant::now() + CATCH_UP;
        while self.shared.is_behind.load(Ordering::Acquire)
            && Instant::now() < deadline
            && !shutdown.is_cancelled()
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Takes in what a lineage record tells of a cancelled run, if it does.
    pub fn hear(&self, event: &[u8]) {
        if memchr::memmem::find(event, RunCancel::MARK).is_none() {
            return;
        }
        let Ok(told) = serde_json::from_slice::<Told>(event) else { return };
        if told.run.facets.cancel.is_some() && is_ours(&told.producer) {
            let mut runs = self.shared.runs.write().unwrap_or_else(PoisonError::into_inner);
            runs.insert(told.run.id);
            if runs.len() > RUNS_MAX {
                runs.pop_first();
            }
            self.shared.any.store(true, Ordering::Release);
        }
    }

    /// Whether any run is cancelled at all.
    pub(super) fn any(&self) -> bool {
        self.shared.any.load(Ordering::Acquire)
    }

    /// Whether the run with this header is cancelled.
    pub(super) fn contains(&self, header: &[u8]) -> bool {
        let Ok(run) = Uuid::try_parse_ascii(header) else { return false };
        self.shared.runs.read().unwrap_or_else(PoisonError::into_inner).contains(&run)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lineage::PRODUCER;

    const RUN: &str = "0190d5b2-7c00-7000-8000-000000000001";

    #[test]
    fn only_an_event_of_ours_with_the_facet_cancels() {
        let event = |producer: &str, facets: serde_json::Value| {
            let run = json!({ "runId": RUN, "facets": facets });
            json!({ "producer": producer, "run": run }).to_string().into_bytes()
        };
        let cancelled = CancelledRuns::default();
        cancelled.hear(&event(PRODUCER, json!({ "x": "\"lineageHub_cancel\"" })));
        cancelled.hear(&event("https://spark", json!({ "lineageHub_cancel": {} })));
        cancelled.hear(b"\"lineageHub_cancel\"");
        assert!(!cancelled.any());
        cancelled.hear(&event(PRODUCER, json!({ "lineageHub_cancel": {} })));
        assert!(cancelled.any() && cancelled.contains(RUN.as_bytes()));
        assert!(!cancelled.contains(b"no uuid"));
    }
}
