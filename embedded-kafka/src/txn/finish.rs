//! From a decided outcome to a visible one.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use kafka_protocol::ResponseError;

use crate::config::Fsync;
use crate::log::{Partition, now_ms};
use crate::node::Node;
use crate::state::StateGuard;
use crate::state::ledger::{Change, Phase, Txn};

/// A transactional id is taken out of the set when its finishing ends, also
/// when that was broken off.
struct Finishing<'a> {
    node: &'a Node,
    id: &'a str,
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        self.node.finishing().remove(self.id);
    }
}

impl Node {
    pub(super) fn finishing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.finishing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides the outcome. With it is written how far each partition reached,
    /// so that a restart can tell whether the disk has all of the transaction.
    pub(super) fn prepare(
        &self,
        state: &mut StateGuard<'_>,
        id: &str,
        commit: bool,
        epoch: i16,
    ) -> Result<(), ResponseError> {
        let Some(txn) = state.txns.get(id) else {
            return Err(ResponseError::InvalidProducerIdMapping);
        };
        let end = |(topic, index): &(String, i32)| {
            let partition = self.catalog.partition(topic, *index)?;
            Some((topic.clone(), *index, partition.bounds().end))
        };
        let ends = txn.partitions.iter().filter_map(end).collect();
        state.commit(Change::TxnPrepared { id: id.to_owned(), commit, epoch, ends })
    }

    /// Writes the prepared outcome of a transaction; see the module's diagram.
    pub(super) async fn finish(self: &Arc<Self>, id: &str) -> Result<(), ResponseError> {
        if !self.finishing().insert(id.to_owned()) {
            return Err(ResponseError::ConcurrentTransactions);
        }
        let _finishing = Finishing { node: self, id };
        let Some(txn) = self.state.lock().txns.get(id).cloned() else {
            return Err(ResponseError::InvalidProducerIdMapping);
        };
        if txn.phase == Phase::PrepareCommit && self.config.fsync != Fsync::Interval {
            let partitions = self.partitions_of(&txn).map(|(_, _, partition)| partition).collect();
            self.sync(partitions).await.map_err(|error| {
                tracing::error!(transactional_id = id, %error, "disk cannot be synced");
                ResponseError::KafkaStorageError
            })?;
        }
        self.complete(id, &txn, |_| true)
    }

    /// Writes the markers where `wanted`, and completes the transaction.
    pub(super) fn complete(
        &self,
        id: &str,
        txn: &Txn,
        wanted: impl Fn(&Partition) -> bool,
    ) -> Result<(), ResponseError> {
        let commit = match txn.phase {
            Phase::PrepareCommit => true,
            Phase::PrepareAbort => false,
            Phase::Empty | Phase::Ongoing | Phase::CompleteCommit | Phase::CompleteAbort => {
                return Ok(());
            }
        };
        let now = now_ms();
        let mut markers = Vec::new();
        for (topic, index, partition) in self.partitions_of(txn) {
            if !wanted(&partition) {
                continue;
            }
            let offset = partition.append_marker(txn.producer_id, txn.epoch, commit, now);
            // The partition has logged it.
            markers.push((topic, index, offset.map_err(|_| ResponseError::KafkaStorageError)?));
        }
        self.state.lock().commit(Change::TxnCompleted { id: id.to_owned(), markers })
    }

    /// The partitions of a transaction that (still) exist.
    fn partitions_of(&self, txn: &Txn) -> impl Iterator<Item = (String, i32, Arc<Partition>)> {
        txn.partitions.iter().filter_map(|(topic, index)| {
            Some((topic.clone(), *index, self.catalog.partition(topic, *index)?))
        })
    }
}
