//! A project run without a broker, for our tests and for users' own.
//!
//! ```text
//! pipe -> topics in memory -> poll -> process -> deliver -> topics in memory
//!              ^               (the stages' own code)              |
//!              `--------------- run_until_idle -------------------'
//! ```
//!
//! Decoding, SELECTs, expectations, encoding, transactions, accounts and
//! lineage are those that run in production; only the two threads of a task,
//! and Kafka, are not there.
//!
//! # Guarantees
//!
//! Deterministic, but for the ids of runs and the times in lineage events:
//! one thread, a clock that the test moves, partitions by Kafka's murmur2. A
//! transaction is seen whole or not at all, and takes offsets as in Kafka.
//!
//! # Not here
//!
//! Rebalances as the group's protocol makes them: each stage is one task that
//! holds all partitions, until [`TestDriver::hand_over`] or
//! [`TestDriver::take_over`]. What tasks that run at the same time do to each
//! other needs a broker.

mod error;
mod memory;
mod producer;
mod seat;

pub use error::DriverError;
pub use memory::{NewRecord, TestRecord};
pub use producer::{Call, Failure};

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    memory::Memory,
    seat::{Seat, SeatParts},
};
use crate::{
    lineage::{Counts, LineageConfig, naming::job_name},
    pipeline::{Options, Project, ProjectPlan, check},
    record::Topic,
    stage::{Account, EventOptions, SqlLiterals, StageConfig, StageError, TaskSnapshot},
    transform::{Functions, Transforms},
};

/// 2026-01-01T00:00:00Z in milliseconds: when a driver's clock begins.
const EPOCH: i64 = 1_767_225_600_000;
/// What lineage calls the driver's topics.
const DATASETS: &str = "kafka://test-driver:9092";

/// How the stages of a driver run.
#[derive(Debug, Clone, Default)]
pub struct DriverOptions {
    pub stage: StageConfig,
    pub lineage: LineageConfig,
    /// That a SELECT may call.
    pub functions: Functions,
    /// That a stage may name in the place of a SELECT.
    pub transforms: Transforms,
}

/// All stages of a project over topics in memory.
///
/// ```
/// use lineage_hub::test_driver::TestDriver;
///
/// let mut driver = TestDriver::from_files([
///     ("topics/orders.yaml", "topic: orders\nfields: {id: bigint not null, country: string}"),
///     ("pipelines/clean.yaml", "
/// pipeline: clean
/// stages:
///   upper: {from: orders, to: orders.clean, sql: 'SELECT id, upper(country) AS country FROM input'}
/// "),
/// ])?;
/// driver.pipe("orders", &[r#"{"id":1,"country":"fr"}"#, "not json"]);
/// driver.run_until_idle();
///
/// assert_eq!(driver.output("orders.clean"), [r#"{"id":1,"country":"FR"}"#]);
/// assert_eq!(driver.dead_letters("orders.dlq"), ["orders/0@1 decode"]);
/// assert!(driver.account("clean/upper").balances());
/// # Ok::<(), lineage_hub::test_driver::DriverError>(())
/// ```
///
/// # Panics
///
/// Its methods panic where they are given the name of a topic or stage that
/// the project does not have: that is a mistake in the test.
pub struct TestDriver {
    memory: Memory,
    /// By `pipeline/stage`, each behind those that feed it.
    seats: Vec<(String, Seat)>,
    lineage_topic: String,
    start: Instant,
    elapsed: Duration,
}

impl TestDriver {
    /// The project in a folder, with default options.
    pub fn from_project(root: impl AsRef<Path>) -> Result<Self, DriverError> {
        Self::new(&Project::load(root.as_ref())?, &DriverOptions::default())
    }

    /// A project from texts named `topics/NAME.yaml` and `pipelines/NAME.yaml`,
    /// with default options.
    pub fn from_files<N: Into<String>, T: Into<String>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, DriverError> {
        let files = files.into_iter().map(|(name, text)| (name.into(), text.into()));
        Self::new(&Project::from_files(files), &DriverOptions::default())
    }

    /// Checks the project and starts its stages: topics are made, and every
    /// stage holds all partitions of its input.
    pub fn new(project: &Project, options: &DriverOptions) -> Result<Self, DriverError> {
        let DriverOptions { lineage, functions, transforms, .. } = options;
        let namespace = &lineage.namespace;
        let checked = check(project, Options { functions, transforms, namespace });
        let (plan, _warnings) = checked.into_plan().map_err(DriverError::Check)?;
        Self::from_plan(&plan, options)
    }

