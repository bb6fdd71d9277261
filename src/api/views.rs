//! Runs and books as the API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    lineage::Counts,
    runs::{BoundedRun, RunView, StreamingRun},
};

/// What became of records. `in` = `mapped` + `filtered` + `dead_lettered` where
/// they balance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Books {
    #[serde(rename = "in")]
    read: u64,
    /// At least one record came of it.
    mapped: u64,
    /// Records that came of them.
    out: u64,
    filtered: u64,
    dead_lettered: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<Counts> for Books {
    fn from(counts: Counts) -> Self {
        let Counts { read, mapped, out, filtered, dead_lettered, bytes_in, bytes_out } = counts;
        Self { read, mapped, out, filtered, dead_lettered, bytes_in, bytes_out }
    }
}

/// A run, in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RunSummary {
    id: Uuid,
    /// `bounded`, or `streaming`: what one task did since it began.
    #[schema(pattern = "^(bounded|streaming)$")]
    kind: &'static str,
    /// The pipeline of a bounded run, the job of a streaming one.
    name: String,
    /// Of the job, in OpenLineage's sense.
    namespace: String,
    #[schema(pattern = "^(running|complete|failed|aborted)$")]
    state: &'static str,
    started: Option<String>,
    ended: Option<String>,
    /// From start to end.
    seconds: Option<f64>,
    books: Books,
    /// Whether every record is accounted for, from the first topic to the last.
    balanced: bool,
}

fn time(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn seconds(started: Option<Timestamp>, ended: Option<Timestamp>) -> Option<f64> {
    Some(ended?.duration_since(started?).as_secs_f64())
}

impl RunSummary {
    pub(super) fn of(run: &RunView<'_>) -> Self {
        let (kind, namespace) = match run {
            RunView::Bounded(run) => ("bounded", run.namespace.clone()),
            RunView::Streaming(run) => ("streaming", run.namespace.clone()),
        };
        Self {
            id: run.id(),
            kind,
            name: run.name().to_owned(),
            namespace,
            state: run.state().as_str(),
            started: run.started().map(time),
            ended: run.ended().map(time),
            seconds: seconds(run.started(), run.ended()),
            books: run.counts().into(),
            balanced: run.is_balanced(),
        }
    }
}

/// A run, whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Run {
    #[serde(flatten)]
    summary: RunSummary,
    error: Option<String>,
    /// Somebody cancelled it: what was not worked on is dropped, and counts as
    /// filtered.
    cancelled: bool,
    /// What was sent, of a bounded run; unknown until all is sent.
    total: Option<Total>,
    /// Of a bounded run, in the order of the way of a record.
    stages: Vec<StagePart>,
    /// Of a streaming run: the replica, and its books by input partition.
    replica: Option<String>,
    partitions: Vec<PartitionBooks>,
}

/// The records of a bounded run, as its starter sent them.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Total {
    topic: String,
    records: u64,
    bytes: u64,
}

/// A stage's part in a bounded run.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct StagePart {
    job: String,
    from: String,
    to: String,
    #[schema(pattern = "^(running|complete|failed|aborted)$")]
    state: &'static str,
    started: Option<String>,
    ended: Option<String>,
    /// From start to end.
    seconds: Option<f64>,
    /// Records sent to it so far.
    sent: Option<u64>,
    books: Books,
    by_replica: BTreeMap<String, Books>,
    /// Rows that failed an expectation, by its name; none of one that all met.
    unmet: BTreeMap<String, u64>,
    error: Option<String>,
}

/// The books of one input partition.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PartitionBooks {
    topic: String,
    partition: i32,
    books: Books,
}

impl Run {
    pub(super) fn of(view: &RunView<'_>) -> Self {
        let summary = RunSummary::of(view);
        match view {
            RunView::Bounded(run) => Self::bounded(summary, run),
            RunView::Streaming(run) => Self::streaming(summary, run),
        }
    }

    fn bounded(summary: RunSummary, run: &BoundedRun) -> Self {
        let stages = run.graph.iter().map(|stage| {
            let part = run.parts.get(&stage.job).cloned().unwrap_or_default();
            let by_replica = part.by_replica.into_iter();
            StagePart {
                job: stage.job.clone(),
                from: stage.from.clone(),
                to: stage.to.clone(),
                state: part.state.as_str(),
                started: part.started.map(time),
                ended: part.ended.map(time),
                seconds: seconds(part.started, part.ended),
                sent: run.sent_to(stage),
                books: part.counts.into(),
                by_replica: by_replica.map(|(name, counts)| (name, counts.into())).collect(),
                unmet: part.unmet,
                error: part.error,
            }
        });
        Self {
            summary,
            error: run.error.clone(),
            cancelled: run.cancelled,
            total: run.total.as_ref().map(|total| Total {
                topic: total.topic.clone(),
                records: total.records,
                bytes: total.bytes,
            }),
            stages: stages.collect(),
            replica: None,
            partitions: Vec::new(),
        }
    }

    fn streaming(summary: RunSummary, run: &StreamingRun) -> Self {
        let partitions = run.by_partition.iter().map(|partition| PartitionBooks {
            topic: partition.topic.clone(),
            partition: partition.partition,
            books: partition.counts.into(),
        });
        Self {
            summary,
            error: run.error.clone(),
            cancelled: false,
            total: None,
            stages: Vec::new(),
            replica: Some(run.replica.clone()),
            partitions: partitions.collect(),
        }
    }
}
