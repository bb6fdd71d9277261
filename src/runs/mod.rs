//! The run tracker: folds the lineage topic into runs and their books.
//!
//! ```text
//! lineage topic -> event -> Runs (fold) -> due -> Closer: COMPLETE or FAIL, one transaction
//!                             |  `-> views: `runs list`, `runs show`
//!                             `-> graph: `lineage show`
//! ```
//!
//! A bounded run is complete when its books balance from end to end: what its
//! starter sent is what the first stage took in, what a stage sent on is what
//! the next took in, and each stage accounted for every record.
//!
//! ```text
//! records, dead letters -> RunSender -> topic and lineage topic, in transactions
//! ```
//!
//! # Guarantees
//!
//! Nothing is kept but what the topic holds: a tracker that starts anew folds
//! again. Any number of them may run: the end of a run is written once, in a
//! transaction whose id is the run's.
//!
//! # Not here
//!
//! What stages say (`stage`), and what a backend makes of it (`forward`).

mod bounded;
mod cancel;
mod close;
mod event;
#[cfg(test)]
mod failure_tests;
mod fold;
#[cfg(test)]
mod golden_tests;
pub mod graph;
mod pipeline;
mod replay;
mod send;
mod streaming;
#[cfg(test)]
mod tests;
mod tracker;

pub use bounded::{BoundedRun, Part};
pub use cancel::{Cancelled, cancel};
pub use fold::{RunView, Runs};
pub use graph::Graph;
pub use pipeline::PipelineRun;
pub use replay::{Replay, ReplayError};
pub use send::{RunPlan, RunSender};
pub use streaming::StreamingRun;
pub use tracker::{Tracker, TrackerError};

use serde::Serialize;

/// Where a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    #[default]
    Running,
    Complete,
    Failed,
    Aborted,
}

impl RunState {
    pub fn is_ended(self) -> bool {
        self != Self::Running
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// The state that an event moves a run into, where it moves it.
    fn after(kind: crate::lineage::EventType) -> Option<Self> {
        use crate::lineage::EventType;
        match kind {
            EventType::Start | EventType::Running => Some(Self::Running),
            EventType::Complete => Some(Self::Complete),
            EventType::Fail => Some(Self::Failed),
            EventType::Abort => Some(Self::Aborted),
            EventType::Other => None,
        }
    }
}
