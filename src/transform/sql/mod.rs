//! A SELECT, planned once and run on every batch.
//!
//! ```text
//! SQL text -> parse, refuse -> logical plan -> analyse, optimise -> compile -> Program
//!                                  `-> column lineage                          |
//! Input batch -> [filter | project | unnest]* -> Output batch  <---------------'
//! ```
//!
//! The table is called `input`: the declared fields of the stage's topic, and
//! the metadata columns where they are named. `*` is the declared fields. An
//! output column `_key`, `_timestamp` or `_headers` is no field of the topic: the
//! stage sets those of the record with it ([`Setters`]).
//!
//! # Guarantees
//!
//! What has no meaning record by record (an aggregate, a join, an order, a
//! limit) is refused when planned, with its place in the text. An integer
//! overflow, a division of integers by zero and a bad CAST fail the row. `now()`
//! is read once for each batch.
//!
//! # Not here
//!
//! State between batches.

mod binary;
mod bounds;
mod cardinality;
mod clock;
mod collections;
mod compile;
mod context;
mod decimal;
mod depth;
mod error;
mod exact;
mod fit;
mod functions;
mod guard;
mod literals;
mod logical;
mod masking;
mod merge;
mod order;
mod parse;
mod patterns;
mod program;
mod refuse;
mod strings;
mod sum;
mod time;
mod types;
mod unnest;
mod zero;

#[cfg(test)]
mod tests;

pub use error::SqlError;
pub use functions::Functions;
pub use literals::strip_literals;

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use datafusion_sql::sqlparser::{
    ast::{Query, Spanned},
    tokenizer::Location,
};

use self::{
    logical::Logical,
    parse::Tokens,
    program::Program,
    refuse::Refuse,
    types::{relaxed, topic_type},
};
use super::{
    ColumnLineage, Input, MetadataColumn, Output, Setters, Transform, TransformError,
    column_lineage, setters,
};

/// A SELECT, planned; cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlPlan {
    program: Arc<Program>,
    metadata: Arc<[MetadataColumn]>,
    lineage: Arc<ColumnLineage>,
    setters: Setters,
    value_schema: SchemaRef,
}

impl SqlPlan {
    /// Plans a SELECT over `input`, the declared fields of a topic.
    ///
    /// # Errors
    ///
    /// What is wrong, where in the text, and mostly what to do about it.
    pub fn plan(sql: &str, input: &Schema, functions: &Functions) -> Result<Self, SqlError> {
        check_declared(input)?;
        depth::check_columns(input.fields().len())?;
        depth::with_room(|| {
            let parsed = parse::query(sql)?;
            depth::check(&parsed.tree)?;
            Refuse { tokens: &parsed.tokens, functions }.query(&parsed.tree)?;
            Self::plan_query(parsed.tree, &parsed.tokens, input, functions)
        })
    }

    /// Plans one boolean expression over the columns of `output`.
    pub(super) fn plan_condition(
        sql: &str,
        output: &Schema,
        functions: &Functions,
    ) -> Result<Self, SqlError> {
        depth::with_room(|| {
            let parsed = parse::expression(sql)?;
            depth::check(&parsed.tree)?;
            Refuse { tokens: &parsed.tokens, functions }.expression(&parsed.tree)?;
            let no_metadata = Tokens::read("")?;
            Self::plan_query(parse::select_that(parsed.tree)?, &no_metadata, output, functions)
        })
    }

    fn plan_query(
        mut query: Query,
        tokens: &Tokens,
        input: &Schema,
        functions: &Functions,
    ) -> Result<Self, SqlError> {
        let mentioned = tokens.metadata_columns();
        parse::prepare(&mut query, &mentioned);
        refuse::check_names(&query)?;
        let table = table(input, &mentioned);
        let logical = Logical::plan(query.clone(), &table, functions)?;
        check_output(logical.optimised.schema().as_arrow(), &query)?;
        let start = query.span().start;
        let failed = |error| SqlError::from_planner(&error, start);
        let mut lineage = column_lineage::trace(&logical.written, functions).map_err(failed)?;
        let mut program = compile::compile(&logical.optimised).map_err(failed)?;
        let metadata = program.narrow(input, &mentioned);
        program.restore_types(input, &lineage);
        try_out(&program, &query)?;
        let setters = Setters::of(&program.output_schema)
            .map_err(|error| SqlError::new(start, error.to_string()).with_hint(error.hint()))?;
        let value_schema = setters.value_schema(&program.output_schema);
        lineage.fields.retain(|(name, _)| value_schema.index_of(name).is_ok());
        Ok(Self {
            program: Arc::new(program),
            metadata: metadata.into(),
            lineage: Arc::new(lineage),
            setters,
            value_schema,
        })
    }

