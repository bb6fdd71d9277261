//! Whether the parts of a project fit: everything at once, nothing started.
//!
//! ```text
//! specs -> names: groups, reserved and similar names
//!       -> topics: types, keys
//!       -> graph: order of the stages, cycles
//!       -> stages in that order: plan the SELECT over the input topic's schema,
//!          its output is the schema of the topic that it writes
//!       -> ProjectPlan, or all problems with their places
//! ```
//!
//! # Guarantees
//!
//! One mistake is one problem: what stands behind a stage that does not plan
//! is not judged. A plan that comes out runs without a further question.

mod compaction;
mod contract;
mod cycles;
mod names;
mod stages;
mod topics;

#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod tests;

use self::{stages::Stages, topics::Topics};
use super::{plan::ProjectPlan, problem::Problem, project::Project};
use crate::transform::{Functions, Transforms};

/// What a check takes besides the files.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// That a SELECT may call.
    pub functions: &'a Functions,
    /// That a stage may name in the place of a SELECT.
    pub transforms: &'a Transforms,
    /// Job namespace of pipelines that name none: `lineage.namespace`.
    pub namespace: &'a str,
}

/// What came of a check.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What did plan; all of the project only if there are no errors.
    pub plan: ProjectPlan,
    /// In the order of files and lines; warnings among them.
    pub problems: Vec<Problem>,
}

/// The errors of a project, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct CheckError(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// The plan to run by, and the warnings; or all problems.
    pub fn into_plan(self) -> Result<(ProjectPlan, Vec<Problem>), CheckError> {
        if self.has_errors() {
            Err(CheckError(self.problems))
        } else {
            Ok((self.plan, self.problems))
        }
    }
}

/// Checks a project; the problems of its reading are among those returned.
pub fn check(project: &Project, options: Options<'_>) -> Checked {
    let mut problems = project.problems.clone();
    let topics = Topics::read(&project.topics, &mut problems);
    names::check(project, &mut problems);
    let plan = Stages::new(project, options, topics).plan(&mut problems);
    Checked { plan, problems: problems.into_sorted() }
}
