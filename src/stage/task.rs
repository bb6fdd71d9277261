//! A task: one member of the stage's group, on two threads.
//!
//! The task thread polls and processes; the delivery thread owns the producer.
//! Between them stand a queue of [`QUEUE`] processed batches and a queue of
//! notices back, of which at most [`NOTICES`] can be under way at a time.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use uuid::Uuid;

use super::{
    Deliverer, Processed, Processor, StageConfig, StageError, TaskStatus, by_run::runs_of,
    delivery::Delivery,
};
use crate::{
    broker::{
        Broker, BrokerError, CommittedOffset, GroupConsumer, GroupOptions, PollLimits, Produce,
        Rebalance, Revocation, RevokeHook,
    },
    record::{Block, Recovery, Topic},
    runtime::{Backoff, Shutdown, spawn_guarded},
};

/// Processed batches between the two threads.
const QUEUE: usize = 2;
/// Notices from the delivery thread: one rewind, and one end.
const NOTICES: usize = 2;
/// Each that fails asks for a rewind, and these are bounded.
const REVOKE_ATTEMPTS: usize = NOTICES;
/// How long the queue may stay full before the input is paused.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often an idle task looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(100);
/// Longest the offsets of a group are waited for at a time.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that leaving the group may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that librdkafka may fetch ahead for a task.
const PREFETCH_BYTES: usize = 2 << 20;
/// Bytes of a partition to ask for at a time.
const FETCH_BYTES: usize = 256 << 10;
/// As [`FETCH_BYTES`], where a record holds many rows: one can be as large as that.
const FETCH_BYTES_OF_ROWS: usize = 1 << 20;

/// What the task thread asks of the delivery thread. An epoch begins with each
/// rewind; what is of an epoch that failed is dropped.
#[expect(clippy::large_enum_variant, reason = "nearly every command is the large one")]
pub(super) enum Command {
    Work {
        epoch: u64,
        processed: Processed,
    },
    /// Partitions taken over. A new epoch aborts and forgets all that was before.
    Assign {
        epoch: u64,
        /// Of the consumer, before it was asked what it holds.
        losses: u64,
        committed: Vec<CommittedOffset>,
    },
    Revoke {
        partitions: Vec<i32>,
        settled: Sender<bool>,
    },
    End {
        failure: Option<StageError>,
        /// Bounded runs whose records met the failure.
        runs: Vec<Uuid>,
        done: Sender<Ending>,
    },
}

impl Command {
    /// Takes out what was of partitions that are revoked; whether it is still to
    /// be sent. Their [`Command::Revoke`] has overtaken it.
    fn keep_without(&mut self, gone: &[i32]) -> bool {
        match self {
            Self::Work { processed, .. } => !gone.contains(&processed.output.block.partition()),
            Self::Assign { committed, .. } => {
                committed.retain(|offset| !gone.contains(&offset.partition));
                true
            }
            Self::Revoke { .. } | Self::End { .. } => true,
        }
    }
}

/// The answer to [`Command::End`].
pub(super) enum Ending {
    Done(Result<(), StageError>),
    /// The last transaction failed in passing, as when the group was rebalanced
    /// meanwhile: a rewind follows, and then the end is to be asked for again.
    Again,
}

/// What the delivery thread tells the task thread.
pub(super) enum Notice {
    /// The transaction was aborted: go back to the committed offsets.
    Rewind,
    /// The delivery thread has ended.
    Failed(StageError),
}

/// What a task is made of.
pub(super) struct TaskParts {
    pub broker: Broker,
    pub group: String,
    pub topic: Topic,
    pub static_member: Option<String>,
    pub config: StageConfig,
    pub processor: Processor,
    pub status: Arc<TaskStatus>,
    pub shutdown: Shutdown,
}

