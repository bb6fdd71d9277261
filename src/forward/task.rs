//! The loop of one backend: read, deliver, park, commit.
//!
//! Reading goes on while deliveries are under way, until the window is full:
//! `window_events_max` events or `window_bytes_max` bytes that are not settled,
//! or [`UNCOMMITTED_FACTOR`] times as many settled ones behind one that is not.

use std::{error::Error, io, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::ForwardConfig,
    deliver::{Deliverer, Outcome, Refusal},
    input::{Input, Partition, Source},
    lanes::{Event, Lanes},
    progress::Progress,
    stage,
    status::Status,
    transport::Transport,
};
use crate::{
    lineage::validate,
    record::{Block, Record},
    telemetry,
};

/// While one event holds the offsets, so many times the window may pass it: a
/// settled one costs a few bytes, and what passes tells what ails the one.
const UNCOMMITTED_FACTOR: usize = 100;

/// Commits for the sake of their count take one part in so many of the time: a
/// backend that is fast is not slowed down by a broker or a disk that is not.
const COMMIT_SHARE: u32 = 20;

/// Time between reports while nothing is committed.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Longest that requests under way are waited for when partitions go; whoever
/// asks for them back waits for that.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a task ended before it was told to. What it had not committed is read
/// again by the task that follows it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError<E: Error + 'static> {
    #[error("the lineage topic failed under the forwarder of `{backend}`")]
    Source { backend: String, source: E },
    #[error("cannot make sure that the events sent to `{backend}` are kept")]
    Sync { backend: String, source: io::Error },
    #[error("a delivery to `{backend}` broke off")]
    Delivery { backend: String, source: JoinError },
}

/// The task that forwards to one backend.
#[derive(Debug)]
pub struct Task<S> {
    backend: String,
    source: S,
    config: ForwardConfig,
    deliverer: Arc<Deliverer>,
    lanes: Lanes,
    progress: Progress,
    under_way: JoinSet<Vec<(Event, Outcome)>>,
    /// When the last commit ended, and how long it took.
    committed: (Instant, Duration),
    was_down: bool,
    commit_due: Interval,
    report_due: Interval,
    status: Arc<Status>,
    shutdown: CancellationToken,
}

/// All that can happen to a running task.
enum Turn<E> {
    Shutdown,
    Settled(Result<Vec<(Event, Outcome)>, JoinError>),
    /// An event has rested, or the backend may be asked.
    SendDue,
    CommitDue,
    ReportDue,
    Read(Result<Input, E>),
}

impl<S: Source> Task<S> {
    /// A task for the backend that `status` names. Must be called in a runtime.
    pub fn new(
        source: S,
        transport: Box<dyn Transport>,
        config: ForwardConfig,
        status: Arc<Status>,
        shutdown: CancellationToken,
    ) -> Self {
        let [commit_due, report_due] = [config.commit_interval, REPORT_INTERVAL].map(|period| {
            let mut due = interval(period);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            due
        });
        Self {
            backend: status.snapshot().backend,
            source,
            deliverer: Arc::new(Deliverer::new(transport, config.clone(), Arc::clone(&status))),
            config,
            lanes: Lanes::default(),
            progress: Progress::default(),
            under_way: JoinSet::new(),
            committed: (Instant::now(), Duration::ZERO),
            was_down: false,
            commit_due,
            report_due,
            status,
            shutdown,
        }
    }

    /// Runs until shutdown, or until the topic fails. At shutdown the requests
    /// under way are waited for, up to `drain_timeout`, and what is settled is
    /// committed.
    pub async fn run(mut self) -> Result<(), ForwardError<S::Error>> {
        loop {
            self.start_deliveries();
            match self.next_turn().await {
                Turn::Shutdown => return self.drain().await,
                Turn::Settled(outcomes) => {
                    self.settle(outcomes).await?;
                    if self.is_enough_to_commit() {
                        self.commit().await?;
                    }
                }
                Turn::SendDue => {}
                Turn::CommitDue => {
                    self.commit().await?;
                }
                Turn::ReportDue => self.report().await?,
                Turn::Read(Ok(Input::Records(blocks))) => self.admit(blocks).await?,
                Turn::Read(Ok(Input::Lost(partitions))) => self.give_up(partitions).await?,
                Turn::Read(Err(error)) => return Err(self.source_failed(error)),
            }
        }
    }

