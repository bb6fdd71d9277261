//! OpenLineage as values: what a stage says of its runs, without any I/O.
//!
//! ```text
//! stage -> RunEvent { run, job, inputs, outputs + facets } -> to_json -> lineage topic
//! any producer's bytes -> validate::check -> what kind, which run
//! ```
//!
//! # Guarantees
//!
//! Every event built here validates against the OpenLineage schemas 2-0-2 (the
//! tests hold it). A facet can only be set where its schema allows it: the
//! place is part of its type. Facets are serialised once and shared, so an
//! event that repeats its datasets costs a copy of bytes, not a new encoding.
//!
//! # Not here
//!
//! When events are sent (`stage`), how they reach a backend (`forward`), and
//! what they add up to (`runs`).

pub mod balance;
mod config;
mod event;
pub mod facets;
pub mod ids;
pub mod naming;
#[cfg(test)]
mod schema_differential_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
#[path = "../../tests/support/spec.rs"]
pub(crate) mod spec;
pub mod validate;

pub use balance::{
    Balance, Counts, Delta, GraphStage, PartitionBalance, RunCancel, RunGraph, RunTotal,
};
pub use config::LineageConfig;
pub use event::{EventType, InputDataset, Job, OutputDataset, Run, RunEvent};

/// Where the program is at home; the start of every URL that it emits.
pub const HOME: &str = "https://github.com/lineage-hub/lineage-hub";

/// The `producer` of our events and facets: the program and its version.
pub const PRODUCER: &str =
    concat!("https://github.com/lineage-hub/lineage-hub/tree/v", env!("CARGO_PKG_VERSION"));

/// Whether an event's `producer` is this program, of whatever version.
pub fn is_ours(producer: &str) -> bool {
    producer.strip_prefix(HOME).is_some_and(|rest| rest.starts_with('/'))
}