/// Runs until shutdown, or until a failure whose recovery is `Stop`. `connect`
/// makes the deliverer once the consumer is there.
pub(super) fn run<P: Produce + Send + 'static>(
    parts: TaskParts,
    connect: impl FnOnce(&GroupConsumer) -> Result<Deliverer<P>, StageError>,
) -> Result<(), StageError> {
    let TaskParts { broker, group, topic, static_member, config, processor, status, shutdown } =
        parts;
    let (commands, inbox) = bounded(QUEUE);
    let (outbox, notices) = bounded(NOTICES);
    let delivery_ended = Arc::<AtomicBool>::default();
    let consumer = GroupConsumer::join(
        &broker,
        GroupOptions {
            group,
            topic,
            static_member,
            session_timeout: config.session_timeout,
            prefetch_bytes: PREFETCH_BYTES,
            fetch_bytes: if processor.reads_many_rows() {
                FETCH_BYTES_OF_ROWS
            } else {
                FETCH_BYTES
            },
            on_revoke: revoke_hook(
                commands.clone(),
                config.session_timeout / 2,
                Arc::clone(&delivery_ended),
            ),
        },
    )?;
    let deliverer = connect(&consumer)?;
    let delivery = Delivery::new(deliverer, inbox, outbox, &config, &status, &shutdown)
        .ended_by(delivery_ended);
    let delivery = spawn_guarded("delivery", &shutdown, move || delivery.run())
        .map_err(|source| StageError::Thread { source })?;
    let mut task = Task {
        limits: PollLimits {
            records_max: config.batch.records_max,
            bytes_max: config.batch.bytes_max,
            linger: config.batch.linger,
            idle: IDLE,
        },
        consumer,
        processor,
        commands,
        notices,
        blocks: BTreeMap::new(),
        parts: Vec::new(),
        changes: VecDeque::new(),
        epoch: 0,
        failed_runs: Vec::new(),
        backoff: Backoff::new(config.retry.backoff_min, config.retry.backoff_max),
        shutdown,
    };
    let outcome = task.run();
    let outcome = task.end(outcome, config.drain_timeout);
    if outcome.is_ok() {
        delivery.join().map_err(|_| StageError::Panicked)?;
        status.stopped();
    }
    task.consumer.leave(LEAVE_TIMEOUT);
    outcome
}

/// Runs inside the consumer's poll, on the task thread. Where the group moves on
/// while a transaction is committed, that one fails; once it is aborted, the
/// partitions are handed over as they stood before it.
fn revoke_hook(
    commands: Sender<Command>,
    patience: Duration,
    delivery_ended: Arc<AtomicBool>,
) -> RevokeHook {
    Box::new(move |revocation| {
        tracing::debug!(?revocation, "partitions revoked");
        let Revocation::Asked(partitions) = revocation else { return false };
        let deadline = Instant::now() + patience;
        (0..REVOKE_ATTEMPTS).any(|_| {
            let (settled, answer) = bounded(1);
            let command = Command::Revoke { partitions: partitions.to_vec(), settled };
            commands.send_deadline(command, deadline).is_ok()
                && wait_for_answer(&answer, deadline, &delivery_ended)
        })
    })
}

/// A command that is queued while the delivery thread ends is never dropped, so its
/// end has to be looked for.
fn wait_for_answer(answer: &Receiver<bool>, deadline: Instant, ended: &AtomicBool) -> bool {
    loop {
        let look = (Instant::now() + IDLE).min(deadline);
        match answer.recv_deadline(look) {
            Ok(is_settled) => return is_settled,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                if ended.load(Ordering::Acquire) || Instant::now() >= deadline {
                    return false;
                }
            }
        }
    }
}

/// The task thread.
struct Task {
    consumer: GroupConsumer,
    processor: Processor,
    limits: PollLimits,
    commands: Sender<Command>,
    notices: Receiver<Notice>,
    /// Read, and not yet processed; one a partition.
    blocks: BTreeMap<i32, Block>,
    /// What is left of the block under work, the next part last; at most its halves.
    parts: Vec<Arc<Block>>,
    /// Changes of the assignment that wait for the queue.
    changes: VecDeque<Rebalance>,
    epoch: u64,
    /// Bounded runs that have records in the block that could not be worked on.
    failed_runs: Vec<Uuid>,
    backoff: Backoff,
    shutdown: Shutdown,
}

