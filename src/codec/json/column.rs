//! Column buffers that grow by a row and shrink to any number of rows.
//!
//! A value that fails half way may leave its buffers uneven: the decoder
//! truncates all of them to the rows before, so nothing here cleans up.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, ListArray, MapArray,
    PrimitiveArray, StringArray, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, new_empty_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit,
};
use arrow::error::ArrowError;

use super::error::DecodeSetupError;
use super::fields::Fields;

/// A field's values so far.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) field: FieldRef,
    rows: usize,
    /// Which rows are not null, as far as the last that is; behind it all are.
    valid: Vec<bool>,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) enum Values {
    Boolean(Vec<bool>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Date(Vec<i32>),
    Time(Vec<i64>, TimeUnit),
    Timestamp(Vec<i64>, TimeUnit),
    Text(Bytes),
    /// With scratch for text that has escapes.
    Binary(Bytes, Vec<u8>),
    List(Ends, Box<Column>),
    Struct(Fields),
    Map(MapValues),
}

/// The entries of a map column.
#[derive(Debug)]
pub(super) struct MapValues {
    pub(super) ends: Ends,
    pub(super) keys: Bytes,
    pub(super) values: Box<Column>,
    /// Scratch of the search for a key that stands twice.
    pub(super) order: Vec<usize>,
}

/// Offsets as Arrow wants them: a zero, then where each row ends. The decoder
/// keeps a batch under 2 GiB, so they fit.
#[derive(Debug)]
pub(super) struct Ends(Vec<i32>);

impl Default for Ends {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Ends {
    fn len(&self) -> usize {
        self.0.len() - 1
    }

    pub(super) fn push(&mut self, end: usize) {
        self.0.push(end as i32);
    }

    /// Where row `index` starts, and the row before it ends.
    pub(super) fn start(&self, index: usize) -> usize {
        self.0[index] as usize
    }

    /// Where the last row ends.
    pub(super) fn last(&self) -> usize {
        self.start(self.len())
    }

    fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows + 1);
    }

    fn take(&mut self) -> OffsetBuffer<i32> {
        let ends = take(&mut self.0);
        self.0.push(0);
        OffsetBuffer::new(ends.into())
    }
}

/// Values of any length, back to back.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    ends: Ends,
    pub(super) bytes: Vec<u8>,
}

impl Bytes {
    /// Ends the row that was appended to `bytes`.
    pub(super) fn end_row(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.ends.start(index)..self.ends.start(index + 1)]
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.bytes.truncate(self.ends.last());
    }
}

/// Takes a buffer and leaves an empty one with room for as much and an eighth more:
/// the next batch is most likely of about that size. The capacity is let go, or one
/// huge record would make every later batch as large.
fn take<T>(buffer: &mut Vec<T>) -> Vec<T> {
    let length = buffer.len();
    std::mem::replace(buffer, Vec::with_capacity(length + length / 8))
}

