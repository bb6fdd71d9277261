//! `lineage-hub up`: topics, stages and forwarder of a project in one process.

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use tokio::task::JoinHandle;

use super::{
    CliError, api,
    broker::{self, EmbeddedArgs},
    context::Context,
    drain,
    hub::{self, Forwarder, RunningStage, Scale},
    pipeline_runs::PipelineRuns,
    signals, summary, topics,
};
use crate::{
    broker::{Admin, Broker, StartAt, topics as changes},
    pipeline::ProjectPlan,
    record::Topic,
    runs::Tracker,
    runtime::{PanicGuard, Shutdown},
};

#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// Replicas of a stage: `transform=2` or `orders/transform=2`; may be repeated
    #[arg(long, value_name = "STAGE=N", value_parser = replicas)]
    replicas: Vec<(String, usize)>,

    /// Tasks of each replica
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    tasks: u16,

    #[command(flatten)]
    embedded: EmbeddedArgs,

    /// Leave the delivery of lineage to another process
    #[arg(long)]
    no_forward: bool,

    /// Serve no HTTP API
    #[arg(long)]
    no_api: bool,
}

fn replicas(text: &str) -> Result<(String, usize), String> {
    let parsed = text.split_once('=').and_then(|(stage, count)| {
        Some((stage.to_owned(), count.parse().ok().filter(|count| (1..=64).contains(count))?))
    });
    parsed.ok_or_else(|| format!("`{text}` is not STAGE=N with N from 1 to 64"))
}

pub(super) async fn run(args: &UpArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    context.check_room(&plan)?;
    let scales = scales(args, &plan)?;
    let (broker, embedded) = context.broker_or_embedded(&args.embedded).await?;
    if let Some(embedded) = &embedded {
        broker::greet(embedded, &plan);
    }
    let hub = Hub::start(args, &scales, context, &plan, &broker, &shutdown).await?;
    let api_shutdown = Shutdown::new();
    stop_together(&shutdown, [&api_shutdown, &hub.forward_shutdown]);
    let api =
        if args.no_api { None } else { Some(api::start(context, &plan, &broker, &api_shutdown)?) };
    anstream::eprintln!("{} stages on {}; Ctrl-C stops", plan.stages().count(), broker.bootstrap());
    let watch = summary::watch(hub.watched(), hub.forward_statuses(), &broker, context);
    let outcome = hub.join(context, &shutdown).await;
    watch.stop().await;
    api_shutdown.cancel();
    if let Some(api) = api {
        api.join().await;
    }
    if let Some(embedded) = embedded {
        embedded.shutdown().await;
    }
    outcome
}

/// A whole project, running.
pub(super) struct Hub {
    stages: Vec<RunningStage>,
    forwarder: Option<Forwarder>,
    /// Writes the ends of bounded runs.
    tracker: Option<JoinHandle<()>>,
    pipelines: PipelineRuns,
    /// Ends the tracker, after the stages have said their last.
    tracker_shutdown: Shutdown,
    /// Ends the forwarder, after all others have.
    forward_shutdown: Shutdown,
    broker: Broker,
}

impl Hub {
    pub(super) async fn start(
        args: &UpArgs,
        scales: &BTreeMap<String, usize>,
        context: &Context,
        plan: &ProjectPlan,
        broker: &Broker,
        shutdown: &Shutdown,
    ) -> Result<Self, CliError> {
        let admin = Admin::connect(broker)?;
        let missing = topics::changes(&admin, &context.topics(plan)).await?;
        changes::apply(&admin, &missing).await?;
        for change in missing.iter().filter(|change| !change.is_possible()) {
            tracing::warn!("{change}");
        }
        let forward_shutdown = Shutdown::new();
        let forwarder = if args.no_forward {
            None
        } else {
            Some(Forwarder::start(context, broker, &forward_shutdown)?)
        };
        let tracker_shutdown = Shutdown::new();
        let tracker = track(context, broker, &tracker_shutdown)?;
        let cancelled = hub::cancelled_runs(context, broker, shutdown)?;
        let pipelines = tokio::task::block_in_place(|| PipelineRuns::start(context, plan, broker))?;
        let mut hub = Self {
            stages: Vec::new(),
            forwarder,
            tracker,
            pipelines,
            tracker_shutdown,
            forward_shutdown,
            broker: broker.clone(),
        };
        for (index, pipeline) in plan.pipelines.iter().enumerate() {
            for stage in &pipeline.stages {
                let scale = Scale {
                    replicas: scales.get(&stage.id()).copied().unwrap_or(1),
                    tasks: usize::from(args.tasks),
                    name: None,
                };
                let parent = Some(&hub.pipelines.parents[index]);
                let started = RunningStage::start(
                    context, broker, stage, &scale, parent, &cancelled, shutdown,
                );
                match started {
                    Ok(started) => hub.stages.push(started),
                    Err(error) => return Err(hub.give_up(error, shutdown).await),
                }
            }
        }
        Ok(hub)
    }

