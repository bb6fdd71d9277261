//! `tags`: labels of a run or a job.

use serde::Serialize;

use super::{Facet, OfJob, OfRun};

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
    /// Who set it: `USER`, or a program's name in capitals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// All labels of a run or a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tags {
    pub tags: Vec<Tag>,
}

impl Facet<OfRun> for Tags {
    const KEY: &'static str = "tags";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-0-0/TagsRunFacet.json#/$defs/TagsRunFacet";
}

impl Facet<OfJob> for Tags {
    const KEY: &'static str = "tags";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-0-0/TagsJobFacet.json#/$defs/TagsJobFacet";
}
