//! What columns hold, counted over the rows of a run: for topics that ask for it.
//!
//! Nulls are counted of every column, distinct values of those without a nesting,
//! bounds and sums of numbers. Sketches of blocks merge into that of the run, so
//! a run costs a few kilobytes a column however long it is.

use std::hash::{DefaultHasher, Hasher};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type},
};

use crate::lineage::facets::{ColumnMetrics, DataQualityMetrics};

/// Bits of a hash that choose a register: 4,096 of them, for an error of 1.6 %.
const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;

/// Statistics of a dataset's columns, in the order of its schema.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    rows: u64,
    columns: Vec<ColumnStatistics>,
}

#[derive(Debug, Clone)]
struct ColumnStatistics {
    name: String,
    nulls: u64,
    bounds: Option<Bounds>,
    /// `None` for nested values.
    distinct: Option<Distinct>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    min: f64,
    max: f64,
    sum: f64,
}

impl Statistics {
    /// Of all columns of a batch.
    pub(super) fn of(batch: &RecordBatch) -> Self {
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let columns =
            columns.map(|(field, array)| ColumnStatistics::of(field.name().clone(), array));
        Self { rows: batch.num_rows() as u64, columns: columns.collect() }
    }

    /// Adds those of other rows of the same dataset.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        if self.columns.is_empty() {
            self.columns.clone_from(&other.columns);
            return;
        }
        for (column, other) in self.columns.iter_mut().zip(&other.columns) {
            column.merge(other);
        }
    }

    /// As lineage tells them.
    pub fn metrics(&self) -> DataQualityMetrics {
        let column = |column: &ColumnStatistics| {
            let metrics = ColumnMetrics {
                null_count: Some(column.nulls),
                distinct_count: column.distinct.as_ref().map(Distinct::estimate),
                count: Some(self.rows - column.nulls),
                min: column.bounds.map(|bounds| bounds.min),
                max: column.bounds.map(|bounds| bounds.max),
                sum: column.bounds.map(|bounds| bounds.sum),
            };
            (column.name.clone(), metrics)
        };
        DataQualityMetrics {
            row_count: Some(self.rows),
            bytes: None,
            column_metrics: self.columns.iter().map(column).collect(),
        }
    }
}

impl ColumnStatistics {
    fn of(name: String, array: &ArrayRef) -> Self {
        let nulls = array.null_count() as u64;
        Self { name, nulls, bounds: Bounds::of(array), distinct: Distinct::of(array) }
    }

    fn merge(&mut self, other: &Self) {
        self.nulls += other.nulls;
        self.bounds = match (self.bounds, other.bounds) {
            (Some(one), Some(other)) => Some(one.merge(other)),
            (one, other) => one.or(other),
        };
        if let (Some(distinct), Some(other)) = (&mut self.distinct, &other.distinct) {
            distinct.merge(other);
        }
    }
}

impl Bounds {
    /// `None` where no number is: numbers alone have bounds that lineage can tell.
    fn of(array: &ArrayRef) -> Option<Self> {
        if !array.data_type().is_numeric() {
            return None;
        }
        let numbers = cast(array, &DataType::Float64).ok()?;
        let numbers = numbers.as_primitive::<Float64Type>().iter().flatten();
        numbers
            .filter(|number| !number.is_nan())
            .map(|number| Self { min: number, max: number, sum: number })
            .reduce(Self::merge)
    }

    fn merge(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
        }
    }
}

/// A `HyperLogLog` sketch: the longest run of zeros seen in each of many parts of
/// the hashes tells how many there were.
#[derive(Debug, Clone)]
struct Distinct(Box<[u8]>);

