//! Rows into records of many rows.
//!
//! A record has rows of one partition, by their keys, and of one bounded run. What
//! stands before a tombstone is sent before it: the order of a key's rows stays.

use std::{iter, sync::Arc};

use arrow::{
    array::{ArrayRef, UInt32Array},
    compute::take,
    error::ArrowError,
    record_batch::RecordBatch,
};

use super::{work::Work, writing::Bad};
use crate::{
    broker::{OutHeaders, OutPack, SetParts},
    codec::{arrow_ipc::Encoder, json::EncodeError},
    record::{EncodedRows, partition_of},
};

/// How rows of one topic are packed.
pub(super) struct Packing {
    pub encoder: Encoder,
    pub partitions: usize,
    pub record_bytes_max: usize,
}

/// Rows of one record.
struct Pack {
    partition: Option<i32>,
    record: u32,
    timestamp: Option<i64>,
    rows: Vec<u32>,
}

/// Packs that rows are still added to.
#[derive(Default)]
struct Open<'b> {
    packs: Vec<Pack>,
    runs: Vec<OfRun<'b>>,
}

/// Where a run's packs stand, by partition; the last is for rows without a key.
struct OfRun<'b> {
    run: Option<&'b [u8]>,
    packs: Vec<Option<usize>>,
}

impl Packing {
    /// The records to send, with their values in `out`, and the rows that are too
    /// large for any.
    pub(super) fn pack(
        &self,
        work: &Work,
        value: &RecordBatch,
        set: &SetParts,
        origins: &[u32],
        out: &mut EncodedRows,
    ) -> Result<(Vec<OutPack>, Bad), ArrowError> {
        let block = &work.block;
        let kept = self.encoder.kept(origins.len(), |row| {
            let input = block.record(origins[row] as usize);
            let headers =
                set.headers(row, input).unwrap_or_else(|| OutHeaders::kept(input.headers()));
            let timestamp = set.timestamp(row).or(input.timestamp());
            (set.key(row, input.key()), timestamp, headers)
        })?;
        let columns: Vec<ArrayRef> = value.columns().iter().cloned().chain(kept).collect();
        let mut writer = Writer { packing: self, columns, out, packs: Vec::new(), bad: Vec::new() };

        let mut tombstones = work.tombstones.iter().copied().peekable();
        let mut open = Open::default();
        for (row, &origin) in origins.iter().enumerate() {
            for tombstone in iter::from_fn(|| tombstones.next_if(|record| *record < origin)) {
                writer.write_all(std::mem::take(&mut open).packs)?;
                writer.tombstone(tombstone, block.record(tombstone as usize).timestamp());
            }
            let input = block.record(origin as usize);
            let partition = set.key(row, input.key()).map(|key| partition_of(key, self.partitions));
            let pack = open.pack(input.run(), partition, self.partitions, origin);
            pack.timestamp = pack.timestamp.max(set.timestamp(row).or(input.timestamp()));
            pack.rows.push(row as u32);
        }
        writer.write_all(open.packs)?;
        for tombstone in tombstones {
            writer.tombstone(tombstone, block.record(tombstone as usize).timestamp());
        }
        let Writer { packs, mut bad, .. } = writer;
        bad.sort_by_key(|(row, _)| *row);
        Ok((packs, bad))
    }
}

impl<'b> Open<'b> {
    /// The pack for a row; a new one begins with it.
    fn pack(
        &mut self,
        run: Option<&'b [u8]>,
        partition: Option<usize>,
        partitions: usize,
        record: u32,
    ) -> &mut Pack {
        let known = self.runs.iter().rposition(|of_run| of_run.run == run);
        let of_run = known.unwrap_or_else(|| {
            self.runs.push(OfRun { run, packs: vec![None; partitions + 1] });
            self.runs.len() - 1
        });
        let place = &mut self.runs[of_run].packs[partition.unwrap_or(partitions)];
        let index = *place.get_or_insert(self.packs.len());
        if index == self.packs.len() {
            let partition = partition.map(|partition| partition as i32);
            self.packs.push(Pack { partition, record, timestamp: None, rows: Vec::new() });
        }
        &mut self.packs[index]
    }
}

struct Writer<'w> {
    packing: &'w Packing,
    /// Of all rows: the value, and what is kept.
    columns: Vec<ArrayRef>,
    out: &'w mut EncodedRows,
    packs: Vec<OutPack>,
    bad: Bad,
}

impl Writer<'_> {
    fn tombstone(&mut self, record: u32, timestamp: Option<i64>) {
        self.packs.push(OutPack { value: None, record, partition: None, timestamp });
    }

    fn write_all(&mut self, packs: Vec<Pack>) -> Result<(), ArrowError> {
        packs.iter().try_for_each(|pack| self.write(pack, &pack.rows))
    }

    /// Halves what is too large for one record, down to the one row that is.
    fn write(&mut self, pack: &Pack, rows: &[u32]) -> Result<(), ArrowError> {
        let limit = self.packing.record_bytes_max;
        let columns = self.columns_of(rows)?;
        let before = self.out.size();
        self.packing.encoder.encode(&columns, self.out.buffer())?;
        if self.out.buffer().len() - before <= limit {
            let value = Some(self.out.len() as u32);
            self.out.end_row();
            let Pack { partition, record, timestamp, .. } = *pack;
            self.packs.push(OutPack { value, record, partition, timestamp });
            return Ok(());
        }
        self.out.discard_row();
        if let [row] = rows {
            self.bad.push((*row as usize, EncodeError::TooLarge { limit }));
            return Ok(());
        }
        let (first, second) = rows.split_at(rows.len() / 2);
        self.write(pack, first)?;
        self.write(pack, second)
    }

    fn columns_of(&self, rows: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.columns.first().is_some_and(|column| column.len() == rows.len()) {
            return Ok(self.columns.iter().map(Arc::clone).collect());
        }
        let rows = UInt32Array::from(rows.to_vec());
        self.columns.iter().map(|column| take(column, &rows, None)).collect()
    }
}
