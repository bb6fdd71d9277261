//! A part of the graph as plain values, for whoever prints or serves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Graph, Job};
use crate::runs::RunState;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    Dataset,
    Job,
}

/// A job or a dataset by its names. As text: `dataset:NAMESPACE:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    pub kind: NodeKind,
    pub namespace: String,
    pub name: String,
}

impl NodeId {
    pub fn job(namespace: &str, name: &str) -> Self {
        Self { kind: NodeKind::Job, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn dataset(namespace: &str, name: &str) -> Self {
        Self { kind: NodeKind::Dataset, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NodeKind::Dataset => "dataset",
            NodeKind::Job => "job",
        };
        write!(f, "{kind}:{}:{}", self.namespace, self.name)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A node with what was last told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub id: NodeId,
    pub kind: NodeKind,
    pub namespace: String,
    pub name: String,
    pub description: Option<String>,
    /// Of a dataset, as its schema has them.
    pub fields: Vec<Field>,
    /// Of a job: `STREAMING` or `BATCH`.
    pub processing: Option<String>,
    /// The job that a job is part of: of a stage, its pipeline.
    pub parent: Option<NodeId>,
    /// The run of a job that was heard of last.
    pub latest: Option<LatestRun>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LatestRun {
    pub id: String,
    pub state: RunState,
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// The way of records: from an input to its job, from a job to its output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    pub from: NodeId,
    pub to: NodeId,
}

/// One way from a field of an input to a field of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnEdge {
    pub job: NodeId,
    pub from: NodeId,
    pub from_field: String,
    pub to: NodeId,
    /// `None`: all fields, as of a filter.
    pub to_field: Option<String>,
    /// `DIRECT` or `INDIRECT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `IDENTITY`, `FILTER` and so on; empty where the producer does not say.
    pub subtype: String,
    pub description: Option<String>,
    pub masking: bool,
}

/// A part of the graph, in the order of the ids; columns in the order of their
/// jobs and of the fields that they lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct View {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub columns: Vec<ColumnEdge>,
}

/// Which way to go from a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what it comes from.
    Upstream,
    /// To what comes of it.
    Downstream,
    Both,
}

impl Graph {
    /// All of it. Jobs without datasets, such as pipelines, are left out: they
    /// stand as the parents of others.
    pub fn view(&self) -> View {
        let linked = self.edges().into_iter().flat_map(|Edge { from, to }| [from, to]);
        self.part(&linked.chain(self.datasets.keys().cloned()).collect())
    }

    /// What is at most `depth` steps away from a node: a job is one step from
    /// its datasets. Nothing where the node is not known.
    pub fn around(&self, node: &NodeId, direction: Direction, depth: usize) -> View {
        if !self.knows(node) {
            return View::default();
        }
        let edges = self.edges();
        let mut found = BTreeSet::from([node.clone()]);
        let mut walk = |forward: bool| {
            let mut next: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
            for Edge { from, to } in &edges {
                let (here, there) = if forward { (from, to) } else { (to, from) };
                next.entry(here).or_default().push(there);
            }
            let mut seen = BTreeSet::from([node]);
            let mut front = vec![node];
            for _ in 0..depth {
                let reached = front.iter().flat_map(|here| next.get(here).into_iter().flatten());
                front = reached.filter(|there| seen.insert(there)).copied().collect();
            }
            found.extend(seen.into_iter().cloned());
        };
        if direction != Direction::Downstream {
            walk(false);
        }
        if direction != Direction::Upstream {
            walk(true);
        }
        self.part(&found)
    }

    /// The nodes that `text` may mean: an id, a name, or `PIPELINE/STAGE`.
    pub fn find(&self, text: &str) -> Vec<NodeId> {
        let stage = text.replacen('/', ".", 1);
        let ids = self.datasets.keys().chain(self.jobs.keys());
        let (mut whole, mut named) = (Vec::new(), Vec::new());
        for id in ids {
            if id.to_string() == text {
                whole.push(id.clone());
            } else if id.name == text || (id.kind == NodeKind::Job && id.name == stage) {
                named.push(id.clone());
            }
        }
        if whole.is_empty() { named } else { whole }
    }

    fn knows(&self, id: &NodeId) -> bool {
        self.jobs.contains_key(id) || self.datasets.contains_key(id)
    }