impl Distinct {
    fn of(array: &ArrayRef) -> Option<Self> {
        let mut sketch = Self(vec![0; REGISTERS].into());
        match array.data_type() {
            DataType::Utf8 => {
                array
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .for_each(|text| sketch.add(text.as_bytes()));
            }
            DataType::Binary => {
                array.as_binary::<i32>().iter().flatten().for_each(|bytes| sketch.add(bytes));
            }
            DataType::Boolean => {
                array.as_boolean().iter().flatten().for_each(|is| sketch.add(&[u8::from(is)]));
            }
            other => {
                let width = other.primitive_width()?;
                let data = array.to_data();
                let bytes = data.buffers().first()?.as_slice();
                let values = bytes.get(data.offset() * width..)?.chunks_exact(width);
                let values = values.take(array.len()).enumerate();
                values
                    .filter(|(row, _)| array.is_valid(*row))
                    .for_each(|(_, value)| sketch.add(value));
            }
        }
        Some(sketch)
    }

    fn add(&mut self, value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(value);
        let hash = hasher.finish();
        let index = (hash >> (u64::BITS - INDEX_BITS)) as usize;
        // The bit behind the hash ends a run of zeros that would go on for ever.
        let zeros = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros();
        let register = &mut self.0[index];
        *register = (*register).max(zeros as u8 + 1);
    }

    fn merge(&mut self, other: &Self) {
        for (register, other) in self.0.iter_mut().zip(&other.0) {
            *register = (*register).max(*other);
        }
    }

    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|register| (-f64::from(*register)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let empty = self.0.iter().map(|register| usize::from(*register == 0)).sum::<usize>();
        // Few values leave registers empty, and how many tells better.
        if estimate <= 2.5 * registers && empty > 0 {
            return (registers * (registers / empty as f64).ln()).round() as u64;
        }
        estimate.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Float64Array, Int64Array, ListArray, StringArray},
        datatypes::Int32Type,
    };

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap()
    }

    #[test]
    fn nulls_bounds_and_distinct_values_of_each_column_are_told() {
        let lists =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, None]);
        let batch = batch(vec![
            ("id", Arc::new(Int64Array::from(vec![Some(7), None, Some(-3)]))),
            ("name", Arc::new(StringArray::from(vec!["a", "b", "a"]))),
            ("price", Arc::new(Float64Array::from(vec![f64::NAN, 2.5, 0.5]))),
            ("list", Arc::new(lists)),
        ]);
        let statistics = Statistics::of(&batch);
        let metrics = serde_json::to_value(statistics.metrics()).unwrap();
        assert_eq!(
            metrics,
            serde_json::json!({ "rowCount": 3, "columnMetrics": {
                "id": { "nullCount": 1, "distinctCount": 2, "count": 2, "min": -3.0, "max": 7.0, "sum": 4.0 },
                "name": { "nullCount": 0, "distinctCount": 2, "count": 3 },
                "price": { "nullCount": 0, "distinctCount": 3, "count": 3, "min": 0.5, "max": 2.5, "sum": 3.0 },
                "list": { "nullCount": 2, "count": 1 },
            } })
        );
    }

    /// Large ids that stand side by side must not count as one.
    #[test]
    fn distinct_values_are_told_within_five_in_a_hundred_over_many_blocks() {
        for (count, repeats) in [(100_i64, 3), (5_000, 2), (200_000, 1)] {
            let mut whole = Statistics::default();
            for _ in 0..repeats {
                for start in (0..count).step_by(1_000) {
                    let ids = (start..count.min(start + 1_000)).map(|id| (1 << 60) + id);
                    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
                    let batch = batch(vec![("id", ids)]);
                    whole.merge(&Statistics::of(&batch));
                }
            }
            let metrics = whole.metrics();
            let column = metrics.column_metrics["id"];
            let told = column.distinct_count.unwrap() as f64;
            assert!((told / count as f64 - 1.0).abs() < 0.05, "{told} of {count}");
            assert_eq!(column.count, Some(count as u64 * repeats));
        }
    }

    #[test]
    fn a_slice_counts_its_own_rows_alone() {
        let ids = Int64Array::from(vec![1, 2, 3, 4, 5]).slice(3, 2);
        let batch = batch(vec![("id", Arc::new(ids))]);
        let metrics = Statistics::of(&batch).metrics();
        let column = metrics.column_metrics["id"];
        assert_eq!(
            (column.distinct_count, column.min, column.max),
            (Some(2), Some(4.0), Some(5.0))
        );
    }
}
