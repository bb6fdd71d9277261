//! A bounded run: records that somebody sent with a run header, and what became
//! of them from stage to stage.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{RunState, event::LineageEvent};
use crate::lineage::{Counts, Delta, EventType, GraphStage, RunTotal};

/// A bounded run of a pipeline.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundedRun {
    pub id: Uuid,
    pub namespace: String,
    pub pipeline: String,
    pub state: RunState,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// What its starter sent; unknown until all is sent.
    pub total: Option<RunTotal>,
    /// The stages that it goes through, in the order of the way of a record.
    pub graph: Vec<GraphStage>,
    /// By job. A stage that is not in the graph reads a topic of the run for a
    /// pipeline of its own: it is shown, and not waited for.
    pub parts: BTreeMap<String, Part>,
    pub error: Option<String>,
    /// Somebody cancelled it: stages drop what they have not worked on yet.
    pub cancelled: bool,
    /// The event that began it: what its end repeats.
    #[serde(skip)]
    pub(super) start: Option<Box<[u8]>>,
}

/// A stage's part in a bounded run.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub state: RunState,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub counts: Counts,
    pub by_replica: BTreeMap<String, Counts>,
    /// Rows that failed an expectation, by its name; none of one that all met.
    pub unmet: BTreeMap<String, u64>,
    pub error: Option<String>,
    /// The stage stopped at records of this run, and its end is due.
    #[serde(skip)]
    pub(super) has_stopped: bool,
    #[serde(skip)]
    pub(super) start: Option<Box<[u8]>>,
}

impl Part {
    /// Whether it ended with every record sent to it accounted for.
    fn has_said_all(&self) -> bool {
        matches!(self.state, RunState::Complete | RunState::Aborted)
    }
}

/// An end that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// `None`: of the pipeline.
    pub(super) job: Option<String>,
    pub(super) kind: EventType,
    pub(super) counts: Counts,
    /// As in [`Part`]; none in a pipeline's own end, which has no datasets.
    pub(super) unmet: BTreeMap<String, u64>,
    pub(super) error: Option<String>,
}

impl BoundedRun {
    pub(super) fn new(id: Uuid) -> Self {
        Self {
            id,
            namespace: String::new(),
            pipeline: String::new(),
            state: RunState::Running,
            started: None,
            ended: None,
            total: None,
            graph: Vec::new(),
            parts: BTreeMap::new(),
            error: None,
            cancelled: false,
            start: None,
        }
    }

    /// Takes in an event of the pipeline's own run.
    pub(super) fn fold(&mut self, event: LineageEvent, bytes: &[u8]) {
        let LineageEvent { event_type, event_time, run, job, .. } = event;
        (self.namespace, self.pipeline) = (job.namespace, job.name);
        if event_type == EventType::Start {
            self.started = Some(event_time);
            self.start = Some(bytes.into());
        }
        if let Some(graph) = run.facets.graph {
            self.graph = graph.stages;
        }
        self.total = run.facets.total.or(self.total.take());
        // The end of a failed run has the facet, too: stages drop its records.
        self.cancelled |= run.facets.cancel.is_some() && event_type == EventType::Abort;
        if let Some(state) = RunState::after(event_type)
            && !self.state.is_ended()
        {
            self.state = state;
            if state.is_ended() {
                self.ended = Some(event_time);
                self.start = None;
            }
        }
        self.error = run.facets.error.map(|error| error.message).or(self.error.take());
    }

    /// Takes in an event of a stage's part.
    pub(super) fn fold_part(&mut self, event: LineageEvent, bytes: &[u8]) {
        let LineageEvent { event_type, event_time, run, job, .. } = event;
        let part = self.parts.entry(job.name).or_default();
        if event_type == EventType::Start && !part.state.is_ended() {
            part.started.get_or_insert(event_time);
            part.start = Some(bytes.into());
        }
        if let Some(state) = RunState::after(event_type)
            && !part.state.is_ended()
        {
            part.state = state;
            if state.is_ended() {
                part.ended = Some(event_time);
                part.start = None;
            }
        }
        part.error = run.facets.error.map(|error| error.message).or(part.error.take());
    }

