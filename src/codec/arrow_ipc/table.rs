//! The rows of many records as one stream, each with the place where it stands.

use std::{mem, sync::Arc};

use arrow::{
    array::{ArrayRef, BinaryBuilder, Int32Array, Int64Array, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::IpcWriteOptions,
};

use super::{Decoder, encode::write, is_stream, parts};
use crate::{codec::json, record::Record};

/// Collects records of a topic, JSON or Arrow as their bytes say.
pub struct Table {
    json: json::Decoder,
    arrow: Decoder,
    batches: Vec<RecordBatch>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    timestamps: Vec<Option<i64>>,
    keys: BinaryBuilder,
    unreadable: usize,
}

impl Table {
    /// Of records with these fields.
    pub fn new(schema: &Schema) -> Result<Self, json::DecodeSetupError> {
        Ok(Self {
            json: json::Decoder::new(schema, json::DecodeConfig::default())?,
            arrow: Decoder::new(schema),
            batches: Vec::new(),
            partitions: Vec::new(),
            offsets: Vec::new(),
            timestamps: Vec::new(),
            keys: BinaryBuilder::new(),
            unreadable: 0,
        })
    }

    /// Adds the rows of a record; one that has none, or not these fields, is counted.
    pub fn push(&mut self, record: &Record<'_>) {
        let read = match record.value() {
            Some(value) if is_stream(value) => self.push_rows(record, value),
            Some(value) => self.json.decode(value).ok().map(|()| {
                self.place(record, record.key(), record.timestamp());
            }),
            None => None,
        };
        self.unreadable += usize::from(read.is_none());
    }

    fn push_rows(&mut self, record: &Record<'_>, value: &[u8]) -> Option<()> {
        let found = self.arrow.decode(value).ok()?;
        let mut bad = found.bad.iter().map(|(row, _)| *row).peekable();
        for row in 0..found.came.num_rows() {
            if bad.next_if_eq(&row).is_none() {
                let kept = (!found.parts.has_keys()).then(|| record.key()).flatten();
                let timestamp = found.parts.timestamp(row).or(record.timestamp());
                self.place(record, found.parts.key(row).or(kept), timestamp);
            }
        }
        self.settle();
        self.batches.push(found.batch);
        Some(())
    }

    fn place(&mut self, record: &Record<'_>, key: Option<&[u8]>, timestamp: Option<i64>) {
        self.partitions.push(record.partition());
        self.offsets.push(record.offset());
        self.timestamps.push(timestamp);
        self.keys.append_option(key);
    }

    /// Rows of JSON are a batch before others come.
    fn settle(&mut self) {
        if self.json.rows() > 0 {
            self.batches.push(self.json.finish());
        }
    }

    /// Records whose rows are not in the table.
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// The stream: the fields, then the columns of the places.
    pub fn finish(mut self) -> Result<Vec<u8>, ArrowError> {
        self.settle();
        let rows = concat_batches(self.arrow.schema(), &mem::take(&mut self.batches))?;
        let places: [ArrayRef; 4] = [
            Arc::new(Int32Array::from(self.partitions)),
            Arc::new(Int64Array::from(self.offsets)),
            parts::timestamps(self.timestamps),
            Arc::new(self.keys.finish()),
        ];
        let columns = rows.columns().iter().cloned().chain(places).collect();
        let batch = RecordBatch::try_new(with_places(self.arrow.schema()), columns)?;
        let mut bytes = Vec::new();
        write(&batch, IpcWriteOptions::default(), &mut bytes)?;
        Ok(bytes)
    }
}

/// The fields, then the columns that say where a row stands.
fn with_places(schema: &SchemaRef) -> SchemaRef {
    let places = [
        Field::new("_partition", DataType::Int32, false),
        Field::new("_offset", DataType::Int64, false),
        Field::new(parts::TIMESTAMP, parts::timestamp_type(), true),
        Field::new(parts::KEY, DataType::Binary, true),
    ];
    let fields = schema.fields().iter().cloned().chain(places.map(Arc::new));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
