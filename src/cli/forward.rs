//! `lineage-hub forward`: the forwarder in a process of its own.

use clap::Args;

use super::{CliError, context::Context, forward_look, hub::Forwarder, signals, summary};
use crate::runtime::Shutdown;

#[derive(Debug, Args)]
pub(super) struct ForwardArgs {
    /// Print what would be sent now, and send nothing
    #[arg(long, conflicts_with = "status")]
    dry_run: bool,

    /// Print how far the forwarders of this cluster are, and send nothing
    #[arg(long)]
    status: bool,

    /// With --dry-run: how many events of each backend
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "dry_run")]
    limit: usize,
}

pub(super) async fn run(args: &ForwardArgs, context: &Context) -> Result<(), CliError> {
    let broker = context.broker()?;
    if args.dry_run {
        return tokio::task::block_in_place(|| forward_look::dry_run(context, &broker, args.limit));
    }
    if args.status {
        return tokio::task::block_in_place(|| forward_look::status(context, &broker));
    }
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let forwarder = Forwarder::start(context, &broker, &shutdown)?;
    let watch = summary::watch(Vec::new(), forwarder.statuses.clone(), &broker, context);
    shutdown.cancelled().await;
    forwarder.join().await;
    watch.stop().await;
    Ok(())
}
