//! The door for the fuzz target in `fuzz/`: bytes of a request to a broker in memory.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::catalog::Catalog;
use crate::config::Config;
use crate::node::Node;
use crate::server;
use crate::state::State;

/// Requests after which the broker is replaced, so that it does not fill up.
const REQUESTS_MAX: usize = 10_000;

struct Target {
    runtime: Runtime,
    node: Arc<Node>,
    requests: usize,
}

thread_local! {
    static TARGET: RefCell<Option<Target>> = const { RefCell::new(None) };
}

fn target() -> std::io::Result<Target> {
    let config = Config { partitions_max: 100, auto_create_topics: true, ..Config::default() };
    let address = ("127.0.0.1".to_owned(), 9_092);
    let node = Node::new(config, address, State::in_memory(), Catalog::new(None));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(Target { runtime, node: Arc::new(node), requests: 0 })
}

/// Has a request answered or refused; ends when it would wait.
pub fn answer(request: &[u8]) {
    TARGET.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|target| target.requests >= REQUESTS_MAX) {
            *slot = target().ok();
        }
        let Some(target) = slot else { return };
        target.requests += 1;
        let answering = server::answer_bytes(&target.node, Bytes::copy_from_slice(request));
        let within = Duration::from_millis(2);
        let _ = target.runtime.block_on(async { tokio::time::timeout(within, answering).await });
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_that_are_no_request_are_taken_without_a_panic() {
        super::answer(&[]);
        super::answer(&[0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
        super::answer(&[0xff; 64]);
    }
}
