//! The records of a block into columns.

use std::sync::Arc;

use arrow::{
    compute::concat_batches,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};

use super::{StageError, Step, process::unplanned, work::Work};
use crate::{
    codec::{
        arrow_ipc::{self, Decoded, encode_row},
        json::{self, DecodeConfig},
    },
    record::{Block, OF_THE_RECORD, Record, Recovery, RowParts, Topic},
};

/// What a record of the input topic is.
#[derive(Debug, Clone)]
pub enum DecodeFormat {
    Json(DecodeConfig),
    Arrow,
}

/// Reads blocks of one topic.
pub(super) enum Reading {
    Json(json::Decoder),
    Arrow(arrow_ipc::Decoder),
}

impl Reading {
    pub(super) fn new(
        topic: &Topic,
        schema: &Schema,
        format: DecodeFormat,
    ) -> Result<Self, StageError> {
        Ok(match format {
            DecodeFormat::Json(config) => Self::Json(
                json::Decoder::new(schema, config)
                    .map_err(|source| StageError::Decode { topic: topic.clone(), source })?,
            ),
            DecodeFormat::Arrow => Self::Arrow(arrow_ipc::Decoder::new(schema)),
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Json(decoder) => decoder.schema(),
            Self::Arrow(decoder) => decoder.schema(),
        }
    }

    /// The sound rows; `work` learns what became of the others. Records that are
    /// dropped are read and filtered.
    pub(super) fn read(
        &mut self,
        work: &mut Work,
        is_dropped: impl Fn(&Record<'_>) -> bool,
    ) -> Result<RecordBatch, StageError> {
        match self {
            Self::Json(decoder) => read_json(decoder, work, is_dropped),
            Self::Arrow(decoder) => unpack(decoder, work, is_dropped),
        }
    }
}

fn read_json(
    decoder: &mut json::Decoder,
    work: &mut Work,
    is_dropped: impl Fn(&Record<'_>) -> bool,
) -> Result<RecordBatch, StageError> {
    let block = Arc::clone(&work.block);
    for (index, record) in block.iter().enumerate() {
        let index = index as u32;
        work.counts.bytes_in += record.size() as u64;
        if is_dropped(&record) {
            continue;
        }
        let Some(value) = record.value() else {
            work.tombstones.push(index);
            continue;
        };
        match decoder.decode(value) {
            Ok(()) => work.rows.push(index),
            Err(error) if error.recovery() == Recovery::DeadLetter => {
                work.kill(index, Step::Decode, error.to_string());
            }
            Err(error) => return Err(StageError::Read(error)),
        }
    }
    Ok(decoder.finish())
}

/// Puts a block of rows in the place of the block of records that hold them.
fn unpack(
    decoder: &arrow_ipc::Decoder,
    work: &mut Work,
    is_dropped: impl Fn(&Record<'_>) -> bool,
) -> Result<RecordBatch, StageError> {
    let packed = Arc::clone(&work.block);
    let mut rows = packed.rows_of();
    let mut batches = Vec::with_capacity(packed.len());
    for record in packed.iter() {
        work.counts.bytes_in += record.size() as u64;
        let is_dropped = is_dropped(&record);
        let first = rows.len() as u32;
        let Some(value) = record.value() else {
            rows.push_whole(&record);
            if !is_dropped {
                work.tombstones.push(first);
            }
            continue;
        };
        match decoder.decode(value) {
            Ok(found) => {
                push_rows(&mut rows, &record, &found);
                if !is_dropped {
                    take(work, first, &found).map_err(unplanned)?;
                    batches.push(found.batch);
                }
            }
            Err(error) => {
                rows.push_whole(&record);
                if !is_dropped {
                    work.kill(first, Step::Decode, error.to_string());
                }
            }
        }
    }
    work.block = Arc::new(rows);
    let batch = match <[RecordBatch; 1]>::try_from(batches) {
        Ok([batch]) => batch,
        Err(batches) => concat_batches(decoder.schema(), &batches).map_err(unplanned)?,
    };
    work.packed = Some(batch.clone());
    Ok(batch)
}

/// A row that keeps nothing has what its record has; run and trace are the record's.
fn push_rows(rows: &mut Block, record: &Record<'_>, decoded: &Decoded) {
    let Decoded { came, parts, .. } = decoded;
    let mut shared = rows.share(record, came.num_rows());
    if parts.has_keys() {
        shared.drop_key();
    }
    let of_the_record = |(name, _): &(&str, Option<&[u8]>)| OF_THE_RECORD.contains(name);
    for row in 0..came.num_rows() {
        let own = RowParts { key: parts.key(row), timestamp: parts.timestamp(row) };
        let headers =
            parts.headers(row).map(|own| own.chain(record.headers().filter(of_the_record)));
        rows.push_row(&mut shared, own, headers);
    }
}

/// The rows of one record, from `first` of the block on.
fn take(work: &mut Work, first: u32, decoded: &Decoded) -> Result<(), ArrowError> {
    let mut bad = decoded.bad.iter().peekable();
    for row in 0..decoded.came.num_rows() {
        let index = first + row as u32;
        match bad.next_if(|(at, _)| *at == row) {
            None => work.rows.push(index),
            Some((_, error)) => {
                work.kill_row(index, error.to_string(), encode_row(&decoded.came, row)?);
            }
        }
    }
    Ok(())
}
