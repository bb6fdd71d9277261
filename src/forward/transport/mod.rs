//! Where events go to: one trait, one file a kind.

mod console;
mod file;
mod http;
mod judge;

pub use console::Console;
pub use file::File;
pub use http::Http;

use std::{fmt, io, path::PathBuf, time::Duration};

use futures::future::BoxFuture;

use super::config::Backend;

/// A way to a backend. It sends what it is given once; when to try again is
/// decided above it.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one event: the bytes of its JSON.
    fn send<'a>(&'a self, event: &'a [u8]) -> BoxFuture<'a, Result<(), Failure>>;

    /// Sends several events of different runs in one request, where the backend
    /// takes that.
    fn send_batch<'a>(&'a self, events: &'a [&'a [u8]]) -> BoxFuture<'a, BatchAnswer> {
        let _ = events;
        Box::pin(async { BatchAnswer::Unsupported })
    }

    /// Returns when what was sent would outlive a crash of the machine. Called
    /// before offsets are committed.
    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Of the backend or the way there, and not of the event: try again, not
    /// before `retry_after` where the backend asks for that.
    Passing { reason: String, retry_after: Option<Duration> },
    /// Of the event or of the backend; one answer does not tell.
    Doubtful(Answer),
    /// Of the event: it will never be taken.
    Refused(Answer),
}

impl Failure {
    /// As telemetry calls it.
    pub(in crate::forward) fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Passing { .. } | Self::Doubtful(_) => "failed",
        }
    }
}

/// What a backend answered, cut to what a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// Characters kept of an answer.
    pub const TEXT_MAX: usize = 300;

    pub fn new(status: u16, text: &str) -> Self {
        Self { status, text: text.trim().chars().take(Self::TEXT_MAX).collect() }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.as_str() {
            "" => write!(f, "{}", self.status),
            text => write!(f, "{}: {text}", self.status),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing { reason, .. } => f.write_str(reason),
            Self::Doubtful(answer) | Self::Refused(answer) => answer.fmt(f),
        }
    }
}

/// What became of several events sent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAnswer {
    /// The result of each, in the order of the events.
    Each(Vec<Result<(), Failure>>),
    /// The backend has no such thing, or answers to it what cannot be read: none
    /// counts as taken, and all are to go alone.
    Unsupported,
    /// The request failed as a whole; what it says holds of no single event.
    Failed(Failure),
}

impl BatchAnswer {
    /// As telemetry calls it.
    pub(in crate::forward) fn outcome(&self) -> &'static str {
        match self {
            Self::Each(results) => results
                .iter()
                .find_map(|result| result.as_ref().err())
                .map_or("ok", Failure::outcome),
            Self::Unsupported => "refused",
            Self::Failed(failure) => failure.outcome(),
        }
    }
}

/// Why a transport cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("cannot read `ca_file` {}", path.display())]
    CaFile { path: PathBuf, source: io::Error },
    #[error("cannot read `api_key_file` {}", path.display())]
    ApiKeyFile { path: PathBuf, source: io::Error },
    #[error("no certificate in `ca_file` {}", path.display())]
    CaEmpty { path: PathBuf },
    #[error("`{url}` is no URL to send lineage to; set `url` and `endpoint` of the backend")]
    Url { url: String },
    #[error("cannot set up the HTTP client; look at `ca_file`, `proxy` and `api_key`")]
    Client { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot open {}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Opens the transport of a backend; `console` is what the console kind writes to.
pub fn open(
    backend: &Backend,
    console: impl FnOnce() -> Box<dyn io::Write + Send>,
) -> Result<Box<dyn Transport>, OpenError> {
    Ok(match backend {
        Backend::Http(config) => Box::new(Http::open(config)?),
        Backend::Console => Box::new(Console::new(console())),
        Backend::File(config) => Box::new(File::open(config)?),
    })
}

/// An event as one line: line ends in JSON stand only between its tokens, where
/// a blank says the same.
fn append_line(line: &mut Vec<u8>, event: &[u8]) {
    line.extend(event.iter().map(|&byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }));
    line.push(b'\n');
}