    /// Adds what a transaction of a stage says of this run to the books.
    pub(super) fn add(&mut self, job: &str, delta: &Delta) {
        let part = self.parts.entry(job.to_owned()).or_default();
        part.counts += delta.counts;
        if delta.counts != Counts::default() {
            *part.by_replica.entry(delta.replica.clone()).or_default() += delta.counts;
        }
        for (expectation, unmet) in &delta.unmet {
            *part.unmet.entry(expectation.clone()).or_default() += unmet;
        }
        if part.error.is_none() {
            part.error.clone_from(&delta.failure);
        }
        part.has_stopped |= delta.failure.is_some();
    }

    /// Records that a stage of the graph is to take in; `None` while those before
    /// it, or the starter, have not said their last.
    fn expected_after(&self, stage: &GraphStage, ends: &[End]) -> Option<u64> {
        let total = self.total.as_ref()?;
        let mut expected = if total.topic == stage.from { total.records } else { 0 };
        for before in self.graph.iter().filter(|before| before.to == stage.from) {
            let part = self.parts.get(&before.job);
            let is_due = ends
                .iter()
                .any(|end| end.job.as_ref() == Some(&before.job) && end.kind != EventType::Fail);
            let is_complete = part.is_some_and(Part::has_said_all);
            if !is_complete && !is_due {
                return None;
            }
            expected += part.map_or(0, |part| part.counts.out);
        }
        Some(expected)
    }

    /// The ends that are due and that nobody has told yet.
    ///
    /// The run's own comes after its sender has told how many records it is of, so
    /// that nothing follows it. Where a stage failed, it ends the other parts, too:
    /// what is left of their records is dropped, and nobody counts it.
    pub(super) fn ends(&self) -> Vec<End> {
        if self.graph.is_empty() || self.is_settled() {
            return Vec::new();
        }
        let mut ends = self.part_ends();
        let failure = self.failure(&ends);
        let own =
            if self.state.is_ended() { None } else { self.own_end(&ends, failure.as_deref()) };
        let is_over = self.state.is_ended() || own.is_some();
        let reason = match failure {
            Some(failure) => Some(format!("the run failed: {failure}")),
            // Its sender broke off without a word of how many records there are.
            None if self.total.is_none() => Some("the run was aborted".to_owned()),
            None => None,
        };
        if is_over && let Some(reason) = reason {
            let open = self.graph.iter().filter(|stage| !self.has_end(stage, &ends));
            let left = open.map(|stage| self.end_of(stage, EventType::Abort, Some(reason.clone())));
            ends.extend(left.collect::<Vec<_>>());
        }
        ends.extend(own);
        ends
    }

    /// The ends of the parts, as their books call for them.
    fn part_ends(&self) -> Vec<End> {
        let mut ends = Vec::new();
        // Parts of an aborted run end when every record sent to them is accounted for.
        let well =
            if self.state == RunState::Aborted { EventType::Abort } else { EventType::Complete };
        for stage in &self.graph {
            let part = self.parts.get(&stage.job);
            if part.is_some_and(|part| part.state.is_ended()) {
                continue;
            }
            if let Some(part) = part.filter(|part| part.has_stopped) {
                ends.push(self.end_of(stage, EventType::Fail, part.error.clone()));
                continue;
            }
            let Some(expected) = self.expected_after(stage, &ends) else { continue };
            let counts = part.map(|part| part.counts).unwrap_or_default();
            if counts.read > expected {
                let error = format!("{} took in {} records of {expected}", stage.job, counts.read);
                ends.push(self.end_of(stage, EventType::Fail, Some(error)));
            } else if counts.read == expected && counts.balances() {
                ends.push(self.end_of(stage, well, None));
            }
        }
        ends
    }

