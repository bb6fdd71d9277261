//! A replica: the tasks of one stage in this process.

use std::{path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use super::{
    CancelledRuns, DeadShare, DecodeFormat, Deliverer, DelivererOptions, EncodeFormat,
    EventOptions, Guarantee, InOut, Processor, ProcessorParts, StageConfig, StageError,
    StageEvents, StageStatus, TaskStatus, slot::Slot, task,
};
use crate::{
    broker::{Broker, GroupConsumer, TransactionalOptions, TransactionalProducer},
    codec::json::DecodeConfig,
    pipeline::{StagePlan, TopicPlan, spec::Format},
    runtime::{Shutdown, spawn_guarded},
    telemetry::{StageLabels, StageTelemetry},
};

/// How to run a replica.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    pub tasks: usize,
    /// A stable name: the group keeps the partitions of a named replica over a
    /// restart. Without one it takes the first free slot of this machine.
    pub name: Option<String>,
    pub config: StageConfig,
    /// `replica` is filled in.
    pub events: EventOptions,
    pub data_dir: PathBuf,
    /// Runs whose records are dropped.
    pub cancelled: CancelledRuns,
}

/// Longest that one request of a transaction is waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that may wait in a producer.
const BUFFER_BYTES: usize = 8 << 20;

/// Bytes of one batch of records, where the topic takes as much.
const BATCH_BYTES: usize = 1 << 20;
/// What a topic takes whose file says nothing: Kafka's own default.
const MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// The running tasks.
pub struct Replica {
    pub status: StageStatus,
    tasks: Vec<JoinHandle<Result<(), StageError>>>,
    slot: Slot,
}

impl Replica {
    /// Starts the tasks; they run until `shutdown`, or until one of them fails.
    pub fn start(
        plan: &Arc<StagePlan>,
        broker: &Broker,
        options: &ReplicaOptions,
        shutdown: &Shutdown,
    ) -> Result<Self, StageError> {
        if options.config.guarantee == Guarantee::AtLeastOnce {
            tracing::warn!(
                stage = plan.id(),
                "at least once: after a failure records may come twice, and books may not balance"
            );
        }
        let job = group_of(plan);
        let slot = Slot::take(&options.data_dir, &job, options.name.as_deref())?;
        let mut replica = Self { status: StageStatus::default(), tasks: Vec::new(), slot };
        for task in 0..options.tasks {
            let status = Arc::new(TaskStatus::default());
            replica.status.tasks.push(Arc::clone(&status));
            let seat = Seat {
                id: format!("{job}-{}-{task}", replica.slot.name),
                name: seat_name(&replica.slot.name, task, options.tasks),
                plan: Arc::clone(plan),
                broker: broker.clone(),
                options: options.clone(),
                status,
                // One task's failure ends the others.
                shutdown: shutdown.child_token(),
            };
            let stop = shutdown.clone();
            let handle = spawn_guarded(format!("{}-{task}", plan.stage), shutdown, move || {
                let outcome = seat.run(&group_of(&seat.plan));
                if let Err(error) = &outcome {
                    let error: &dyn std::error::Error = error;
                    tracing::error!(stage = seat.plan.id(), error, "the stage has stopped");
                    stop.cancel();
                }
                outcome
            })
            .map_err(|source| StageError::Thread { source })?;
            replica.tasks.push(handle);
        }
        Ok(replica)
    }

    /// The replica's name: as given, or its slot.
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// Waits for all tasks; the first failure is the answer.
    pub fn join(self) -> Result<(), StageError> {
        let outcomes = self.tasks.into_iter().map(JoinHandle::join);
        let mut answer = Ok(());
        for outcome in outcomes {
            let outcome = outcome.unwrap_or(Err(StageError::Panicked));
            if answer.is_ok() {
                answer = outcome;
            }
        }
        answer
    }

    pub fn is_finished(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }
}

/// The consumer group of a stage.
pub fn group_of(plan: &StagePlan) -> String {
    plan.group()
}

fn seat_name(replica: &str, task: usize, tasks: usize) -> String {
    if tasks == 1 { replica.to_owned() } else { format!("{replica}/{task}") }
}

/// What one task runs with.
struct Seat {
    /// Transactional id, and member id of a named replica.
    id: String,
    /// What lineage calls it.
    name: String,
    plan: Arc<StagePlan>,
    broker: Broker,
    options: ReplicaOptions,
    status: Arc<TaskStatus>,
    shutdown: Shutdown,
}

