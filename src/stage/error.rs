//! Why a stage cannot go on.

use arrow::error::ArrowError;

use crate::{
    broker::BrokerError,
    codec::json::{DecodeError, DecodeSetupError, EncodeError, EncodeSetupError},
    record::{Position, Recovery, Topic},
    transform::{SetterError, TransformError},
};

/// What ended, or interrupts, a stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("cannot read the records of `{topic}`")]
    Decode { topic: Topic, source: DecodeSetupError },
    #[error("cannot write records to `{topic}`")]
    Encode { topic: Topic, source: EncodeSetupError },
    #[error("cannot set key, timestamp or headers of the records of `{topic}`")]
    Setter { topic: Topic, source: SetterError },
    #[error("cannot pack records for `{topic}`")]
    Pack { topic: Topic, source: ArrowError },
    #[error("cannot read a batch")]
    Read(#[source] DecodeError),
    #[error("cannot write a batch")]
    Write(#[source] EncodeError),
    #[error("cannot apply the SELECT")]
    Transform(#[source] TransformError),
    #[error(
        "{position} fails the expectation `{expectation}`, which says `otherwise: stop`; \
         mend the record's source, or say `dead_letter`, `drop` or `warn`"
    )]
    Expectation { position: Position, expectation: String },
    #[error(
        "{dead} of the last {read} records of `{topic}` went to the dead letters, over \
         `dead_letter.share_max` ({share_max}); the last one: {last}. Mend the schema or the \
         source, or raise the limit"
    )]
    DeadLetterShare { topic: Topic, dead: u64, read: u64, share_max: f64, last: String },
    #[error("cannot use the data directory `{path}`; make it writable or set `data_dir`")]
    DataDir { path: String, source: std::io::Error },
    #[error("replica `{name}` of this stage is running already on this machine")]
    ReplicaTaken { name: String },
    #[error(
        "the stage did not settle its last transaction within `stage.drain_timeout` ({waited:?})"
    )]
    DrainTimeout { waited: std::time::Duration },
    #[error("records of `{topic}/{partition}` came while the partition was not held")]
    NotHeld { topic: Topic, partition: i32 },
    #[error("cannot start a thread for a task")]
    Thread { source: std::io::Error },
    #[error("a task of the stage panicked; this is a bug, please report it")]
    Panicked,
}

impl StageError {
    /// What the task does about it.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Broker(error) => error.recovery(),
            // The rewind begins at what is held.
            Self::NotHeld { .. } => Recovery::Retry,
            Self::Decode { .. }
            | Self::Encode { .. }
            | Self::Setter { .. }
            | Self::Pack { .. }
            | Self::Read(_)
            | Self::Write(_)
            | Self::Transform(_)
            | Self::Expectation { .. }
            | Self::DeadLetterShare { .. }
            | Self::DataDir { .. }
            | Self::ReplicaTaken { .. }
            | Self::DrainTimeout { .. }
            | Self::Thread { .. }
            | Self::Panicked => Recovery::Stop,
        }
    }
}
