//! What a forwarding task did so far, for whoever asks while it runs.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Records without a value, and such as were replayed for another backend.
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

/// What a task says of itself beside the offsets that it commits, for whoever
/// asks from another process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(default, deserialize_with = "read_time", serialize_with = "time")]
    pub at: Option<Timestamp>,
    pub delivered: u64,
    pub parked: u64,
    pub coalesced: u64,
    pub retries: u64,
    /// Events delivered a second, of late.
    pub rate: f64,
    /// Whether the backend counts as down.
    #[serde(default)]
    pub down: bool,
    /// The latest failure, cut; it stays when the backend is back.
    #[serde(default)]
    pub last_error: Option<String>,
}

fn read_time<'de, D: serde::Deserializer<'de>>(at: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(at)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl Report {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// `None` for what no task of this program wrote.
    pub fn read(metadata: &str) -> Option<Self> {
        serde_json::from_str(metadata).ok()
    }
}

/// Characters of an error in a report: Kafka keeps 4096 bytes beside an offset.
const ERROR_MAX: usize = 300;

/// Rates are of at least so long.
const RATE_OVER: Duration = Duration::from_secs(1);

/// The live state of one backend's task; share it by `Arc`.
#[derive(Debug)]
pub struct Status(Mutex<StatusSnapshot>, Mutex<Pace>);

/// How fast events went of late.
#[derive(Debug)]
struct Pace {
    since: Instant,
    delivered: u64,
    rate: f64,
}

impl Status {
    pub fn new(backend: impl Into<String>) -> Self {
        let snapshot = StatusSnapshot { backend: backend.into(), ..StatusSnapshot::default() };
        let pace = Pace { since: Instant::now(), delivered: 0, rate: 0.0 };
        Self(Mutex::new(snapshot), Mutex::new(pace))
    }

    pub fn snapshot(&self) -> StatusSnapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state in short, with the rate since it was last asked for.
    pub fn report(&self) -> Report {
        let now = self.snapshot();
        let mut pace = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = pace.since.elapsed();
        if elapsed >= RATE_OVER {
            let rate = (now.delivered - pace.delivered) as f64 / elapsed.as_secs_f64();
            let rate = (rate * 10.0).round() / 10.0;
            *pace = Pace { since: Instant::now(), delivered: now.delivered, rate };
        }
        Report {
            at: Some(Timestamp::now()),
            delivered: now.delivered,
            parked: now.parked,
            coalesced: now.coalesced,
            retries: now.retries,
            rate: pace.rate,
            down: now.down,
            last_error: now.last_error.map(|error| error.text.chars().take(ERROR_MAX).collect()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back_and_what_others_commit_is_none() {
        let status = Status::new("marquez");
        status.update(|status| (status.delivered, status.parked, status.down) = (7, 1, true));
        status.failed("\u{7}".repeat(5000));
        let report = status.report();
        assert!(report.down && report.to_json().len() < 4096);
        assert_eq!((report.delivered, report.parked), (7, 1));
        assert_eq!(Report::read(&report.to_json()), Some(report));
        let earlier = r#"{"delivered":1,"parked":0,"coalesced":0,"retries":0,"rate":1.5}"#;
        assert_eq!(Report::read(earlier).map(|report| report.last_error), Some(None));
        assert_eq!([Report::read(""), Report::read("consumer-1")], [None, None]);
    }
}
