//! What a task says of its run: START, RUNNING, COMPLETE, FAIL, as OpenLineage events.
//!
//! Every event repeats its datasets with schema and column lineage, for an
//! event without them would clear the job's edges at the backend. What does not
//! change between events is built once.

use std::{
    collections::BTreeMap,
    error::Error,
    iter,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    InOut, RunBooks, StageError, Statistics,
    deliver::LineageRecord,
    facets::{input, job, output, run_facets},
};
use crate::{
    lineage::{
        Balance, Counts, Delta, EventType, InputDataset, Job, OutputDataset, PartitionBalance, Run,
        RunEvent,
        facets::{
            Assertion, DataQualityAssertions, ErrorMessage, Facets, InputStatistics, JobType,
            NominalTime, OfRun, OutputStatistics, Parent, ParentJob, ParentRef, ProcessingEngine,
        },
        ids,
    },
    pipeline::StagePlan,
    record::Topic,
};

/// The pipeline's run that stages belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentRun {
    pub run: Uuid,
    pub namespace: String,
    pub name: String,
}

/// What events of a stage need beside its plan.
#[derive(Debug, Clone)]
pub struct EventOptions {
    pub enabled: bool,
    /// The lineage topic.
    pub topic: Topic,
    /// Namespace of the datasets: `kafka://host:port`.
    pub datasets: String,
    pub running_interval: Duration,
    pub strip_literals: bool,
    /// `None`: the stage runs alone, and there is no run of its pipeline.
    pub parent: Option<ParentRun>,
    /// The replica's name, with the task's number where it runs several.
    pub replica: String,
}

/// How far START has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Started {
    No,
    Sent,
    Committed,
}

/// What a run's columns held: committed, and in the open transaction.
#[derive(Debug, Default)]
struct Columns {
    committed: Statistics,
    open: Option<Statistics>,
}

impl Columns {
    fn count(counted: &mut Option<Self>, more: Option<&Statistics>) {
        if let Some(more) = more {
            let columns = counted.get_or_insert_default();
            columns.open.get_or_insert_default().merge(more);
        }
    }

    fn told(&self) -> Statistics {
        let mut all = self.committed.clone();
        if let Some(open) = &self.open {
            all.merge(open);
        }
        all
    }

    fn settle(&mut self, is_committed: bool) {
        if let Some(open) = self.open.take()
            && is_committed
        {
            self.committed.merge(&open);
        }
    }
}

/// Writes the events of one task's run.
#[derive(Debug)]
pub struct StageEvents {
    options: EventOptions,
    pipeline: String,
    from: Topic,
    run: Uuid,
    /// When the run began, once it has.
    began: Option<Timestamp>,
    started: Started,
    running_due: Option<Instant>,
    run_facets: Facets<OfRun>,
    job: Job,
    /// The same job, as it is in a bounded run.
    bounded_job: Job,
    input: InputDataset,
    output: OutputDataset,
    expectations: Vec<(String, String)>,
    /// Rows that failed each expectation: committed, and in the open transaction.
    unmet: Vec<(u64, u64)>,
    columns: InOut<Option<Columns>>,
    /// What the run did of partitions that it has handed over; of one that it
    /// holds again, the account counts this, too.
    kept: BTreeMap<i32, Counts>,
}

impl StageEvents {
    pub fn new(plan: &StagePlan, options: EventOptions) -> Self {
        let expectations: Vec<_> = plan
            .expectations
            .iter()
            .map(|expectation| (expectation.name.clone(), expectation.that.clone()))
            .collect();
        Self {
            pipeline: plan.pipeline.clone(),
            from: plan.from.name.as_str().into(),
            run: ids::new_run(),
            began: None,
            started: Started::No,
            running_due: None,
            run_facets: run_facets(&options),
            job: job(plan, &options, &JobType::streaming_stage(options.running_interval)),
            bounded_job: job(plan, &options, &JobType::bounded_stage()),
            input: input(plan, &options.datasets),
            output: output(plan, &options.datasets),
            unmet: vec![(0, 0); expectations.len()],
            expectations,
            columns: InOut::default(),
            kept: BTreeMap::new(),
            options,
        }
    }

    pub fn run(&self) -> Uuid {
        self.run
    }

    pub fn is_started(&self) -> bool {
        self.started != Started::No
    }