impl Column {
    /// `path` is where the field stands in the schema, for the error.
    pub(super) fn new(field: &FieldRef, path: &str) -> Result<Self, DecodeSetupError> {
        let unsupported = || DecodeSetupError::Unsupported {
            path: path.to_owned(),
            data_type: field.data_type().clone(),
        };
        let values = match field.data_type() {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Int8 => Values::Int8(Vec::new()),
            DataType::Int16 => Values::Int16(Vec::new()),
            DataType::Int32 => Values::Int32(Vec::new()),
            DataType::Int64 => Values::Int64(Vec::new()),
            DataType::Float32 => Values::Float32(Vec::new()),
            DataType::Float64 => Values::Float64(Vec::new()),
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                Values::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Date32 => Values::Date(Vec::new()),
            DataType::Time64(unit) => Values::Time(Vec::new(), *unit),
            DataType::Timestamp(unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond), Some(_)) => {
                Values::Timestamp(Vec::new(), *unit)
            }
            DataType::Utf8 => Values::Text(Bytes::default()),
            DataType::Binary => Values::Binary(Bytes::default(), Vec::new()),
            DataType::List(item) => {
                Values::List(Ends::default(), Box::new(Self::new(item, &format!("{path}[]"))?))
            }
            DataType::Struct(fields) => Values::Struct(Fields::new(fields, path)?),
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return Err(unsupported()) };
                let [key, value] = &pair[..] else { return Err(unsupported()) };
                if *key.data_type() != DataType::Utf8 {
                    return Err(unsupported());
                }
                Values::Map(MapValues {
                    ends: Ends::default(),
                    keys: Bytes::default(),
                    values: Box::new(Self::new(value, &format!("{path}[]"))?),
                    order: Vec::new(),
                })
            }
            _ => return Err(unsupported()),
        };
        Ok(Self { field: Arc::clone(field), rows: 0, valid: Vec::new(), values })
    }

    /// Rows that are complete.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Ends the row whose value was appended.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Appends a null; what is inside it is null as well.
    pub(super) fn push_null(&mut self) {
        self.valid.resize(self.rows, true);
        self.valid.push(false);
        self.rows += 1;
        match &mut self.values {
            Values::Boolean(values) => values.push(false),
            Values::Int8(values) => values.push(0),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) | Values::Date(values) => values.push(0),
            Values::Int64(values) | Values::Time(values, _) | Values::Timestamp(values, _) => {
                values.push(0);
            }
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text(values) | Values::Binary(values, _) => values.end_row(),
            Values::List(ends, _) | Values::Map(MapValues { ends, .. }) => ends.push(ends.last()),
            Values::Struct(fields) => fields.push_null(),
        }
    }

    /// Forgets all but the first `rows`, and what a failed value left behind.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int8(values) => values.truncate(rows),
            Values::Int16(values) => values.truncate(rows),
            Values::Int32(values) | Values::Date(values) => values.truncate(rows),
            Values::Int64(values) | Values::Time(values, _) | Values::Timestamp(values, _) => {
                values.truncate(rows);
            }
            Values::Float32(values) => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Text(values) | Values::Binary(values, _) => values.truncate(rows),
            Values::List(ends, items) => {
                ends.truncate(rows);
                items.truncate(ends.last());
            }
            Values::Struct(fields) => fields.truncate(rows),
            Values::Map(MapValues { ends, keys, values, .. }) => {
                ends.truncate(rows);
                keys.truncate(ends.last());
                values.truncate(ends.last());
            }
        }
    }

    /// The rows as an array of the field's type; the buffers are empty after it.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.take_nulls();
        let data_type = self.field.data_type();
        Ok(match &mut self.values {
            Values::Boolean(values) => {
                let bits = BooleanBuffer::from(values.as_slice());
                values.clear();
                Arc::new(BooleanArray::new(bits, nulls))
            }
            Values::Int8(values) => primitive::<Int8Type>(values, nulls)?,
            Values::Int16(values) => primitive::<Int16Type>(values, nulls)?,
            Values::Int32(values) => primitive::<Int32Type>(values, nulls)?,
            Values::Int64(values) => primitive::<Int64Type>(values, nulls)?,
            Values::Float32(values) => primitive::<Float32Type>(values, nulls)?,
            Values::Float64(values) => primitive::<Float64Type>(values, nulls)?,
            Values::Decimal { values, .. } => Arc::new(
                Decimal128Array::try_new(take(values).into(), nulls)?
                    .with_data_type(data_type.clone()),
            ),
            Values::Date(values) => Arc::new(Date32Array::try_new(take(values).into(), nulls)?),
            Values::Time(values, TimeUnit::Nanosecond) => {
                Arc::new(Time64NanosecondArray::try_new(take(values).into(), nulls)?)
            }
            Values::Time(values, _) => {
                Arc::new(Time64MicrosecondArray::try_new(take(values).into(), nulls)?)
            }
            Values::Timestamp(values, TimeUnit::Nanosecond) => Arc::new(
                TimestampNanosecondArray::try_new(take(values).into(), nulls)?
                    .with_data_type(data_type.clone()),
            ),
            Values::Timestamp(values, _) => Arc::new(
                TimestampMicrosecondArray::try_new(take(values).into(), nulls)?
                    .with_data_type(data_type.clone()),
            ),
            Values::Text(Bytes { ends, bytes }) => {
                Arc::new(StringArray::try_new(ends.take(), take(bytes).into(), nulls)?)
            }
            Values::Binary(Bytes { ends, bytes }, _) => {
                Arc::new(BinaryArray::try_new(ends.take(), take(bytes).into(), nulls)?)
            }
            Values::List(ends, items) => {
                let item = Arc::clone(&items.field);
                Arc::new(ListArray::try_new(item, ends.take(), items.finish()?, nulls)?)
            }
            Values::Struct(fields) => {
                let (names, columns, rows) = fields.finish()?;
                Arc::new(StructArray::try_new_with_length(names, columns, nulls, rows)?)
            }
            Values::Map(map) => map.finish(data_type, nulls)?,
        })
    }

    fn take_nulls(&mut self) -> Option<NullBuffer> {
        let rows = std::mem::take(&mut self.rows);
        let nulls = self.valid.contains(&false).then(|| {
            self.valid.resize(rows, true);
            NullBuffer::from(self.valid.as_slice())
        });
        self.valid.clear();
        nulls
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(take(values).into(), nulls)?))
}

impl MapValues {
    fn finish(
        &mut self,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let DataType::Map(entries, ordered) = data_type else {
            return Ok(new_empty_array(data_type));
        };
        let DataType::Struct(pair) = entries.data_type() else {
            return Ok(new_empty_array(data_type));
        };
        let Bytes { ends, bytes } = &mut self.keys;
        let keys: ArrayRef = Arc::new(StringArray::try_new(ends.take(), take(bytes).into(), None)?);
        let pairs = StructArray::try_new(pair.clone(), vec![keys, self.values.finish()?], None)?;
        let entries = Arc::clone(entries);
        Ok(Arc::new(MapArray::try_new(entries, self.ends.take(), pairs, nulls, *ordered)?))
    }
}