    fn edges(&self) -> Vec<Edge> {
        let of_job = |(id, job): (&NodeId, &Job)| {
            let into = job.inputs.keys().map(|from| Edge { from: from.clone(), to: id.clone() });
            let out = job.outputs.keys().map(|to| Edge { from: id.clone(), to: to.clone() });
            into.chain(out).collect::<Vec<_>>()
        };
        self.jobs.iter().flat_map(of_job).collect()
    }

    fn part(&self, ids: &BTreeSet<NodeId>) -> View {
        let nodes = ids.iter().filter_map(|id| self.node(id)).collect();
        let mut edges = self.edges();
        edges.retain(|edge| ids.contains(&edge.from) && ids.contains(&edge.to));
        edges.sort();
        let mut columns = self.columns();
        columns.retain(|edge| [&edge.job, &edge.from, &edge.to].iter().all(|id| ids.contains(id)));
        View { nodes, edges, columns }
    }

    fn columns(&self) -> Vec<ColumnEdge> {
        let mut columns = Vec::new();
        for (id, job) in &self.jobs {
            for (to, output) in &job.outputs {
                columns.extend(output.columns.iter().map(|column| ColumnEdge {
                    job: id.clone(),
                    from: column.from.clone(),
                    from_field: column.from_field.clone(),
                    to: to.clone(),
                    to_field: column.to_field.clone(),
                    kind: column.kind.clone(),
                    subtype: column.subtype.clone(),
                    description: column.description.clone(),
                    masking: column.masking,
                }));
            }
        }
        columns
    }

    /// A node by its id.
    pub fn node(&self, id: &NodeId) -> Option<Node> {
        let mut node = Node {
            id: id.clone(),
            kind: id.kind,
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            description: None,
            fields: Vec::new(),
            processing: None,
            parent: None,
            latest: None,
        };
        match id.kind {
            NodeKind::Job => {
                let job = self.jobs.get(id)?;
                node.description.clone_from(&job.description);
                node.processing.clone_from(&job.processing);
                node.parent.clone_from(&job.parent);
                node.latest.clone_from(&job.latest);
            }
            NodeKind::Dataset => {
                let dataset = self.datasets.get(id)?;
                node.description.clone_from(&dataset.description);
                node.fields.clone_from(&dataset.fields);
            }
        }
        Some(node)
    }
}

impl View {
    /// The part of it that the values of one field come from, or go into, with
    /// all columns on the way. `field` may be one within (`items.price`).
    #[must_use]
    pub fn through(&self, dataset: &NodeId, field: &str, direction: Direction) -> Self {
        let mut kept = vec![false; self.columns.len()];
        if direction != Direction::Downstream {
            self.trace(dataset, field, &mut kept, false);
        }
        if direction != Direction::Upstream {
            self.trace(dataset, field, &mut kept, true);
        }
        let kept = self.columns.iter().zip(kept).filter_map(|(edge, kept)| kept.then_some(edge));
        let columns: Vec<ColumnEdge> = kept.cloned().collect();
        let on_way = columns.iter().flat_map(|edge| [&edge.from, &edge.job, &edge.to]);
        let ids: BTreeSet<&NodeId> = on_way.chain([dataset]).collect();
        let nodes = self.nodes.iter().filter(|node| ids.contains(&node.id)).cloned().collect();
        let mut edges = self.edges.clone();
        edges.retain(|edge| ids.contains(&edge.from) && ids.contains(&edge.to));
        Self { nodes, edges, columns }
    }

    fn trace(&self, dataset: &NodeId, field: &str, kept: &mut [bool], forward: bool) {
        let mut front = vec![(dataset.clone(), Some(field.to_owned()))];
        let mut seen: BTreeSet<(NodeId, Option<String>)> = front.iter().cloned().collect();
        while let Some((here, field)) = front.pop() {
            for (edge, kept) in self.columns.iter().zip(kept.iter_mut()) {
                let from = (&edge.from, Some(edge.from_field.as_str()));
                let to = (&edge.to, edge.to_field.as_deref());
                let (near, far) = if forward { (from, to) } else { (to, from) };
                if *near.0 == here && touches(near.1, field.as_deref()) {
                    *kept = true;
                    let far = (far.0.clone(), far.1.map(str::to_owned));
                    if seen.insert(far.clone()) {
                        front.push(far);
                    }
                }
            }
        }
    }
}

/// Whether two fields of one dataset have a part in common; `None` is all of it.
fn touches(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(one, other) || within(other, one)
}