    /// The columns of the result: [`SqlPlan::value_schema`] and what sets other
    /// parts of the record, in the order of the SELECT.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.program.output_schema
    }

    /// The columns of the value, as a topic holds them.
    pub fn value_schema(&self) -> &SchemaRef {
        &self.value_schema
    }

    /// The columns of the result that set key, timestamp or headers.
    pub fn setters(&self) -> Setters {
        self.setters
    }

    pub fn metadata_columns(&self) -> &[MetadataColumn] {
        &self.metadata
    }

    /// Of the columns of the value.
    pub fn column_lineage(&self) -> &ColumnLineage {
        &self.lineage
    }

    /// What is done to each batch, a line a step, for people to read.
    pub fn steps(&self) -> Vec<String> {
        self.program.steps.iter().map(ToString::to_string).collect()
    }

    /// The transform of one task.
    pub fn transform(&self) -> SqlTransform {
        SqlTransform { plan: self.clone() }
    }
}

/// The declared fields and the metadata columns that the text names, as plans are made with them.
fn table(input: &Schema, mentioned: &[MetadataColumn]) -> SchemaRef {
    let metadata = mentioned.iter().map(|column| Arc::new(column.field()));
    let declared = input.fields().iter().map(|field| {
        let data_type = relaxed(field.data_type());
        Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
    });
    Arc::new(Schema::new(declared.chain(metadata).collect::<Vec<_>>()))
}

/// Runs the program on no rows: what cannot be computed for any row is better
/// refused here than found to be the fault of each record.
fn try_out(program: &Program, query: &Query) -> Result<(), SqlError> {
    let batch = RecordBatch::new_empty(Arc::clone(&program.input_schema));
    let Err(error) = program.run(&Input { partition: 0, batch: &batch }) else {
        return Ok(());
    };
    let message = error.to_string();
    match refuse::computed_key(query).filter(|_| message.contains("get_field function requires")) {
        Some((place, instead)) => {
            Err(SqlError::new(place, "the key of a map in brackets must be a literal")
                .with_hint(format!("write {instead}")))
        }
        None => Err(SqlError::new(query.span().start, message)),
    }
}

/// A declared field must not hide a metadata column.
fn check_declared(input: &Schema) -> Result<(), SqlError> {
    let hides = |name: &str| MetadataColumn::from_name(name).is_some();
    match input.fields().iter().find(|field| hides(field.name())) {
        None => Ok(()),
        Some(field) => {
            let message = format!("the field `{}` has the name of a metadata column", field.name());
            let start = Location::new(1, 1);
            Err(SqlError::new(start, message).with_hint("give the field of the topic another name"))
        }
    }
}

/// Each output column must be something that a record can have: `_key` sets its
/// key where it is text or becomes text, but nothing sets its offset, and a topic
/// has no type for an interval.
fn check_output(schema: &Schema, query: &Query) -> Result<(), SqlError> {
    for field in schema.fields() {
        let name = field.name();
        let place = || refuse::place_of(query, name).unwrap_or(query.span().start);
        let column = MetadataColumn::from_name(name);
        if column.is_some_and(|column| !column.is_settable()) {
            let message = format!("a stage cannot set `{name}`");
            return Err(SqlError::new(place(), message)
                .with_hint(format!("to keep the value as a field, give it a name: {name} AS …")));
        }
        let Some(kind) = topic_type(field.data_type()) else {
            let kind = field.data_type();
            let message = format!("a topic cannot hold column `{name}`: it is of type {kind}");
            return Err(SqlError::new(place(), message)
                .with_hint("CAST it to a type that a topic file can declare"));
        };
        if let Some(column) = column {
            setters::check(column, &kind).map_err(|error| {
                SqlError::new(place(), error.to_string()).with_hint(error.hint())
            })?;
        }
    }
    let sets = |name: &str| MetadataColumn::from_name(name).is_some();
    if schema.fields().iter().all(|field| sets(field.name())) {
        return Err(SqlError::new(query.span().start, "the SELECT gives the value no column")
            .with_hint("name a column beside those that set key, timestamp or headers"));
    }
    Ok(())
}

/// A SELECT at work in one task.
#[derive(Debug, Clone)]
pub struct SqlTransform {
    plan: SqlPlan,
}

impl Transform for SqlTransform {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(self.plan.output_schema())
    }

    fn metadata_columns(&self) -> &[MetadataColumn] {
        self.plan.metadata_columns()
    }

    fn column_lineage(&self) -> Option<&ColumnLineage> {
        Some(self.plan.column_lineage())
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
        self.plan.program.run(input)
    }
}
