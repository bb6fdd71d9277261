//! All runs that a lineage topic tells of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    BoundedRun, Graph, RunState, StreamingRun, event::LineageEvent, pipeline::PipelineRuns,
};
use crate::{
    lineage::{Counts, ids, is_ours},
    record::Block,
};

/// Runs that are kept; beyond that the oldest that have ended are forgotten.
const RUNS_MAX: usize = 10_000;

/// The runs, as far as the topic has been read. The order of events matters
/// within a run alone, as the topic keeps it.
#[derive(Debug, Default)]
pub struct Runs {
    bounded: BTreeMap<Uuid, BoundedRun>,
    streaming: BTreeMap<Uuid, StreamingRun>,
    /// Bounded runs that changed since they were last looked at.
    changed: BTreeSet<Uuid>,
    pipelines: PipelineRuns,
    graph: Graph,
}

/// A run of either sort.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum RunView<'a> {
    Bounded(&'a BoundedRun),
    Streaming(&'a StreamingRun),
}

impl Runs {
    /// Takes the records of a lineage topic in. What was sent back for one backend
    /// stands in the topic twice, and is taken in where it stood first.
    pub fn fold_block(&mut self, block: &Block) {
        for record in block.iter().filter(|record| record.replayed_for().is_none()) {
            self.fold(record.value().unwrap_or_default());
        }
    }

    /// Takes a lineage record in. What is no run event of ours counts for the
    /// graph alone.
    pub fn fold(&mut self, bytes: &[u8]) {
        self.graph.fold(bytes);
        let Ok(event) = serde_json::from_slice::<LineageEvent>(bytes) else { return };
        if !is_ours(&event.producer) {
            return;
        }
        let id = event.run.id;
        if let Some(delta) = &event.run.facets.delta {
            self.bounded(delta.run).add(&event.job.name, delta);
        }
        let of = event.parent().filter(|run| ids::stage_run(*run, &event.job.name) == id);
        let facets = &event.run.facets;
        if let Some(run) = of {
            self.bounded(run).fold_part(event, bytes);
        } else if facets.graph.is_some() || facets.total.is_some() || self.bounded.contains_key(&id)
        {
            self.bounded(id).fold(event, bytes);
        } else if event.job.is_streaming_pipeline() {
            self.pipelines.fold(&event, bytes);
        } else if facets.balance.is_some() {
            if let Some(parent) = event.parent() {
                self.pipelines.fold_stage(parent, &event);
            }
            let new = || StreamingRun::new(&event);
            let run = self.streaming.entry(id).or_insert_with(new);
            run.fold(event);
        }
        self.forget_old();
    }

    fn bounded(&mut self, id: Uuid) -> &mut BoundedRun {
        self.changed.insert(id);
        self.bounded.entry(id).or_insert_with(|| BoundedRun::new(id))
    }

    fn forget_old(&mut self) {
        forget_old(&mut self.bounded, |run| run.state);
        forget_old(&mut self.streaming, |run| run.state);
        self.pipelines.forget_old();
    }

    /// Which job reads and writes which dataset, by the events of all producers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The bounded run of this id.
    pub fn run(&self, id: Uuid) -> Option<&BoundedRun> {
        self.bounded.get(&id)
    }

    /// The run of this id, of either sort.
    pub fn view(&self, id: Uuid) -> Option<RunView<'_>> {
        let bounded = self.bounded.get(&id).map(RunView::Bounded);
        bounded.or_else(|| self.streaming.get(&id).map(RunView::Streaming))
    }

    /// Every run whose id begins so.
    pub fn find(&self, prefix: &str) -> Vec<RunView<'_>> {
        let mut found = self.all();
        found.retain(|run| run.id().to_string().starts_with(prefix));
        found
    }

    /// All runs, the newest first.
    pub fn all(&self) -> Vec<RunView<'_>> {
        let bounded = self.bounded.values().map(RunView::Bounded);
        let mut all: Vec<_> =
            bounded.chain(self.streaming.values().map(RunView::Streaming)).collect();
        all.sort_by_key(|run| (std::cmp::Reverse(run.started()), run.id()));
        all
    }

    /// The bounded runs that changed since this was last asked, and whose books
    /// call for an end.
    pub(super) fn take_due(&mut self) -> Vec<Uuid> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let is_due = |id: &Uuid| self.bounded.get(id).is_some_and(|run| !run.ends().is_empty());
        changed.filter(is_due).collect()
    }

    /// Runs of pipelines whose process was killed.
    pub(super) fn abandoned(&self) -> Vec<Uuid> {
        self.pipelines.abandoned().collect()
    }

    /// The end of such a run: key and event.
    pub(super) fn end_of_pipeline(&self, run: Uuid) -> Option<(String, Vec<u8>)> {
        self.pipelines.end_of(run)
    }

    /// To be looked at again.
    pub(super) fn mark_changed(&mut self, run: Uuid) {
        self.changed.insert(run);
    }
}

/// Of too many, the oldest tenth of those that have ended; ids are ordered by time.
pub(super) fn forget_old<R>(runs: &mut BTreeMap<Uuid, R>, state: impl Fn(&R) -> RunState) {
    if runs.len() <= RUNS_MAX {
        return;
    }
    let ended = runs.iter().filter(|(_, run)| state(run).is_ended());
    let old: Vec<Uuid> = ended.take(RUNS_MAX / 10).map(|(id, _)| *id).collect();
    for id in old {
        runs.remove(&id);
    }
}

impl RunView<'_> {
    pub fn id(&self) -> Uuid {
        match self {
            Self::Bounded(run) => run.id,
            Self::Streaming(run) => run.id,
        }
    }

    /// The pipeline of a bounded run, the job of a streaming one.
    pub fn name(&self) -> &str {
        match self {
            Self::Bounded(run) => &run.pipeline,
            Self::Streaming(run) => &run.job,
        }
    }

    pub fn state(&self) -> RunState {
        match self {
            Self::Bounded(run) => run.state,
            Self::Streaming(run) => run.state,
        }
    }

    pub fn started(&self) -> Option<Timestamp> {
        match self {
            Self::Bounded(run) => run.started,
            Self::Streaming(run) => Some(run.started),
        }
    }

    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            Self::Bounded(run) => run.ended,
            Self::Streaming(run) => run.ended,
        }
    }

    pub fn counts(&self) -> Counts {
        match self {
            Self::Bounded(run) => run.counts(),
            Self::Streaming(run) => run.counts,
        }
    }

    pub fn is_balanced(&self) -> bool {
        match self {
            Self::Bounded(run) => run.is_balanced(),
            Self::Streaming(run) => run.counts.balances(),
        }
    }
}
