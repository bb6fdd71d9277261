//! `lineage-hub forward`: the forwarder in a process of its own.

use super::{CliError, context::Context, hub::Forwarder, signals, summary};
use crate::runtime::Shutdown;

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let broker = context.broker()?;
    let forwarder = Forwarder::start(context, &broker, &shutdown)?;
    let watch = summary::watch(Vec::new(), forwarder.statuses.clone(), &broker, context);
    shutdown.cancelled().await;
    forwarder.join().await;
    watch.stop().await;
    Ok(())
}
