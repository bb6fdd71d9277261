//! The transaction: outputs, dead letters, lineage, and offsets with accounts.
//!
//! A [`Deliverer`] holds the accounts of the partitions that the task owns. It
//! knows no threads and no clock but what it is told, so the test driver runs
//! the very same code.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    Account, DeadShare, Processed, RunBooks, StageError, StageEvents, TaskStatus,
    dead_share::Window,
    holding::{Committed, Holding},
    process::DeadRecord,
    told::Told,
};
use crate::{
    broker::{CommittedOffset, OffsetCommit, OutRecord, Produce},
    dead_letter::Envelope,
    lineage::{Counts, EventType},
    record::{Block, HeaderBytes, TRACE_HEADER, Topic},
    telemetry::StageTelemetry,
};

/// What a deliverer needs beside its producer.
pub struct DelivererOptions {
    pub pipeline: String,
    pub stage: String,
    pub from: Topic,
    pub to: Topic,
    pub dead_letters: Topic,
    pub events: StageEvents,
    pub commit_interval: Duration,
    /// Least time from the first record of a transaction to its commit.
    pub linger: Duration,
    pub dead_share: DeadShare,
    pub status: Arc<TaskStatus>,
    pub telemetry: StageTelemetry,
}

/// Writes what came of blocks, a transaction at a time.
pub struct Deliverer<P> {
    producer: P,
    options: DelivererOptions,
    holdings: BTreeMap<i32, Holding>,
    /// What the open transaction holds of bounded runs.
    runs: BTreeMap<Uuid, RunBooks>,
    /// The bounded runs of which it is told in the open transaction.
    runs_told: BTreeSet<Uuid>,
    told: Told,
    /// Partitions that were forgotten and not assigned anew, and whose committed
    /// accounts name the run: whoever takes one of them over closes it, unless it
    /// is handed over as it stands committed. `None` where that is in doubt.
    forgotten: BTreeMap<i32, Option<Committed>>,
    /// When the open transaction began.
    open: Option<Instant>,
    /// When the last one was committed.
    committed: Option<Instant>,
    window: Window,
    headers: HeaderBytes,
}

/// Committed for a partition that nothing was read of. Where the first records
/// are gone by then, reading begins at the first that is left.
const BEGINNING: i64 = 0;

impl<P: Produce> Deliverer<P> {
    pub fn new(producer: P, options: DelivererOptions) -> Self {
        let told = Told::new(options.telemetry.clone());
        Self {
            producer,
            options,
            holdings: BTreeMap::new(),
            runs: BTreeMap::new(),
            runs_told: BTreeSet::new(),
            told,
            forgotten: BTreeMap::new(),
            open: None,
            committed: None,
            window: Window::default(),
            headers: HeaderBytes::default(),
        }
    }

    pub fn producer(&mut self) -> &mut P {
        &mut self.producer
    }

    /// Takes partitions over, as the group last committed them. The run of a
    /// replica that died with one of them is closed here, with its counts.
    ///
    /// After all was forgotten, `committed` has every partition that is held now.
    pub fn assign(
        &mut self,
        committed: &[CommittedOffset],
        now: Instant,
    ) -> Result<(), StageError> {
        let accounts: Vec<_> =
            committed.iter().map(|offset| (offset, read_account(offset))).collect();
        self.keep_or_renew_run(&accounts);
        let mut orphans: BTreeMap<Uuid, Vec<(i32, Counts)>> = BTreeMap::new();
        for (offset, mut account) in accounts {
            let own = account.run == Some(self.options.events.run());
            if let Some(run) = account.run.filter(|_| !own) {
                orphans.entry(run).or_default().push((offset.partition, account.of_run()));
            }
            if own {
                self.options.events.confirm_start(now);
            } else {
                account.take_over(self.options.events.run());
                account.count_again(self.options.events.kept(offset.partition));
            }
            // The claim stands beside an offset from the start, or nobody would
            // close the run of a replica that dies before its first record.
            let next_offset = offset.next_offset.unwrap_or(BEGINNING);
            self.holdings.insert(offset.partition, Holding::new(account, next_offset, own));
        }
        self.options.status.set_partitions(self.holdings.len());
        if committed.is_empty() {
            return Ok(());
        }
        for (run, counts) in orphans {
            let event = self.options.events.orphan(run, counts);
            self.send_event(event, now)?;
        }
        let event = self.options.events.start(now);
        self.send_event(event, now)
    }

