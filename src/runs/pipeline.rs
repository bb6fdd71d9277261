//! The run of a pipeline that streams: it starts and ends with the process that
//! runs the stages.
//!
//! A process that is killed cannot end it. Then a tracker does, once the runs of all
//! its stages have ended. Both write with one transactional id, so that the run ends
//! once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    RunState,
    close::{self, options},
    event::LineageEvent,
    fold::forget_old,
};
use crate::{
    broker::{Broker, BrokerError, OutRecord, Produce, TransactionalProducer},
    lineage::{
        EventType, Job, Run, RunEvent,
        facets::{ErrorMessage, NominalTime, ProcessingEngine},
    },
    record::{HeaderBytes, Topic},
};

/// How long after the last run of its stages a pipeline's run may stay without an
/// end. Longer than a process takes to stop.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);

/// Writes the start and the end of one pipeline's run.
pub struct PipelineRun {
    id: Uuid,
    job: Job,
    topic: Topic,
    began: Timestamp,
    producer: TransactionalProducer,
}

impl PipelineRun {
    /// Writes the START.
    pub fn start(broker: &Broker, topic: &Topic, id: Uuid, job: Job) -> Result<Self, BrokerError> {
        let producer = TransactionalProducer::connect(broker, None, options(id))?;
        let began = Timestamp::now();
        let mut run = Self { id, job, topic: topic.clone(), began, producer };
        let start = run.event(began, EventType::Start, None);
        run.write(&start)?;
        Ok(run)
    }

    /// Writes the end: COMPLETE, or FAIL with the reason. Where a tracker took the
    /// process for dead, it has written the end.
    pub fn end(&mut self, failure: Option<&str>) -> Result<(), BrokerError> {
        let kind = if failure.is_some() { EventType::Fail } else { EventType::Complete };
        let end = self.event(Timestamp::now().max(self.began), kind, failure);
        match self.write(&end) {
            Err(BrokerError::Fenced { .. }) => {
                tracing::warn!(run = %self.id, "another process has ended the run of the pipeline");
                Ok(())
            }
            // As after a week in which the transactional id was not used.
            Err(BrokerError::ProducerLost { .. }) => {
                self.producer.rebuild()?;
                self.write(&end)
            }
            written => written,
        }
    }

    fn event(&self, at: Timestamp, kind: EventType, failure: Option<&str>) -> RunEvent {
        let mut run = Run::new(self.id);
        run.facets.set(&ProcessingEngine::default());
        run.facets.set(&NominalTime { start: self.began, end: None });
        if let Some(failure) = failure {
            run.facets.set(&ErrorMessage::new(failure));
        }
        RunEvent::new(kind, at, run, self.job.clone())
    }

    fn write(&mut self, event: &RunEvent) -> Result<(), BrokerError> {
        write(&mut self.producer, &self.topic, &event.key(), &event.to_json())
    }
}

/// Writes one event in a transaction of its own.
pub(super) fn write(
    producer: &mut TransactionalProducer,
    topic: &Topic,
    key: &str,
    value: &[u8],
) -> Result<(), BrokerError> {
    producer.begin()?;
    producer.send(&OutRecord {
        topic,
        partition: None,
        key: Some(key.as_bytes()),
        value: Some(value),
        headers: &HeaderBytes::default(),
        timestamp: None,
    })?;
    producer.commit(&[])
}

/// The runs of pipelines that stream, as far as the topic tells of them.
#[derive(Debug, Default)]
pub(super) struct PipelineRuns {
    runs: BTreeMap<Uuid, Told>,
    /// The parent of each run of a stage that has not ended: who ends the run of a
    /// replica that was killed names its own.
    parents: BTreeMap<Uuid, Uuid>,
}

#[derive(Debug)]
struct Told {
    state: RunState,
    /// The event that began it: what its end repeats.
    start: Option<Box<[u8]>>,
    /// Runs of its stages that have not ended.
    open: BTreeSet<Uuid>,
    /// When the last event was read, and whether any was of a stage.
    heard: Instant,
    had_stages: bool,
}

impl PipelineRuns {
    fn told(&mut self, id: Uuid) -> &mut Told {
        let new = || Told {
            state: RunState::Running,
            start: None,
            open: BTreeSet::new(),
            heard: Instant::now(),
            had_stages: false,
        };
        let told = self.runs.entry(id).or_insert_with(new);
        told.heard = Instant::now();
        told
    }

    /// Takes in an event of the pipeline's own run.
    pub(super) fn fold(&mut self, event: &LineageEvent, bytes: &[u8]) {
        let told = self.told(event.run.id);
        if event.event_type.is_terminal() {
            // Whatever comes late of its stages does not bring it back.
            (told.state, told.start) = (RunState::Complete, None);
            told.open.clear();
        } else if event.event_type == EventType::Start && !told.state.is_ended() {
            told.start = Some(bytes.into());
        }
    }

    /// Takes in an event of the run of a stage that names `parent`.
    pub(super) fn fold_stage(&mut self, parent: Uuid, event: &LineageEvent) {
        let id = event.run.id;
        let parent = if event.event_type.is_terminal() {
            self.parents.remove(&id).unwrap_or(parent)
        } else {
            *self.parents.entry(id).or_insert(parent)
        };
        let told = self.told(parent);
        if told.state.is_ended() {
            return;
        }
        told.had_stages = true;
        if event.event_type.is_terminal() {
            told.open.remove(&id);
        } else {
            told.open.insert(id);
        }
    }

    /// Those whose stages have all ended some time ago, and which go on all the same.
    pub(super) fn abandoned(&self) -> impl Iterator<Item = Uuid> {
        let runs = self.runs.iter().filter(|(_, told)| told.is_abandoned());
        runs.filter(|(_, told)| told.heard.elapsed() >= ABANDONED_AFTER).map(|(id, _)| *id)
    }

    /// The end of one that is abandoned: key and event.
    pub(super) fn end_of(&self, id: Uuid) -> Option<(String, Vec<u8>)> {
        let told = self.runs.get(&id).filter(|told| told.is_abandoned())?;
        let mut event = close::repeated(told.start.as_ref()?, EventType::Fail)?;
        let mut facets = Run::new(id).facets;
        facets.set(&ErrorMessage::new(
            "the process that ran the pipeline ended without a word; the runs of its stages have \
             ended",
        ));
        close::merge(event["run"]["facets"].as_object_mut()?, &facets);
        Some((id.to_string(), serde_json::to_vec(&event).ok()?))
    }

    /// Forgets the oldest of those that have ended.
    pub(super) fn forget_old(&mut self) {
        forget_old(&mut self.runs, |told| told.state);
    }
}

impl Told {
    fn is_abandoned(&self) -> bool {
        !self.state.is_ended() && self.had_stages && self.open.is_empty() && self.start.is_some()
    }
}
