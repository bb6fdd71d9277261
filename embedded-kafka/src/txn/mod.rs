//! The transaction coordinator: producer ids, transactions, their outcomes.
//!
//! ```text
//! InitProducerId -> AddPartitions, AddOffsets, TxnOffsetCommit -> EndTxn
//!                                                                   |
//!   journal: prepared, with the ends of the partitions  <-----------'
//!   disk:    partitions and journal, side by side
//!   logs:    a marker in each partition
//!   journal: completed; offsets become visible
//! ```
//!
//! # Guarantees
//!
//! Once `EndTxn` is answered the outcome stands, whatever happens to the process
//! or, by default, the machine. A transaction that was prepared is finished at
//! the next start; one whose records did not reach the disk before the machine
//! died is aborted instead: its commit was never acknowledged.

mod finish;
mod producer_id;
mod recovery;

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;

use crate::log::now_ms;
use crate::node::Node;
use crate::state::ledger::{Change, Committed, Ledger, Phase, Txn};

pub(crate) use producer_id::InitProducer;

/// Who speaks: a transactional id with the producer that has it.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub transactional_id: String,
    pub producer_id: i64,
    pub epoch: i16,
}

impl Speaker {
    /// The transaction of the speaker, unless another has taken its id over.
    fn find<'a>(&self, ledger: &'a Ledger) -> Result<&'a Txn, ResponseError> {
        let txn = ledger.txns.get(&self.transactional_id);
        let txn = txn.filter(|txn| txn.producer_id == self.producer_id);
        let txn = txn.ok_or(ResponseError::InvalidProducerIdMapping)?;
        if txn.epoch != self.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        Ok(txn)
    }

    /// As `find`, when the transaction can still grow.
    fn find_open<'a>(&self, ledger: &'a Ledger) -> Result<&'a Txn, ResponseError> {
        let txn = self.find(ledger)?;
        match txn.phase {
            Phase::PrepareCommit | Phase::PrepareAbort => {
                Err(ResponseError::ConcurrentTransactions)
            }
            Phase::Empty | Phase::Ongoing | Phase::CompleteCommit | Phase::CompleteAbort => Ok(txn),
        }
    }
}

impl Node {
    /// Makes partitions part of the transaction, which begins with the first.
    pub(crate) fn add_partitions(
        &self,
        speaker: &Speaker,
        partitions: Vec<(String, i32)>,
    ) -> Result<(), ResponseError> {
        let mut state = self.state.lock();
        let txn = speaker.find_open(&state)?;
        let ongoing = txn.phase == Phase::Ongoing;
        let fresh: Vec<_> = partitions
            .into_iter()
            .filter(|one| !ongoing || !txn.partitions.contains(one))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let (id, now_ms) = (speaker.transactional_id.clone(), now_ms());
        state.commit(Change::TxnJoined { id, partitions: fresh.clone(), group: None, now_ms })?;
        for (topic, index) in fresh {
            if let Some(partition) = self.catalog.partition(&topic, index) {
                partition.admit(speaker.producer_id, speaker.epoch);
            }
        }
        Ok(())
    }

    /// Whether all partitions are part of the transaction already.
    pub(crate) fn verify_partitions(
        &self,
        speaker: &Speaker,
        partitions: &[(String, i32)],
    ) -> Result<(), ResponseError> {
        let state = self.state.lock();
        let txn = speaker.find_open(&state)?;
        let all = partitions.iter().all(|partition| txn.partitions.contains(partition));
        if all && txn.phase == Phase::Ongoing {
            Ok(())
        } else {
            Err(ResponseError::InvalidTxnState)
        }
    }

    /// Makes a group's offsets part of the transaction.
    pub(crate) fn add_offsets(
        &self,
        speaker: &Speaker,
        group: String,
    ) -> Result<(), ResponseError> {
        let mut state = self.state.lock();
        let txn = speaker.find_open(&state)?;
        if txn.phase == Phase::Ongoing && txn.groups.contains(&group) {
            return Ok(());
        }
        state.commit(Change::TxnJoined {
            id: speaker.transactional_id.clone(),
            partitions: Vec::new(),
            group: Some(group),
            now_ms: now_ms(),
        })
    }

    /// Takes offsets that become visible when the transaction commits. The
    /// caller has checked the group's member and generation.
    pub(crate) fn add_txn_offsets(
        &self,
        speaker: &Speaker,
        group: String,
        offsets: Vec<(String, i32, Committed)>,
    ) -> Result<(), ResponseError> {
        let mut state = self.state.lock();
        let txn = speaker.find_open(&state)?;
        if txn.phase != Phase::Ongoing || !txn.groups.contains(&group) {
            return Err(ResponseError::InvalidTxnState);
        }
        state.commit(Change::TxnOffsets { id: speaker.transactional_id.clone(), group, offsets })
    }

    /// Ends the transaction. Returns when the outcome stands and is visible.
    pub(crate) async fn end_txn(
        self: &Arc<Self>,
        speaker: &Speaker,
        commit: bool,
    ) -> Result<(), ResponseError> {
        {
            let mut state = self.state.lock();
            let txn = speaker.find(&state)?;
            match (txn.phase, commit) {
                // Asked again: the answer was lost on the way.
                (Phase::CompleteCommit, true) | (Phase::CompleteAbort, false) => return Ok(()),
                (Phase::PrepareCommit, true) | (Phase::PrepareAbort, false) => {
                    return Err(ResponseError::ConcurrentTransactions);
                }
                (Phase::Ongoing, _) => {}
                _ => return Err(ResponseError::InvalidTxnState),
            }
            self.prepare(&mut state, &speaker.transactional_id, commit, speaker.epoch)?;
        }
        self.finish(&speaker.transactional_id).await
    }

    /// Aborts transactions that have lasted too long, and fences their
    /// producers; finishes what a failing disk left prepared.
    pub(crate) async fn tick_transactions(self: &Arc<Self>) {
        let now = now_ms();
        let mut due = Vec::new();
        {
            let mut state = self.state.lock();
            let late: Vec<(String, i16)> = state
                .txns
                .iter()
                .filter(|(_, txn)| txn.phase == Phase::Ongoing)
                .filter(|(_, txn)| now - txn.started_ms >= i64::from(txn.timeout_ms))
                .map(|(id, txn)| (id.clone(), txn.epoch))
                .collect();
            for (id, epoch) in late {
                tracing::warn!(transactional_id = id, "transaction timed out, and is aborted");
                // An error is in the log; the next tick tries again.
                let _ = self.prepare(&mut state, &id, false, epoch.saturating_add(1));
            }
            let prepared = |phase| matches!(phase, Phase::PrepareCommit | Phase::PrepareAbort);
            due.extend(
                state.txns.iter().filter(|(_, t)| prepared(t.phase)).map(|(id, _)| id.clone()),
            );
        }
        let under_way: HashSet<String> = self.finishing().clone();
        for id in due.into_iter().filter(|id| !under_way.contains(id)) {
            let _ = self.finish(&id).await;
        }
    }
}
