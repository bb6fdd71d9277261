//! `GET /api/v1/lineage` and `/api/v1/column-lineage`: the graph that the lineage
//! topic tells of, with what other producers told.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ApiError, app::Shared, extract::Query};
use crate::runs::{
    Graph,
    graph::{self, Direction, NodeId, NodeKind, View},
};

/// Steps that a question may go.
const DEPTH_MAX: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GraphQuery {
    /// The node to begin at: an id of a node, a topic, a job, or `PIPELINE/STAGE`; left
    /// out, all of the graph
    node: Option<String>,
    /// Steps from it; a job is one step from its datasets
    #[serde(default = "depth")]
    #[param(maximum = 100, default = 20)]
    depth: usize,
    /// Which way to go
    #[serde(default)]
    #[param(inline)]
    direction: Way,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ColumnQuery {
    /// The dataset: the id of its node, or the topic
    node: String,
    /// One of its fields, also one within such as `items.price`; left out, all
    field: Option<String>,
    /// Steps from it; a job is one step from its datasets
    #[serde(default = "depth")]
    #[param(maximum = 100, default = 20)]
    depth: usize,
    /// Which way to go
    #[serde(default)]
    #[param(inline)]
    direction: Way,
}

fn depth() -> usize {
    20
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Way {
    Upstream,
    Downstream,
    #[default]
    Both,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Upstream => Self::Upstream,
            Way::Downstream => Self::Downstream,
            Way::Both => Self::Both,
        }
    }
}

/// A part of the graph.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineageGraph {
    nodes: Vec<LineageNode>,
    /// The way of records: from an input to its job, from a job to its output
    edges: Vec<LineageEdge>,
}

/// A job or a dataset.
#[derive(Debug, Serialize, ToSchema)]
struct LineageNode {
    /// `dataset:NAMESPACE:NAME` or `job:NAMESPACE:NAME`
    id: String,
    #[schema(pattern = "^(job|dataset)$")]
    kind: &'static str,
    namespace: String,
    name: String,
    description: Option<String>,
    /// Of a dataset, as its schema has them
    fields: Vec<NodeField>,
    /// Of a job: `STREAMING` or `BATCH`
    processing: Option<String>,
    /// The node of the job that a job is part of
    parent: Option<String>,
    /// The run of a job that was heard of last
    latest_run: Option<NodeRun>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeField {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeRun {
    id: String,
    #[schema(pattern = "^(running|complete|failed|aborted)$")]
    state: &'static str,
    at: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct LineageEdge {
    from: String,
    to: String,
}

/// Where columns come from and what comes of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ColumnGraph {
    #[serde(flatten)]
    graph: LineageGraph,
    columns: Vec<LineageColumn>,
}

/// One way from a field of an input to a field of an output.
#[derive(Debug, Serialize, ToSchema)]
struct LineageColumn {
    job: String,
    from: String,
    from_field: String,
    to: String,
    /// None: all fields, as of a filter
    to_field: Option<String>,
    /// `DIRECT` or `INDIRECT`
    #[serde(rename = "type")]
    kind: String,
    /// Such as `IDENTITY`; empty where the producer does not say
    subtype: String,
    description: Option<String>,
    masking: bool,
}

impl From<graph::Node> for LineageNode {
    fn from(node: graph::Node) -> Self {
        let fields = node.fields.into_iter();
        Self {
            id: node.id.to_string(),
            kind: match node.kind {
                NodeKind::Job => "job",
                NodeKind::Dataset => "dataset",
            },
            namespace: node.namespace,
            name: node.name,
            description: node.description,
            fields: fields.map(|field| NodeField { name: field.name, kind: field.kind }).collect(),
            processing: node.processing,
            parent: node.parent.map(|parent| parent.to_string()),
            latest_run: node.latest.map(|run| NodeRun {
                id: run.id,
                state: run.state.as_str(),
                at: format!("{:.3}", run.at),
            }),
        }
    }
}

impl From<View> for ColumnGraph {
    fn from(view: View) -> Self {
        let edges = view.edges.into_iter();
        let columns = view.columns.into_iter().map(|column| LineageColumn {
            job: column.job.to_string(),
            from: column.from.to_string(),
            from_field: column.from_field,
            to: column.to.to_string(),
            to_field: column.to_field,
            kind: column.kind,
            subtype: column.subtype,
            description: column.description,
            masking: column.masking,
        });
        Self {
            graph: LineageGraph {
                nodes: view.nodes.into_iter().map(LineageNode::from).collect(),
                edges: edges
                    .map(|edge| LineageEdge {
                        from: edge.from.to_string(),
                        to: edge.to.to_string(),
                    })
                    .collect(),
            },
            columns: columns.collect(),
        }
    }
}

/// The one node that `text` means.
fn node(graph: &Graph, text: &str, kind: Option<NodeKind>) -> Result<NodeId, ApiError> {
    let mut found = graph.find(text);
    found.retain(|node| kind.is_none_or(|kind| node.kind == kind));
    match found.len() {
        0 => Err(ApiError::NodeNotFound { node: text.to_owned() }),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
            let text = format!("`{text}` may be any of these; give one: {}", ids.join(", "));
            Err(ApiError::Unprocessable(text))
        }
    }
}

fn check_depth(depth: usize) -> Result<(), ApiError> {
    if depth > DEPTH_MAX {
        return Err(ApiError::Invalid(format!("`depth` is {DEPTH_MAX} at most")));
    }
    Ok(())
}

/// The graph around a node, or all of it
#[utoipa::path(get, path = "/api/v1/lineage", tag = "lineage", params(GraphQuery),
    responses((status = 200, body = LineageGraph)))]
pub(super) async fn show_graph(
    State(app): State<Shared>,
    Query(query): Query<GraphQuery>,
) -> Result<Json<LineageGraph>, ApiError> {
    check_depth(query.depth)?;
    app.runs(|runs| {
        let graph = runs.graph();
        let view = match &query.node {
            None => graph.view(),
            Some(text) => {
                graph.around(&node(graph, text, None)?, query.direction.into(), query.depth)
            }
        };
        Ok(Json(ColumnGraph::from(view).graph))
    })?
}

/// Where the columns of a dataset come from, and what comes of them
#[utoipa::path(get, path = "/api/v1/column-lineage", tag = "lineage", params(ColumnQuery),
    responses((status = 200, body = ColumnGraph)))]
pub(super) async fn show_columns(
    State(app): State<Shared>,
    Query(query): Query<ColumnQuery>,
) -> Result<Json<ColumnGraph>, ApiError> {
    check_depth(query.depth)?;
    app.runs(|runs| {
        let graph = runs.graph();
        let dataset = node(graph, &query.node, Some(NodeKind::Dataset))?;
        let direction = query.direction.into();
        let view = graph.around(&dataset, direction, query.depth);
        let view = match &query.field {
            None => view,
            Some(field) => view.through(&dataset, field, direction),
        };
        Ok(Json(view.into()))
    })?
}
