//! A plan ready to run: steps from one record batch to the next.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions},
    compute::{cast, filter_record_batch, prep_null_mask_filter},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use datafusion_common::{DataFusionError, cast::as_boolean_array};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{
    bounds::{Budget, charge_constant},
    clock::BatchTime,
    error::plain,
    unnest::Unnest,
};
use crate::transform::{Input, Origin, Output, TransformError};

/// Steps that are planned once and shared by the tasks of a stage.
#[derive(Debug)]
pub(super) struct Program {
    /// The columns that are read, by their index in the input.
    pub(super) input: Vec<usize>,
    /// What the input must look like.
    pub(super) input_schema: SchemaRef,
    pub(super) steps: Vec<Step>,
    pub(super) output_schema: SchemaRef,
}

#[derive(Debug)]
pub(super) enum Step {
    /// Keeps the rows of which the predicate is true, and of them the columns
    /// that later steps read.
    Filter {
        predicate: Arc<dyn PhysicalExpr>,
        keep: Vec<usize>,
    },
    /// Computes new columns from the old.
    Project {
        columns: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    },
    Unnest(Unnest),
    /// The same values by types that differ in what may be null inside of them.
    Retype {
        schema: SchemaRef,
    },
}

struct Sql<'a>(&'a dyn PhysicalExpr);

impl fmt::Display for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter { predicate, .. } => write!(f, "filter {}", Sql(predicate.as_ref())),
            Self::Unnest(unnest) => unnest.fmt(f),
            Self::Retype { .. } => f.write_str("retype"),
            Self::Project { columns, schema } => {
                f.write_str("project ")?;
                for (index, (column, field)) in columns.iter().zip(schema.fields()).enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    let (text, name) = (Sql(column.as_ref()).to_string(), field.name());
                    if text == *name {
                        write!(f, "{separator}{name}")?;
                    } else {
                        write!(f, "{separator}{text} AS {name}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Program {
    /// Runs every step. A panic inside of a function is an error of its rows:
    /// let through, it would come back with every new try at the same records.
    pub(super) fn run(&self, input: &Input<'_>) -> Result<Output, TransformError> {
        self.check(input.batch)?;
        let (_time, _budget) = (BatchTime::begin(), Budget::begin());
        catch_unwind(AssertUnwindSafe(|| self.run_steps(input.batch))).unwrap_or_else(|panic| {
            let cause = panic.downcast_ref::<String>().map(String::as_str);
            let cause = cause.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(TransformError::compute("the row", cause.unwrap_or("a function panicked")))
        })
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), TransformError> {
        let schema = batch.schema_ref();
        if Arc::ptr_eq(schema, &self.input_schema) {
            return Ok(());
        }
        let (found, planned) = (schema.fields(), self.input_schema.fields());
        let differs = |index: &usize| {
            let types = (found.get(*index), planned.get(*index));
            !matches!(types, (Some(found), Some(planned)) if found.data_type().equals_datatype(planned.data_type()))
        };
        match self.input.iter().find(|index| differs(index)) {
            None => Ok(()),
            Some(&index) => Err(TransformError::Input {
                message: format!(
                    "column {index} of the batch must be `{}` of type {}",
                    planned[index].name(),
                    planned[index].data_type()
                ),
            }),
        }
    }

    fn run_steps(&self, input: &RecordBatch) -> Result<Output, TransformError> {
        let mut batch =
            input.project(&self.input).map_err(|error| failed("the input", &error.into()))?;
        let mut origin = Origin::Identity;
        for step in &self.steps {
            batch = match step {
                Step::Filter { predicate, keep } => filter(&batch, predicate, keep, &mut origin)?,
                Step::Project { columns, schema } => project(&batch, columns, schema)?,
                Step::Unnest(unnest) => {
                    let (rows, from) =
                        unnest.run(&batch).map_err(|error| failed("unnest", &error))?;
                    origin = follow(&origin, from);
                    rows
                }
                Step::Retype { schema } => retype(&batch, schema)?,
            };
        }
        Ok(Output { batch, origin })
    }
}

fn filter(
    batch: &RecordBatch,
    predicate: &Arc<dyn PhysicalExpr>,
    keep: &[usize],
    origin: &mut Origin,
) -> Result<RecordBatch, TransformError> {
    let failed = |error: DataFusionError| failed("WHERE", &error);
    let passes = rows_that_pass(batch, predicate).map_err(failed)?;
    let kept = batch.project(keep).map_err(|error| failed(error.into()))?;
    if passes.true_count() == passes.len() {
        return Ok(kept);
    }
    let rows = passes.values().set_indices_u32().collect();
    *origin = follow(origin, rows);
    filter_record_batch(&kept, &passes).map_err(|error| failed(error.into()))
}

/// Whether each row passes; null is not true.
fn rows_that_pass(
    batch: &RecordBatch,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Result<BooleanArray, DataFusionError> {
    let passes = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    let passes = as_boolean_array(&passes)?;
    Ok(match passes.null_count() {
        0 => passes.clone(),
        _ => prep_null_mask_filter(passes),
    })
}

fn project(
    batch: &RecordBatch,
    columns: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
) -> Result<RecordBatch, TransformError> {
    let rows = batch.num_rows();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let array = column.evaluate(batch).and_then(|value| {
            if let ColumnarValue::Scalar(constant) = &value {
                charge_constant(constant, rows)?;
            }
            // What a function makes of not null inside of a list may differ from its word.
            Ok(retyped(&value.into_array(rows)?, schema.field(index).data_type())?)
        });
        arrays.push(array.map_err(|error| failed(&name(schema, index), &error))?);
    }
    new_batch(schema, arrays, rows)
}

fn retype(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, TransformError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (index, column) in batch.columns().iter().enumerate() {
        let column = retyped(column, schema.field(index).data_type());
        columns.push(column.map_err(|error| failed(&name(schema, index), &error.into()))?);
    }
    new_batch(schema, columns, batch.num_rows())
}

fn retyped(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type { Ok(Arc::clone(array)) } else { cast(array, data_type) }
}

fn new_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, TransformError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| failed("the row", &error.into()))
}

/// The rows of a step, in terms of the input's rows.
fn follow(origin: &Origin, mut rows: Vec<u32>) -> Origin {
    if let Origin::Rows(before) = origin {
        for row in &mut rows {
            *row = before[*row as usize];
        }
    }
    Origin::Rows(rows)
}

fn name(schema: &SchemaRef, index: usize) -> String {
    match schema.field(index).name() {
        // The optimiser's own name for what several columns share.
        name if name.starts_with("__common_expr") => "an expression".to_owned(),
        name => format!("`{name}`"),
    }
}

fn failed(what: &str, error: &DataFusionError) -> TransformError {
    let text = error.find_root().strip_backtrace();
    TransformError::compute(what, plain(&text))
}
