//! UNNEST: a row for each element of a list.
//!
//! Lists side by side are stepped through together, the shorter filled up with
//! nulls. A row whose lists are all empty or null gives no row.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::{cast, take},
    datatypes::{DataType, SchemaRef},
};
use datafusion_common::{NullHandling, Result, not_impl_err, plan_err};
use datafusion_expr::logical_plan::Unnest as LogicalUnnest;

use super::bounds::charge_rows;

/// One UNNEST, ready to run.
#[derive(Debug)]
pub(super) struct Unnest {
    columns: Vec<Column>,
    /// The list columns of the input; rows are as many as the longest has elements.
    lists: Vec<usize>,
    nulls: NullHandling,
    schema: SchemaRef,
}

/// Where an output column comes from, by the input column's index.
#[derive(Debug, Clone, Copy)]
enum Column {
    Repeated(usize),
    /// The element of the list at this index of `lists`.
    Element(usize),
}

impl Unnest {
    pub(super) fn plan(unnest: &LogicalUnnest) -> Result<Self> {
        if !unnest.struct_type_columns.is_empty() {
            return not_impl_err!(
                "unnest takes a list; take the fields of a struct by name: address.city"
            );
        }
        let mut lists = Vec::new();
        for (index, list) in &unnest.list_type_columns {
            if list.depth != 1 || lists.contains(index) {
                return not_impl_err!(
                    "unnest takes one level at a time; unnest the outer list in a subquery"
                );
            }
            lists.push(*index);
        }
        let column = |&column: &usize| {
            let list = lists.iter().position(|list| *list == column);
            list.map_or(Column::Repeated(column), Column::Element)
        };
        let columns = unnest.dependency_indices.iter().map(column).collect();
        let schema = Arc::clone(unnest.schema.inner());
        Ok(Self { columns, lists, nulls: unnest.options.null_handling, schema })
    }

    /// The rows, and for each the input row it came from.
    pub(super) fn run(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<u32>)> {
        let lists = self
            .lists
            .iter()
            .map(|&column| as_list(batch.column(column)))
            .collect::<Result<Vec<_>>>()?;
        let rows = self.rows(&lists, batch.num_rows());
        let taken = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(match *column {
                Column::Repeated(column) => {
                    charge_rows(batch.column(column), taken.values())?;
                    take(batch.column(column), &taken, None)?
                }
                Column::Element(list) => elements(&lists[list], &taken)?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(taken.len()));
        let unnested =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok((unnested, taken.values().to_vec()))
    }

    fn rows(&self, lists: &[ListArray], count: usize) -> Vec<u32> {
        let mut rows = Vec::with_capacity(lists.iter().map(|list| list.values().len()).sum());
        for row in 0..count {
            let longest = lists.iter().map(|list| length(list, row)).max().unwrap_or_default();
            let all_null = lists.iter().all(|list| list.is_null(row));
            let least = match self.nulls {
                NullHandling::Drop => 0,
                NullHandling::Preserve => usize::from(all_null),
                NullHandling::PreserveAndExpandEmpty => 1,
            };
            rows.extend(std::iter::repeat_n(row as u32, longest.max(least)));
        }
        rows
    }
}

impl fmt::Display for Unnest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = self.columns.iter().zip(self.schema.fields());
        let elements = elements.filter(|(column, _)| matches!(column, Column::Element(_)));
        let names: Vec<&str> = elements.map(|(_, field)| field.name().as_str()).collect();
        write!(f, "unnest {}", names.join(", "))
    }
}

fn length(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { list.value_length(row) as usize }
}

/// For each row of `taken`, the next element of its list; null where the list has no more.
fn elements(list: &ListArray, taken: &UInt32Array) -> Result<ArrayRef> {
    let mut previous = None;
    let mut element = 0;
    let indices: UInt32Array = taken
        .values()
        .iter()
        .map(|&row| {
            element = if previous == Some(row) { element + 1 } else { 0 };
            previous = Some(row);
            let row = row as usize;
            let start = list.value_offsets()[row] as usize;
            (element < length(list, row)).then_some((start + element) as u32)
        })
        .collect();
    Ok(take(list.values(), &indices, None)?)
}

fn as_list(column: &ArrayRef) -> Result<ListArray> {
    let item = match column.data_type() {
        DataType::List(_) => return Ok(column.as_list::<i32>().clone()),
        DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => item,
        other => return plan_err!("unnest takes a list, and this is {other}"),
    };
    let list = cast(column, &DataType::List(Arc::clone(item)))?;
    Ok(list.as_list::<i32>().clone())
}