    async fn next_turn(&mut self) -> Turn<S::Error> {
        let room = self.progress.backlog() < self.config.window_events_max
            && self.progress.bytes() < self.config.window_bytes_max
            && self.progress.uncommitted()
                < self.config.window_events_max.saturating_mul(UNCOMMITTED_FACTOR);
        let send_due = self.send_due();
        // `biased`: settle what is done before reading more.
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Turn::Shutdown,
            Some(outcomes) = self.under_way.join_next() => Turn::Settled(outcomes),
            () = sleep_until(send_due.unwrap_or_else(Instant::now)), if send_due.is_some() => Turn::SendDue,
            _ = self.commit_due.tick() => Turn::CommitDue,
            _ = self.report_due.tick() => Turn::ReportDue,
            input = self.source.next(room) => Turn::Read(input),
        }
    }

    /// When [`Self::start_deliveries`] has something to do, if nothing else comes.
    fn send_due(&self) -> Option<Instant> {
        let has_slot = self.under_way.len() < self.deliverer.slots();
        let opens_at = self.deliverer.opens_at();
        let ready = (has_slot && self.lanes.has_ready()).then_some(opens_at);
        ready.into_iter().chain(self.lanes.rest_ends_at()).min()
    }

    /// Whether a commit need not wait for its interval.
    fn is_enough_to_commit(&self) -> bool {
        let (ended, took) = self.committed;
        self.progress.backlog() == 0
            || (self.progress.advanced() >= self.config.commit_events_enough
                && ended.elapsed() >= took * COMMIT_SHARE)
    }

    fn start_deliveries(&mut self) {
        self.lanes.wake(Instant::now());
        let is_down = self.deliverer.is_down();
        if std::mem::replace(&mut self.was_down, is_down) && !is_down {
            self.lanes.wake_after_outage();
        }
        while self.under_way.len() < self.deliverer.slots()
            && self.deliverer.opens_at() <= Instant::now()
        {
            let events =
                self.lanes.take(self.deliverer.events_max(), self.config.batch_bytes_enough);
            if events.is_empty() {
                break;
            }
            let deliverer = Arc::clone(&self.deliverer);
            let probe = deliverer.is_down();
            self.under_way.spawn(async move { deliverer.deliver(events, probe).await });
        }
        let backlog = self.progress.backlog() as u64;
        self.status.update(|status| status.backlog = backlog);
        let down = self.deliverer.is_down();
        telemetry::backlog(&self.backend, backlog, self.progress.oldest(), down);
    }

    async fn admit(&mut self, blocks: Vec<Block>) -> Result<(), ForwardError<S::Error>> {
        for block in &blocks {
            let partition = Partition { topic: block.topic().clone(), number: block.partition() };
            for record in block.iter() {
                self.admit_record(&partition, record).await?;
            }
        }
        Ok(())
    }

    async fn admit_record(
        &mut self,
        partition: &Partition,
        record: Record<'_>,
    ) -> Result<(), ForwardError<S::Error>> {
        let offset = record.offset();
        let stop = self.progress.admit(partition, offset, record.size(), &self.shutdown);
        let is_others = record.replayed_for().is_some_and(|other| other != stage(&self.backend));
        let Some(value) = record.value().filter(|_| !is_others) else {
            self.progress.settle(partition, offset);
            self.status.update(|status| status.skipped += 1);
            return Ok(());
        };
        match validate::check(value) {
            Ok(checked) => {
                let event = Event::new(record, checked, self.config.coalesce, stop);
                if let Some(superseded) = self.lanes.admit(event) {
                    self.progress.settle(&superseded.partition(), superseded.offset());
                    self.status.update(|status| status.coalesced += 1);
                }
            }
            Err(invalid) => {
                self.park(record, &Refusal::Invalid(invalid)).await?;
                self.progress.settle(partition, offset);
            }
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        outcomes: Result<Vec<(Event, Outcome)>, JoinError>,
    ) -> Result<(), ForwardError<S::Error>> {
        let outcomes = outcomes
            .map_err(|source| ForwardError::Delivery { backend: self.backend.clone(), source })?;
        // From the last on, so that those that are put back stand in their order.
        for (event, outcome) in outcomes.into_iter().rev() {
            match outcome {
                Outcome::Delivered => {
                    self.status.update(|status| status.delivered += 1);
                    self.progress.settle(&event.partition(), event.offset());
                    self.lanes.release(event.lane());
                }
                Outcome::Refused(refusal) => {
                    self.park(event.record(), &refusal).await?;
                    self.progress.settle(&event.partition(), event.offset());
                    self.lanes.release(event.lane());
                }
                // Given up: with its partition, or as all is at shutdown.
                _ if event.stop.is_cancelled() => self.lanes.release(event.lane()),
                Outcome::Again => self.lanes.put_back(event),
                Outcome::Later(wait) => self.lanes.rest(event, Instant::now() + wait),
            }
        }
        Ok(())
    }

    async fn park(
        &mut self,
        record: Record<'_>,
        refusal: &Refusal,
    ) -> Result<(), ForwardError<S::Error>> {
        let parked = self.source.park(record, &self.backend, refusal).await;
        parked.map_err(|error| self.source_failed(error))?;
        let position = record.position();
        tracing::warn!(backend = self.backend, %position, error = %refusal, "lineage event parked");
        self.status.failed(format!("{position}: {refusal}"));
        self.status.update(|status| status.parked += 1);
        Ok(())
    }

    /// Commits what is settled; whether anything was.
    async fn commit(&mut self) -> Result<bool, ForwardError<S::Error>> {
        let advances = self.progress.take_advances();
        if advances.is_empty() {
            return Ok(false);
        }
        let begun = Instant::now();
        self.deliverer
            .transport()
            .sync()
            .await
            .map_err(|source| ForwardError::Sync { backend: self.backend.clone(), source })?;
        let report = self.status.report();
        let done = self.source.commit(&advances, &report).await;
        done.map_err(|error| self.source_failed(error))?;
        self.committed = (Instant::now(), begun.elapsed());
        Ok(true)
    }

    /// Says how it goes also in an outage, when no offset moves.
    async fn report(&mut self) -> Result<(), ForwardError<S::Error>> {
        let is_said = self.commit().await?;
        let positions = self.progress.positions();
        if is_said || positions.is_empty() {
            return Ok(());
        }
        let report = self.status.report();
        if let Err(error) = self.source.commit(&positions, &report).await {
            tracing::debug!(backend = self.backend, %error, "the forwarder cannot report");
        }
        Ok(())
    }

    /// What waits of the partitions is dropped at once. What is under way is heard
    /// out, or it could arrive behind what the next owner sends.
    async fn give_up(&mut self, lost: Vec<Partition>) -> Result<(), ForwardError<S::Error>> {
        for partition in &lost {
            self.lanes.forget(partition);
        }
        self.finish(GIVE_UP_TIMEOUT).await?;
        self.commit().await?;
        for partition in &lost {
            self.progress.forget(partition);
            self.lanes.forget(partition);
        }
        Ok(())
    }

    async fn drain(mut self) -> Result<(), ForwardError<S::Error>> {
        self.finish(self.config.drain_timeout).await?;
        let left = self.progress.backlog();
        if left > 0 {
            tracing::info!(backend = self.backend, left, "lineage left undelivered at shutdown");
        }
        self.commit().await?;
        Ok(())
    }

    /// Waits for the requests under way, up to `deadline`.
    async fn finish(&mut self, deadline: Duration) -> Result<(), ForwardError<S::Error>> {
        let finish = async {
            while let Some(outcomes) = self.under_way.join_next().await {
                self.settle(outcomes).await?;
            }
            Ok(())
        };
        timeout(deadline, finish).await.unwrap_or(Ok(()))
    }

    fn source_failed(&self, source: S::Error) -> ForwardError<S::Error> {
        ForwardError::Source { backend: self.backend.clone(), source }
    }
}
