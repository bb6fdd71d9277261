//! What the tracker reads of a lineage record.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::lineage::{Balance, Delta, EventType, RunCancel, RunGraph, RunTotal};

/// A run event of ours; all else in it is left unread.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineageEvent {
    pub(super) event_type: EventType,
    pub(super) event_time: Timestamp,
    pub(super) run: RunPart,
    pub(super) job: JobPart,
    pub(super) producer: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunPart {
    #[serde(rename = "runId")]
    pub(super) id: Uuid,
    #[serde(default)]
    pub(super) facets: RunFacets,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RunFacets {
    #[serde(rename = "lineageHub_balance")]
    pub(super) balance: Option<Balance>,
    #[serde(rename = "lineageHub_delta")]
    pub(super) delta: Option<Delta>,
    #[serde(rename = "lineageHub_graph")]
    pub(super) graph: Option<RunGraph>,
    #[serde(rename = "lineageHub_total")]
    pub(super) total: Option<RunTotal>,
    #[serde(rename = "lineageHub_cancel")]
    pub(super) cancel: Option<RunCancel>,
    pub(super) parent: Option<ParentPart>,
    #[serde(rename = "errorMessage")]
    pub(super) error: Option<ErrorPart>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobPart {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(default)]
    facets: JobFacets,
}

#[derive(Debug, Default, Deserialize)]
struct JobFacets {
    #[serde(rename = "jobType")]
    kind: Option<JobKind>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobKind {
    processing_type: String,
    job_type: Option<String>,
}

impl JobPart {
    /// Whether it is a pipeline whose stages run until they are stopped.
    pub(super) fn is_streaming_pipeline(&self) -> bool {
        self.facets.kind.as_ref().is_some_and(|kind| {
            kind.processing_type == "STREAMING" && kind.job_type.as_deref() == Some("PIPELINE")
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ParentPart {
    pub(super) run: ParentRun,
}

#[derive(Debug, Deserialize)]
pub(super) struct ParentRun {
    #[serde(rename = "runId")]
    pub(super) id: Uuid,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorPart {
    pub(super) message: String,
}

impl LineageEvent {
    pub(super) fn parent(&self) -> Option<Uuid> {
        self.run.facets.parent.as_ref().map(|parent| parent.run.id)
    }
}
