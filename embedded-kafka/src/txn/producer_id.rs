//! `InitProducerId`: a producer gets its id and epoch, and fences the one before.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::ResponseError;

use crate::log::now_ms;
use crate::node::Node;
use crate::state::StateGuard;
use crate::state::ledger::{Change, Phase, Txn};

/// What a producer asks with.
#[derive(Debug, Clone)]
pub(crate) struct InitProducer {
    /// `None`: an idempotent producer without transactions.
    pub transactional_id: Option<String>,
    pub timeout_ms: i32,
    /// Id and epoch that the producer has, when it asks for the next epoch.
    pub current: Option<(i64, i16)>,
}

impl Node {
    /// Returns producer id and epoch.
    pub(crate) async fn init_producer(
        self: &Arc<Self>,
        init: InitProducer,
    ) -> Result<(i64, i16), ResponseError> {
        let Some(id) = init.transactional_id.as_deref() else {
            return Ok((next_producer_id(&mut self.state.lock())?, 0));
        };
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let longest = self.config.transaction_timeout_max.as_millis() as i64;
        if init.timeout_ms <= 0 || i64::from(init.timeout_ms) > longest {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        if self.fence_ongoing(id, &init)? {
            self.finish(id).await?;
        }
        let mut state = self.state.lock();
        let Some(txn) = state.txns.get(id).cloned() else {
            let producer_id = next_producer_id(&mut state)?;
            return Self::set_producer(&mut state, id, producer_id, (0, -1), init.timeout_ms);
        };
        match txn.phase {
            // Another has begun since the abort above.
            Phase::Ongoing | Phase::PrepareCommit | Phase::PrepareAbort => {
                return Err(ResponseError::ConcurrentTransactions);
            }
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => {}
        }
        if is_repeated(&txn, &init) {
            return Ok((txn.producer_id, txn.epoch));
        }
        if txn.epoch >= i16::MAX - 1 {
            let producer_id = next_producer_id(&mut state)?;
            return Self::set_producer(&mut state, id, producer_id, (0, -1), init.timeout_ms);
        }
        let epochs = (txn.epoch + 1, txn.epoch);
        Self::set_producer(&mut state, id, txn.producer_id, epochs, init.timeout_ms)
    }

    /// Decides the abort of the transaction that a producer before left open,
    /// under a higher epoch, so that it can write no more. True: to be finished.
    fn fence_ongoing(&self, id: &str, init: &InitProducer) -> Result<bool, ResponseError> {
        let mut state = self.state.lock();
        let Some(txn) = state.txns.get(id) else { return Ok(false) };
        if let Some((producer_id, epoch)) = init.current {
            let known = producer_id == txn.producer_id;
            if !known || (epoch != txn.epoch && !is_repeated(txn, init)) {
                return Err(ResponseError::ProducerFenced);
            }
        }
        if txn.phase != Phase::Ongoing {
            return Ok(false);
        }
        let epoch = txn.epoch.saturating_add(1);
        self.prepare(&mut state, id, false, epoch)?;
        Ok(true)
    }

    fn set_producer(
        state: &mut StateGuard<'_>,
        id: &str,
        producer_id: i64,
        (epoch, last_epoch): (i16, i16),
        timeout_ms: i32,
    ) -> Result<(i64, i16), ResponseError> {
        let txn = Txn {
            producer_id,
            epoch,
            last_epoch,
            timeout_ms,
            phase: Phase::Empty,
            started_ms: -1,
            updated_ms: now_ms(),
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: Vec::new(),
            ends: Vec::new(),
        };
        state.commit(Change::TxnSet { id: id.to_owned(), txn })?;
        Ok((producer_id, epoch))
    }
}

/// The producer got its epoch already, and asks again: the answer was lost.
fn is_repeated(txn: &Txn, init: &InitProducer) -> bool {
    txn.phase == Phase::Empty
        && init.current.is_some_and(|(id, epoch)| {
            id == txn.producer_id && epoch == txn.last_epoch && epoch != txn.epoch
        })
}

fn next_producer_id(state: &mut StateGuard<'_>) -> Result<i64, ResponseError> {
    let id = state.next_producer_id;
    state.commit(Change::ProducerIds { next: id + 1 })?;
    Ok(id)
}
