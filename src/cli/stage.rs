//! `lineage-hub stage PIPELINE/STAGE`: one stage in a process of its own.

use clap::Args;

use super::{
    CliError,
    context::Context,
    hub::{self, RunningStage, Scale},
    signals, summary,
};
use crate::{
    pipeline::{ProjectPlan, StagePlan},
    runtime::Shutdown,
};

#[derive(Debug, Args)]
pub(super) struct StageArgs {
    /// Which stage: `orders/extract`
    #[arg(value_name = "PIPELINE/STAGE")]
    stage: String,

    /// Tasks of this replica, each with a consumer and a producer of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    tasks: u16,

    /// A stable name: the group keeps this replica's partitions over a restart
    #[arg(long, value_name = "NAME", value_parser = replica_name)]
    replica: Option<String>,
}

/// Joined with the names of pipeline and stage, it is the name of a file.
const REPLICA_NAME_MAX: usize = 64;

fn replica_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > REPLICA_NAME_MAX || !text.chars().all(sound) {
        return Err(format!(
            "the name of a replica has 1 to {REPLICA_NAME_MAX} letters, digits, `.`, `_` and `-`"
        ));
    }
    Ok(text.to_owned())
}

/// Transactional ids are `GROUP-REPLICA-TASK`: refuses a replica whose ids would
/// be those of another stage.
fn check_replica(plan: &ProjectPlan, stage: &StagePlan, replica: &str) -> Result<(), CliError> {
    let prefix = format!("{}-{replica}", stage.group());
    let other = plan.stages().find(|other| {
        let group = other.group();
        group.len() > stage.group().len() && prefix.starts_with(&format!("{group}-"))
    });
    other.map_or(Ok(()), |other| {
        Err(CliError::Usage(format!(
            "--replica {replica}: the transactional ids of this replica of `{}` could be those of \
             a replica of `{}`; use another name",
            stage.id(),
            other.id()
        )))
    })
}

pub(super) async fn run(args: &StageArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let stage = Context::stage(&plan, &args.stage)?;
    if let Some(replica) = &args.replica {
        check_replica(&plan, &stage, replica)?;
    }
    let broker = context.broker()?;
    hub::require_topics(context, &broker, std::slice::from_ref(&stage))?;
    let scale = Scale { replicas: 1, tasks: usize::from(args.tasks), name: args.replica.clone() };
    let cancelled = hub::cancelled_runs(context, &broker, &shutdown)?;
    let running = tokio::task::block_in_place(|| {
        // Nobody says when the pipeline of stages that run alone begins or ends, so
        // there is no run of it to name.
        RunningStage::start(context, &broker, &stage, &scale, None, &cancelled, &shutdown)
    })?;
    let watch = summary::watch(vec![(stage, running.status.clone())], Vec::new(), &broker, context);
    let failures = hub::join(vec![running]).await;
    watch.stop().await;
    hub::answer(failures)
}
