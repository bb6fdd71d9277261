//! `lineage-hub check`: all problems of the project's files at once.

use super::{CliError, context::Context, output};
use crate::{
    pipeline::{self, CheckError, Project},
    stage,
};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    let project = Project::load(&context.globals.project)?;
    let checked = pipeline::check(&project, context.check_options());
    if context.is_json() {
        output::rows(true, &[], &checked.problems, |_| Vec::new())?;
    }
    let (plan, warnings) = match checked.into_plan() {
        Ok(plan) => plan,
        Err(CheckError(problems)) if context.is_json() => {
            return Err(CliError::Failed(format!("{} problems", problems.len())));
        }
        Err(error) => return Err(error.into()),
    };
    for stage in plan.stages() {
        let partitions = stage.to.partitions as usize;
        stage::processor(stage, partitions)
            .map_err(|source| CliError::Stage { stage: stage.id(), source })?;
    }
    if !context.is_json() {
        for warning in &warnings {
            anstream::eprintln!("{warning}");
        }
        let (pipelines, stages) = (plan.pipelines.len(), plan.stages().count());
        output::line(format!(
            "ok: {pipelines} pipelines, {stages} stages, {} topics, {} warnings",
            plan.topics.len(),
            warnings.len()
        ))?;
    }
    Ok(())
}
