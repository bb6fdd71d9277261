//! Sends a bounded run: its start, its records, and at last how many they were.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::RunState;
use crate::{
    broker::{
        Broker, BrokerError, OutRecord, Produce, TransactionalOptions, TransactionalProducer,
    },
    lineage::{
        EventType, Job, Run, RunCancel, RunEvent, RunGraph, RunTotal,
        facets::{ErrorMessage, NominalTime, ProcessingEngine},
    },
    record::{HeaderBytes, RUN_HEADER, TRACE_HEADER, Topic},
    telemetry::{RunEnded, RunSpan},
};

/// Records of one transaction: many enough to be cheap, and few enough that a
/// stage need not wait long for the first.
const RECORDS_MAX: u64 = 10_000;
/// Bytes of one transaction, so that large records do not make a huge one.
const BYTES_MAX: u64 = 32 << 20;
/// Longest that a transaction stays open while a slow input goes on.
const OPEN_MAX: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_mins(1);

/// A run that is to be sent.
#[derive(Debug, Clone)]
pub struct RunPlan {
    pub id: Uuid,
    /// The pipeline.
    pub job: Job,
    /// The time of its START, no later than that of its parts.
    pub started: Timestamp,
    /// The topic that its records go to.
    pub topic: Topic,
    pub graph: RunGraph,
    /// START of each stage's part: key and event.
    pub starts: Vec<(String, Vec<u8>)>,
    /// `traceparent` of whoever asked for the run.
    pub trace: Option<Vec<u8>>,
}

/// Writes the records of one bounded run, in transactions.
pub struct RunSender {
    id: Uuid,
    topic: Topic,
    lineage: Topic,
    job: Job,
    producer: TransactionalProducer,
    headers: HeaderBytes,
    /// The same with the trace of the run.
    traced: HeaderBytes,
    span: RunSpan,
    /// START of the run, until it is committed.
    start: Option<(String, Vec<u8>)>,
    total: RunTotal,
    /// Records and bytes of the open transaction, and when it began.
    open: (u64, u64),
    begun: Instant,
    started: Instant,
}

impl RunSender {
    /// Connects, and ends whatever an earlier one of this transactional id left
    /// open; the id is the run's own unless one is given.
    pub fn connect(
        broker: &Broker,
        lineage: &Topic,
        plan: &RunPlan,
        transactional_id: Option<String>,
    ) -> Result<Self, BrokerError> {
        let id = plan.id;
        let options = TransactionalOptions {
            transactional_id: transactional_id.or_else(|| Some(format!("lineage-hub-run-{id}"))),
            transaction_timeout: TIMEOUT,
            request_timeout: Duration::from_secs(10),
            compression: "lz4".to_owned(),
            buffer_bytes: 16 << 20,
            batch_bytes: 256 << 10,
        };
        let run = id.to_string();
        let span = RunSpan::start(&plan.job.name, &plan.topic, &run, plan.trace.as_deref());
        let mut headers = HeaderBytes::default();
        headers.push(RUN_HEADER, Some(run.as_bytes()));
        let mut traced = headers.clone();
        if let Some(trace) = span.header() {
            traced.push(TRACE_HEADER, Some(&trace));
        }
        Ok(Self {
            id,
            topic: plan.topic.clone(),
            lineage: lineage.clone(),
            job: plan.job.clone(),
            producer: TransactionalProducer::connect(broker, None, options)?,
            headers,
            traced,
            span,
            start: None,
            total: RunTotal { topic: plan.topic.to_string(), records: 0, bytes: 0 },
            open: (0, 0),
            begun: Instant::now(),
            started: Instant::now(),
        })
    }

    /// Opens the first transaction, with the start of the run and of each stage's
    /// part.
    pub fn start(&mut self, plan: &RunPlan) -> Result<(), BrokerError> {
        self.producer.begin()?;
        self.begun = Instant::now();
        let mut run = self.run();
        run.facets.set(&plan.graph);
        run.facets.set(&NominalTime { start: plan.started, end: None });
        let event = RunEvent::new(EventType::Start, plan.started, run, self.job.clone());
        let start = (event.key(), event.to_json());
        self.send_event(&start.0, &start.1)?;
        self.start = Some(start);
        for (key, value) in &plan.starts {
            self.send_event(key, value)?;
        }
        Ok(())
    }