    /// The run goes on if all partitions that were forgotten are still its own.
    /// Otherwise the group took this member for dead, and somebody closes the run.
    fn keep_or_renew_run(&mut self, accounts: &[(&CommittedOffset, Account)]) {
        let run = self.options.events.run();
        for (offset, account) in accounts {
            if account.run == Some(run) {
                self.forgotten.remove(&offset.partition);
            }
        }
        if !mem::take(&mut self.forgotten).is_empty() {
            self.options.events.renew();
        }
    }

    /// Sends what came of one block. The block must be the next of its partition.
    pub fn deliver(&mut self, processed: &Processed, now: Instant) -> Result<(), StageError> {
        let block = &processed.output.block;
        let Some(next_offset) = block.next_offset() else { return Ok(()) };
        let partition = block.partition();
        // What is not held has no account, and its offsets are another's to commit.
        let Some(holding) = self.holdings.get_mut(&partition) else {
            return Err(StageError::NotHeld { topic: self.options.from.clone(), partition });
        };
        holding.account.total += processed.counts;
        holding.next_offset = next_offset;
        holding.changed = true;
        self.begin(now)?;
        self.producer.send_batch(&self.options.to, &processed.output)?;
        for dead in &processed.dead {
            self.send_dead_letter(block, dead)?;
        }
        for part in &processed.runs {
            self.runs.entry(part.run).or_default().add(partition, part);
        }
        self.options.events.count_unmet(&processed.unmet);
        self.told.add(processed);
        self.options.events.count_columns(&processed.statistics);
        self.options.status.open(processed.counts);
        self.window.judge(self.options.dead_share, &self.options.from, processed)
    }

    fn send_dead_letter(&mut self, block: &Block, dead: &DeadRecord) -> Result<(), StageError> {
        let record = block.record(dead.record as usize);
        let envelope = Envelope {
            pipeline: &self.options.pipeline,
            stage: &self.options.stage,
            step: dead.step.as_str(),
            error: &dead.error,
        };
        envelope.headers(&record, &mut self.headers);
        self.producer.send(&OutRecord {
            topic: &self.options.dead_letters,
            partition: None,
            key: record.key(),
            value: dead.value.as_deref().or(record.value()),
            headers: &self.headers,
            timestamp: record.timestamp(),
        })?;
        Ok(())
    }

    /// When the open transaction is to be committed, or the next event is due.
    ///
    /// An interval after the last commit, not after the first record: what another
    /// stage committed comes together, and would wait here for all of an interval.
    pub fn due(&self) -> Option<Instant> {
        let commit = self.open.map(|begun| {
            let earliest = begun + self.options.linger;
            let last = self.committed.map(|last| last + self.options.commit_interval);
            last.map_or(earliest, |due| due.max(earliest))
        });
        let running = (!self.holdings.is_empty()).then(|| self.options.events.running_due());
        [commit, running.flatten()].into_iter().flatten().min()
    }

    /// Commits where that is due.
    pub fn tick(&mut self, now: Instant) -> Result<(), StageError> {
        if self.due().is_some_and(|due| due <= now) { self.commit(now) } else { Ok(()) }
    }

    /// Commits all that was sent, with the offsets that stand behind it.
    pub fn commit(&mut self, now: Instant) -> Result<(), StageError> {
        if !self.holdings.is_empty()
            && self.options.events.running_due().is_some_and(|due| due <= now)
        {
            // With the offsets, changed or not: the group refuses those of a replica
            // that it took for dead, and so the event of a run that others have closed.
            self.holdings.values_mut().for_each(|holding| holding.changed = true);
            let counts = self.run_counts();
            let event = self.options.events.progress(EventType::Running, &counts, None, now);
            self.send_event(event, now)?;
        }
        self.send_deltas(now)?;
        let offsets = self.offsets();
        if self.open.is_none() && offsets.is_empty() {
            return Ok(());
        }
        self.begin(now)?;
        let begun = Instant::now();
        tracing::trace!(?offsets, "committing");
        self.producer.commit(&offsets)?;
        let expectations = self.options.events.expectations();
        self.told.committed(self.open.take().unwrap_or(now), begun.elapsed(), expectations);
        self.holdings.values_mut().for_each(Holding::settle);
        self.runs_told.clear();
        self.committed = Some(now);
        self.options.events.committed();
        self.options.status.committed(now.elapsed());
        Ok(())
    }

