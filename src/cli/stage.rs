//! `lineage-hub stage PIPELINE/STAGE`: one stage in a process of its own.

use clap::Args;

use super::{
    CliError,
    context::Context,
    hub::{self, RunningStage, Scale},
    signals, summary,
};
use crate::runtime::Shutdown;

#[derive(Debug, Args)]
pub(super) struct StageArgs {
    /// Which stage: `orders/extract`
    #[arg(value_name = "PIPELINE/STAGE")]
    stage: String,

    /// Tasks of this replica, each with a consumer and a producer of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    tasks: u16,

    /// A stable name: the group keeps this replica's partitions over a restart
    #[arg(long, value_name = "NAME")]
    replica: Option<String>,
}

pub(super) async fn run(args: &StageArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let stage = Context::stage(&plan, &args.stage)?;
    let broker = context.broker()?;
    hub::require_topics(context, &broker, std::slice::from_ref(&stage))?;
    let scale = Scale { replicas: 1, tasks: usize::from(args.tasks), name: args.replica.clone() };
    let parent = hub::standing_parent(&stage);
    let cancelled = hub::cancelled_runs(context, &broker, &shutdown)?;
    let running = tokio::task::block_in_place(|| {
        RunningStage::start(context, &broker, &stage, &scale, &parent, &cancelled, &shutdown)
    })?;
    let watch = summary::watch(vec![(stage, running.status.clone())], Vec::new(), &broker, context);
    let outcome = hub::join(vec![running]).await;
    watch.stop().await;
    outcome
}
