//! What a forwarding task did so far, for whoever asks while it runs.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::telemetry::Settled;

/// The state of one backend's task at one moment. Counts are of events since
/// the task began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StatusSnapshot {
    /// The backend's name.
    pub backend: String,
    /// Events that the backend took.
    pub delivered: u64,
    /// Events that went to the dead letter topic.
    pub parked: u64,
    /// RUNNING events left out because a later one waited behind them.
    pub coalesced: u64,
    /// Records without a value.
    pub skipped: u64,
    /// Requests that failed and are, or were, tried again.
    pub retries: u64,
    /// Events read and neither delivered nor parked.
    pub backlog: u64,
    /// Whether the backend counts as down: one event at a time asks for it.
    pub down: bool,
    /// The latest failure; it stays when the backend is back.
    pub last_error: Option<LastError>,
    #[serde(serialize_with = "time")]
    pub last_delivered: Option<Timestamp>,
}

impl StatusSnapshot {
    fn settled(&self) -> Settled {
        let Self { delivered, parked, coalesced, skipped, retries, .. } = *self;
        Settled { delivered, parked, coalesced, skipped, retries }
    }
}

/// A failure and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    pub text: String,
    #[serde(serialize_with = "instant")]
    pub at: Timestamp,
}

fn instant<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls it by")]
fn time<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// The live state of one backend's task; share it by `Arc`.
#[derive(Debug)]
pub struct Status(Mutex<StatusSnapshot>);

impl Status {
    pub fn new(backend: impl Into<String>) -> Self {
        Self(Mutex::new(StatusSnapshot { backend: backend.into(), ..StatusSnapshot::default() }))
    }

    pub fn snapshot(&self) -> StatusSnapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut StatusSnapshot)) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now.settled();
        change(&mut now);
        let after = now.settled();
        let came = Settled {
            delivered: after.delivered - before.delivered,
            parked: after.parked - before.parked,
            coalesced: after.coalesced - before.coalesced,
            skipped: after.skipped - before.skipped,
            retries: after.retries - before.retries,
        };
        came.emit(&now.backend);
    }

    pub(super) fn failed(&self, text: String) {
        let error = LastError { text, at: Timestamp::now() };
        self.update(|status| status.last_error = Some(error));
    }
}
