//! The listener: connections in, one task each.
//!
//! ```text
//! listener -> [connections_max] connection -> shape -> dispatch -> api -> answer
//! ```
//!
//! A request that is malformed, too large or not served ends its connection and
//! nothing else. Requests under way hold at most `request_bytes_in_flight_max`.

mod answer;
mod connection;
mod dispatch;
mod list_offsets_v0;
mod shape;
mod shapes;
pub(crate) mod versions;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::node::Node;
use connection::{Budget, Ended};

/// Answers the bytes of one request, without a connection.
#[cfg(feature = "fuzzing")]
pub(crate) async fn answer_bytes(node: &Arc<Node>, request: bytes::Bytes) {
    let _ = dispatch::answer(node, "/127.0.0.1", request).await;
}

/// Accepts connections until told to stop; then ends them.
pub(crate) async fn run(node: Arc<Node>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(node.config.connections_max));
    let budget = Budget::new(node.config.request_bytes_in_flight_max);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely: others may close theirs.
                tracing::warn!(%error, "connection cannot be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, limit = node.config.connections_max, "too many connections, one is refused");
            continue;
        };
        let (node, budget) = (Arc::clone(&node), budget.clone());
        connections.spawn(async move {
            let _place = place;
            match connection::serve(node, stream, peer, budget).await {
                Ok(()) => {}
                Err(Ended::Io(error)) => tracing::debug!(%peer, %error, "connection lost"),
                Err(Ended::Idle) => tracing::debug!(%peer, "connection was idle, and is closed"),
                Err(error) => tracing::warn!(%peer, %error, "connection is ended"),
            }
        });
    }
    connections.shutdown().await;
}
