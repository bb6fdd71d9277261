//! What is wrong with a setting, and who set it.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

use crate::pipeline::problem::{OneLine, Place, Problem};

/// Where a value came from, from the weakest to the strongest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// A line of `hub.yaml`.
    File(Place),
    /// A line of `.env`, and the variable that it sets.
    DotEnv(Place, String),
    Environment(String),
    /// Without its leading dashes.
    Flag(String),
}

impl Serialize for Origin {
    /// As it is shown: `hub.yaml:3`, `env NAME`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => write!(f, "{}:{}", place.file, place.line),
            Self::DotEnv(place, name) => write!(f, "{}:{} {name}", place.file, place.line),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// One thing wrong with one setting; shown as `hub.yaml:3:5: stage.drain_timeout: …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingProblem {
    pub origin: Origin,
    /// The dotted name; empty where the text of a file cannot be read at all.
    pub key: String,
    pub message: String,
    /// The remedy, where one is known.
    pub hint: Option<String>,
}

impl SettingProblem {
    pub(super) fn new(key: &str, origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, key: key.to_owned(), message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<Problem> for SettingProblem {
    fn from(problem: Problem) -> Self {
        let Problem { place, message, hint, .. } = problem;
        Self { origin: Origin::File(place), key: String::new(), message, hint }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match &self.origin {
            Origin::File(place) => place.to_string(),
            origin => origin.to_string(),
        };
        write!(f, "{}", OneLine(&origin))?;
        if !self.key.is_empty() {
            write!(f, ": {}", OneLine(&self.key))?;
        }
        write!(f, ": {}", OneLine(&self.message))?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {}", OneLine(hint)))
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// All problems of all layers, a line each.
    #[error("{}", lines(.0))]
    Problems(Vec<SettingProblem>),
    /// The defaults do not survive being written and read: a mistake of ours.
    #[error("the default configuration cannot be read back")]
    Defaults(#[from] serde_json::Error),
}

fn lines(problems: &[SettingProblem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