    fn end_of(&self, stage: &GraphStage, kind: EventType, error: Option<String>) -> End {
        let Part { counts, unmet, .. } = self.parts.get(&stage.job).cloned().unwrap_or_default();
        End { job: Some(stage.job.clone()), kind, counts, unmet, error }
    }

    fn has_end(&self, stage: &GraphStage, ends: &[End]) -> bool {
        self.parts.get(&stage.job).is_some_and(|part| part.state.is_ended())
            || ends.iter().any(|end| end.job.as_ref() == Some(&stage.job))
    }

    /// Whether nothing more will be told of it: it has ended, and so have its parts.
    pub fn is_settled(&self) -> bool {
        self.is_settled_with(&[])
    }

    /// The same once these ends are told, too. Nobody can end a part whose start
    /// the topic has forgotten.
    pub(super) fn is_settled_with(&self, ends: &[End]) -> bool {
        let has_start =
            |stage: &&GraphStage| self.parts.get(&stage.job).is_some_and(|it| it.start.is_some());
        self.state.is_ended()
            && self.graph.iter().filter(has_start).all(|stage| self.has_end(stage, ends))
    }

    /// Which stage failed, and why, with these ends.
    fn failure(&self, ends: &[End]) -> Option<String> {
        let error_of = |job: &str| {
            let told = self.parts.get(job).filter(|part| part.state == RunState::Failed);
            let due = ends.iter().find(|end| end.job.as_deref() == Some(job));
            let due = due.filter(|end| end.kind == EventType::Fail);
            let error = told.map(|part| &part.error).or_else(|| due.map(|end| &end.error))?;
            Some(error.clone().unwrap_or_default())
        };
        self.graph.iter().find_map(|stage| {
            let error = error_of(&stage.job)?;
            Some(format!("{} failed: {error}", stage.job))
        })
    }

    /// The pipeline's end, with these ends of its stages.
    fn own_end(&self, ends: &[End], failure: Option<&str>) -> Option<End> {
        self.total.as_ref()?;
        let end = |kind, error| {
            let (counts, unmet) = (self.counts(), BTreeMap::new());
            Some(End { job: None, kind, counts, unmet, error })
        };
        if let Some(failure) = failure {
            return end(EventType::Fail, Some(failure.to_owned()));
        }
        let all_end = self.graph.iter().all(|stage| self.has_end(stage, ends));
        if all_end { end(EventType::Complete, None) } else { None }
    }

    /// The books of the whole: what was sent in, what came out at the ends, and
    /// what was left out or died on the way.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for stage in &self.graph {
            let Some(Part { counts, .. }) = self.parts.get(&stage.job) else { continue };
            if !self.graph.iter().any(|before| before.to == stage.from) {
                sum.read += counts.read;
                sum.mapped += counts.mapped;
                sum.bytes_in += counts.bytes_in;
            }
            if !self.graph.iter().any(|next| next.from == stage.to) {
                sum.out += counts.out;
                sum.bytes_out += counts.bytes_out;
            }
            sum.filtered += counts.filtered;
            sum.dead_lettered += counts.dead_lettered;
        }
        sum
    }

    /// Whether the books are closed: every stage took in what it was to, and
    /// accounted for it.
    pub fn is_balanced(&self) -> bool {
        self.total.is_some()
            && self.graph.iter().all(|stage| {
                let counts = self.parts.get(&stage.job).map(|part| part.counts).unwrap_or_default();
                counts.balances() && self.sent_to(stage) == Some(counts.read)
            })
    }

    /// Records sent to a stage so far, whether or not that was all of them.
    pub fn sent_to(&self, stage: &GraphStage) -> Option<u64> {
        let first = self.total.as_ref().filter(|total| total.topic == stage.from);
        let before = self.graph.iter().filter(|before| before.to == stage.from);
        let sent =
            before.map(|before| self.parts.get(&before.job).map_or(0, |part| part.counts.out));
        let is_first = !self.graph.iter().any(|before| before.to == stage.from);
        if is_first && first.is_none() {
            return None;
        }
        Some(first.map_or(0, |total| total.records) + sent.sum::<u64>())
    }
}
