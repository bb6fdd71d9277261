//! The lineage graph: which job reads and writes which dataset, column by column.
//!
//! ```text
//! lineage topic -> event -> Graph (fold) -> view: a part of it as plain values
//! ```
//!
//! Events of every producer are folded, not ours alone, and in any order: the
//! topic keeps the order within a run only, so the later `eventTime` wins.
//!
//! # What an edge is
//!
//! An event of ours repeats all datasets of its job, so the latest one says all
//! there is. Others may name their inputs at START and their outputs at
//! COMPLETE: theirs add up, and a run that is complete takes away what it did
//! not name.

mod event;
#[cfg(test)]
mod tests;
mod view;

pub use view::{ColumnEdge, Direction, Edge, Field, LatestRun, Node, NodeId, NodeKind, View};

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::event::{ColumnsPart, DatasetPart, Event};
use super::RunState;
use crate::lineage::EventType;

/// Nodes of one kind that are kept; beyond that those heard of least lately go.
const NODES_MAX: usize = 10_000;

/// Runs of one job that are under way at once and known to be; of more, what
/// they did not name is kept.
const RUNS_MAX: usize = 64;

/// The graph, as far as the topic has been read.
#[derive(Debug, Default)]
pub struct Graph {
    jobs: BTreeMap<NodeId, Job>,
    datasets: BTreeMap<NodeId, Dataset>,
}

#[derive(Debug)]
struct Job {
    /// The time of the latest event.
    seen: Timestamp,
    description: Option<String>,
    processing: Option<String>,
    parent: Option<NodeId>,
    latest: Option<LatestRun>,
    /// With the time when each was last named.
    inputs: BTreeMap<NodeId, Timestamp>,
    outputs: BTreeMap<NodeId, Output>,
    /// Runs under way, and since when.
    runs: BTreeMap<String, Timestamp>,
}

#[derive(Debug)]
struct Output {
    seen: Timestamp,
    columns: Vec<Column>,
}

/// A way from an input's field to an output's, or to all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    from: NodeId,
    from_field: String,
    to_field: Option<String>,
    kind: String,
    subtype: String,
    description: Option<String>,
    masking: bool,
}

#[derive(Debug)]
struct Dataset {
    seen: Timestamp,
    /// The time of the latest event that told of the fields.
    schema_seen: Option<Timestamp>,
    description: Option<String>,
    fields: Vec<Field>,
}

impl Graph {
    /// Takes a lineage record in. What is no OpenLineage event is left alone.
    pub fn fold(&mut self, bytes: &[u8]) {
        let Some(event) = Event::read(bytes) else { return };
        for dataset in event.datasets() {
            self.fold_dataset(dataset, event.time);
        }
        if let Some(id) = event.job_id() {
            let time = event.time;
            self.jobs.entry(id).or_insert_with(|| Job::new(time)).fold(event);
        }
        forget(&mut self.jobs, |job| job.seen);
        forget(&mut self.datasets, |dataset| dataset.seen);
    }

    fn fold_dataset(&mut self, part: &DatasetPart, time: Timestamp) {
        let new =
            || Dataset { seen: time, schema_seen: None, description: None, fields: Vec::new() };
        let dataset = self.datasets.entry(part.id()).or_insert_with(new);
        if time >= dataset.seen {
            dataset.seen = time;
            dataset.description = part.description().or(dataset.description.take());
        }
        if let Some(fields) = part.fields()
            && dataset.schema_seen.is_none_or(|seen| time >= seen)
        {
            dataset.schema_seen = Some(time);
            dataset.fields = fields;
        }
    }
}

