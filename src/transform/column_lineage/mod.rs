//! Which input fields each output field comes from, and how.
//!
//! ```text
//! logical plan -> trace (each column as a value) -> ColumnLineage (plain values)
//! ```
//!
//! A [`ColumnLineage`] is a plain value in OpenLineage's words; `lineage` makes
//! a facet of it. The walk over the plan is in `trace`, the algebra of what an
//! expression is made of in `value`.
//!
//! # Not here
//!
//! Metadata columns (`_offset`, `_key`): they are no fields of the dataset, so
//! what is read from them alone has no sources. Nor are output columns that set
//! a record's key, timestamp or headers: a plan leaves them out.

#[cfg(test)]
mod tests;
mod trace;
mod value;

pub(super) use trace::trace;

use arrow::datatypes::Schema;

/// Where the columns of an output come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnLineage {
    /// Each output field, in order, with its sources in the order of their names.
    pub fields: Vec<(String, Vec<Source>)>,
    /// What touches every output field: the fields that a filter reads.
    pub dataset: Vec<Source>,
}

/// The description of what nobody traced.
const OPAQUE: &str = "opaque: any input field may be part of any output field";

impl ColumnLineage {
    /// Of a transform that does not say what it does: each output field may come
    /// from each input field, and lineage says that this is all that is known.
    pub fn opaque(input: &Schema, output: &Schema) -> Self {
        let source = |field: &String| Source {
            field: field.clone(),
            transformation: Transformation::Transformation,
            description: OPAQUE.to_owned(),
            masking: false,
        };
        let sources: Vec<Source> =
            input.fields().iter().map(|field| source(field.name())).collect();
        let fields = output.fields().iter().map(|field| (field.name().clone(), sources.clone()));
        Self { fields: fields.collect(), dataset: Vec::new() }
    }
}

/// One way in which an input field reaches an output field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path of the input field: `customer_id`, `items.price`.
    pub field: String,
    pub transformation: Transformation,
    /// The expression, with `?` for its literals; empty for an identity.
    pub description: String,
    /// Whether the value is hidden on the way, by a hash or a redaction.
    pub masking: bool,
}

/// OpenLineage's type and subtype of a transformation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transformation {
    /// The value as it is.
    Identity,
    /// The value is computed from it.
    Transformation,
    /// Many values in one.
    Aggregation,
    /// It decides which rows are there.
    Filter,
    /// It decides which value is taken.
    Conditional,
    Sort,
    GroupBy,
    Join,
    Window,
}

impl Transformation {
    /// `DIRECT` or `INDIRECT`.
    pub fn kind(self) -> &'static str {
        if self.is_direct() { "DIRECT" } else { "INDIRECT" }
    }

    pub fn subtype(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Transformation => "TRANSFORMATION",
            Self::Aggregation => "AGGREGATION",
            Self::Filter => "FILTER",
            Self::Conditional => "CONDITIONAL",
            Self::Sort => "SORT",
            Self::GroupBy => "GROUP_BY",
            Self::Join => "JOIN",
            Self::Window => "WINDOW",
        }
    }

    /// The way through both, the other one later, where this one is direct: what
    /// was many values stays so, whatever is computed of it.
    fn then(self, later: Self) -> Self {
        if self == Self::Aggregation && later.is_direct() { self } else { later }
    }

    pub fn is_direct(self) -> bool {
        match self {
            Self::Identity | Self::Transformation | Self::Aggregation => true,
            Self::Filter
            | Self::Conditional
            | Self::Sort
            | Self::GroupBy
            | Self::Join
            | Self::Window => false,
        }
    }
}
