//! Rows into the bytes of one record.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    ipc::{
        CompressionType,
        writer::{IpcWriteOptions, StreamWriter},
    },
};

use super::{
    ArrowConfig, Compression, Keep,
    parts::{self, PartsBuilder},
};
use crate::codec::schema::canonical_schema;

/// Writes batches of one schema.
#[derive(Debug)]
pub struct Encoder {
    /// The topic's fields, those with a dictionary in its type, and what is kept.
    schema: SchemaRef,
    options: IpcWriteOptions,
    keep: Keep,
}

impl Encoder {
    pub fn new(fields: &Schema, config: &ArrowConfig) -> Result<Self, ArrowError> {
        // As the topic's schema has them, so that its readers need not convert.
        let fields = canonical_schema(fields);
        let encoded = fields.fields().iter().map(|field| {
            let packs = config.dictionary.contains(field.name());
            if packs { with_dictionary(field) } else { Arc::clone(field) }
        });
        let kept = parts::fields(config.keep).map(Arc::new);
        let compression = match config.compression {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
        };
        Ok(Self {
            schema: Arc::new(Schema::new(encoded.chain(kept).collect::<Vec<_>>())),
            options: IpcWriteOptions::default().try_with_compression(compression)?,
            keep: config.keep,
        })
    }

    /// The columns that keep key, timestamp and headers of each row, as far as the
    /// topic asks for them; they go behind the fields that [`Encoder::encode`] takes.
    pub fn kept<'r, H>(
        &self,
        rows: usize,
        row: impl Fn(usize) -> (Option<&'r [u8]>, Option<i64>, H),
    ) -> Result<Vec<ArrayRef>, ArrowError>
    where
        H: Iterator<Item = (&'r str, Option<&'r [u8]>)>,
    {
        if self.keep == Keep::NOTHING {
            return Ok(Vec::new());
        }
        let mut parts = PartsBuilder::new(self.keep, rows);
        for index in 0..rows {
            let (key, timestamp, headers) = row(index);
            parts.append(key, timestamp, headers)?;
        }
        Ok(parts.finish())
    }

    /// Appends a record of these rows to `out`.
    pub fn encode(&self, columns: &[ArrayRef], out: &mut Vec<u8>) -> Result<(), ArrowError> {
        let columns = columns.iter().zip(self.schema.fields()).map(|(column, field)| {
            let is_same = column.data_type() == field.data_type();
            if is_same { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        write(&batch, self.options.clone(), out)
    }
}

/// One row as a record of its own, without what it keeps: a dead letter's bytes.
pub fn encode_row(batch: &RecordBatch, row: usize) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    write(&batch.slice(row, 1), IpcWriteOptions::default(), &mut bytes)?;
    Ok(bytes)
}

pub(super) fn write(
    batch: &RecordBatch,
    options: IpcWriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), ArrowError> {
    let mut writer = StreamWriter::try_new_with_options(out, &batch.schema(), options)?;
    writer.write(batch)?;
    writer.finish()
}

fn with_dictionary(field: &Field) -> Arc<Field> {
    let values = Box::new(field.data_type().clone());
    let packed = DataType::Dictionary(Box::new(DataType::Int32), values);
    Arc::new(field.clone().with_data_type(packed))
}
