//! The delivery thread: commands in, transactions out, and what to do when one fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use uuid::Uuid;

use super::{
    Deliverer, StageConfig, StageError, TaskStatus,
    task::{Command, Ending, Notice},
};
use crate::{
    broker::Produce,
    record::Recovery,
    runtime::{Backoff, Shutdown},
};

/// How often a delivery thread with nothing due looks around.
const IDLE: Duration = Duration::from_millis(500);

/// What one command led to.
enum Outcome {
    Goes,
    Ended,
}

/// Owns the deliverer, and with it the producer.
pub(super) struct Delivery<P> {
    deliverer: Deliverer<P>,
    inbox: Receiver<Command>,
    outbox: Sender<Notice>,
    status: Arc<TaskStatus>,
    shutdown: Shutdown,
    backoff: Backoff,
    drain_timeout: Duration,
    epoch: u64,
    /// Commands of epochs up to this one are dropped: their transaction failed.
    failed: Option<u64>,
    /// Commands are not answered any more.
    ended: Arc<AtomicBool>,
}

impl<P: Produce> Delivery<P> {
    pub(super) fn new(
        deliverer: Deliverer<P>,
        inbox: Receiver<Command>,
        outbox: Sender<Notice>,
        config: &StageConfig,
        status: &Arc<TaskStatus>,
        shutdown: &Shutdown,
    ) -> Self {
        Self {
            deliverer,
            inbox,
            outbox,
            status: Arc::clone(status),
            shutdown: shutdown.clone(),
            backoff: Backoff::new(config.retry.backoff_min, config.retry.backoff_max),
            drain_timeout: config.drain_timeout,
            epoch: 0,
            failed: None,
            ended: Arc::default(),
        }
    }

    /// Set once it answers no more commands.
    pub(super) fn ended_by(mut self, ended: Arc<AtomicBool>) -> Self {
        self.ended = ended;
        self
    }

    pub(super) fn run(mut self) {
        while let Ok(Outcome::Goes) = self.step() {}
        self.ended.store(true, Ordering::Release);
    }

    /// One command, or what is due. `Err` once the end has been told.
    fn step(&mut self) -> Result<Outcome, ()> {
        let now = Instant::now();
        let wait = self.deliverer.due().map_or(IDLE, |due| due.saturating_duration_since(now));
        let done = match self.inbox.recv_timeout(wait.min(IDLE)) {
            Ok(Command::End { failure, runs, done }) => return self.end(failure, &runs, &done),
            Ok(command) => self.obey(command),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Ok(Outcome::Ended),
        };
        match done.and_then(|()| self.deliverer.tick(Instant::now())) {
            Ok(()) => Ok(Outcome::Goes),
            Err(error) => self.recover(error).map(|()| Outcome::Goes),
        }
    }

    fn is_stale(&self, epoch: u64) -> bool {
        self.failed.is_some_and(|failed| epoch <= failed)
    }

    fn obey(&mut self, command: Command) -> Result<(), StageError> {
        let now = Instant::now();
        match command {
            Command::Work { epoch, .. } | Command::Assign { epoch, .. } if self.is_stale(epoch) => {
                Ok(())
            }
            Command::Work { processed, .. } => {
                self.deliverer.deliver(&processed, now)?;
                self.backoff.reset();
                Ok(())
            }
            Command::Assign { epoch, losses, committed } => {
                if epoch != self.epoch {
                    self.epoch = epoch;
                    self.deliverer.begin_again(losses)?;
                }
                self.deliverer.assign(&committed, now)
            }
            Command::Revoke { partitions, settled } => {
                let done = self.deliverer.revoke(&partitions, now);
                // After a failure nothing is under way: the abort settles it.
                let _ = settled.send(done.is_ok());
                done
            }
            Command::End { .. } => Ok(()),
        }
    }

    /// Whoever waits for the answer may have gone; the end is the same.
    fn end(
        &mut self,
        failure: Option<StageError>,
        runs: &[Uuid],
        done: &Sender<Ending>,
    ) -> Result<Outcome, ()> {
        let outcome = match failure {
            None => self.deliverer.finish(Instant::now()),
            Some(failure) => {
                self.tell(&failure, runs);
                let _ = done.send(Ending::Done(Err(failure)));
                return Ok(Outcome::Ended);
            }
        };
        match outcome {
            Err(error) if matches!(error.recovery(), Recovery::Retry | Recovery::Rebuild) => {
                let _ = done.send(Ending::Again);
                self.recover(error).map(|()| Outcome::Goes)
            }
            outcome => {
                let _ = done.send(Ending::Done(outcome));
                Ok(Outcome::Ended)
            }
        }
    }

    /// Tells lineage that the run failed, as well as that still goes.
    fn tell(&mut self, failure: &StageError, runs: &[Uuid]) {
        if let Err(error) = self.deliverer.fail(failure, runs, Instant::now()) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not report the failure in lineage");
        }
    }

    /// Settles a failure: aborts and asks for a rewind, or ends the stage.
    fn recover(&mut self, error: StageError) -> Result<(), ()> {
        let recovery = error.recovery();
        if matches!(recovery, Recovery::Stop | Recovery::DeadLetter) {
            self.tell(&error, &[]);
            let _ = self.outbox.send(Notice::Failed(error));
            return Err(());
        }
        self.status.retrying(&error);
        tracing::warn!(error = &error as &dyn std::error::Error, "transaction failed; going back");
        self.failed = Some(self.epoch);
        let mut rebuild = recovery == Recovery::Rebuild;
        let mut stop_at = None;
        loop {
            thread::sleep(self.backoff.next_wait());
            let settled = if rebuild { self.deliverer.rebuild() } else { self.deliverer.abort() };
            match settled {
                Ok(()) => break,
                // An abort that fails leaves the transaction in doubt: a fresh
                // producer of the same id ends it, whatever it was.
                Err(error) if error.recovery() != Recovery::Stop => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not settled yet");
                    rebuild = true;
                }
                Err(error) => {
                    let _ = self.outbox.send(Notice::Failed(error));
                    return Err(());
                }
            }
            if self.shutdown.is_cancelled() {
                let now = Instant::now();
                if *stop_at.get_or_insert(now + self.drain_timeout) <= now {
                    let error = StageError::DrainTimeout { waited: self.drain_timeout };
                    let _ = self.outbox.send(Notice::Failed(error));
                    return Err(());
                }
            }
        }
        self.outbox.send(Notice::Rewind).map_err(|_| ())
    }
}
