//! The loop of a stage: Kafka in, Arrow between, Kafka out.
//!
//! ```text
//!              task thread                        delivery thread
//! topic -> poll -> [Block a partition] -> process -> [2 batches] -> deliver -> one transaction:
//!           ^        decode, transform, encode                        outputs, dead letters,
//!           `---------------- rewind after an abort -----------'      lineage, offsets + accounts
//! ```
//!
//! The next batch is worked on while the last commit is under way. When the
//! delivery thread falls behind, the partitions are paused, never the poll.
//!
//! # Guarantees
//!
//! With transactions, each input record is accounted for exactly once: as
//! mapped, filtered or dead-lettered, in the same transaction as what came of
//! it. A failure inside a transaction aborts all of it and goes back to the
//! committed offsets. Per partition, order is kept.
//!
//! # Not here
//!
//! What is connected to what (`pipeline`), bytes (`codec`), SQL (`transform`).

mod accounts;
mod by_run;
mod cancelled;
mod config;
mod dead_share;
mod deliver;
mod delivery;
mod error;
mod events;
mod facets;
mod holding;
mod metadata_columns;
mod packing;
mod process;
mod reading;
mod replica;
mod slot;
mod statistics;
mod status;
mod task;
mod told;
mod work;
mod writing;

pub use accounts::Account;
pub use by_run::{RunBooks, RunCounts, runs_of};
pub use cancelled::CancelledRuns;
pub use config::{
    BatchConfig, CommitConfig, Compression, DeadLetterConfig, Guarantee, RetryConfig, SqlLiterals,
    StageConfig,
};
pub use dead_share::DeadShare;
pub use deliver::{Deliverer, DelivererOptions};
pub use error::StageError;
pub use events::{EventOptions, ParentRun, StageEvents};
pub use facets::pipeline_job;
pub use process::{DeadRecord, InOut, Processed, Processor, ProcessorParts, Step};
pub use reading::DecodeFormat;
pub use replica::{Replica, ReplicaOptions, deliverer_options, group_of, processor};
pub use statistics::Statistics;
pub use status::{StageStatus, TaskSnapshot, TaskState, TaskStatus};
pub use writing::EncodeFormat;
