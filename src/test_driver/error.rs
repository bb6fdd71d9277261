//! Why a project cannot be driven.

use crate::{
    pipeline::{CheckError, ProjectError},
    stage::StageError,
};

/// Why there is no driver for a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("the project has mistakes:\n{0}")]
    Check(CheckError),
    #[error("stage `{stage}` does not start")]
    Stage { stage: String, source: Box<StageError> },
}