impl Task {
    fn run(&mut self) -> Result<(), StageError> {
        while !self.shutdown.is_cancelled() {
            if let Ok(notice) = self.notices.try_recv() {
                self.heed(notice)?;
            }
            while let Some(change) = self.changes.pop_front() {
                self.follow(change)?;
            }
            self.poll(self.limits)?;
            self.process()?;
        }
        Ok(())
    }

    /// Answers what was revoked.
    fn poll(&mut self, limits: PollLimits) -> Result<Vec<i32>, StageError> {
        let changes = self.consumer.poll(&mut self.blocks, limits)?;
        let mut gone = Vec::new();
        for change in changes {
            if let Rebalance::Revoked { partitions, .. } = &change {
                gone.extend(partitions);
                self.blocks.retain(|partition, _| !partitions.contains(partition));
                self.parts.retain(|part| !partitions.contains(&part.partition()));
                // Given up before they were taken over.
                for earlier in &mut self.changes {
                    if let Rebalance::Assigned(assigned) = earlier {
                        assigned.retain(|partition| !partitions.contains(partition));
                    }
                }
            }
            self.changes.push_back(change);
        }
        Ok(gone)
    }

    fn process(&mut self) -> Result<(), StageError> {
        let epoch = self.epoch;
        // A poll for room in the queue may bring partitions, and records of theirs,
        // that are to be taken over before these are worked on.
        while self.changes.is_empty() {
            if self.parts.is_empty() {
                let next = self.blocks.pop_first();
                self.parts.extend(next.map(|(_, block)| Arc::new(block)));
            }
            let processed = match self.processor.process_next(&mut self.parts) {
                Ok(Some(processed)) => processed,
                Ok(None) => break,
                Err(error) => {
                    self.failed_runs =
                        self.parts.last().map(|block| runs_of(block)).unwrap_or_default();
                    return Err(error);
                }
            };
            self.hand_over(Command::Work { epoch, processed })?;
            if self.epoch != epoch {
                break;
            }
        }
        Ok(())
    }

    fn follow(&mut self, change: Rebalance) -> Result<(), StageError> {
        match change {
            Rebalance::Assigned(partitions) => {
                let Some(committed) = self.committed(&partitions)? else { return Ok(()) };
                tracing::debug!(?committed, "partitions assigned");
                self.assign(committed, self.consumer.losses())
            }
            Rebalance::Revoked { settled: true, .. } => Ok(()),
            // Others may have the partitions already; what is under way is lost.
            Rebalance::Revoked { settled: false, .. } => self.rewind(),
        }
    }

    fn heed(&mut self, notice: Notice) -> Result<(), StageError> {
        match notice {
            Notice::Rewind => self.rewind(),
            Notice::Failed(error) => Err(error),
        }
    }

    /// Begins a new epoch at the committed offsets.
    fn rewind(&mut self) -> Result<(), StageError> {
        self.epoch += 1;
        self.blocks.clear();
        self.parts.clear();
        // All that is held is assigned below.
        self.changes.clear();
        let losses = self.consumer.losses();
        let held = self.consumer.assigned()?;
        let Some(committed) = self.committed(&held)? else { return Ok(()) };
        while let Err(error) = self.consumer.rewind(&committed, OFFSETS_TIMEOUT) {
            if !self.wait_after(&error) {
                return Ok(());
            }
        }
        self.assign(committed, losses)
    }

    fn assign(&mut self, committed: Vec<CommittedOffset>, losses: u64) -> Result<(), StageError> {
        self.hand_over(Command::Assign { epoch: self.epoch, losses, committed })
    }

