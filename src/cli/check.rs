//! `lineage-hub check`: all problems of the project's files and settings at once.

use super::{
    CliError, Globals, Hub, OutputFormat,
    context::{self, Context},
    output,
};
use crate::{
    config::{self, ConfigError, SettingProblem},
    pipeline::{self, CheckError, Checked, ProjectError},
    stage,
};

/// What is wrong with settings and files, which share names.
pub(super) struct Report {
    settings: Vec<SettingProblem>,
    /// The files, if the folder is a project.
    checked: Result<Checked, ProjectError>,
    /// Why it runs only on a cluster.
    room: Option<CliError>,
}

impl Report {
    pub(super) fn read(globals: Globals, hub: Hub) -> Result<Self, CliError> {
        let sources = context::sources(&globals)?;
        let (loaded, settings) = config::load_partly(&sources)?;
        let context = Context::new(globals, hub, &sources, loaded);
        let project = context.project();
        let checked = project.map(|project| pipeline::check(&project, context.check_options()));
        let plan = checked.as_ref().ok().map(|checked| &checked.plan);
        let room = plan.and_then(|plan| context.check_room(plan).err());
        Ok(Self { settings, checked, room })
    }

    /// All errors; `None` if there are none. A folder without a project is fine.
    pub(super) fn error(&self) -> Option<CliError> {
        let settings = &self.settings;
        let project = self.checked.as_ref().ok().filter(|checked| checked.has_errors());
        let settings = (!settings.is_empty()).then(|| ConfigError::Problems(settings.clone()));
        let project = project.map(|checked| CheckError(checked.problems.clone()));
        match (settings, project) {
            (Some(settings), Some(project)) => Some(CliError::Problems { settings, project }),
            (Some(settings), None) => Some(settings.into()),
            (None, project) => project.map(CliError::from),
        }
    }

    /// Each problem as an object.
    fn print_json(&self) -> Result<(), CliError> {
        output::rows(true, &[], &self.settings, |_| Vec::new())?;
        let problems = self.checked.as_ref().map_or(&[][..], |checked| &checked.problems);
        output::rows(true, &[], problems, |_| Vec::new())
    }
}

pub(super) fn run(globals: Globals, hub: Hub) -> Result<(), CliError> {
    let is_json = globals.output == OutputFormat::Json;
    let report = Report::read(globals, hub)?;
    if is_json {
        report.print_json()?;
    }
    match report.error() {
        Some(_) if is_json => {
            let problems = report.checked.map_or(0, |checked| checked.problems.len());
            let problems = problems + report.settings.len();
            return Err(CliError::Failed(format!("{problems} problems")));
        }
        Some(error) => return Err(error),
        None => {}
    }
    let (plan, warnings) = report.checked?.into_plan()?;
    for stage in plan.stages() {
        let partitions = stage.to.partitions as usize;
        stage::processor(stage, partitions)
            .map_err(|source| CliError::Stage { stage: stage.id(), source })?;
    }
    if !is_json {
        for warning in &warnings {
            anstream::eprintln!("{warning}");
        }
        if let Some(room) = &report.room {
            anstream::eprintln!("warning: {room}");
        }
        let (pipelines, stages) = (plan.pipelines.len(), plan.stages().count());
        output::line(format!(
            "ok: {pipelines} pipelines, {stages} stages, {} topics, {} warnings",
            plan.topics.len(),
            warnings.len() + usize::from(report.room.is_some())
        ))?;
    }
    Ok(())
}
