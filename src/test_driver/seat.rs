//! One stage in the test driver: what a task is on its two threads, on none.

use std::{collections::BTreeMap, mem, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    memory::{Memory, ReadLimits},
    producer::MemoryProducer,
};
use crate::{
    broker::CommittedOffset,
    pipeline::StagePlan,
    record::{Block, Recovery, Topic},
    stage::{
        Deliverer, EventOptions, Processor, StageConfig, StageError, TaskStatus, deliverer_options,
        group_of, processor, runs_of,
    },
};

/// Failures after which a stage rests, so that one that cannot succeed ends its test.
const FAILURES_MAX: u32 = 20;

/// What a seat is made of.
#[derive(Clone)]
pub(super) struct SeatParts {
    pub(super) plan: Arc<StagePlan>,
    pub(super) memory: Memory,
    pub(super) config: StageConfig,
    pub(super) events: EventOptions,
}

/// How a stage has ended.
#[derive(Debug)]
enum End {
    Finished,
    Failed(StageError),
}

/// A replica of a stage. The first holds all partitions of its topic, until
/// some are taken from it.
pub(super) struct Seat {
    parts: SeatParts,
    topic: Topic,
    group: String,
    processor: Processor,
    deliverer: Deliverer<MemoryProducer>,
    status: Arc<TaskStatus>,
    /// The next offset to read of each partition.
    positions: BTreeMap<i32, i64>,
    /// Since the stage was last woken.
    failures: u32,
    /// What is not yet settled: nothing is assigned.
    unsettled: Option<StageError>,
    end: Option<End>,
    /// Bounded runs that have records in the block that could not be worked on.
    failed_runs: Vec<Uuid>,
}

impl Seat {
    /// Begins at the committed offsets of all partitions, and ends what an
    /// earlier seat of the stage left open.
    pub(super) fn start(parts: SeatParts, now: Instant) -> Result<Self, StageError> {
        let mut seat = Self::join(parts, 0)?;
        let all = seat.committed();
        if let Err(error) = seat.assign(&all, now) {
            seat.recover(error, now);
        }
        Ok(seat)
    }

    /// A replica that holds nothing yet.
    pub(super) fn join(parts: SeatParts, replica: usize) -> Result<Self, StageError> {
        let SeatParts { plan, memory, config, events } = &parts;
        let group = group_of(plan);
        let producer =
            MemoryProducer::connect(memory, format!("{group}-{replica}-0"), group.clone());
        let status = Arc::new(TaskStatus::default());
        let options = deliverer_options(plan, config, events.clone(), Arc::clone(&status));
        Ok(Self {
            topic: plan.from.name.as_str().into(),
            group,
            processor: processor(plan, plan.to.partitions as usize)?,
            deliverer: Deliverer::new(producer, options),
            status,
            positions: BTreeMap::new(),
            failures: 0,
            unsettled: None,
            end: None,
            failed_runs: Vec::new(),
            parts,
        })
    }

    pub(super) fn parts(&self) -> &SeatParts {
        &self.parts
    }

    pub(super) fn status(&self) -> &TaskStatus {
        &self.status
    }

    pub(super) fn failure(&self) -> Option<&StageError> {
        match &self.end {
            Some(End::Failed(error)) => Some(error),
            Some(End::Finished) | None => None,
        }
    }

    pub(super) fn producer(&mut self) -> &mut MemoryProducer {
        self.deliverer.producer()
    }

    /// What the group has committed of every partition.
    pub(super) fn committed(&self) -> Vec<CommittedOffset> {
        let memory = self.parts.memory.lock();
        memory.committed(&self.group, memory.partitions(&self.topic))
    }

    /// A stage that rests tries again.
    pub(super) fn wake(&mut self) {
        self.failures = 0;
    }