    /// The group's offsets, asked for until they come; `None` at shutdown.
    fn committed(
        &mut self,
        partitions: &[i32],
    ) -> Result<Option<Vec<CommittedOffset>>, StageError> {
        loop {
            match self.consumer.committed(partitions, OFFSETS_TIMEOUT) {
                Ok(committed) => {
                    self.backoff.reset();
                    return Ok(Some(committed));
                }
                Err(error) if error.recovery() == Recovery::Retry => {
                    if !self.wait_after(&error) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether there is to be another attempt.
    fn wait_after(&mut self, error: &BrokerError) -> bool {
        tracing::debug!(error = error as &dyn std::error::Error, "trying again");
        thread::sleep(self.backoff.next_wait());
        !self.shutdown.is_cancelled()
    }

    /// Queues a command. While the queue is full the input is paused, and polled.
    fn hand_over(&mut self, command: Command) -> Result<(), StageError> {
        let mut command = command;
        loop {
            match self.commands.send_timeout(command, PATIENCE) {
                Err(SendTimeoutError::Timeout(unsent)) => command = unsent,
                // Disconnected: the notice that says why waits in the other queue.
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => break,
            }
            if let Ok(notice) = self.notices.try_recv() {
                return self.heed(notice);
            }
            if self.shutdown.is_cancelled() {
                return Ok(());
            }
            self.consumer.set_paused(true)?;
            let gone = self.poll(PollLimits { idle: Duration::ZERO, ..self.limits })?;
            if !command.keep_without(&gone) {
                break;
            }
        }
        self.consumer.set_paused(false)?;
        Ok(())
    }

    /// Lets the delivery thread settle what is under way and say how the run
    /// ended. A failure comes back as it was, once it has been told.
    fn end(
        &mut self,
        outcome: Result<(), StageError>,
        drain_timeout: Duration,
    ) -> Result<(), StageError> {
        let deadline = Instant::now() + drain_timeout;
        let mut failure = outcome.err();
        loop {
            let (done, answer) = bounded(1);
            let runs = mem::take(&mut self.failed_runs);
            let end = Command::End { failure: failure.take(), runs, done };
            match self.commands.send_deadline(end, deadline) {
                Ok(()) => {}
                // The failure was the delivery thread's own: it has told, and ended.
                Err(SendTimeoutError::Disconnected(Command::End {
                    failure: Some(error), ..
                })) => return Err(error),
                Err(SendTimeoutError::Disconnected(_)) => return Err(self.why_ended()),
                Err(SendTimeoutError::Timeout(_)) => break,
            }
            match answer.recv_deadline(deadline) {
                Ok(Ending::Done(outcome)) => return outcome,
                Ok(Ending::Again) => self.catch_up(deadline)?,
                Err(RecvTimeoutError::Disconnected) => return Err(self.why_ended()),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        Err(StageError::DrainTimeout { waited: drain_timeout })
    }

    /// Why the delivery thread has ended although it was not asked to: without a
    /// notice it panicked.
    fn why_ended(&self) -> StageError {
        let failure = |notice| match notice {
            Notice::Failed(error) => Some(error),
            Notice::Rewind => None,
        };
        self.notices.try_iter().find_map(failure).unwrap_or(StageError::Panicked)
    }

    /// Serves rebalances until the delivery thread has asked for the rewind.
    /// What is read meanwhile is left to whoever comes next.
    fn catch_up(&mut self, deadline: Instant) -> Result<(), StageError> {
        while Instant::now() < deadline {
            self.poll(self.limits)?;
            self.blocks.clear();
            self.parts.clear();
            if let Ok(notice) = self.notices.try_recv() {
                return self.heed(notice);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As where a stage stops of a record and leaves its group at once.
    #[test]
    fn partitions_are_not_waited_for_once_the_delivery_thread_has_ended() {
        let (commands, inbox) = bounded(QUEUE);
        let ended = Arc::<AtomicBool>::default();
        let hook = revoke_hook(commands, Duration::from_mins(1), Arc::clone(&ended));
        let begun = Instant::now();
        thread::scope(|scope| {
            // It ends with the command in its queue.
            scope.spawn(|| {
                while inbox.is_empty() {
                    thread::sleep(Duration::from_millis(1));
                }
                ended.store(true, Ordering::Release);
            });
            assert!(!hook(Revocation::Asked(&[0])));
        });
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