    /// What the open transaction adds to the books of each bounded run.
    fn send_deltas(&mut self, now: Instant) -> Result<(), StageError> {
        for (run, books) in mem::take(&mut self.runs) {
            let counts = self.run_counts();
            let event = self.options.events.delta(run, &books, None, &counts, now);
            self.runs_told.insert(run);
            self.send_event_of(event, self.told.trace(run), now)?;
        }
        Ok(())
    }

    fn offsets(&self) -> Vec<OffsetCommit> {
        let changed = self.holdings.iter().filter(|(_, holding)| holding.changed);
        changed
            .map(|(partition, holding)| OffsetCommit {
                partition: *partition,
                next_offset: holding.next_offset,
                metadata: holding.account.to_string(),
            })
            .collect()
    }

    /// Commits, and hands the partitions over. What the run did of them is told
    /// in the same transaction: should this replica die, nobody else can tell.
    pub fn revoke(&mut self, partitions: &[i32], now: Instant) -> Result<(), StageError> {
        self.recall(partitions);
        let counts = self.run_counts();
        let has_worked =
            |(partition, counts): &(i32, Counts)| partitions.contains(partition) && counts.read > 0;
        if self.options.events.is_started() && counts.iter().any(has_worked) {
            let event = self.options.events.progress(EventType::Running, &counts, None, now);
            self.send_event(event, now)?;
        }
        self.hand_over(partitions, now)
    }