    /// Reads a batch and hands over what came of it, or settles an earlier
    /// failure. Whether there was anything to do.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        if self.end.is_some() || self.failures >= FAILURES_MAX {
            return false;
        }
        if let Some(error) = self.unsettled.take() {
            self.recover(error, now);
            return true;
        }
        let blocks = self.read();
        let any = !blocks.is_empty();
        for block in blocks {
            if let Err(error) = self.work(block, now) {
                self.recover(error, now);
                break;
            }
        }
        any
    }

    fn read(&self) -> Vec<Block> {
        let batch = &self.parts.config.batch;
        let mut left = ReadLimits { records_max: batch.records_max, bytes_max: batch.bytes_max };
        let memory = self.parts.memory.lock();
        let mut blocks = Vec::new();
        for (partition, from) in &self.positions {
            if left.records_max == 0 || left.bytes_max == 0 {
                break;
            }
            if let Some(block) = memory.read(&self.topic, *partition, *from, left) {
                left.records_max -= block.len();
                left.bytes_max = left.bytes_max.saturating_sub(block.size());
                blocks.push(block);
            }
        }
        blocks
    }

    fn work(&mut self, block: Block, now: Instant) -> Result<(), StageError> {
        let (partition, next) = (block.partition(), block.next_offset());
        let block = Arc::new(block);
        let mut parts = vec![Arc::clone(&block)];
        while let Some(processed) = self
            .processor
            .process_next(&mut parts)
            .inspect_err(|_| self.failed_runs = runs_of(&block))?
        {
            self.deliverer.deliver(&processed, now)?;
        }
        self.positions.extend(next.map(|next| (partition, next)));
        Ok(())
    }

    /// When the open transaction is to be committed; `None` without one.
    pub(super) fn commit_due(&mut self) -> Option<Instant> {
        let open = self.goes() && self.deliverer.producer().in_transaction();
        self.deliverer.due().filter(|_| open)
    }

    fn goes(&self) -> bool {
        self.end.is_none() && self.unsettled.is_none()
    }

    /// Commits where that is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if !self.goes() {
            return;
        }
        if let Err(error) = self.deliverer.tick(now) {
            self.recover(error, now);
        }
    }

    /// Ends cleanly: commits, and completes the run.
    pub(super) fn finish(&mut self, now: Instant) {
        if !self.goes() {
            return;
        }
        // As in a task: what fails at the end is not tried again.
        self.end = Some(match self.deliverer.finish(now) {
            Ok(()) => End::Finished,
            Err(error) => End::Failed(error),
        });
    }

    /// The group gives this replica `partitions` and no others, as when it was
    /// thought dead and came back: what was under way is lost.
    pub(super) fn reassign(&mut self, partitions: &[i32], now: Instant) {
        let mut committed = self.committed();
        committed.retain(|offset| partitions.contains(&offset.partition));
        let done = self.deliverer.begin_again(0).and_then(|()| self.assign(&committed, now));
        if let Err(error) = done {
            self.recover(error, now);
        }
    }

    /// The group asks for `partitions` back: they are handed over with what is
    /// under way, or as they stand committed where that fails.
    pub(super) fn give_up(&mut self, partitions: &[i32], now: Instant) {
        let handed = self.deliverer.revoke(partitions, now);
        self.positions.retain(|partition, _| !partitions.contains(partition));
        if let Err(error) = handed {
            let again = self.deliverer.abort();
            let again = again.and_then(|()| self.deliverer.revoke(partitions, now));
            self.recover(again.err().unwrap_or(error), now);
        }
    }

    /// Another replica takes `partitions`, works off what waits there and stops cleanly.
    pub(super) fn stand_in(&self, partitions: &[i32], now: Instant) {
        let mut other = Self::join(self.parts.clone(), 1)
            .unwrap_or_else(|error| panic!("no other replica starts: {error}"));
        other.reassign(partitions, now);
        while other.poll(now) {}
        other.finish(now);
    }

    /// The partitions that it holds.
    pub(super) fn held(&self) -> Vec<i32> {
        self.positions.keys().copied().collect()
    }

    /// Takes partitions over as they are committed, and holds no others.
    fn assign(&mut self, committed: &[CommittedOffset], now: Instant) -> Result<(), StageError> {
        let offsets = committed.iter();
        self.positions =
            offsets.map(|offset| (offset.partition, offset.next_offset.unwrap_or(0))).collect();
        self.deliverer.assign(committed, now)
    }

    /// Aborts and goes back to the committed offsets, or ends the stage. What
    /// fails of that is left for the next poll.
    fn recover(&mut self, error: StageError, now: Instant) {
        self.failures += 1;
        let settled = match error.recovery() {
            Recovery::Stop | Recovery::DeadLetter => return self.fail(error, now),
            Recovery::Rebuild => self.deliverer.rebuild(),
            // An abort that fails leaves the transaction in doubt: a fresh
            // producer of the same id ends it, whatever it was.
            Recovery::Retry => self.deliverer.abort().or_else(|_| self.deliverer.rebuild()),
        };
        let held = self.held();
        let mut committed = self.committed();
        committed.retain(|offset| held.contains(&offset.partition));
        self.unsettled = settled.and_then(|()| self.assign(&committed, now)).err();
    }

    fn fail(&mut self, error: StageError, now: Instant) {
        let runs = mem::take(&mut self.failed_runs);
        if let Err(error) = self.deliverer.fail(&error, &runs, now) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not report the failure in lineage");
        }
        self.end = Some(End::Failed(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_driver::TestDriver;

    /// As where a task works on records before it has taken their partition over.
    #[test]
    fn records_of_a_partition_that_is_not_held_are_not_sent_on() {
        let mut driver = TestDriver::from_files([
            ("topics/in.yaml", "topic: in\npartitions: 2\nfields: {id: bigint}"),
            ("topics/out.yaml", "topic: out\nfields: {id: bigint}"),
            (
                "pipelines/p.yaml",
                "pipeline: p\nstages: {s: {from: in, to: out, sql: SELECT id FROM input}}",
            ),
        ])
        .unwrap();
        driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#, r#"{"id":4}"#]);
        driver.hand_over("p/s", &[1]);
        driver.pipe("in", &[r#"{"id":5}"#, r#"{"id":6}"#]);

        driver.seat_mut("p/s").positions.insert(1, 2);
        driver.run_until_idle();
        driver.finish();
        assert_eq!(driver.committed("p/s"), BTreeMap::from([(0, 3), (1, 3)]));
        assert_eq!(driver.output("out").len(), 6);
        assert_eq!(driver.account("p/s").read, 6);
    }
}
