//! `lineage-hub explain`: what a stage does, and what comes from where, before
//! anything runs.
//!
//! The graph is folded from the very events that the stages would send.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, OutputFormat, context::Context, graph, hub, output};
use crate::{
    broker::embedded,
    codec::schema::format_type,
    pipeline::{ProjectPlan, StagePlan},
    runs::Graph,
    stage::StageEvents,
    transform::{ColumnLineage, Source},
};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The pipeline, or one stage of it as `PIPELINE/STAGE`
    pipeline: String,

    /// One stage of it
    stage: Option<String>,

    /// Draw the fields, too, with `--output dot` and `mermaid`
    #[arg(long)]
    columns: bool,
}

/// What topics are named by where no broker is known yet.
const NO_BROKER: &str = "localhost:9092";

pub(super) fn run(args: &ExplainArgs, context: &Context) -> Result<(), CliError> {
    let plan = context.plan()?;
    let stages = stages(&plan, args)?;
    let text = match context.globals.output {
        OutputFormat::Text => {
            let stages: Vec<String> = stages.iter().map(|stage| text(stage)).collect();
            stages.join("\n")
        }
        OutputFormat::Dot => graph::dot(&graph_of(context, &stages)?.view(), args.columns),
        OutputFormat::Mermaid => graph::mermaid(&graph_of(context, &stages)?.view(), args.columns),
        OutputFormat::Json => {
            let graph = graph_of(context, &stages)?.view();
            let stages: Vec<Value> = stages.iter().map(|stage| as_json(stage)).collect();
            json!({ "stages": stages, "graph": graph }).to_string()
        }
    };
    output::line(text.trim_end())
}

fn stages(plan: &ProjectPlan, args: &ExplainArgs) -> Result<Vec<Arc<StagePlan>>, CliError> {
    let stage = match (&args.stage, args.pipeline.split_once('/')) {
        (Some(stage), _) => Some(format!("{}/{stage}", args.pipeline)),
        (None, Some(_)) => Some(args.pipeline.clone()),
        (None, None) => None,
    };
    if let Some(stage) = stage {
        return Ok(vec![Context::stage(plan, &stage)?]);
    }
    let Some(pipeline) = plan.pipeline(&args.pipeline) else {
        let known: Vec<&str> = plan.pipelines.iter().map(|known| known.name.as_str()).collect();
        let message = format!("no pipeline `{}`; there are {}", args.pipeline, known.join(", "));
        return Err(CliError::Usage(message));
    };
    Ok(pipeline.stages.clone())
}

/// The graph that the stages' first events make.
fn graph_of(context: &Context, stages: &[Arc<StagePlan>]) -> Result<Graph, CliError> {
    let bootstrap = match context.config.kafka.bootstrap.as_str() {
        "" => embedded::running_at(&context.data_dir()).unwrap_or_else(|| NO_BROKER.to_owned()),
        named => named.to_owned(),
    };
    let mut options = hub::event_options(context, &bootstrap)?;
    options.enabled = true;
    let mut graph = Graph::default();
    for stage in stages {
        let mut events = StageEvents::new(stage, options.clone());
        if let Some(event) = events.start(Instant::now()) {
            graph.fold(&event.value);
        }
    }
    Ok(graph)
}

fn text(stage: &StagePlan) -> String {
    let mut text = format!("{}  {} -> {}\n", stage.id(), stage.from.name, stage.to.name);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  bad records go to {}", stage.dead_letters.name);
    text.push_str("  plan\n");
    let metadata = stage.plan.metadata_columns();
    if !metadata.is_empty() {
        let names: Vec<&str> = metadata.iter().map(|column| column.name()).collect();
        let _ = writeln!(text, "    reads {} of each record", names.join(", "));
    }
    for step in stage.plan.steps() {
        let _ = writeln!(text, "    {step}");
    }
    text.push_str("  schema\n");
    let fields = stage.plan.value_schema().fields();
    let width = fields.iter().map(|field| field.name().chars().count()).max().unwrap_or(0);
    for field in fields {
        let _ = write!(text, "    {:width$}  {}", field.name(), format_type(field));
        if let Some(description) = stage.to.descriptions.get(field.name()) {
            let words: Vec<&str> = description.split_whitespace().collect();
            let _ = write!(text, "  # {}", words.join(" "));
        }
        text.push('\n');
    }
    if !stage.expectations.is_empty() {
        text.push_str("  expectations\n");
        for expectation in stage.expectations.iter() {
            let _ = writeln!(text, "    {}: {}", expectation.name, expectation.that);
        }
    }
    text.push_str("  columns\n");
    let ColumnLineage { fields, dataset } = stage.plan.column_lineage();
    for (name, sources) in fields {
        column(&mut text, name, width, sources);
    }
    if !dataset.is_empty() {
        column(&mut text, "*", width, dataset);
    }
    text
}

fn column(text: &mut String, name: &str, width: usize, sources: &[Source]) {
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        let subtype = source.transformation.subtype().to_lowercase().replace('_', " ");
        let masked = if source.masking { ", masked" } else { "" };
        names.push(format!("{} ({subtype}{masked})", source.field));
    }
    let sources = if names.is_empty() { "no field".to_owned() } else { names.join(", ") };
    let _ = writeln!(text, "    {name:width$}  <- {sources}");
}

fn as_json(stage: &StagePlan) -> Value {
    let fields: Vec<Value> = stage
        .plan
        .value_schema()
        .fields()
        .iter()
        .map(|field| {
            let description = stage.to.descriptions.get(field.name());
            json!({ "name": field.name(), "type": format_type(field), "description": description })
        })
        .collect();
    let expectations: Vec<Value> = stage
        .expectations
        .iter()
        .map(|one| json!({ "name": one.name, "that": one.that, "otherwise": one.otherwise }))
        .collect();
    let source = |source: &Source| {
        json!({
            "field": source.field,
            "type": source.transformation.kind(),
            "subtype": source.transformation.subtype(),
            "description": source.description,
            "masking": source.masking,
        })
    };
    let ColumnLineage { fields: columns, dataset } = stage.plan.column_lineage();
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, from)| json!({ "name": name, "from": from.iter().map(source).collect::<Vec<_>>() }))
        .collect();
    json!({
        "stage": stage.id(),
        "from": stage.from.name,
        "to": stage.to.name,
        "deadLetters": stage.dead_letters.name,
        "sql": stage.sql,
        "rust": stage.plan.rust(),
        "plan": stage.plan.steps(),
        "schema": fields,
        "expectations": expectations,
        "columns": columns,
        "dataset": dataset.iter().map(source).collect::<Vec<_>>(),
    })
}