    /// The START event, the first time.
    pub fn start(&mut self, now: Instant) -> Option<LineageRecord> {
        if self.started != Started::No {
            return None;
        }
        self.started = Started::Sent;
        self.began.get_or_insert_with(Timestamp::now);
        let event = self.event(EventType::Start, self.run, &BTreeMap::new(), None);
        self.running_due = Some(now + self.options.running_interval);
        self.record(event)
    }

    /// A committed account names this run: so its START is committed as well,
    /// also where the answer to that commit was lost.
    pub fn confirm_start(&mut self, now: Instant) {
        if self.started == Started::No {
            self.started = Started::Committed;
            self.running_due = Some(now + self.options.running_interval);
        }
    }

    /// When the next RUNNING event is to be sent.
    pub fn running_due(&self) -> Option<Instant> {
        self.running_due.filter(|_| self.options.enabled)
    }

    /// An event with what the run did: `held` by the partitions that it holds.
    pub fn progress(
        &mut self,
        kind: EventType,
        held: &[(i32, Counts)],
        error: Option<&StageError>,
        now: Instant,
    ) -> Option<LineageRecord> {
        let event = self.progress_event(kind, held, error);
        self.running_due = (!kind.is_terminal()).then(|| now + self.options.running_interval);
        self.record(event)
    }

    fn progress_event(
        &self,
        kind: EventType,
        held: &[(i32, Counts)],
        error: Option<&StageError>,
    ) -> RunEvent {
        let mut counts = self.kept.clone();
        counts.extend(held.iter().copied());
        let mut event = self.event(kind, self.run, &counts, error.map(chain).as_deref());
        self.add_columns(&mut event);
        event
    }

    /// A RUNNING event with what a transaction adds to the books of the bounded run
    /// `run`, or why the stage stopped at a record of it.
    pub fn delta(
        &mut self,
        run: Uuid,
        books: &RunBooks,
        failure: Option<&StageError>,
        held: &[(i32, Counts)],
        now: Instant,
    ) -> Option<LineageRecord> {
        let unmet = self.expectations.iter().zip(&books.unmet).filter(|(_, unmet)| **unmet > 0);
        let unmet = unmet.map(|((name, _), unmet)| (name.clone(), *unmet)).collect();
        let by_partition = self.by_partition(&books.counts);
        let delta = Delta {
            failure: failure.map(chain),
            ..Delta::new(run, &self.options.replica, by_partition, unmet)
        };
        let mut event = self.progress_event(EventType::Running, held, None);
        event.run.facets.set(&delta);
        self.running_due = Some(now + self.options.running_interval);
        self.record(event)
    }

    /// The end of a run whose replica died without a word, with its exact counts.
    pub fn orphan(&self, run: Uuid, counts: Vec<(i32, Counts)>) -> Option<LineageRecord> {
        let error = "the replica ended without a word; another took its partitions over";
        let counts = counts.into_iter().collect();
        let event = self.event(EventType::Fail, run, &counts, Some(error));
        self.record(event)
    }

    /// Keeps what the run did of partitions that are handed over and committed.
    pub fn keep(&mut self, counts: &[(i32, Counts)]) {
        self.kept.extend(counts.iter().copied());
    }

    /// What the run did of a partition up to when it last handed it over.
    pub fn kept(&self, partition: i32) -> Counts {
        self.kept.get(&partition).copied().unwrap_or_default()
    }

    pub fn count_unmet(&mut self, unmet: &[u64]) {
        for ((_, open), unmet) in self.unmet.iter_mut().zip(unmet) {
            *open += unmet;
        }
    }

    /// The names of the stage's expectations.
    pub fn expectations(&self) -> impl Iterator<Item = &str> {
        self.expectations.iter().map(|(name, _)| name.as_str())
    }

    pub fn count_columns(&mut self, counted: &InOut<Option<Statistics>>) {
        Columns::count(&mut self.columns.input, counted.input.as_ref());
        Columns::count(&mut self.columns.output, counted.output.as_ref());
    }

    fn settle_columns(&mut self, is_committed: bool) {
        let InOut { input, output } = &mut self.columns;
        input.iter_mut().chain(output).for_each(|columns| columns.settle(is_committed));
    }

    pub fn committed(&mut self) {
        self.settle_columns(true);
        for (committed, open) in &mut self.unmet {
            *committed += std::mem::take(open);
        }
        if self.started == Started::Sent {
            self.started = Started::Committed;
        }
    }

