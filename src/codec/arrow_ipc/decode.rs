//! The bytes of one record into rows.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array},
    buffer::Buffer,
    compute::{CastOptions, cast_with_options, concat_batches, filter_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    ipc::reader::StreamDecoder,
};

use super::{DecodeError, Parts, guard};
use crate::codec::schema::format_type;

/// Reads records of one topic.
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
}

/// What a record holds.
#[derive(Debug)]
pub struct Decoded {
    /// All rows, as they came, without what they keep of their records.
    pub came: RecordBatch,
    /// The sound rows, in the schema of the topic.
    pub batch: RecordBatch,
    /// Rows of `came` that are none of `batch`, ascending, with the reason.
    pub bad: Vec<(usize, DecodeError)>,
    /// Of the rows of `came`.
    pub parts: Parts,
}

impl Decoder {
    pub fn new(schema: &Schema) -> Self {
        Self { schema: Arc::new(schema.clone()) }
    }

    /// Of every batch of sound rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Columns are found by their names; those that the topic does not know are
    /// left out, and those of another type converted where no value is lost.
    pub fn decode(&self, record: &[u8]) -> Result<Decoded, DecodeError> {
        let all = read(record)?;
        let parts = Parts::of(&all, &self.schema)?;
        let own = |(index, field): (usize, &Arc<Field>)| {
            let keeps =
                Parts::has_name(field.name()) && self.schema.index_of(field.name()).is_err();
            (!keeps).then_some(index)
        };
        let own: Vec<_> = all.schema().fields().iter().enumerate().filter_map(own).collect();
        let came = all.project(&own)?;
        let columns = self.columns(&came)?;
        let bad = self.nulls(&columns, came.num_rows());
        let batch = self.sound(columns, came.num_rows(), &bad)?;
        Ok(Decoded { came, batch, bad, parts })
    }

    fn columns(&self, came: &RecordBatch) -> Result<Vec<ArrayRef>, DecodeError> {
        let column = |field: &Arc<Field>| {
            let Some(found) = came.column_by_name(field.name()) else {
                if field.is_nullable() {
                    return Ok(new_null_array(field.data_type(), came.num_rows()));
                }
                return Err(DecodeError::Missing { name: field.name().clone() });
            };
            convert(found, field)
        };
        self.schema.fields().iter().map(column).collect()
    }

    /// Rows with a null where there must be none.
    fn nulls(&self, columns: &[ArrayRef], rows: usize) -> Vec<(usize, DecodeError)> {
        let strict: Vec<_> = self
            .schema
            .fields()
            .iter()
            .zip(columns)
            .filter(|(field, column)| !field.is_nullable() && column.null_count() > 0)
            .collect();
        let bad = |row: usize| {
            let (field, _) = strict.iter().find(|(_, column)| column.is_null(row))?;
            Some((row, DecodeError::Missing { name: field.name().clone() }))
        };
        if strict.is_empty() { Vec::new() } else { (0..rows).filter_map(bad).collect() }
    }

    fn sound(
        &self,
        columns: Vec<ArrayRef>,
        rows: usize,
        bad: &[(usize, DecodeError)],
    ) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        if bad.is_empty() {
            return RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        }
        let relaxed =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let relaxed = Arc::new(Schema::new(relaxed.collect::<Vec<_>>()));
        let all = RecordBatch::try_new_with_options(relaxed, columns, &options)?;
        let mut keep = vec![true; rows];
        for (row, _) in bad {
            keep[*row] = false;
        }
        let sound = filter_record_batch(&all, &BooleanArray::from(keep))?;
        let options = RecordBatchOptions::new().with_row_count(Some(sound.num_rows()));
        RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            sound.columns().to_vec(),
            &options,
        )
    }
}

/// The column in the type of its field, where that is another kind of the same and
/// every value can be told back from it.
fn convert(column: &ArrayRef, field: &Field) -> Result<ArrayRef, DecodeError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let mismatch = |reason: String| DecodeError::Mismatch { name: field.name().clone(), reason };
    let text =
        |data_type: &DataType| format_type(&Field::new(field.name(), data_type.clone(), true));
    if kind(column.data_type()) != kind(field.data_type()) {
        let (found, expected) = (text(column.data_type()), text(field.data_type()));
        return Err(mismatch(format!("found {found}, expected {expected}")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let to = |column: &ArrayRef, data_type: &DataType| {
        cast_with_options(column, data_type, &options).map_err(|error| mismatch(error.to_string()))
    };
    let converted = to(column, field.data_type())?;
    if to(&converted, column.data_type())?.to_data() != column.to_data() {
        return Err(mismatch(format!("a value that {} does not hold", text(field.data_type()))));
    }
    Ok(converted)
}

/// Types of one kind differ in how they hold the same values.
fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Dictionary(_, values) => kind(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Kind::Binary,
        data_type if data_type.is_integer() => Kind::Integer,
        data_type if data_type.is_floating() => Kind::Float,
        DataType::Timestamp(..) => Kind::Timestamp,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Kind::List,
        other => Kind::Other(std::mem::discriminant(other)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
    Integer,
    Float,
    Timestamp,
    List,
    Other(std::mem::Discriminant<DataType>),
}

/// All batches of a stream as one.
pub(super) fn read(record: &[u8]) -> Result<RecordBatch, DecodeError> {
    guard::check(record)?;
    // Arrow's reader checks what it is given, and panics over some that it does not.
    let read = catch_unwind(AssertUnwindSafe(|| read_stream(record)));
    read.map_err(|_| DecodeError::Malformed("its buffers do not fit its schema".to_owned()))?
}

fn read_stream(record: &[u8]) -> Result<RecordBatch, DecodeError> {
    let mut bytes = Buffer::from(record);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut bytes)? {
        batches.push(batch);
    }
    decoder.finish()?;
    let schema = decoder.schema().ok_or_else(|| DecodeError::Malformed("no schema".to_owned()))?;
    match <[RecordBatch; 1]>::try_from(batches) {
        Ok([batch]) => Ok(batch),
        Err(batches) => Ok(concat_batches(&schema, &batches)?),
    }
}
