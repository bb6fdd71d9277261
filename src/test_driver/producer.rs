//! The producer of a stage in the test driver, and how it can be made to fail.

use std::collections::VecDeque;

use super::memory::{Memory, NewRecord};
use crate::{
    broker::{BrokerError, OffsetCommit, OutBatch, OutRecord, OutRow, Produce},
    record::Topic,
};

/// What is asked of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Begin,
    Send,
    Commit,
    Abort,
    Rebuild,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It times out: passing.
    TimedOut,
    /// Another producer has taken the transactional id over.
    Fenced,
    /// It is done, and the answer is lost; of a commit, that it is committed.
    AnswerLost,
    /// It is refused for good.
    Refused,
}

/// Where a producer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// Something failed: only an abort goes on.
    Failed,
    /// Only a fresh producer goes on.
    Lost,
}

/// [`Produce`] over topics in memory. As strict as Kafka's about the order of
/// its calls: a misuse loses the producer.
#[derive(Debug)]
pub(super) struct MemoryProducer {
    memory: Memory,
    id: String,
    group: String,
    state: State,
    faults: VecDeque<(Call, Failure)>,
}

impl MemoryProducer {
    /// Connects, and ends whatever an earlier producer of the id left open.
    pub(super) fn connect(memory: &Memory, id: String, group: String) -> Self {
        memory.lock().abort(&id);
        let memory = memory.clone();
        Self { memory, id, group, state: State::Idle, faults: VecDeque::new() }
    }

    /// The next `call` fails; several are kept, and met in this order.
    pub(super) fn fail_next(&mut self, call: Call, failure: Failure) {
        self.faults.push_back((call, failure));
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.state != State::Idle
    }

    fn require(&mut self, call: Call, wanted: State) -> Result<(), BrokerError> {
        if self.state == wanted {
            return Ok(());
        }
        tracing::debug!(id = self.id, ?call, state = ?self.state, "a call out of turn");
        self.state = State::Lost;
        Err(BrokerError::producer_lost(&self.id))
    }

    /// Meets the fault that waits for this call. The call itself is done first
    /// where only its answer is lost.
    fn meet(&mut self, call: Call, done: impl FnOnce(&mut Self)) -> Result<(), BrokerError> {
        let waiting = self.faults.iter().position(|(wanted, _)| *wanted == call);
        let Some((_, failure)) = waiting.and_then(|index| self.faults.remove(index)) else {
            return Ok(());
        };
        let action = match call {
            Call::Begin => "begin a transaction",
            Call::Send => "send a record",
            Call::Commit => "commit a transaction",
            Call::Abort => "abort a transaction",
            Call::Rebuild => "begin with transactions",
        };
        self.state = if call == Call::Rebuild { State::Lost } else { State::Failed };
        Err(match failure {
            Failure::TimedOut => BrokerError::timed_out(action),
            Failure::Refused => {
                BrokerError::Refused { action, reason: "the test says so".to_owned() }
            }
            Failure::Fenced => {
                self.state = State::Lost;
                BrokerError::fenced(&self.id)
            }
            Failure::AnswerLost => {
                done(self);
                // Whether it is committed can no more be learned by an abort.
                self.state = State::Lost;
                BrokerError::timed_out(action)
            }
        })
    }

    fn write(&mut self, topic: &Topic, record: NewRecord<'_>) -> Result<(), BrokerError> {
        let sent = self.memory.lock().send(&self.id, topic, record);
        if sent.is_err() {
            self.state = State::Failed;
        }
        sent
    }
}

impl Produce for MemoryProducer {
    fn begin(&mut self) -> Result<(), BrokerError> {
        self.require(Call::Begin, State::Idle)?;
        self.meet(Call::Begin, |_| {})?;
        self.state = State::Open;
        Ok(())
    }

    fn send_batch(&mut self, topic: &Topic, batch: &OutBatch) -> Result<(), BrokerError> {
        self.require(Call::Send, State::Open)?;
        self.meet(Call::Send, |_| {})?;
        for OutRow { key, value, partition, timestamp, headers } in batch.records() {
            let headers: Vec<_> = headers.collect();
            let record = NewRecord { key, value, headers: &headers, timestamp, partition };
            self.write(topic, record)?;
        }
        Ok(())
    }

    fn send(&mut self, out: &OutRecord<'_>) -> Result<(), BrokerError> {
        self.require(Call::Send, State::Open)?;
        self.meet(Call::Send, |_| {})?;
        let OutRecord { topic, partition, key, value, headers, timestamp } = *out;
        let headers: Vec<_> = headers.iter().collect();
        self.write(topic, NewRecord { key, value, headers: &headers, timestamp, partition })
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        self.require(Call::Commit, State::Open)?;
        let commit = |this: &mut Self| this.memory.lock().commit(&this.id, &this.group, offsets);
        self.meet(Call::Commit, commit)?;
        commit(self);
        self.state = State::Idle;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        if self.state == State::Lost {
            return Err(BrokerError::producer_lost(&self.id));
        }
        self.meet(Call::Abort, |this| this.memory.lock().abort(&this.id))?;
        self.memory.lock().abort(&self.id);
        self.state = State::Idle;
        Ok(())
    }

    fn rebuild(&mut self) -> Result<(), BrokerError> {
        self.meet(Call::Rebuild, |_| {})?;
        self.memory.lock().abort(&self.id);
        self.state = State::Idle;
        Ok(())
    }

    fn allow_commits(&mut self, _losses: u64) {}
}
