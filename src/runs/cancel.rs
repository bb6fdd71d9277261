//! Cancels a bounded run: an ABORT that stages heed.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    BoundedRun, RunState, Tracker, TrackerError,
    bounded::End,
    close::{self, options},
};
use crate::{
    broker::{Broker, OutRecord, Produce, StartAt, TransactionalProducer},
    lineage::EventType,
    record::{HeaderBytes, Topic},
};

/// Longest that the events of the run are read for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Clocks of those who wrote the run's first events may differ by so much.
const CLOCKS: i64 = 60_000;

/// What came of the wish to cancel a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    Now,
    /// It had ended before.
    Ended(RunState),
    /// Its records are still being sent, so nobody knows how many there will be.
    Sending,
    /// The topic tells of no such run.
    Unknown,
}

/// Writes the ABORT of a run that began at `started`, unless it has ended.
///
/// The transactional id is that of the run's tracker: no COMPLETE can come
/// between what is read here and what is written.
pub fn cancel(
    broker: &Broker,
    topic: &Topic,
    run: Uuid,
    started: Timestamp,
) -> Result<Cancelled, TrackerError> {
    let mut producer = TransactionalProducer::connect(broker, None, options(run))?;
    let from = StartAt::Time((started.as_millisecond() - CLOCKS).max(0));
    let mut tracker = Tracker::open(broker, topic, from)?;
    tracker.read_to_end(READ_TIMEOUT)?;
    let Some(run) = tracker.runs().run(run) else { return Ok(Cancelled::Unknown) };
    if run.state.is_ended() {
        return Ok(Cancelled::Ended(run.state));
    }
    if run.total.is_none() {
        return Ok(Cancelled::Sending);
    }
    let Some((key, value)) = event(run) else { return Ok(Cancelled::Unknown) };
    producer.begin()?;
    producer.send(&OutRecord {
        topic,
        partition: None,
        key: Some(key.as_bytes()),
        value: Some(&value),
        headers: &HeaderBytes::default(),
        timestamp: None,
    })?;
    producer.commit(&[])?;
    close::tell_end(run, RunState::Aborted.as_str());
    Ok(Cancelled::Now)
}

/// The ABORT of a run with the word that stages heed.
pub(super) fn event(run: &BoundedRun) -> Option<(String, Vec<u8>)> {
    let error = Some("cancelled".to_owned());
    let unmet = BTreeMap::new();
    let end = End { job: None, kind: EventType::Abort, counts: run.counts(), unmet, error };
    close::event(run, &end)
}
