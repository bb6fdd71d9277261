//! Parts of the hub that run in this process: stages now, the forwarder beside them.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{CliError, context::Context};
use crate::{
    broker::{Admin, Broker, BrokerError},
    forward::{self, KafkaSource, transport},
    lineage::{GraphStage, RunGraph, facets::ProcessingType, naming::job_name},
    pipeline::{Route, StagePlan},
    record::Topic,
    runs::RunPlan,
    runtime::{Backoff, PanicGuard, Shutdown},
    stage::{
        CancelledRuns, EventOptions, ParentRun, Replica, ReplicaOptions, SqlLiterals, StageError,
        StageEvents, StageStatus, pipeline_job,
    },
};

/// How often a waiting command looks whether all has ended.
const LOOK: Duration = Duration::from_millis(50);

/// One stage in this process, with all its replicas.
pub(super) struct RunningStage {
    pub plan: Arc<StagePlan>,
    pub status: StageStatus,
    replicas: Vec<Replica>,
}

/// How many of a stage, and under which name.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub replicas: usize,
    pub tasks: usize,
    pub name: Option<String>,
}

impl RunningStage {
    pub(super) fn start(
        context: &Context,
        broker: &Broker,
        plan: &Arc<StagePlan>,
        scale: &Scale,
        parent: Option<&ParentRun>,
        cancelled: &CancelledRuns,
        shutdown: &Shutdown,
    ) -> Result<Self, CliError> {
        let options = ReplicaOptions {
            tasks: scale.tasks,
            name: scale.name.clone(),
            config: context.config.stage.clone(),
            events: EventOptions {
                parent: parent.cloned(),
                ..event_options(context, broker.bootstrap())?
            },
            data_dir: context.data_dir(),
            cancelled: cancelled.clone(),
        };
        let mut stage =
            Self { plan: Arc::clone(plan), status: StageStatus::default(), replicas: Vec::new() };
        for _ in 0..scale.replicas {
            let replica = Replica::start(plan, broker, &options, shutdown)
                .map_err(|source| failed(plan, source))?;
            tracing::debug!(stage = plan.id(), replica = replica.name(), "started");
            stage.status.tasks.extend(replica.status.tasks.iter().cloned());
            stage.replicas.push(replica);
        }
        Ok(stage)
    }

    fn is_finished(&self) -> bool {
        self.replicas.iter().all(Replica::is_finished)
    }

    fn join(self) -> Result<(), CliError> {
        let outcomes = self.replicas.into_iter().map(Replica::join);
        outcomes.fold(Ok(()), Result::and).map_err(|source| failed(&self.plan, source))
    }
}

/// The cancelled runs, for all stages of this process; without lineage there are none.
pub(super) fn cancelled_runs(
    context: &Context,
    broker: &Broker,
    shutdown: &Shutdown,
) -> Result<CancelledRuns, CliError> {
    let cancelled = CancelledRuns::default();
    if context.config.lineage.enabled {
        let topic: Topic = context.config.lineage.topic.as_str().into();
        cancelled.follow(broker, &topic, shutdown).map_err(CliError::Runtime)?;
    }
    Ok(cancelled)
}

/// What the events of stages need of the configuration.
pub(super) fn event_options(context: &Context, bootstrap: &str) -> Result<EventOptions, CliError> {
    let lineage = &context.config.lineage;
    Ok(EventOptions {
        enabled: lineage.enabled,
        topic: lineage.topic.as_str().into(),
        datasets: lineage.dataset_namespace(bootstrap)?,
        running_interval: lineage.running_interval,
        strip_literals: context.config.stage.sql_literals == SqlLiterals::Strip,
        parent: None,
        replica: String::new(),
    })
}

/// The bounded run `id` along this route, with START of each stage's part.
pub(super) fn plan_run(route: &Route, id: Uuid, events: &EventOptions) -> RunPlan {
    // Before its parts.
    let started = Timestamp::now();
    let starts = route.stages.iter().filter_map(|stage| {
        let start = StageEvents::new(stage, events.clone()).part_start(id)?;
        Some((start.key, start.value))
    });
    let stages = route.stages.iter().map(|stage| GraphStage {
        job: job_name(&stage.pipeline, &stage.stage),
        from: stage.from.name.clone(),
        to: stage.to.name.clone(),
    });
    RunPlan {
        id,
        job: pipeline_job(&route.pipeline, ProcessingType::Batch),
        started,
        topic: Arc::clone(&route.topic),
        graph: RunGraph { stages: stages.collect() },
        starts: starts.collect(),
        trace: None,
    }
}

