//! `parent`: the run that this run is a part of, and the one that began it all.

use serde::Serialize;
use uuid::Uuid;

use super::{Facet, OfRun};

/// A run and its job, by name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParentRef {
    run: ParentRun,
    job: ParentJob,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ParentRun {
    #[serde(rename = "runId")]
    run_id: Uuid,
}

/// A job by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParentJob {
    pub namespace: String,
    pub name: String,
}

impl ParentRef {
    pub fn new(run_id: Uuid, job: ParentJob) -> Self {
        Self { run: ParentRun { run_id }, job }
    }
}

/// The parent of a run, with the root of the whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parent {
    #[serde(flatten)]
    parent: ParentRef,
    root: ParentRef,
}

impl Parent {
    /// A parent that is itself the root: a pipeline of its stages.
    pub fn root(parent: ParentRef) -> Self {
        Self { root: parent.clone(), parent }
    }

    /// A parent that was itself begun by something else.
    pub fn under(parent: ParentRef, root: ParentRef) -> Self {
        Self { parent, root }
    }
}

impl Facet<OfRun> for Parent {
    const KEY: &'static str = "parent";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet";
}