    /// As [`TestDriver::new`], for a project that is checked.
    pub fn from_plan(plan: &ProjectPlan, options: &DriverOptions) -> Result<Self, DriverError> {
        let DriverOptions { stage, lineage, .. } = options;
        let memory = Memory::default();
        make_topics(&memory, plan, lineage);
        let start = Instant::now();
        let mut seats = Vec::new();
        for plan in plan.stages() {
            let parts = SeatParts {
                plan: plan.clone(),
                memory: memory.clone(),
                config: stage.clone(),
                events: event_options(options),
            };
            let id = plan.id();
            let seat = Seat::start(parts, start).map_err(|source| DriverError::Stage {
                stage: id.clone(),
                source: Box::new(source),
            })?;
            seats.push((id, seat));
        }
        let lineage_topic = lineage.topic.clone();
        let elapsed = Duration::ZERO;
        Ok(Self { memory, seats, lineage_topic, start, elapsed })
    }

    /// Writes values to a topic, without keys: to its partitions in turn.
    pub fn pipe(&mut self, topic: &str, values: &[impl AsRef<[u8]>]) {
        for value in values {
            let record = NewRecord { value: Some(value.as_ref()), ..NewRecord::default() };
            self.pipe_record(topic, record);
        }
    }

    /// Writes one record to a topic.
    pub fn pipe_record(&mut self, topic: &str, record: NewRecord<'_>) {
        let topic = self.topic(topic);
        let written = self.memory.lock().write(&topic, record);
        written.unwrap_or_else(|error| panic!("cannot write to `{topic}`: {error}"));
    }

    /// Runs all stages until nothing is left to read and all is committed. The
    /// clock moves on to each commit. A stage that keeps failing is left alone
    /// after a while, until the next call.
    pub fn run_until_idle(&mut self) {
        self.seats.iter_mut().for_each(|(_, seat)| seat.wake());
        loop {
            let now = self.now();
            let mut any = false;
            for (_, seat) in &mut self.seats {
                any |= seat.poll(now);
            }
            if any {
                continue;
            }
            let due = self.seats.iter_mut().filter_map(|(_, seat)| seat.commit_due()).min();
            let Some(due) = due else { return };
            self.advance(due.saturating_duration_since(now));
        }
    }

    /// One turn of one stage: reads a batch, works on it and sends what came of
    /// it, but commits nothing. Whether there was anything to read.
    pub fn poll(&mut self, stage: &str) -> bool {
        let now = self.now();
        self.seat_mut(stage).poll(now)
    }

    /// Moves the clock; commits and RUNNING events that are due by then happen.
    pub fn advance(&mut self, by: Duration) {
        self.elapsed += by;
        self.memory.lock().time = EPOCH + self.elapsed.as_millis() as i64;
        let now = self.now();
        self.seats.iter_mut().for_each(|(_, seat)| seat.tick(now));
    }

    /// Stops every stage cleanly: what is under way is committed, and runs complete.
    pub fn finish(&mut self) {
        let now = self.now();
        self.seats.iter_mut().for_each(|(_, seat)| seat.finish(now));
    }

    /// Kills a stage without a word and starts it anew: its open transaction is
    /// lost, and it goes on from the committed offsets with a run of its own.
    /// Failures that still wait for it are forgotten.
    pub fn restart(&mut self, stage: &str) {
        let now = self.now();
        let seat = self.seat_mut(stage);
        *seat = Seat::start(seat.parts().clone(), now)
            .unwrap_or_else(|error| panic!("stage `{stage}` does not start again: {error}"));
    }

    /// A stage's replica is thought dead: another takes `partitions` over, works
    /// off what waits there and stops cleanly. Then the first comes back, to the
    /// partitions that it still holds.
    pub fn take_over(&mut self, stage: &str, partitions: &[i32]) {
        let now = self.now();
        let seat = self.seat_mut(stage);
        seat.stand_in(partitions, now);
        let left: Vec<i32> =
            seat.held().into_iter().filter(|held| !partitions.contains(held)).collect();
        seat.reassign(&left, now);
    }

    /// A replica joins a stage: the first hands `partitions` over to it, and it
    /// works off what waits there and stops cleanly.
    pub fn hand_over(&mut self, stage: &str, partitions: &[i32]) {
        let now = self.now();
        let seat = self.seat_mut(stage);
        seat.give_up(partitions, now);
        seat.stand_in(partitions, now);
    }

    /// The next such call of a stage's producer fails. Several are kept, and
    /// met in the order in which they were given.
    pub fn fail_next(&mut self, stage: &str, call: Call, failure: Failure) {
        self.seat_mut(stage).producer().fail_next(call, failure);
    }

    /// Writes to a topic time out from now on.
    pub fn refuse_writes_to(&mut self, topic: &str) {
        let topic = self.topic(topic);
        self.memory.lock().refuse(&topic, true);
    }

