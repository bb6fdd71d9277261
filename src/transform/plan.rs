//! The work of a stage, planned: a SELECT, or a transform of the program's own.

use arrow::datatypes::SchemaRef;

use super::{ColumnLineage, MetadataColumn, RustPlan, Setters, SqlPlan, Transform};

/// What a stage does to its rows; cheap to clone.
#[derive(Debug, Clone)]
pub enum Plan {
    Sql(SqlPlan),
    Rust(RustPlan),
}

impl Plan {
    /// The columns of the result: [`Plan::value_schema`] and what sets other parts
    /// of the record.
    pub fn output_schema(&self) -> &SchemaRef {
        match self {
            Self::Sql(plan) => plan.output_schema(),
            Self::Rust(plan) => plan.output_schema(),
        }
    }

    /// The columns of the value, as a topic holds them.
    pub fn value_schema(&self) -> &SchemaRef {
        match self {
            Self::Sql(plan) => plan.value_schema(),
            Self::Rust(plan) => plan.value_schema(),
        }
    }

    /// The columns of the result that set key, timestamp or headers.
    pub fn setters(&self) -> Setters {
        match self {
            Self::Sql(plan) => plan.setters(),
            Self::Rust(plan) => plan.setters(),
        }
    }

    pub fn metadata_columns(&self) -> &[MetadataColumn] {
        match self {
            Self::Sql(plan) => plan.metadata_columns(),
            Self::Rust(plan) => plan.metadata_columns(),
        }
    }

    /// Of the columns of the value.
    pub fn column_lineage(&self) -> &ColumnLineage {
        match self {
            Self::Sql(plan) => plan.column_lineage(),
            Self::Rust(plan) => plan.column_lineage(),
        }
    }

    /// What is done to each batch, a line a step, for people to read.
    pub fn steps(&self) -> Vec<String> {
        match self {
            Self::Sql(plan) => plan.steps(),
            Self::Rust(plan) => vec![format!("rust {}", plan.name())],
        }
    }

    /// The name of the transform of the program's own, where it is one.
    pub fn rust(&self) -> Option<&str> {
        match self {
            Self::Sql(_) => None,
            Self::Rust(plan) => Some(plan.name()),
        }
    }

    /// The transform of one task.
    pub fn transform(&self) -> Box<dyn Transform> {
        match self {
            Self::Sql(plan) => Box::new(plan.transform()),
            Self::Rust(plan) => plan.transform(),
        }
    }
}