    /// Holds partitions again that were forgotten when a transaction was aborted,
    /// as they stand committed.
    fn recall(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some((account, next_offset)) = self.forgotten.get(partition).copied().flatten() {
                self.forgotten.remove(partition);
                self.holdings.insert(*partition, Holding::new(account, next_offset, true));
            }
        }
    }

    /// The accounts of the partitions name no run any more.
    fn hand_over(&mut self, partitions: &[i32], now: Instant) -> Result<(), StageError> {
        let mut kept = Vec::with_capacity(partitions.len());
        for partition in partitions {
            if let Some(holding) = self.holdings.get_mut(partition) {
                kept.push((*partition, holding.account.of_run()));
                holding.account.hand_over();
                holding.changed = true;
            }
        }
        self.commit(now)?;
        self.options.events.keep(&kept);
        self.holdings.retain(|partition, _| !partitions.contains(partition));
        self.options.status.set_partitions(self.holdings.len());
        Ok(())
    }

    /// Ends the run: the terminal event and the last offsets in one transaction.
    pub fn finish(&mut self, now: Instant) -> Result<(), StageError> {
        // Nothing may follow the end of the run.
        self.send_deltas(now)?;
        if self.options.events.is_started() && self.forgotten.is_empty() {
            let counts = self.run_counts();
            let event = self.options.events.progress(EventType::Complete, &counts, None, now);
            self.send_event(event, now)?;
        }
        let partitions: Vec<i32> = self.holdings.keys().copied().collect();
        self.hand_over(&partitions, now)
    }

    /// Aborts what is open, and says that the run failed with what it had committed.
    /// So did the bounded runs that records under way are of: those of the open
    /// transaction, and `runs`.
    pub fn fail(
        &mut self,
        error: &StageError,
        runs: &[Uuid],
        now: Instant,
    ) -> Result<(), StageError> {
        // An abort that fails leaves the transaction in doubt: a fresh producer of
        // the same id ends it, or the failure could not be told.
        self.producer.abort().or_else(|_| self.producer.rebuild())?;
        self.taken_back();
        let mut failed = mem::take(&mut self.runs_told);
        failed.extend(mem::take(&mut self.runs).into_keys());
        failed.extend(runs);
        self.holdings.values_mut().for_each(Holding::restore);
        // What was not committed as this run's own is still another's, to be closed
        // by the replica that takes it over next.
        self.holdings.retain(|_, holding| holding.claimed);
        self.options.events.aborted();
        self.options.status.failed(error);
        if !self.forgotten.is_empty() {
            // Others close the run, so the failure is told by one of its own.
            self.options.events.renew();
        }
        if !self.options.events.is_started() {
            if failed.is_empty() {
                return Ok(());
            }
            let event = self.options.events.start(now);
            self.send_event(event, now)?;
        }
        let counts = self.own_counts();
        for run in failed {
            let books = RunBooks::default();
            let event = self.options.events.delta(run, &books, Some(error), &counts, now);
            self.send_event(event, now)?;
        }
        let event = self.options.events.progress(EventType::Fail, &counts, Some(error), now);
        self.send_event(event, now)?;
        let partitions: Vec<i32> = self.holdings.keys().copied().collect();
        self.hand_over(&partitions, now)
    }

    /// Aborts what is open and forgets all partitions: they are to be assigned
    /// anew, as they stand committed. Until then they can only be handed over.
    pub fn abort(&mut self) -> Result<(), StageError> {
        let done = self.producer.abort();
        self.forget(done.is_ok());
        done?;
        self.taken_back();
        Ok(())
    }

    /// As [`Deliverer::abort`], with a fresh producer: what became of the open
    /// transaction is in doubt.
    pub fn rebuild(&mut self) -> Result<(), StageError> {
        self.forget(false);
        self.producer.rebuild()?;
        self.taken_back();
        Ok(())
    }

    /// Aborts what is open before all is assigned anew. The consumer had lost
    /// partitions `losses` times when it asked what it holds.
    pub fn begin_again(&mut self, losses: u64) -> Result<(), StageError> {
        self.abort()?;
        self.producer.allow_commits(losses);
        Ok(())
    }

    fn taken_back(&mut self) {
        if self.open.take().is_some() {
            self.told.aborted();
        }
    }

    fn forget(&mut self, is_aborted: bool) {
        let claimed = mem::take(&mut self.holdings).into_iter().filter(|(_, held)| held.claimed);
        self.forgotten.extend(claimed.map(|(at, held)| (at, is_aborted.then_some(held.committed))));
        self.runs.clear();
        self.runs_told.clear();
        self.window = Window::default();
        self.options.events.aborted();
        self.options.status.aborted();
    }

    /// What the run did of the partitions that it holds.
    fn own_counts(&self) -> Vec<(i32, Counts)> {
        let held = self.holdings.iter();
        held.map(|(partition, holding)| (*partition, holding.account.of_run())).collect()
    }

    /// The same, and of those that it is to be assigned anew.
    fn run_counts(&self) -> Vec<(i32, Counts)> {
        let held = self.holdings.iter().map(|(partition, holding)| (partition, &holding.account));
        let forgotten = self.forgotten.iter();
        let known = forgotten
            .filter_map(|(partition, committed)| Some((partition, &committed.as_ref()?.0)));
        held.chain(known)
            .filter(|(_, account)| account.run.is_some())
            .map(|(partition, account)| (*partition, account.of_run()))
            .collect()
    }

    fn begin(&mut self, now: Instant) -> Result<(), StageError> {
        if self.open.is_none() {
            self.producer.begin()?;
            self.open = Some(now);
        }
        Ok(())
    }

    fn send_event(&mut self, event: Option<LineageRecord>, now: Instant) -> Result<(), StageError> {
        self.send_event_of(event, None, now)
    }

    fn send_event_of(
        &mut self,
        event: Option<LineageRecord>,
        trace: Option<[u8; 55]>,
        now: Instant,
    ) -> Result<(), StageError> {
        let Some(LineageRecord { topic, key, value }) = event else { return Ok(()) };
        self.begin(now)?;
        self.headers.clear();
        if let Some(trace) = trace {
            self.headers.push(TRACE_HEADER, Some(&trace));
        }
        self.producer.send(&OutRecord {
            topic: &topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &self.headers,
            timestamp: None,
        })?;
        Ok(())
    }
}

/// An event on its way to the lineage topic.
#[derive(Debug, Clone)]
pub struct LineageRecord {
    pub topic: Topic,
    pub key: String,
    pub value: Vec<u8>,
}

fn read_account(offset: &CommittedOffset) -> Account {
    if offset.metadata.is_empty() {
        return Account::default();
    }
    offset.metadata.parse().unwrap_or_else(|error| {
        tracing::warn!(partition = offset.partition, %error, "account lost");
        Account::default()
    })
}