    /// The end of [`TestDriver::refuse_writes_to`].
    pub fn accept_writes_to(&mut self, topic: &str) {
        let topic = self.topic(topic);
        self.memory.lock().refuse(&topic, false);
    }

    /// The committed values of a topic by partition and offset, as text; a
    /// tombstone is `null`.
    pub fn output(&self, topic: &str) -> Vec<String> {
        self.records(topic).iter().map(TestRecord::text).collect()
    }

    /// The committed records of a topic by partition and offset.
    pub fn records(&self, topic: &str) -> Vec<TestRecord> {
        let topic = self.topic(topic);
        self.memory.lock().records(&topic)
    }

    /// The dead letters in a topic, each as `orders/3@1287 decode`.
    pub fn dead_letters(&self, topic: &str) -> Vec<String> {
        let letters = self.records(topic).into_iter().filter_map(|record| record.dead_letter());
        letters.map(|letter| format!("{} {}", letter.position, letter.step)).collect()
    }

    /// The next offset of each partition that a stage has committed any of.
    pub fn committed(&self, stage: &str) -> BTreeMap<i32, i64> {
        let committed = self.seat(stage).committed().into_iter();
        committed.filter_map(|offset| Some((offset.partition, offset.next_offset?))).collect()
    }

    /// What a stage has committed for its input, all runs and partitions together.
    pub fn account(&self, stage: &str) -> Counts {
        let mut sum = Counts::default();
        self.accounts(stage).into_values().for_each(|account| sum += account.total);
        sum
    }

    /// The committed account of each partition of a stage's input.
    pub fn accounts(&self, stage: &str) -> BTreeMap<i32, Account> {
        let committed = self.seat(stage).committed().into_iter();
        committed
            .filter_map(|offset| Some((offset.partition, offset.metadata.parse().ok()?)))
            .collect()
    }

    /// The committed lineage events, in the order in which they were committed.
    pub fn lineage(&self) -> Vec<Value> {
        let records = self.memory.lock().records(&self.lineage_topic);
        let events = records.iter().filter_map(|record| record.value.as_deref());
        events.filter_map(|event| serde_json::from_slice(event).ok()).collect()
    }

    /// The committed lineage events of a stage.
    pub fn lineage_of(&self, stage: &str) -> Vec<Value> {
        let plan = &self.seat(stage).parts().plan;
        let job = job_name(&plan.pipeline, &plan.stage);
        self.lineage().into_iter().filter(|event| event["job"]["name"] == job.as_str()).collect()
    }

    /// What ended a stage; `None` while it runs, and after a clean end.
    pub fn failure(&self, stage: &str) -> Option<&StageError> {
        self.seat(stage).failure()
    }

    /// What a stage shows of itself to whoever watches.
    pub fn status(&self, stage: &str) -> TaskSnapshot {
        self.seat(stage).status().snapshot()
    }

    /// `pipeline/stage` of every stage, each behind those that feed it.
    pub fn stages(&self) -> impl Iterator<Item = &str> {
        self.seats.iter().map(|(id, _)| id.as_str())
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    fn topic(&self, name: &str) -> Topic {
        let memory = self.memory.lock();
        if memory.partitions(name) == 0 {
            let known: Vec<_> = memory.topics().collect();
            panic!("no topic `{name}` in the project; there are {}", known.join(", "));
        }
        name.into()
    }

    fn index(&self, stage: &str) -> usize {
        let index = self.seats.iter().position(|(id, _)| id == stage);
        index.unwrap_or_else(|| {
            let known: Vec<_> = self.stages().collect();
            panic!("no stage `{stage}` in the project; there are {}", known.join(", "))
        })
    }

    fn seat(&self, stage: &str) -> &Seat {
        &self.seats[self.index(stage)].1
    }

    fn seat_mut(&mut self, stage: &str) -> &mut Seat {
        let index = self.index(stage);
        &mut self.seats[index].1
    }
}

fn make_topics(memory: &Memory, plan: &ProjectPlan, lineage: &LineageConfig) {
    let mut memory = memory.lock();
    memory.time = EPOCH;
    for topic in plan.topics.values() {
        memory.add_topic(&topic.name, topic.partitions as usize);
    }
    // One partition: so the order of commits is the order of the events.
    memory.add_topic(&lineage.topic, 1);
}

fn event_options(options: &DriverOptions) -> EventOptions {
    let DriverOptions { stage, lineage, .. } = options;
    EventOptions {
        enabled: lineage.enabled,
        topic: lineage.topic.as_str().into(),
        datasets: DATASETS.to_owned(),
        running_interval: lineage.running_interval,
        strip_literals: stage.sql_literals == SqlLiterals::Strip,
        // As of stages that run alone.
        parent: None,
        replica: "test".to_owned(),
    }
}