/// The bounded run `run` along this route.
pub(super) fn run_plan(
    context: &Context,
    broker: &Broker,
    route: &Route,
    run: Uuid,
) -> Result<RunPlan, CliError> {
    Ok(plan_run(route, run, &event_options(context, broker.bootstrap())?))
}

fn failed(plan: &StagePlan, source: StageError) -> CliError {
    CliError::Stage { stage: plan.id(), source }
}

/// Waits until every stage has ended; what failed.
pub(super) async fn join(stages: Vec<RunningStage>) -> Vec<CliError> {
    while !stages.iter().all(RunningStage::is_finished) {
        tokio::time::sleep(LOOK).await;
    }
    stages.into_iter().filter_map(|stage| stage.join().err()).collect()
}

/// The first failure is the answer.
pub(super) fn answer(failures: Vec<CliError>) -> Result<(), CliError> {
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// All topics that these stages touch must be there before they start.
pub(super) fn require_topics(
    context: &Context,
    broker: &Broker,
    stages: &[Arc<StagePlan>],
) -> Result<(), CliError> {
    let found = Admin::connect(broker)?.topics()?;
    let lineage = context.config.lineage.enabled.then_some(&context.config.lineage.topic);
    let needed = stages
        .iter()
        .flat_map(|stage| [&stage.from.name, &stage.to.name, &stage.dead_letters.name])
        .chain(lineage);
    for name in needed {
        let topic: Topic = name.as_str().into();
        if !found.contains_key(&topic) {
            return Err(BrokerError::TopicMissing { topic }.into());
        }
    }
    Ok(())
}

/// The forwarder in this process: a task for each backend.
pub(super) struct Forwarder {
    pub statuses: Vec<Arc<forward::Status>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Forwarder {
    pub(super) fn start(
        context: &Context,
        broker: &Broker,
        shutdown: &Shutdown,
    ) -> Result<Self, CliError> {
        let config = &context.config.forward;
        let mut forwarder = Self { statuses: Vec::new(), tasks: Vec::new() };
        for (name, backend) in config.backends_or_file(&context.data_dir()) {
            let status = Arc::new(forward::Status::new(&name));
            let delivery = Delivery {
                name,
                backend,
                config: config.clone(),
                broker: broker.clone(),
                topic: context.config.lineage.topic.as_str().into(),
                dead_letters: config.dead_letter_topic.as_str().into(),
                status: Arc::clone(&status),
                shutdown: shutdown.clone(),
            };
            // A mistake in the settings is told at once, not in the background.
            delivery.open()?;
            forwarder.statuses.push(status);
            forwarder.tasks.push(tokio::spawn(delivery.keep_running()));
        }
        Ok(forwarder)
    }

    /// Waits until what is under way is settled, after the shutdown was asked for.
    pub(super) async fn join(self) {
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("the forwarder panicked; this is a bug, please report it");
            }
        }
    }
}

/// What one backend's task is made of, to make it anew after a failure.
struct Delivery {
    name: String,
    backend: forward::Backend,
    config: forward::ForwardConfig,
    broker: Broker,
    topic: Topic,
    dead_letters: Topic,
    status: Arc<forward::Status>,
    shutdown: Shutdown,
}

impl Delivery {
    fn open(&self) -> Result<Box<dyn transport::Transport>, CliError> {
        transport::open(&self.backend, || Box::new(std::io::stdout())).map_err(CliError::Transport)
    }

    /// A failure of the topic ends a task; the next one reads on from what is committed.
    async fn keep_running(self) {
        let _guard = PanicGuard::new(&self.shutdown);
        let mut backoff = Backoff::new(self.config.backoff_initial, self.config.backoff_max);
        while !self.shutdown.is_cancelled() {
            if let Err(error) = self.run().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    backend = self.name.as_str(),
                    error,
                    "forwarding interrupted; trying again"
                );
            }
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    async fn run(&self) -> Result<(), CliError> {
        // The polling thread of this attempt ends with it.
        let polls = self.shutdown.child_token();
        let _ends = polls.clone().drop_guard();
        let group = forward::group(&self.name);
        let source =
            KafkaSource::join(&self.broker, &self.topic, &self.dead_letters, group, &polls)?;
        let task = forward::Task::new(
            source,
            self.open()?,
            self.config.clone(),
            Arc::clone(&self.status),
            self.shutdown.clone(),
        );
        task.run().await.map_err(CliError::Forward)
    }
}
