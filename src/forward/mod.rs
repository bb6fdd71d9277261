//! Lineage topic to backends: read, deliver, park, commit.
//!
//! ```text
//! lineage topic -> task -> [lanes: window_events_max, window_bytes_max]
//!                   ^        `-> deliver, `concurrency` at once -> transport::{http, console, file}
//!                   |                `-> refused: Source::park
//!                   `- progress: contiguous offsets -> Source::commit
//! ```
//!
//! # Guarantees
//!
//! At least once, byte for byte: an offset is committed after the backend, or
//! the dead letter topic, took every event up to it. The events of one run
//! arrive in their order; runs do not wait for each other. An outage of the
//! backend holds the offsets, however long it is, and loses nothing.
//!
//! # Not here
//!
//! Building events (`lineage`), and anything of stages: `forward` knows them
//! only by what they wrote to the topic. The topic itself is behind [`Source`].

mod config;
mod deliver;
mod gate;
mod input;
mod lanes;
mod preview;
mod progress;
mod retry;
mod source;
mod status;
mod task;
#[cfg(test)]
mod tests;
pub mod transport;

pub use config::{Backend, Coalesce, FileConfig, ForwardConfig, HttpConfig, Secret};
pub use deliver::Refusal;
pub use input::{Input, Partition, Source};
pub use preview::{Preview, Previewed, What};
pub use progress::Advance;
pub use source::KafkaSource;
pub use status::{LastError, Report, Status, StatusSnapshot};
pub use task::{ForwardError, Task};

/// How a record's `replayed_for` and a dead letter name a backend.
pub fn stage(backend: &str) -> String {
    format!("{PIPELINE}/{backend}")
}

/// What stands in the place of a pipeline in the dead letters of lineage.
pub const PIPELINE: &str = "lineage";

/// The consumer group of the task of one backend.
pub fn group(backend: &str) -> String {
    format!("lineage-hub-forward-{backend}")
}