    /// Stops what was started before a stage could not be.
    async fn give_up(self, error: CliError, shutdown: &Shutdown) -> CliError {
        shutdown.cancel();
        hub::join(self.stages).await;
        tokio::task::block_in_place(|| self.pipelines.give_up(error))
    }

    pub(super) fn watched(&self) -> Vec<summary::Watched> {
        self.stages.iter().map(|stage| (Arc::clone(&stage.plan), stage.status.clone())).collect()
    }

    pub(super) fn forward_statuses(&self) -> Vec<Arc<crate::forward::Status>> {
        self.forwarder.iter().flat_map(|forwarder| forwarder.statuses.clone()).collect()
    }

    /// Waits until all stages have ended, then says so of the pipelines and of
    /// bounded runs, then lets the forwarder deliver what it says of all of them.
    pub(super) async fn join(self, context: &Context, shutdown: &Shutdown) -> Result<(), CliError> {
        let failures = hub::join(self.stages).await;
        shutdown.cancel();
        let told = tokio::task::block_in_place(|| self.pipelines.end(&failures));
        self.tracker_shutdown.cancel();
        if let Some(tracker) = self.tracker
            && tracker.await.is_err()
        {
            tracing::error!("the run tracker panicked; this is a bug, please report it");
        }
        if let Some(forwarder) = self.forwarder {
            drain::drain(context, &self.broker, &forwarder).await;
            self.forward_shutdown.cancel();
            forwarder.join().await;
        }
        hub::answer(failures).and(told)
    }
}

/// Stops the stages when another part of the process ends before them: it panicked.
fn stop_together<'a>(shutdown: &Shutdown, parts: impl IntoIterator<Item = &'a Shutdown>) {
    for part in parts {
        let (shutdown, part) = (shutdown.clone(), part.clone());
        tokio::spawn(async move {
            part.cancelled().await;
            shutdown.cancel();
        });
    }
}

/// The run tracker in this process; without lineage there are no runs to track.
pub(super) fn track(
    context: &Context,
    broker: &Broker,
    shutdown: &Shutdown,
) -> Result<Option<JoinHandle<()>>, CliError> {
    if !context.config.lineage.enabled {
        return Ok(None);
    }
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let tracker = Tracker::open(broker, &topic, StartAt::Beginning)?;
    let shutdown = shutdown.clone();
    Ok(Some(tokio::task::spawn_blocking(move || {
        let _guard = PanicGuard::new(&shutdown);
        tracker.run(&shutdown);
    })))
}

fn scales(args: &UpArgs, plan: &ProjectPlan) -> Result<BTreeMap<String, usize>, CliError> {
    let mut scales = BTreeMap::new();
    for (name, count) in &args.replicas {
        let matching: Vec<String> = plan
            .stages()
            .filter(|stage| stage.id() == *name || stage.stage == *name)
            .map(|stage| stage.id())
            .collect();
        if matching.is_empty() {
            let known: Vec<String> = plan.stages().map(|stage| stage.id()).collect();
            let message = format!("--replicas: no stage `{name}`; there are {}", known.join(", "));
            return Err(CliError::Usage(message));
        }
        for id in matching {
            if scales.insert(id.clone(), *count).is_some() {
                let message = format!("--replicas: stage `{id}` is named twice");
                return Err(CliError::Usage(message));
            }
        }
    }
    Ok(scales)
}

impl UpArgs {
    /// One replica and task of each stage, and the forwarder.
    pub(super) fn plain() -> Self {
        Self {
            replicas: Vec::new(),
            tasks: 1,
            embedded: EmbeddedArgs::default(),
            no_forward: false,
            no_api: true,
        }
    }
}
