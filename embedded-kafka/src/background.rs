//! What happens without a request: sessions end, transactions time out, bytes
//! reach the disk, old segments go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::log::now_ms;
use crate::node::Node;

/// How exactly sessions and time-outs end.
const TICK: Duration = Duration::from_millis(50);

/// Runs until told to stop.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut synced, mut retained) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = ticks.tick() => {}
        }
        node.tick_groups();
        node.tick_transactions().await;
        if synced.elapsed() >= node.config.fsync_interval {
            synced = Instant::now();
            let mut partitions = node.catalog.partitions();
            partitions.retain(|partition| partition.is_unsynced());
            if let Err(error) = node.sync(partitions).await {
                tracing::error!(%error, "disk cannot be synced");
            }
        }
        if retained.elapsed() >= node.config.retention_interval {
            retained = Instant::now();
            let node = Arc::clone(&node);
            // A panic there was told by its hook; the next turn tries again.
            let _ = tokio::task::spawn_blocking(move || clean(&node)).await;
        }
    }
}

/// Retention, compaction, and the journal's rewriting.
fn clean(node: &Node) {
    node.expire();
    for partition in node.catalog.partitions() {
        let now = now_ms();
        if let Err(error) = partition.retain(now).and_then(|()| partition.compact(now)) {
            tracing::error!(%error, "old records cannot be removed");
        }
    }
    if !node.state.rewrite_is_due() {
        return;
    }
    if let Err(error) = node.rewrite_journal() {
        tracing::error!(%error, "journal cannot be rewritten");
    }
}
