//! What is known of a block while it is worked on.

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};

use super::{
    DeadRecord, InOut, Processed, StageError, Statistics, Step, by_run::by_run, process::unplanned,
    writing::Written,
};
use crate::{
    broker::OutBatch,
    codec::arrow_ipc::encode_row,
    lineage::Counts,
    record::Block,
    telemetry::BatchTrace,
    transform::{Origin, Output},
};

/// A block under work.
pub(super) struct Work {
    /// Where records hold many rows, of rows once they are read.
    pub block: Arc<Block>,
    /// For each row of the decoded batch, its record in the block.
    pub rows: Vec<u32>,
    pub tombstones: Vec<u32>,
    pub counts: Counts,
    /// For each expectation, the record of every row that failed it.
    pub failed: Vec<Vec<u32>>,
    pub statistics: InOut<Option<Statistics>>,
    /// The decoded batch, where a row has no bytes of its own.
    pub packed: Option<RecordBatch>,
    dead: Vec<DeadRecord>,
}

impl Work {
    pub(super) fn new(block: &Arc<Block>, expectations: usize) -> Self {
        Self {
            block: Arc::clone(block),
            rows: Vec::with_capacity(block.len()),
            tombstones: Vec::new(),
            counts: Counts::default(),
            failed: vec![Vec::new(); expectations],
            statistics: InOut::default(),
            packed: None,
            dead: Vec::new(),
        }
    }

    pub(super) fn kill(&mut self, record: u32, step: Step, error: String) {
        self.dead.push(DeadRecord { record, step, error, value: None });
    }

    /// As [`Work::kill`], of a row that did not get into the decoded batch.
    pub(super) fn kill_row(&mut self, record: u32, error: String, value: Vec<u8>) {
        self.dead.push(DeadRecord { record, step: Step::Decode, error, value: Some(value) });
    }

    /// The input record of each row of the output.
    pub(super) fn origins(&self, output: &Output) -> Vec<u32> {
        match &output.origin {
            Origin::Identity => self.rows.clone(),
            Origin::Rows(origins) => origins.iter().map(|row| self.rows[*row as usize]).collect(),
        }
    }

    pub(super) fn finish(mut self, written: Written) -> Result<Processed, StageError> {
        let Written { rows, set, origins, packs } = written;
        self.give_bytes().map_err(unplanned)?;
        self.dead.sort_by_key(|dead| dead.record);
        let mut mapped = self.tombstones.len() as u64;
        let mut last = None;
        for origin in &origins {
            mapped += u64::from(last.replace(*origin) != Some(*origin));
        }
        let read = self.block.len() as u64;
        let dead_lettered = self.dead.len() as u64;
        let out = (origins.len() + self.tombstones.len()) as u64;
        let output = OutBatch {
            block: Arc::clone(&self.block),
            rows,
            origins,
            packs,
            set,
            tombstones: self.tombstones,
            trace: None,
        };
        let counts = Counts {
            read,
            mapped,
            out,
            filtered: read - mapped - dead_lettered,
            dead_lettered,
            bytes_out: output.size() as u64,
            ..self.counts
        };
        let runs = by_run(&output, &self.dead, &self.failed);
        let Self { dead, failed, statistics, .. } = self;
        let unmet = failed.iter().map(|records| records.len() as u64).collect();
        let trace = BatchTrace::default();
        Ok(Processed { output, dead, counts, runs, unmet, statistics, trace })
    }

    /// The dead among the rows of a record get bytes, for the dead letters.
    fn give_bytes(&mut self) -> Result<(), ArrowError> {
        let Some(packed) = &self.packed else { return Ok(()) };
        for dead in self.dead.iter_mut().filter(|dead| dead.value.is_none()) {
            // What is not among the rows is a record that could not be read.
            if let Ok(row) = self.rows.binary_search(&dead.record) {
                dead.value = Some(encode_row(packed, row)?);
            }
        }
        Ok(())
    }
}
