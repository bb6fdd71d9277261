//! A project that passed its check: everything that a stage needs to know to run.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{FieldRef, SchemaRef};

use super::{git::GitLocation, problem::Place, spec::Format};
use crate::{
    codec::arrow_ipc::ArrowConfig,
    transform::{Expectations, Plan},
};

/// All pipelines and topics of a project.
#[derive(Debug, Clone, Default)]
pub struct ProjectPlan {
    pub pipelines: Vec<PipelinePlan>,
    /// By name: the declared topics, and those that stages write, dead letters too.
    pub topics: BTreeMap<String, Arc<TopicPlan>>,
}

#[derive(Debug, Clone)]
pub struct PipelinePlan {
    pub name: String,
    /// OpenLineage job namespace.
    pub namespace: String,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub version: Option<String>,
    /// Where its file is kept, for lineage.
    pub source: Option<GitLocation>,
    /// Each behind those that feed it.
    pub stages: Vec<Arc<StagePlan>>,
    pub place: Place,
}

/// One stage, planned; tasks share it.
#[derive(Debug, Clone)]
pub struct StagePlan {
    pub pipeline: String,
    /// OpenLineage job namespace.
    pub namespace: String,
    pub stage: String,
    pub description: Option<String>,
    /// Of the pipeline, for lineage.
    pub owner: Option<String>,
    /// Of the pipeline, for lineage.
    pub version: Option<String>,
    /// Where the pipeline's file is kept, for lineage.
    pub source: Option<GitLocation>,
    /// As the user wrote it; `None`: a transform of the program's own.
    pub sql: Option<String>,
    pub from: Arc<TopicPlan>,
    pub to: Arc<TopicPlan>,
    pub plan: Plan,
    /// Over the output columns of `plan`, those that set parts of the record too.
    pub expectations: Expectations,
    /// The field that the topic's file names as the record key; `None`: the SELECT
    /// sets the key, or the input's is kept.
    pub key: Option<FieldRef>,
    /// Where bad records go, with as many partitions as the input topic unless a
    /// file says otherwise. Records stand there as they came, so its schema is
    /// empty unless a file declares fields.
    pub dead_letters: Arc<TopicPlan>,
    /// From 0 to 1; `None`: `stage.dead_letter.share_max` of the configuration.
    pub dead_letter_share_max: Option<f64>,
    /// `pipeline/stage` of those that write what this one reads.
    pub upstream: Vec<String>,
    /// `pipeline/stage` of those that read what this one writes.
    pub downstream: Vec<String>,
    /// Where the stage stands in its file.
    pub place: Place,
}

impl StagePlan {
    /// `pipeline/stage`, as the command line names it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.pipeline, self.stage)
    }

    /// The stage's consumer group.
    pub fn group(&self) -> String {
        format!("{}-{}", self.pipeline, self.stage)
    }
}

/// A topic with all that its file leaves out filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicPlan {
    pub name: String,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub partitions: i32,
    /// `None`: the broker's default.
    pub replication: Option<i16>,
    pub format: Format,
    /// Of a topic with `format: arrow`.
    pub arrow: ArrowConfig,
    /// The field that becomes the record key.
    pub key: Option<String>,
    /// Kafka's topic properties.
    pub config: BTreeMap<String, String>,
    /// Kafka's `compression.type` for producers; `None`: `stage.compression`.
    pub compression: Option<String>,
    /// The fields declared; for a topic without, those that its stage writes.
    pub schema: SchemaRef,
    /// What its file says of its fields, by name.
    pub descriptions: BTreeMap<String, String>,
    pub column_statistics: bool,
    /// Whether it has a file in `topics/`.
    pub declared: bool,
}

/// Lines of a file or of a request are no records of this topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic `{topic}` has `format: arrow`, and its records are no lines; send them to a topic of \
     JSON and let a stage write `{topic}`, or produce Arrow IPC streams with a client of your own"
)]
pub struct NotLines {
    pub topic: String,
}

impl TopicPlan {
    /// Whether a record is a line of text.
    pub fn takes_lines(&self) -> Result<(), NotLines> {
        match self.format {
            Format::Json => Ok(()),
            Format::Arrow => Err(NotLines { topic: self.name.clone() }),
        }
    }
}

impl ProjectPlan {
    pub fn pipeline(&self, name: &str) -> Option<&PipelinePlan> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }

    /// The stage `pipeline/stage`.
    pub fn stage(&self, id: &str) -> Option<&Arc<StagePlan>> {
        let (pipeline, stage) = id.split_once('/')?;
        self.pipeline(pipeline)?.stages.iter().find(|plan| plan.stage == stage)
    }

    /// Every stage; those of a pipeline together, each behind those that feed it.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<StagePlan>> {
        self.pipelines.iter().flat_map(|pipeline| &pipeline.stages)
    }
}