impl Seat {
    fn run(&self, group: &str) -> Result<(), StageError> {
        // librdkafka finds the partition of a row's key; that of packed rows is ours to find.
        let partitions = match self.plan.to.format {
            Format::Json => 0,
            Format::Arrow => self.broker.partitions(&self.plan.to.name.as_str().into())?,
        };
        let processor = processor(&self.plan, partitions)?;
        self.options.cancelled.wait_until_heard(&self.shutdown);
        let parts = task::TaskParts {
            broker: self.broker.clone(),
            group: group.to_owned(),
            topic: self.plan.from.name.as_str().into(),
            static_member: self.options.name.as_ref().map(|_| self.id.clone()),
            config: self.options.config.clone(),
            processor: processor.heeding(self.options.cancelled.clone()),
            status: Arc::clone(&self.status),
            shutdown: self.shutdown.clone(),
        };
        task::run(parts, |consumer| self.connect(consumer))
    }

    fn connect(
        &self,
        consumer: &GroupConsumer,
    ) -> Result<Deliverer<TransactionalProducer>, StageError> {
        let config = &self.options.config;
        let exactly_once = config.guarantee == Guarantee::ExactlyOnce;
        let compression = self.plan.to.compression.as_deref();
        let producer = TransactionalProducer::connect(
            &self.broker,
            Some(consumer.group()),
            TransactionalOptions {
                transactional_id: exactly_once.then(|| self.id.clone()),
                transaction_timeout: config.transaction_timeout,
                request_timeout: REQUEST_TIMEOUT,
                compression: compression.unwrap_or(config.compression.as_str()).to_owned(),
                buffer_bytes: BUFFER_BYTES,
                batch_bytes: BATCH_BYTES.min(record_bytes_max(&self.plan.to)),
            },
        )?;
        let events = EventOptions { replica: self.name.clone(), ..self.options.events.clone() };
        let options = deliverer_options(&self.plan, config, events, Arc::clone(&self.status));
        Ok(Deliverer::new(producer, options))
    }
}

/// Most bytes of a value for this topic: its limit, less a twentieth for the key,
/// the headers and what Kafka puts around them.
fn record_bytes_max(topic: &TopicPlan) -> usize {
    let declared = topic.config.get("max.message.bytes").and_then(|bytes| bytes.parse().ok());
    let limit: usize = declared.unwrap_or(MESSAGE_BYTES_DEFAULT);
    limit - limit / 20
}

/// What telemetry calls the stage.
fn labels<'a>(plan: &'a StagePlan, group: &'a str) -> StageLabels<'a> {
    StageLabels {
        pipeline: &plan.pipeline,
        stage: &plan.stage,
        from: &plan.from.name,
        to: &plan.to.name,
        group,
    }
}

/// A processor of its own for each task. Where rows are packed, the topic that it
/// writes has so many partitions.
pub fn processor(plan: &StagePlan, partitions: usize) -> Result<Processor, StageError> {
    let decode = match plan.from.format {
        Format::Json => DecodeFormat::Json(DecodeConfig::default()),
        Format::Arrow => DecodeFormat::Arrow,
    };
    let encode = match plan.to.format {
        Format::Json => EncodeFormat::Json,
        Format::Arrow => EncodeFormat::Arrow { config: &plan.to.arrow, partitions },
    };
    Processor::new(ProcessorParts {
        stage: plan.id(),
        labels: labels(plan, &group_of(plan)),
        from: &plan.from.name.as_str().into(),
        to: &plan.to.name.as_str().into(),
        input: &plan.from.schema,
        transform: plan.plan.transform(),
        expectations: plan.expectations.clone(),
        key: plan.key.as_ref().map(|field| field.name().as_str()),
        decode,
        encode,
        record_bytes_max: record_bytes_max(&plan.to),
        statistics: InOut { input: plan.from.column_statistics, output: plan.to.column_statistics },
    })
}

/// What a deliverer of this stage needs.
pub fn deliverer_options(
    plan: &StagePlan,
    config: &StageConfig,
    events: EventOptions,
    status: Arc<TaskStatus>,
) -> DelivererOptions {
    DelivererOptions {
        pipeline: plan.pipeline.clone(),
        stage: plan.stage.clone(),
        from: plan.from.name.as_str().into(),
        to: plan.to.name.as_str().into(),
        dead_letters: plan.dead_letters.name.as_str().into(),
        events: StageEvents::new(plan, events),
        commit_interval: config.commit.interval,
        linger: config.batch.linger,
        dead_share: DeadShare {
            share_max: plan.dead_letter_share_max.unwrap_or(config.dead_letter.share_max),
            window: config.dead_letter.window,
        },
        status,
        telemetry: StageTelemetry::new(labels(plan, &group_of(plan))),
    }
}
