//! Sends a bounded run: its start, its records, and at last how many they were.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    CliError,
    context::Context,
    hub,
    rows::{self, Keys, Row, Rows},
    run::Route,
};
use crate::{
    broker::{Broker, OutRecord, Produce, TransactionalOptions, TransactionalProducer},
    lineage::{
        EventType, GraphStage, Job, Run, RunEvent, RunGraph, RunTotal,
        facets::{ErrorMessage, JobType, ProcessingEngine, ProcessingType},
        ids,
        naming::job_name,
    },
    record::{HeaderBytes, RUN_HEADER, TRACE_HEADER, Topic},
    runtime::Shutdown,
    stage::StageEvents,
    telemetry::RunSpan,
};

/// Records of one transaction: many enough to be cheap, and few enough that a
/// stage need not wait long for the first.
const RECORDS_MAX: u64 = 10_000;
/// Longest that a transaction stays open while a slow input goes on.
const OPEN_MAX: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_mins(1);

/// Sends the records of `input` as a bounded run; its id.
pub(super) fn send(
    input: &Path,
    context: &Context,
    broker: &Broker,
    route: &Route,
    shutdown: &Shutdown,
) -> Result<Uuid, CliError> {
    let declared = route.stages.first().map(|stage| std::sync::Arc::clone(&stage.from));
    let (file, size) = rows::open(input)?;
    let bar = rows::progress(size.filter(|_| !context.is_json()));
    let keys = Keys::Field(declared.as_ref().and_then(|topic| topic.key.clone()));
    let mut rows = Rows::read(bar.wrap_read(file), input, keys, declared.as_deref())?;
    let mut sender = RunSender::connect(context, broker, route, None)?;
    sender.start(context, broker, route)?;
    let sent = sender.send_rows(&mut rows, shutdown);
    bar.finish_and_clear();
    match sent.and_then(|()| sender.finish()) {
        Ok(id) => Ok(id),
        Err(error) => {
            sender.abort(&error);
            Err(error)
        }
    }
}

/// Writes the records of one bounded run, in transactions.
pub(super) struct RunSender {
    id: Uuid,
    topic: Topic,
    lineage: Topic,
    job: Job,
    producer: TransactionalProducer,
    headers: HeaderBytes,
    /// The same with the trace of the run.
    traced: HeaderBytes,
    span: RunSpan,
    total: RunTotal,
    /// Records of the open transaction, and when it began.
    open: u64,
    begun: Instant,
}

impl RunSender {
    /// Connects, and ends whatever an earlier one of this transactional id left
    /// open; the id is the run's own unless one is given.
    pub(super) fn connect(
        context: &Context,
        broker: &Broker,
        route: &Route,
        transactional_id: Option<String>,
    ) -> Result<Self, CliError> {
        let Some(first) = route.stages.first() else {
            return Err(CliError::Failed(format!("no stage reads {}", route.topic)));
        };
        let id = ids::new_run();
        let options = TransactionalOptions {
            transactional_id: transactional_id.or_else(|| Some(format!("lineage-hub-run-{id}"))),
            transaction_timeout: TIMEOUT,
            request_timeout: Duration::from_secs(10),
            compression: "lz4".to_owned(),
            buffer_bytes: 16 << 20,
            batch_bytes: 256 << 10,
        };
        let mut job = Job::new(&first.namespace, &first.pipeline);
        job.facets.set(&JobType::pipeline(ProcessingType::Batch));
        let span = RunSpan::start(&first.pipeline, &route.topic, &id.to_string(), None);
        let mut headers = HeaderBytes::default();
        headers.push(RUN_HEADER, Some(id.to_string().as_bytes()));
        let mut traced = headers.clone();
        if let Some(trace) = span.header() {
            traced.push(TRACE_HEADER, Some(&trace));
        }
        Ok(Self {
            id,
            topic: route.topic.clone(),
            lineage: context.config.lineage.topic.as_str().into(),
            job,
            producer: TransactionalProducer::connect(broker, None, options)?,
            headers,
            traced,
            span,
            total: RunTotal { topic: route.topic.to_string(), records: 0, bytes: 0 },
            open: 0,
            begun: Instant::now(),
        })
    }

