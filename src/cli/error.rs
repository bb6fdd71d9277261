//! What ends a command, as a person is told of it.

use std::{error::Error, io, path::PathBuf, process::ExitCode, time::Duration};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

use crate::{
    api::StartError,
    broker::{BrokerError, embedded::EmbeddedError},
    config::ConfigError,
    forward::{ForwardError, transport::OpenError},
    lineage::naming::NamingError,
    pipeline::{CheckError, ProjectError},
    runs::{ReplayError, TrackerError},
    stage::StageError,
    telemetry::visible_lines,
};

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("{0}")]
    Check(#[from] CheckError),
    #[error("{settings}\n{project}")]
    Problems { settings: ConfigError, project: CheckError },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Naming(#[from] NamingError),
    #[error("stage {stage} cannot go on")]
    Stage { stage: String, source: StageError },
    #[error("cannot set up the delivery of lineage")]
    Transport(#[source] OpenError),
    #[error("the forwarder was interrupted")]
    Forward(#[source] ForwardError<BrokerError>),
    #[error("the runs cannot be read")]
    Tracker(#[from] TrackerError),
    #[error(transparent)]
    Api(#[from] StartError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot read {}", path.display())]
    Input { path: PathBuf, source: io::Error },
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error(
        "no broker is named and none runs for this project; start one with `lineage-hub up` or \
         `lineage-hub broker`, or name one with `--bootstrap HOST:PORT` or KAFKA_BOOTSTRAP_SERVERS"
    )]
    NoBroker,
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error("a thread panicked, as printed above; this is a bug, please report it")]
    Panicked,
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("not done after {waited:?}: {what}")]
    TimedOut { waited: Duration, what: String },
}

const ERROR: Style = AnsiColor::Red.on_default().bold();

impl CliError {
    /// On standard error, with its causes; in colour where that is wanted.
    pub fn print(&self) {
        // Problems of files come a line each, with the place in front.
        if let Self::Check(error) = self {
            eprintln!("{}", visible_lines(&error.to_string()));
            return;
        }
        let mut said = self.to_string();
        eprintln!("{ERROR}error{ERROR:#}: {}", visible_lines(&said));
        let mut source = self.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors of libraries end with their own cause.
            if !said.ends_with(&text) {
                eprintln!("  because: {}", visible_lines(&text));
            }
            said = text;
            source = cause.source();
        }
    }

    /// The error with all its causes, as one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        text
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::TimedOut { .. } => 3,
            _ => 1,
        })
    }
}