    fn run(&self) -> Run {
        let mut run = Run::new(self.id);
        run.facets.set(&ProcessingEngine::default());
        run
    }

    fn tell(&mut self, kind: EventType, run: Run) -> Result<(), BrokerError> {
        let event = RunEvent::new(kind, Timestamp::now(), run, self.job.clone());
        self.send_event(&event.key(), &event.to_json())
    }

    fn send_event(&mut self, key: &str, value: &[u8]) -> Result<(), BrokerError> {
        let mut headers = HeaderBytes::default();
        if let Some(trace) = self.span.header() {
            headers.push(TRACE_HEADER, Some(&trace));
        }
        self.producer.send(&OutRecord {
            topic: &self.lineage,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: &headers,
            timestamp: None,
        })
    }

    /// Sends a record of the run, and commits now and then.
    pub fn send_row(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<(), BrokerError> {
        let traced = self.span.header_of(self.total.records).is_some();
        let headers = if traced { &self.traced } else { &self.headers };
        self.producer.send(&OutRecord {
            topic: &self.topic,
            partition: None,
            key,
            value: Some(value),
            headers,
            timestamp: None,
        })?;
        let bytes =
            |(name, value): (&str, Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let headers: usize = headers.iter().map(bytes).sum();
        self.count(key.map_or(0, <[u8]>::len) + value.len() + headers)
    }

    /// Counts a record of so many bytes that was sent, and commits now and then.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), BrokerError> {
        self.open.0 += 1;
        self.open.1 += bytes as u64;
        self.total.records += 1;
        self.total.bytes += bytes as u64;
        let (records, bytes) = self.open;
        if records >= RECORDS_MAX || bytes >= BYTES_MAX || self.begun.elapsed() >= OPEN_MAX {
            self.commit()?;
            self.producer.begin()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), BrokerError> {
        self.producer.commit(&[])?;
        self.start = None;
        self.open = (0, 0);
        self.begun = Instant::now();
        Ok(())
    }

    /// Commits what was sent so far, and goes on.
    pub fn commit_so_far(&mut self) -> Result<(), BrokerError> {
        self.commit()?;
        self.producer.begin()
    }

    /// Says how many records there were, in the transaction of the last ones.
    pub fn finish(&mut self) -> Result<Uuid, BrokerError> {
        let mut run = self.run();
        run.facets.set(&self.total);
        self.tell(EventType::Running, run)?;
        self.commit()?;
        self.span.end(self.total.records);
        Ok(self.id)
    }

    /// Commits what was sent, says how many records that was, and that the run is
    /// cancelled: stages drop what they have not worked on yet.
    pub fn cancel(&mut self) -> Result<(), BrokerError> {
        let mut run = self.run();
        run.facets.set(&self.total);
        run.facets.set(&RunCancel::default());
        run.facets.set(&ErrorMessage::new("cancelled"));
        self.tell(EventType::Abort, run)?;
        self.commit()?;
        self.span.fail("cancelled");
        self.tell_end();
        Ok(())
    }

    /// It ended before all was sent.
    fn tell_end(&self) {
        let outcome = RunState::Aborted.as_str();
        RunEnded { pipeline: &self.job.name, outcome, took: self.started.elapsed() }.emit();
    }

    /// Takes the open transaction back, and says that the run is aborted, and how
    /// many records were committed of it: these go their way.
    pub fn abort(&mut self, error: &str) {
        self.span.fail(error);
        self.total.records -= self.open.0;
        self.total.bytes -= self.open.1;
        self.open = (0, 0);
        let mut run = self.run();
        run.facets.set(&self.total);
        run.facets.set(&ErrorMessage::new(error));
        let mut told = || -> Result<(), BrokerError> {
            self.producer.abort()?;
            self.producer.begin()?;
            if let Some((key, value)) = self.start.take() {
                self.send_event(&key, &value)?;
            }
            self.tell(EventType::Abort, run.clone())?;
            self.commit()
        };
        match told() {
            Ok(()) => self.tell_end(),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not report in lineage that the run is aborted");
            }
        }
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Records committed or under way.
    pub fn records(&self) -> u64 {
        self.total.records
    }

    pub(super) fn producer(&mut self) -> &mut TransactionalProducer {
        &mut self.producer
    }
}
