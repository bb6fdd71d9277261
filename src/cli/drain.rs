//! The last of lineage: what waits in the topic when the stages have ended is
//! delivered before the forwarder ends, for as long as `forward.drain_timeout`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CliError, context::Context, forward_look::Waiting, hub::Forwarder};
use crate::{
    broker::{Admin, Broker},
    forward::Status,
    record::Topic,
};

/// Between two looks at how far the forwarder is.
const LOOK: Duration = Duration::from_millis(100);
/// How long it may take without a word.
const QUIET: Duration = Duration::from_secs(1);

/// Waits until every backend has what the lineage topic holds now, and says what is
/// left for those that do not: it waits in Kafka for the next forwarder.
pub(super) async fn drain(context: &Context, broker: &Broker, forwarder: &Forwarder) {
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let longest = context.config.forward.drain_timeout;
    let waits = forwarder.statuses.iter().map(|status| {
        let (broker, topic, status) = (broker.clone(), topic.clone(), Arc::clone(status));
        tokio::task::spawn_blocking(move || {
            let backend = status.snapshot().backend;
            if let Err(error) = wait(&broker, &topic, &status, longest) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(backend, error, "cannot tell whether all lineage is delivered");
            }
        })
    });
    for wait in waits.collect::<Vec<_>>() {
        if wait.await.is_err() {
            tracing::error!("the wait for the forwarder panicked; this is a bug, please report it");
        }
    }
}

fn wait(
    broker: &Broker,
    topic: &Topic,
    status: &Status,
    longest: Duration,
) -> Result<(), CliError> {
    let begun = Instant::now();
    let backend = status.snapshot().backend;
    let admin = Admin::connect(broker)?;
    let events = Waiting::of(&admin, &backend, topic)?.events(broker, topic)?;
    let mut is_told = false;
    loop {
        let waiting = Waiting::of(&admin, &backend, topic)?;
        if waiting.is_past(&events) {
            return Ok(());
        }
        let is_over = begun.elapsed() >= longest;
        if is_over || (!is_told && begun.elapsed() >= QUIET) {
            let left: u64 = waiting.events(broker, topic)?.values().map(|(count, _)| count).sum();
            let state = if status.snapshot().down { ", which is down" } else { "" };
            if is_over {
                tracing::warn!(
                    backend,
                    left,
                    "lineage is not all delivered after `forward.drain_timeout` ({longest:?}); the \
                     rest waits in Kafka for the next forwarder"
                );
                return Ok(());
            }
            tracing::info!(
                backend,
                left,
                "waiting up to {longest:?} for lineage to be delivered{state}; a second signal \
                 ends at once"
            );
            is_told = true;
        }
        std::thread::sleep(LOOK);
    }
}