    pub fn aborted(&mut self) {
        self.settle_columns(false);
        for (_, open) in &mut self.unmet {
            *open = 0;
        }
        if self.started == Started::Sent {
            self.started = Started::No;
        }
    }

    /// Others have ended this run: a new one begins with the next partitions.
    pub fn renew(&mut self) {
        self.run = ids::new_run();
        self.began = None;
        self.started = Started::No;
        self.running_due = None;
        self.kept.clear();
        self.unmet.fill((0, 0));
        self.columns = InOut::default();
    }

    fn event(
        &self,
        kind: EventType,
        run: Uuid,
        counts: &BTreeMap<i32, Counts>,
        error: Option<&str>,
    ) -> RunEvent {
        let balance = Balance::new(&self.options.replica, self.by_partition(counts));
        let total = balance.counts;
        let is_own = run == self.run;
        let mut run = Run { id: run, facets: self.run_facets.clone() };
        if let Some(start) = self.began.filter(|_| is_own) {
            run.facets.set(&NominalTime { start, end: None });
        }
        run.facets.set(&balance);
        if let Some(error) = error {
            run.facets.set(&ErrorMessage::new(error));
        }
        let mut event = self.between(kind, run, self.job.clone(), total);
        self.add_assertions(
            &mut event,
            self.unmet.iter().map(|(committed, open)| committed + open),
        );
        event
    }

    /// START of this stage's part in the bounded run `run`. Its end repeats it.
    pub fn part_start(&self, run: Uuid) -> Option<LineageRecord> {
        let parent =
            ParentJob { namespace: self.job.namespace.clone(), name: self.pipeline.clone() };
        let mut part = Run::new(ids::stage_run(run, &self.job.name));
        part.facets.set(&ProcessingEngine::default());
        part.facets.set(&Parent::root(ParentRef::new(run, parent)));
        part.facets.set(&NominalTime { start: Timestamp::now(), end: None });
        let job = self.bounded_job.clone();
        let mut event = self.between(EventType::Start, part, job, Counts::default());
        self.add_assertions(&mut event, iter::empty());
        self.record(event)
    }

    fn by_partition(&self, counts: &BTreeMap<i32, Counts>) -> Vec<PartitionBalance> {
        let by_partition = counts.iter().map(|(partition, counts)| PartitionBalance {
            topic: self.from.to_string(),
            partition: *partition,
            counts: *counts,
        });
        by_partition.collect()
    }

    /// An event between this stage's datasets.
    fn between(&self, kind: EventType, run: Run, job: Job, total: Counts) -> RunEvent {
        let mut input = self.input.clone();
        input.input_facets.set(&InputStatistics { rows: total.read, bytes: total.bytes_in });
        let mut output = self.output.clone();
        output.output_facets.set(&OutputStatistics { rows: total.out, bytes: total.bytes_out });
        let mut event = RunEvent::new(kind, Timestamp::now(), run, job);
        event.inputs.push(input);
        event.outputs.push(output);
        event
    }

    fn add_columns(&self, event: &mut RunEvent) {
        if let (Some(columns), Some(input)) = (&self.columns.input, event.inputs.first_mut()) {
            input.input_facets.set(&columns.told().metrics());
        }
        if let (Some(columns), Some(output)) = (&self.columns.output, event.outputs.first_mut()) {
            output.facets.set(&columns.told().metrics());
        }
    }

    /// `unmet`: the rows that failed each expectation, as far as any were counted.
    fn add_assertions(&self, event: &mut RunEvent, unmet: impl Iterator<Item = u64>) {
        if self.expectations.is_empty() {
            return;
        }
        let assertions = self
            .expectations
            .iter()
            .zip(unmet.chain(iter::repeat(0)))
            .map(|((name, that), unmet)| Assertion::expression(name, that, unmet))
            .collect();
        if let Some(output) = event.outputs.first_mut() {
            output.facets.set(&DataQualityAssertions { assertions });
        }
    }

    fn record(&self, event: RunEvent) -> Option<LineageRecord> {
        let Self { options: EventOptions { enabled, topic, .. }, .. } = self;
        enabled.then(|| LineageRecord {
            topic: topic.clone(),
            key: event.key(),
            value: event.to_json(),
        })
    }
}

/// An error with all its causes, as one line.
fn chain(error: &StageError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
