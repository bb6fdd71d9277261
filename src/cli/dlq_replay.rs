//! `lineage-hub dlq replay`: dead letters back to their topics, each once, as runs.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use clap::Args;

use super::{
    CliError, context::Context, dlq, dlq_lineage, hub, output, run as bounded, signals,
    timeout_seconds,
};
use crate::{
    broker::{Broker, StartAt},
    lineage::ids,
    pipeline::{ProjectPlan, Route, StagePlan},
    record::{Position, Topic},
    runs::{Replay, Tracker},
    runtime::Shutdown,
};

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Those of this stage: `orders/extract`; or backend: `lineage/marquez`
    #[arg(long, value_name = "PIPELINE/STAGE")]
    stage: Option<String>,

    /// The one that stands here: `raw.orders.dlq/3@1287`; may be repeated
    #[arg(long, value_name = "POSITION", conflicts_with = "all")]
    position: Vec<Position>,

    /// All of the project, or of the stage
    #[arg(long)]
    all: bool,

    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,

    /// Follow the runs until their books balance
    #[arg(long)]
    wait: bool,

    /// Longest to follow each
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait", value_parser = timeout_seconds())]
    timeout: u64,
}

pub(super) fn run(args: &ReplayArgs, context: &Context) -> Result<(), CliError> {
    if !args.all && args.position.is_empty() && args.stage.is_none() {
        let message = "say which: --stage PIPELINE/STAGE, --position POSITION, or --all";
        return Err(CliError::Usage(message.to_owned()));
    }
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let stages: Vec<Arc<StagePlan>> = match &args.stage {
        Some(stage) if dlq_lineage::is_backend(stage) => Vec::new(),
        Some(stage) => vec![Context::stage(&plan, stage)?],
        None => plan.stages().map(Arc::clone).collect(),
    };
    let broker = context.broker()?;
    hub::require_topics(context, &broker, &stages)?;
    tokio::task::block_in_place(|| {
        let lineage: Topic = context.config.lineage.topic.as_str().into();
        let mut tracker = Tracker::open(&broker, &lineage, StartAt::End)?;
        let mut runs = Vec::new();
        let mut rows = Vec::new();
        let positions: BTreeSet<Position> = args.position.iter().cloned().collect();
        for topic in dlq::topics(&broker, &plan)? {
            let of_topic = stages.iter().filter(|stage| stage.dead_letters.name == *topic);
            for stage in of_topic {
                let pipeline = plan
                    .pipeline(&stage.pipeline)
                    .ok_or_else(|| CliError::Usage(format!("no pipeline {}", stage.pipeline)))?;
                let route = Route::from_stage(pipeline, stage);
                let run = hub::run_plan(context, &broker, &route, ids::new_run())?;
                let replay = Replay {
                    broker: &broker,
                    lineage: &lineage,
                    pipeline: &stage.pipeline,
                    stage: &stage.stage,
                    letters: &topic,
                    plan: &run,
                    positions: &positions,
                };
                let (sent, run) =
                    if args.dry_run { (replay.count()?, None) } else { replay.run(&shutdown)? };
                if sent == 0 {
                    continue;
                }
                rows.push(serde_json::json!({
                    "topic": &*topic, "stage": stage.id(), "letters": sent, "run": run,
                }));
                runs.extend(run);
            }
        }
        rows.extend(replay_lineage(args, context, &broker, &plan)?);
        if rows.is_empty() {
            anstream::eprintln!("no dead letter to replay; see `lineage-hub dlq list`");
        }
        let header = ["TOPIC", "STAGE", "LETTERS", "RUN"];
        output::rows(context.is_json(), &header, &rows, |row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
            vec![text("topic"), text("stage"), row["letters"].to_string(), text("run")]
        })?;
        if args.wait {
            for id in runs {
                let longest = Duration::from_secs(args.timeout);
                bounded::follow(context, &mut tracker, id, longest, &shutdown)?;
            }
        }
        Ok(())
    })
}

/// Parked lineage events, as a row where there were any.
fn replay_lineage(
    args: &ReplayArgs,
    context: &Context,
    broker: &Broker,
    plan: &ProjectPlan,
) -> Result<Option<serde_json::Value>, CliError> {
    let stage = args.stage.as_deref();
    if stage.is_some_and(|stage| !dlq_lineage::is_backend(stage)) {
        return Ok(None);
    }
    let Some(topic) = dlq::of_lineage(context, broker, plan)? else { return Ok(None) };
    let is_asked = args.position.is_empty() || args.position.iter().any(|at| at.topic == topic);
    if !is_asked {
        return Ok(None);
    }
    let wanted = dlq_lineage::Wanted { stage, positions: &args.position, dry_run: args.dry_run };
    let (sent, id) = dlq_lineage::replay(context, broker, &topic, &wanted)?;
    let row = serde_json::json!({
        "topic": &*topic, "stage": stage.unwrap_or("lineage"), "letters": sent,
        "run": (!args.dry_run).then_some(id),
    });
    Ok((sent > 0).then_some(row))
}
