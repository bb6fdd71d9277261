//! Record batch to record batch, without I/O.
//!
//! ```text
//! Input (partition, rows) -> Transform -> Output (rows, origin of each row)
//!                                |
//!                                `-> Expectations: which output rows fail what
//! ```
//!
//! A transform is a SELECT (`sql`) or a user's own Rust. It says which metadata
//! columns it reads, so that the others need not be built, and which input
//! fields each output field comes from. Output columns `_key`, `_timestamp` and
//! `_headers` are no fields: the stage sets those of the record with them.
//!
//! # Guarantees
//!
//! Every output row names the one input row it came from, in ascending order.
//! A call that fails leaves nothing behind: the same rows may be given again,
//! which is how [`apply_isolating`] finds the rows at fault.
//!
//! # Not here
//!
//! Bytes (`codec`), Kafka (`broker`), and what becomes of a row that failed
//! (`stage`).

mod column_lineage;
mod error;
mod expectations;
mod isolate;
mod metadata;
mod plan;
mod rust;
mod setters;
mod sql;
#[cfg(test)]
mod testing;

pub use column_lineage::{ColumnLineage, Source, Transformation};
pub use error::TransformError;
pub use expectations::{Expectation, ExpectationError, Expectations, Otherwise, Verdict};
pub use isolate::apply_isolating;
pub use metadata::MetadataColumn;
pub use plan::Plan;
pub use rust::{PlanError, RustPlan, Transforms};
pub use setters::{SetterError, Setters};
pub use sql::{Functions, SqlError, SqlPlan, SqlTransform, strip_literals};

/// What a transform of one's own works on.
pub use ::arrow;
/// What a scalar function of one's own is written with.
pub use datafusion_expr as expr;

pub use ::arrow::datatypes::SchemaRef;

use ::arrow::array::RecordBatch;

/// Rows in, rows out: a SELECT, or a program's own ([`Transforms`]).
///
/// Each task has a transform of its own, and gives it the batches of all
/// partitions that it holds.
pub trait Transform: Send {
    /// The columns of every [`Output`]: those of the value, and among them such as
    /// set the record's key, timestamp or headers ([`Setters`]).
    fn output_schema(&self) -> SchemaRef;

    /// The metadata columns that it reads; they follow the declared fields in
    /// [`Input::batch`], in this order.
    fn metadata_columns(&self) -> &[MetadataColumn] {
        &[]
    }

    /// Where the columns of the value come from; `None`: it does not say, and
    /// lineage has each of them come from every field of the input.
    fn column_lineage(&self) -> Option<&ColumnLineage> {
        None
    }

    /// Works on one batch. On an error nothing of the batch counts as done.
    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError>;
}

/// Rows of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub partition: i32,
    /// The declared fields, then the metadata columns asked for.
    pub batch: &'a RecordBatch,
}

/// What came of an [`Input`].
#[derive(Debug, Clone)]
pub struct Output {
    pub batch: RecordBatch,
    pub origin: Origin,
}

/// The input row that each output row came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One row out for each row in, in their order.
    Identity,
    /// For each output row its input row, ascending.
    Rows(Vec<u32>),
}

impl Origin {
    /// The input row of output row `row`, which must be one of the output.
    pub fn of(&self, row: usize) -> usize {
        match self {
            Self::Identity => row,
            Self::Rows(rows) => rows[row] as usize,
        }
    }
}