    /// Opens the first transaction, with the start of the run and of each stage's
    /// part.
    pub(super) fn start(
        &mut self,
        context: &Context,
        broker: &Broker,
        route: &Route,
    ) -> Result<(), CliError> {
        self.producer.begin()?;
        let stages = route.stages.iter().map(|stage| GraphStage {
            job: job_name(&stage.pipeline, &stage.stage),
            from: stage.from.name.clone(),
            to: stage.to.name.clone(),
        });
        let mut run = self.run();
        run.facets.set(&RunGraph { stages: stages.collect() });
        self.tell(EventType::Start, run)?;
        for stage in &route.stages {
            let events = StageEvents::new(stage, hub::event_options(context, broker.bootstrap())?);
            let Some(start) = events.bounded(EventType::Start, self.id, &[].into(), None) else {
                continue;
            };
            self.send_event(&start.key, &start.value)?;
        }
        Ok(())
    }

    fn run(&self) -> Run {
        let mut run = Run::new(self.id);
        run.facets.set(&ProcessingEngine::default());
        run
    }

    fn tell(&mut self, kind: EventType, run: Run) -> Result<(), CliError> {
        let event = RunEvent::new(kind, Timestamp::now(), run, self.job.clone());
        self.send_event(&event.key(), &event.to_json())
    }

    fn send_event(&mut self, key: &str, value: &[u8]) -> Result<(), CliError> {
        let mut headers = HeaderBytes::default();
        if let Some(trace) = self.span.header() {
            headers.push(TRACE_HEADER, Some(&trace));
        }
        Ok(self.producer.send(&OutRecord {
            topic: &self.lineage,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: &headers,
            timestamp: None,
        })?)
    }

    fn send_rows<R: std::io::Read>(
        &mut self,
        rows: &mut Rows<R>,
        shutdown: &Shutdown,
    ) -> Result<(), CliError> {
        let mut row = Row::default();
        while rows.next(&mut row)? {
            if shutdown.is_cancelled() {
                return Err(CliError::Failed("interrupted".to_owned()));
            }
            let traced = self.span.header_of(self.total.records).is_some();
            let headers = if traced { &self.traced } else { &self.headers };
            self.producer.send(&OutRecord {
                topic: &self.topic,
                partition: None,
                key: row.key.as_deref(),
                value: Some(&row.value),
                headers,
                timestamp: None,
            })?;
            let bytes =
                |(name, value): (&str, Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
            let headers: usize = headers.iter().map(bytes).sum();
            let key = row.key.as_ref().map_or(0, Vec::len);
            self.count(key + row.value.len() + headers)?;
        }
        Ok(())
    }

    /// Counts a record of so many bytes that was sent, and commits now and then.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), CliError> {
        self.open += 1;
        self.total.records += 1;
        self.total.bytes += bytes as u64;
        if self.open >= RECORDS_MAX || self.begun.elapsed() >= OPEN_MAX {
            self.commit()?;
            self.producer.begin()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CliError> {
        self.producer.commit(&[])?;
        self.open = 0;
        self.begun = Instant::now();
        Ok(())
    }

    /// Says how many records there were, in the transaction of the last ones.
    pub(super) fn finish(&mut self) -> Result<Uuid, CliError> {
        let mut run = self.run();
        run.facets.set(&self.total);
        self.tell(EventType::Running, run)?;
        self.commit()?;
        self.span.end(self.total.records);
        Ok(self.id)
    }

    /// Takes the open transaction back, and says that the run is aborted: what
    /// was committed of it goes its way.
    pub(super) fn abort(&mut self, error: &CliError) {
        self.span.fail(&error.to_string());
        let mut run = self.run();
        run.facets.set(&ErrorMessage::new(error.to_string()));
        let mut told = || -> Result<(), CliError> {
            self.producer.abort()?;
            self.producer.begin()?;
            self.tell(EventType::Abort, run.clone())?;
            self.commit()
        };
        if let Err(error) = told() {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not report in lineage that the run is aborted");
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn producer(&mut self) -> &mut TransactionalProducer {
        &mut self.producer
    }
}
