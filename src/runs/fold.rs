//! All runs that a lineage topic tells of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{BoundedRun, Graph, RunState, StreamingRun, event::LineageEvent};
use crate::lineage::{Counts, ids, is_ours};

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
    /// Takes a lineage record in. What is no run event of ours counts for the
    /// graph alone.
    pub fn fold(&mut self, bytes: &[u8]) {
        self.graph.fold(bytes);
        let Ok(event) = serde_json::from_slice::<LineageEvent>(bytes) else { return };
        if !is_ours(&event.producer) {
            return;
        }
        let id = event.run.id;
        let of = event.parent().filter(|run| ids::stage_run(*run, &event.job.name) == id);
        let facets = &event.run.facets;
        if let Some(run) = of {
            self.bounded(run).fold_part(event, bytes);
        } else if facets.graph.is_some() || facets.total.is_some() || self.bounded.contains_key(&id)
        {
            self.bounded(id).fold(event, bytes);
        } else if facets.balance.is_some() {
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
        if self.bounded.len() > RUNS_MAX {
            forget(&mut self.bounded, |run| run.state);
        }
        if self.streaming.len() > RUNS_MAX {
            forget(&mut self.streaming, |run| run.state);
        }
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

    /// To be looked at again.
    pub(super) fn mark_changed(&mut self, run: Uuid) {
        self.changed.insert(run);
    }
}

/// The oldest tenth of those that have ended; ids are ordered by time.
fn forget<R>(runs: &mut BTreeMap<Uuid, R>, state: impl Fn(&R) -> RunState) {
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
