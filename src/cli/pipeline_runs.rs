//! The pipelines' own runs, which begin and end with this process.

use uuid::Uuid;

use super::{CliError, context::Context};
use crate::{
    broker::Broker,
    lineage::{facets::ProcessingType, ids},
    pipeline::{PipelinePlan, ProjectPlan},
    record::Topic,
    runs::PipelineRun,
    stage::{ParentRun, pipeline_job},
};

/// One for each pipeline of the project, in its order.
pub(super) struct PipelineRuns {
    pub(super) parents: Vec<ParentRun>,
    /// None without lineage.
    runs: Vec<PipelineRun>,
}

impl PipelineRuns {
    pub(super) fn start(
        context: &Context,
        plan: &ProjectPlan,
        broker: &Broker,
    ) -> Result<Self, CliError> {
        let lineage = &context.config.lineage;
        let topic: Topic = lineage.topic.as_str().into();
        let parents: Vec<ParentRun> = plan.pipelines.iter().map(parent).collect();
        let ids: Vec<Uuid> = parents.iter().map(|parent| parent.run).collect();
        let mut started = Self { parents, runs: Vec::new() };
        for (id, pipeline) in ids.into_iter().zip(&plan.pipelines).filter(|_| lineage.enabled) {
            let job = pipeline_job(pipeline, ProcessingType::Streaming);
            match PipelineRun::start(broker, &topic, id, job) {
                Ok(run) => started.runs.push(run),
                Err(error) => return Err(started.give_up(error.into())),
            }
        }
        Ok(started)
    }

    /// Ends each as failed of an error that kept its stages from starting.
    pub(super) fn give_up(self, error: CliError) -> CliError {
        let failures = [error];
        if let Err(error) = self.end(&failures) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not report the failure in lineage");
        }
        let [error] = failures;
        error
    }

    /// Ends each: as failed where `failures` has a stage of it, with what failed.
    pub(super) fn end(mut self, failures: &[CliError]) -> Result<(), CliError> {
        let mut outcome = Ok(());
        for (run, parent) in self.runs.iter_mut().zip(&self.parents) {
            let is_of = |error: &&CliError| is_of(error, &parent.name);
            let failure = failures.iter().find(is_of).map(CliError::chain);
            outcome = outcome.and(run.end(failure.as_deref()));
        }
        Ok(outcome?)
    }
}

/// What is not a failure of a stage is one of all pipelines.
fn is_of(error: &CliError, pipeline: &str) -> bool {
    match error {
        CliError::Stage { stage, .. } => {
            stage.split_once('/').is_some_and(|(of, _)| of == pipeline)
        }
        _ => true,
    }
}

fn parent(pipeline: &PipelinePlan) -> ParentRun {
    let run: Uuid = ids::new_run();
    ParentRun { run, namespace: pipeline.namespace.clone(), name: pipeline.name.clone() }
}
