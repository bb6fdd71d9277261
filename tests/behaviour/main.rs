//! What the program promises of a pipeline, held without a broker.
//!
//! Each test drives whole stages over topics in memory and states both halves:
//! what came, and what did not.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod arrow;
mod dead_letters;
mod driven;
#[path = "../support/endings.rs"]
mod endings;
mod expectations;
mod golden;
mod limits;
mod lineage;
mod orders;
mod random;
mod records;
mod runs;
mod rust;
mod setters;
#[path = "../support/spec.rs"]
mod spec;
mod statistics;
mod transactions;

use driven::TestDriver;
use lineage_hub::{
    pipeline::Project,
    test_driver::{DriverOptions, NewRecord},
};

/// The stage that [`driver`] runs.
const STAGE: &str = "p/s";

/// A project of one stage from `in` to `out`; `stage` is the rest of its YAML.
fn project(fields: &str, partitions: i32, stage: &str) -> Project {
    let topic = format!("topic: in\npartitions: {partitions}\nfields: {{{fields}}}\n");
    let pipeline = format!(
        "pipeline: p\nnamespace: shop\nstages:\n  s:\n    from: in\n    to: out\n{stage}\n"
    );
    Project::from_files([
        ("topics/in.yaml".to_owned(), topic),
        ("pipelines/p.yaml".to_owned(), pipeline),
    ])
}

/// A driver of one stage with default options; `sql` reads `in`.
fn driver(fields: &str, sql: &str) -> TestDriver {
    let project = project(fields, 1, &format!("    sql: {sql:?}"));
    TestDriver::new(&project, &DriverOptions::default()).unwrap()
}

fn value(value: &str) -> NewRecord<'_> {
    NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() }
}
