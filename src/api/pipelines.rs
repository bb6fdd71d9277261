//! `/api/v1/pipelines`: what is connected to what, as the project's files say.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, app::Shared, extract::Path};
use crate::{
    codec::schema::format_type,
    pipeline::{PipelinePlan, StagePlan, TopicPlan},
};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PipelineList {
    pipelines: Vec<PipelineSummary>,
}

/// A pipeline, in short.
#[derive(Debug, Serialize, ToSchema)]
struct PipelineSummary {
    name: String,
    /// OpenLineage job namespace
    namespace: String,
    description: Option<String>,
    owner: Option<String>,
    version: Option<String>,
    /// `PIPELINE/STAGE`, each behind those that feed it
    stages: Vec<String>,
}

impl PipelineSummary {
    fn of(plan: &PipelinePlan) -> Self {
        Self {
            name: plan.name.clone(),
            namespace: plan.namespace.clone(),
            description: plan.description.clone(),
            owner: plan.owner.clone(),
            version: plan.version.clone(),
            stages: plan.stages.iter().map(|stage| stage.id()).collect(),
        }
    }
}

/// A pipeline, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pipeline {
    #[serde(flatten)]
    summary: PipelineSummary,
    graph: Vec<Stage>,
}

/// A stage of a pipeline.
#[derive(Debug, Serialize, ToSchema)]
struct Stage {
    /// `PIPELINE/STAGE`
    id: String,
    name: String,
    description: Option<String>,
    /// Unless it is Rust
    sql: Option<String>,
    /// The name of its transform, if it is Rust
    rust: Option<String>,
    from: String,
    to: String,
    dead_letters: String,
    /// Stages that write what this one reads
    upstream: Vec<String>,
    /// Stages that read what this one writes
    downstream: Vec<String>,
    expectations: Vec<Expectation>,
    /// What it writes
    fields: Vec<Field>,
    column_lineage: ColumnLineage,
}

/// What every output row is checked for.
#[derive(Debug, Serialize, ToSchema)]
struct Expectation {
    name: String,
    that: String,
    /// `dead_letter`, `drop`, `warn` or `stop`
    #[schema(value_type = String)]
    otherwise: serde_json::Value,
}

/// A column of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Field {
    name: String,
    /// As a topic's file writes it
    #[serde(rename = "type")]
    kind: String,
    /// As the topic's file has it
    description: Option<String>,
}

/// Where columns come from, as the SELECT was planned.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnLineage {
    fields: Vec<ColumnSources>,
    /// What touches every field, as a filter does
    dataset: Vec<ColumnSource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ColumnSources {
    field: String,
    sources: Vec<ColumnSource>,
}

/// One way in which an input field reaches an output field.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnSource {
    field: String,
    /// `DIRECT` or `INDIRECT`
    #[serde(rename = "type")]
    kind: &'static str,
    /// OpenLineage's, such as `IDENTITY`
    subtype: &'static str,
    description: String,
    masking: bool,
}

pub(super) fn fields(topic: &TopicPlan) -> Vec<Field> {
    let fields = topic.schema.fields().iter();
    let fields = fields.map(|field| Field {
        name: field.name().clone(),
        kind: format_type(field),
        description: topic.descriptions.get(field.name()).cloned(),
    });
    fields.collect()
}

impl Stage {
    fn of(plan: &StagePlan) -> Self {
        let lineage = plan.plan.column_lineage();
        macro_rules! sources {
            ($sources:expr) => {
                $sources
                    .iter()
                    .map(|source| ColumnSource {
                        field: source.field.clone(),
                        kind: source.transformation.kind(),
                        subtype: source.transformation.subtype(),
                        description: source.description.clone(),
                        masking: source.masking,
                    })
                    .collect()
            };
        }
        let columns = lineage
            .fields
            .iter()
            .map(|(field, found)| ColumnSources { field: field.clone(), sources: sources!(found) });
        let expectations = plan.expectations.iter().map(|expectation| Expectation {
            name: expectation.name.clone(),
            that: expectation.that.clone(),
            otherwise: serde_json::to_value(expectation.otherwise).unwrap_or_default(),
        });
        Self {
            id: plan.id(),
            name: plan.stage.clone(),
            description: plan.description.clone(),
            sql: plan.sql.clone(),
            rust: plan.plan.rust().map(str::to_owned),
            from: plan.from.name.clone(),
            to: plan.to.name.clone(),
            dead_letters: plan.dead_letters.name.clone(),
            upstream: plan.upstream.clone(),
            downstream: plan.downstream.clone(),
            expectations: expectations.collect(),
            fields: fields(&plan.to),
            column_lineage: ColumnLineage {
                fields: columns.collect(),
                dataset: sources!(lineage.dataset),
            },
        }
    }
}

/// List pipelines
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines",
    responses((status = 200, body = PipelineList)))]
pub(super) async fn list_pipelines(State(app): State<Shared>) -> Json<PipelineList> {
    let pipelines = app.parts.plan.pipelines.iter().map(PipelineSummary::of).collect();
    Json(PipelineList { pipelines })
}

/// Show one pipeline: graph, SQL, schemas, column lineage
#[utoipa::path(get, path = "/api/v1/pipelines/{name}", tag = "pipelines",
    params(("name" = String, Path)), responses((status = 200, body = Pipeline)))]
pub(super) async fn show_pipeline(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Pipeline>, ApiError> {
    let Some(plan) = app.parts.plan.pipeline(&name) else {
        return Err(ApiError::PipelineNotFound { name });
    };
    let graph = plan.stages.iter().map(|stage| Stage::of(stage)).collect();
    Ok(Json(Pipeline { summary: PipelineSummary::of(plan), graph }))
}
