//! What rows keep of the records that they came from, as columns.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, MapArray, MapBuilder, StringBuilder,
        TimestampMillisecondArray,
    },
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, Fields, Schema, TimeUnit, TimestampMillisecondType},
    error::ArrowError,
    record_batch::RecordBatch,
};

use super::Keep;
use crate::record::OF_THE_RECORD;

pub(super) const KEY: &str = "_key";
pub(super) const TIMESTAMP: &str = "_timestamp";
const HEADERS: &str = "_headers";

const UTC: &str = "+00:00";

/// The columns that were there, of those that keep something.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    keys: Option<BinaryArray>,
    timestamps: Option<TimestampMillisecondArray>,
    headers: Option<MapArray>,
}

impl Parts {
    /// Those of `batch` that are no fields of its topic.
    pub(super) fn of(batch: &RecordBatch, fields: &Schema) -> Result<Self, ArrowError> {
        let column = |name: &str, as_type: &DataType| {
            let found = batch.column_by_name(name);
            found
                .filter(|_| fields.index_of(name).is_err())
                .map(|column| cast(column, as_type))
                .transpose()
        };
        Ok(Self {
            keys: column(KEY, &DataType::Binary)?.map(|keys| keys.as_binary().clone()),
            timestamps: column(TIMESTAMP, &timestamp_type())?
                .map(|times| times.as_primitive::<TimestampMillisecondType>().clone()),
            headers: column(HEADERS, &headers_type())?.map(|maps| maps.as_map().clone()),
        })
    }

    /// Whether a column of this name keeps a part of rows, unless it is a field.
    pub(super) fn has_name(name: &str) -> bool {
        [KEY, TIMESTAMP, HEADERS].contains(&name)
    }

    /// Whether rows have keys of their own; the record's is none of theirs then.
    pub fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    pub fn key(&self, row: usize) -> Option<&[u8]> {
        let keys = self.keys.as_ref()?;
        keys.is_valid(row).then(|| keys.value(row))
    }

    /// Milliseconds since the epoch.
    pub fn timestamp(&self, row: usize) -> Option<i64> {
        let times = self.timestamps.as_ref()?;
        times.is_valid(row).then(|| times.value(row))
    }

    /// `None` where rows have no headers of their own.
    pub fn headers(&self, row: usize) -> Option<impl Iterator<Item = (&str, Option<&[u8]>)>> {
        let maps = self.headers.as_ref()?;
        let names = maps.keys().as_string::<i32>();
        let values = maps.values().as_binary::<i32>();
        let entries = if maps.is_valid(row) {
            maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize
        } else {
            0..0
        };
        Some(
            entries.map(|entry| {
                (names.value(entry), values.is_valid(entry).then(|| values.value(entry)))
            }),
        )
    }
}

/// The same rows with keys as text, where they all are: bytes are no reading.
pub(super) fn with_text_keys(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let Ok(index) = schema.index_of(KEY) else { return Ok(batch) };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let Ok(text) = cast_with_options(batch.column(index), &DataType::Utf8, &options) else {
        return Ok(batch);
    };
    let mut columns = batch.columns().to_vec();
    columns[index] = text;
    let mut fields = schema.fields().to_vec();
    fields[index] = Arc::new(Field::new(KEY, DataType::Utf8, true));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Builds the columns that a topic asks for, row by row.
#[derive(Debug)]
pub(super) struct PartsBuilder {
    keys: Option<BinaryBuilder>,
    timestamps: Option<Vec<Option<i64>>>,
    headers: Option<MapBuilder<StringBuilder, BinaryBuilder>>,
}

impl PartsBuilder {
    pub(super) fn new(keep: Keep, rows: usize) -> Self {
        let map = || MapBuilder::new(None, StringBuilder::new(), BinaryBuilder::new());
        Self {
            keys: keep.key.then(|| BinaryBuilder::with_capacity(rows, rows * 16)),
            timestamps: keep.timestamp.then(|| Vec::with_capacity(rows)),
            headers: keep.headers.then(map),
        }
    }

    pub(super) fn append<'h>(
        &mut self,
        key: Option<&[u8]>,
        timestamp: Option<i64>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<(), ArrowError> {
        if let Some(keys) = &mut self.keys {
            keys.append_option(key);
        }
        if let Some(timestamps) = &mut self.timestamps {
            timestamps.push(timestamp);
        }
        if let Some(maps) = &mut self.headers {
            for (name, value) in headers.filter(|(name, _)| !OF_THE_RECORD.contains(name)) {
                maps.keys().append_value(name);
                maps.values().append_option(value);
            }
            maps.append(true)?;
        }
        Ok(())
    }

    /// In the order of [`fields`].
    pub(super) fn finish(self) -> Vec<ArrayRef> {
        let keys = self.keys.map(|mut keys| Arc::new(keys.finish()) as ArrayRef);
        let times = self.timestamps.map(timestamps);
        let headers = self.headers.map(|mut maps| Arc::new(maps.finish()) as ArrayRef);
        [keys, times, headers].into_iter().flatten().collect()
    }
}

/// The columns of what is kept, behind the topic's own fields.
pub(super) fn fields(keep: Keep) -> impl Iterator<Item = Field> {
    let key = keep.key.then(|| Field::new(KEY, DataType::Binary, true));
    let timestamp = keep.timestamp.then(|| Field::new(TIMESTAMP, timestamp_type(), true));
    let headers = keep.headers.then(|| Field::new(HEADERS, headers_type(), true));
    [key, timestamp, headers].into_iter().flatten()
}

/// Milliseconds since the epoch, as a column of [`timestamp_type`].
pub(super) fn timestamps(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values).with_timezone(UTC))
}

pub(super) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
}

/// As [`MapBuilder`] makes it.
fn headers_type() -> DataType {
    let entries = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Binary, true),
    ]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}
