//! The partitions that a member of a group holds, and how it learns of changes.
//!
//! librdkafka tells a change inside of a poll, and goes on when this returns.

use std::sync::{
    Mutex, OnceLock, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{self, BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
};

use super::{context, fetched::Fetched};
use crate::record::Topic;

/// A change of the partitions that this member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<i32>),
    /// `settled`: all that was under way is committed or aborted. Otherwise it is
    /// a loss: nothing that was read before may be committed any more, and commits
    /// fail until [`super::Produce::allow_commits`].
    Revoked {
        partitions: Vec<i32>,
        settled: bool,
    },
}

/// How partitions go.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// Nobody else has them before this member has given them up.
    Asked(&'a [i32]),
    /// This member was thought dead: others may have them already.
    Lost(&'a [i32]),
}

/// Called inside `poll` before partitions are given up; answers whether all
/// that was under way is settled.
pub type RevokeHook = Box<dyn Fn(Revocation<'_>) -> bool + Send + Sync>;

/// Serves the rebalances of a [`GroupConsumer`](super::GroupConsumer).
pub(super) struct GroupContext {
    on_revoke: RevokeHook,
    topic: Topic,
    /// Set before the group is joined; gone once nobody reads any more.
    fetched: OnceLock<Weak<Fetched>>,
    rebalances: Mutex<Vec<Rebalance>>,
    /// How often partitions went while records of theirs were still under way.
    /// Counted before the group learns that they are given up, so a commit that
    /// does not see it still carries the old generation, which the group refuses
    /// afterwards.
    losses: AtomicU64,
}

impl GroupContext {
    pub(super) fn new(topic: Topic, on_revoke: RevokeHook) -> Self {
        Self {
            on_revoke,
            topic,
            fetched: OnceLock::new(),
            rebalances: Mutex::new(Vec::new()),
            losses: AtomicU64::new(0),
        }
    }

    /// Where assigned partitions are led, from now on.
    pub(super) fn lead_into(&self, fetched: Weak<Fetched>) {
        self.fetched.get_or_init(|| fetched);
    }

    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    fn count_loss(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn take_changes(&self) -> Vec<Rebalance> {
        std::mem::take(&mut self.rebalances.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: Rebalance) {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        context::log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &consumer::Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| {
            list.elements().iter().map(TopicPartitionListElem::partition).collect()
        };
        match rebalance {
            consumer::Rebalance::Assign(list) => {
                let partitions: Vec<i32> = partitions(list);
                if let Some(fetched) = self.fetched.get().and_then(Weak::upgrade) {
                    // Before they are fetched from: that begins when this returns.
                    let hand = |at: &i32| fetched.lead(client.client(), &self.topic, *at);
                    let all = partitions.iter().all(hand);
                    debug_assert!(all, "librdkafka knows what it assigns");
                }
                self.note(Rebalance::Assigned(partitions));
            }
            consumer::Rebalance::Revoke(given_up) => {
                let partitions: Vec<i32> = partitions(given_up);
                let settled = if client.assignment_lost() {
                    // Before the hook, which may wait: others commit by now.
                    self.count_loss();
                    (self.on_revoke)(Revocation::Lost(&partitions));
                    false
                } else {
                    let settled = (self.on_revoke)(Revocation::Asked(&partitions));
                    if !settled {
                        self.count_loss();
                    }
                    settled
                };
                self.note(Rebalance::Revoked { partitions, settled });
            }
            consumer::Rebalance::Error(error) => {
                tracing::debug!(target: "kafka", %error, "rebalance failed");
            }
        }
    }
}
