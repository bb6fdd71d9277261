//! `jobType`: streaming or batch, and what its events hold.

use std::time::Duration;

use serde::Serialize;

use super::{Facet, OfJob};

/// Whether a job ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProcessingType {
    /// Ends when its input does: a bounded run.
    Batch,
    /// Goes on until it is stopped.
    Streaming,
}

/// When a job's events come, and whether each stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmissionPattern {
    event_trigger: &'static str,
    event_content_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_duration: Option<u64>,
}

/// What sort of job it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobType {
    pub processing_type: ProcessingType,
    integration: &'static str,
    /// `STAGE` or `PIPELINE`.
    #[serde(rename = "jobType")]
    level: &'static str,
    emission_pattern: EmissionPattern,
}

impl JobType {
    /// A stage that runs until it is stopped and reports each `running_interval`
    /// what it did since its run began.
    pub fn streaming_stage(running_interval: Duration) -> Self {
        Self {
            processing_type: ProcessingType::Streaming,
            integration: INTEGRATION,
            level: "STAGE",
            emission_pattern: EmissionPattern {
                event_trigger: "PERIODIC",
                event_content_mode: "ACCUMULATIVE",
                // The schema wants whole seconds, and one at least.
                window_duration: Some(running_interval.as_secs().max(1)),
            },
        }
    }

    /// A stage's part in a bounded run.
    pub fn bounded_stage() -> Self {
        Self::event_based(ProcessingType::Batch, "STAGE")
    }

    /// The parent of the stages.
    pub fn pipeline(processing_type: ProcessingType) -> Self {
        Self::event_based(processing_type, "PIPELINE")
    }

    fn event_based(processing_type: ProcessingType, level: &'static str) -> Self {
        Self {
            processing_type,
            integration: INTEGRATION,
            level,
            emission_pattern: EmissionPattern {
                event_trigger: "EVENT_BASED",
                event_content_mode: "ACCUMULATIVE",
                window_duration: None,
            },
        }
    }
}

const INTEGRATION: &str = "LINEAGE_HUB";

impl Facet<OfJob> for JobType {
    const KEY: &'static str = "jobType";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet";
}