impl Job {
    fn new(time: Timestamp) -> Self {
        Self {
            seen: time,
            description: None,
            processing: None,
            parent: None,
            latest: None,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    fn fold(&mut self, event: Event) {
        let time = event.time;
        let is_latest = time >= self.seen;
        if is_latest {
            self.seen = time;
            self.description = event.description().or(self.description.take());
            self.processing = event.processing().or(self.processing.take());
            self.parent = event.parent().or(self.parent.take());
        }
        let state = event.kind.and_then(RunState::after);
        if let (Some(run), Some(state)) = (event.run_id(), state)
            && self.latest.as_ref().is_none_or(|latest| time >= latest.at)
        {
            self.latest = Some(LatestRun { id: run.to_owned(), state, at: time });
        }
        if event.is_ours() {
            if is_latest && event.has_datasets() {
                self.inputs.clear();
                self.outputs.clear();
                self.add(&event);
            }
            return;
        }
        self.add(&event);
        self.follow(&event);
    }

    fn add(&mut self, event: &Event) {
        let time = event.time;
        for input in event.inputs() {
            let seen = self.inputs.entry(input.id()).or_insert(time);
            *seen = time.max(*seen);
        }
        for part in event.outputs() {
            let new = || Output { seen: time, columns: Vec::new() };
            let output = self.outputs.entry(part.id()).or_insert_with(new);
            if let Some(columns) = part.columns()
                && (time >= output.seen || output.columns.is_empty())
            {
                output.columns = read_columns(columns);
            }
            output.seen = time.max(output.seen);
        }
    }

    /// Knows a foreign run from its START on, so that its COMPLETE can take away
    /// what it did not name.
    fn follow(&mut self, event: &Event) {
        let (Some(run), Some(kind)) = (event.run_id(), event.kind) else { return };
        match kind {
            EventType::Start if self.runs.len() < RUNS_MAX => {
                self.runs.entry(run.to_owned()).or_insert(event.time);
            }
            EventType::Complete => {
                if let Some(since) = self.runs.remove(run) {
                    self.inputs.retain(|_, seen| *seen >= since);
                    self.outputs.retain(|_, output| output.seen >= since);
                }
            }
            EventType::Fail | EventType::Abort => {
                self.runs.remove(run);
            }
            EventType::Start | EventType::Running | EventType::Other => {}
        }
    }
}

fn read_columns(part: ColumnsPart) -> Vec<Column> {
    let fields = part.fields.into_iter().flat_map(|(name, field)| {
        without_wholes(field.inputs).into_iter().map(move |input| (Some(name.clone()), input))
    });
    let all = without_wholes(part.dataset).into_iter().map(|input| (None, input));
    let mut columns = Vec::new();
    for (to_field, input) in fields.chain(all) {
        let from = NodeId::dataset(&input.namespace, &input.name);
        let mut transformations = input.transformations;
        if transformations.is_empty() {
            // Of an older producer: it flows, and nothing is said of how.
            transformations.push(event::TransformationPart::direct());
        }
        columns.extend(transformations.into_iter().map(|how| Column {
            from: from.clone(),
            from_field: input.field.clone(),
            to_field: to_field.clone(),
            kind: how.kind,
            subtype: how.subtype.unwrap_or_default(),
            description: how.description,
            masking: how.masking,
        }));
    }
    columns
}

/// Leaves out what is named beside its nested fields only for backends that do not know these:
/// `items` beside `items.price`.
fn without_wholes(mut inputs: Vec<event::InputFieldPart>) -> Vec<event::InputFieldPart> {
    let nested: Vec<_> = inputs.iter().filter(|input| input.field.contains('.')).cloned().collect();
    inputs.retain_mut(|input| {
        let repeated = |how: &event::TransformationPart| {
            nested.iter().any(|part| {
                part.is_part_of(input.namespace.as_str(), &input.name, &input.field)
                    && part.transformations.iter().any(|other| other.covers(how))
            })
        };
        let before = input.transformations.len();
        let kept: Vec<_> =
            input.transformations.iter().filter(|how| !repeated(how)).cloned().collect();
        input.transformations = kept;
        before == 0 || !input.transformations.is_empty()
    });
    inputs
}

/// The tenth that was heard of least lately, where there are too many.
fn forget<T>(nodes: &mut BTreeMap<NodeId, T>, seen: impl Fn(&T) -> Timestamp) {
    if nodes.len() <= NODES_MAX {
        return;
    }
    let mut times: Vec<Timestamp> = nodes.values().map(&seen).collect();
    times.sort_unstable();
    let limit = times[NODES_MAX / 10];
    nodes.retain(|_, node| seen(node) > limit);
}
