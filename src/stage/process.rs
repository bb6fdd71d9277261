//! A block of records to what is to be sent of it; no I/O.
//!
//! ```text
//! Block -> decode -> transform -> expectations -> encode -> Processed
//!             `---------`--------------`------------`-> dead letters
//! ```
//!
//! # Guarantees
//!
//! Each record is mapped (at least one row, or a tombstone, goes out),
//! filtered or dead, and in no two of these: the counts balance. A bad record
//! takes nothing of its neighbours with it, and nothing of itself goes out.
//!
//! A row keeps its record's key, timestamp and headers but for those that the
//! output's columns or the topic's key field set. A tombstone has no row, and
//! keeps them all.
//!
//! Where records hold many rows (Arrow), each row is a record to all of this: the
//! block is unpacked as it is read, and rows are packed as they are written.

use std::sync::Arc;

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};

use super::{
    CancelledRuns, RunCounts, StageError, Statistics, metadata_columns,
    reading::{DecodeFormat, Reading},
    work::Work,
    writing::{EncodeFormat, Writing},
};
use crate::{
    broker::OutBatch,
    lineage::Counts,
    record::{Block, Record, Recovery, Topic},
    telemetry::{Batch, BatchTrace, Books, STEPS, StageLabels, StageTelemetry},
    transform::{
        Expectations, Input, Origin, Otherwise, Output, Transform, TransformError, apply_isolating,
    },
};

/// The step of a stage at which a record turned out to be bad; as in
/// [`telemetry::STEPS`](crate::telemetry::STEPS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Decode,
    Transform,
    Expect,
    Encode,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        STEPS[self as usize]
    }
}

/// A record that goes to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRecord {
    /// Its index in the block.
    pub record: u32,
    pub step: Step,
    pub error: String,
    /// Its bytes, where it is one of the rows of a record; otherwise the record's own.
    pub value: Option<Vec<u8>>,
}

/// What came of a block.
#[derive(Debug)]
pub struct Processed {
    pub output: OutBatch,
    /// Ascending by record.
    pub dead: Vec<DeadRecord>,
    pub counts: Counts,
    /// The part of `counts` that is of bounded runs.
    pub runs: Vec<RunCounts>,
    /// For each expectation of the stage, the rows that failed it.
    pub unmet: Vec<u64>,
    pub statistics: InOut<Option<Statistics>>,
    /// The trace that goes on with it.
    pub trace: BatchTrace,
}

impl Processed {
    /// As telemetry counts it.
    pub(super) fn books(&self) -> Books {
        let Counts { read, mapped, out, filtered, bytes_in, bytes_out, .. } = self.counts;
        let mut dead = [0; STEPS.len()];
        for record in &self.dead {
            dead[record.step as usize] += 1;
        }
        Books { read, mapped, out, filtered, bytes_in, bytes_out, dead }
    }
}

/// Of the rows that a stage takes in, and of those that it sends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InOut<T> {
    pub input: T,
    pub output: T,
}

/// What a [`Processor`] is made of.
pub struct ProcessorParts<'a> {
    /// `PIPELINE/STAGE`.
    pub stage: String,
    pub labels: StageLabels<'a>,
    pub from: &'a Topic,
    pub to: &'a Topic,
    pub input: &'a Schema,
    pub transform: Box<dyn Transform>,
    pub expectations: Expectations,
    /// The output field that becomes the record key, unless the output sets it.
    pub key: Option<&'a str>,
    pub decode: DecodeFormat,
    pub encode: EncodeFormat<'a>,
    /// Most bytes of a record: of value, key and headers together where key or
    /// headers are set.
    pub record_bytes_max: usize,
    /// Whose columns are counted.
    pub statistics: InOut<bool>,
}

/// The work of a stage on one block after another; each task has its own.
pub struct Processor {
    stage: String,
    telemetry: Arc<StageTelemetry>,
    reading: Reading,
    transform: Box<dyn Transform>,
    expectations: Expectations,
    writing: Writing,
    /// The columns that are read and the metadata columns that the transform reads.
    input: SchemaRef,
    statistics: InOut<bool>,
    /// Runs whose records are dropped.
    cancelled: CancelledRuns,
}

impl Processor {
    pub fn new(parts: ProcessorParts<'_>) -> Result<Self, StageError> {
        let ProcessorParts { stage, labels, from, to, input, transform, expectations, .. } = parts;
        let ProcessorParts { key, decode, encode, record_bytes_max, statistics, .. } = parts;
        let reading = Reading::new(from, input, decode)?;
        let output = transform.output_schema();
        let writing = Writing::new(to, &output, key, encode, record_bytes_max)?;
        let fields = reading.schema().fields().iter().cloned();
        let metadata = transform.metadata_columns().iter().map(|column| Arc::new(column.field()));
        let input = Arc::new(Schema::new(fields.chain(metadata).collect::<Vec<_>>()));
        Ok(Self {
            stage,
            telemetry: Arc::new(StageTelemetry::new(labels)),
            reading,
            transform,
            expectations,
            writing,
            input,
            statistics,
            cancelled: CancelledRuns::default(),
        })
    }

    /// Whether a record of its input holds many rows.
    pub(super) fn reads_many_rows(&self) -> bool {
        matches!(self.reading, Reading::Arrow(_))
    }

    /// Drops the records of these runs: they count as filtered.
    #[must_use]
    pub fn heeding(mut self, cancelled: CancelledRuns) -> Self {
        self.cancelled = cancelled;
        self
    }

    /// Works on the last of these parts of a block. A part whose output is too large
    /// is replaced by its halves first: memory is bounded by the output of a part.
    /// The part that an error is of stays the last.
    pub fn process_next(
        &mut self,
        parts: &mut Vec<Arc<Block>>,
    ) -> Result<Option<Processed>, StageError> {
        while let Some(block) = parts.pop() {
            match self.process(&block) {
                Err(StageError::Transform(TransformError::TooLarge { .. })) if block.len() > 1 => {
                    let (first, second) = block.halves();
                    parts.extend([second, first].map(Arc::new));
                }
                Ok(processed) => return Ok(Some(processed)),
                Err(error) => {
                    parts.push(block);
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Works on a block. Fails only where no record is at fault.
    pub fn process(&mut self, block: &Arc<Block>) -> Result<Processed, StageError> {
        let telemetry = Arc::clone(&self.telemetry);
        let mut batch = telemetry.batch(block.len(), block.iter().map(|record| record.trace()));
        let entered = batch.enter();
        let processed = self.work(block, &mut batch);
        if entered.is_some() {
            tracing::debug!(stage = self.stage, records = block.len(), "batch worked on");
        }
        drop(entered);
        match processed {
            Ok(mut processed) => {
                processed.trace = batch.end(&processed.books());
                processed.output.trace = processed.trace.records;
                Ok(processed)
            }
            Err(error) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    fn work(
        &mut self,
        block: &Arc<Block>,
        telemetry: &mut Batch<'_>,
    ) -> Result<Processed, StageError> {
        let mut work = Work::new(block, self.expectations.iter().len());
        let batch = self.decode(&mut work)?;
        telemetry.step();
        let output = self.transform(&mut work, &batch)?;
        telemetry.step();
        let output = self.check(&mut work, output)?;
        telemetry.step();
        let processed = self.encode(work, output)?;
        telemetry.step();
        Ok(processed)
    }

    fn decode(&mut self, work: &mut Work) -> Result<RecordBatch, StageError> {
        let any_cancelled = self.cancelled.any();
        let is_dropped = |record: &Record<'_>| {
            any_cancelled && record.run().is_some_and(|run| self.cancelled.contains(run))
                || record.replayed_for().is_some_and(|stage| stage != self.stage)
        };
        let batch = self.reading.read(work, is_dropped)?;
        if self.statistics.input {
            work.statistics.input = Some(Statistics::of(&batch));
        }
        if self.transform.metadata_columns().is_empty() {
            return Ok(batch);
        }
        self.with_metadata(work, &batch).map_err(unplanned)
    }

    fn with_metadata(&self, work: &Work, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = batch.columns().to_vec();
        for column in self.transform.metadata_columns() {
            columns.push(metadata_columns::build(*column, &work.block, &work.rows)?);
        }
        RecordBatch::try_new(Arc::clone(&self.input), columns)
    }

    fn transform(&mut self, work: &mut Work, batch: &RecordBatch) -> Result<Output, StageError> {
        let input = Input { partition: work.block.partition(), batch };
        let (output, bad) = match apply_isolating(&mut *self.transform, &input) {
            // The rows of one record, which have one fate.
            Err(error @ TransformError::TooLarge { .. }) if is_one_record(work) => {
                let all = (0..batch.num_rows() as u32).map(|row| (row, error.clone()));
                let batch = RecordBatch::new_empty(self.transform.output_schema());
                (Output { batch, origin: Origin::Rows(Vec::new()) }, all.collect())
            }
            applied => applied.map_err(StageError::Transform)?,
        };
        for (row, error) in bad {
            work.kill(work.rows[row as usize], Step::Transform, error.to_string());
        }
        Ok(output)
    }

    /// Drops the rows that fail an expectation, and all rows of records that die of one.
    fn check(&mut self, work: &mut Work, output: Output) -> Result<Output, StageError> {
        if self.expectations.is_empty() || output.batch.num_rows() == 0 {
            return Ok(output);
        }
        let verdicts = self.expectations.check(&output).map_err(StageError::Transform)?;
        let mut dropped = Vec::new();
        let mut dead_rows = Vec::new();
        for (index, (expectation, verdict)) in self.expectations.iter().zip(verdicts).enumerate() {
            let records =
                verdict.failed.iter().map(|row| work.rows[output.origin.of(*row as usize)]);
            work.failed[index].extend(records);
            match expectation.otherwise {
                Otherwise::Warn => {}
                Otherwise::Drop => dropped.extend(verdict.failed),
                Otherwise::Stop => {
                    if let Some(row) = verdict.failed.first() {
                        let record = work.rows[output.origin.of(*row as usize)];
                        let position = work.block.record(record as usize).position();
                        let expectation = expectation.name.clone();
                        return Err(StageError::Expectation { position, expectation });
                    }
                }
                Otherwise::DeadLetter => {
                    let error = format!("fails the expectation `{}`", expectation.name);
                    dead_rows.extend(verdict.failed.into_iter().map(|row| (row, error.clone())));
                }
            }
        }
        without(work, output, &dropped, dead_rows, Step::Expect)
    }

    fn encode(&mut self, mut work: Work, output: Output) -> Result<Processed, StageError> {
        let (mut written, bad) = self.writing.write(&work, &output)?;
        let output = if bad.is_empty() {
            output
        } else {
            let mut dead = Vec::with_capacity(bad.len());
            for (row, error) in bad {
                if error.recovery() != Recovery::DeadLetter {
                    return Err(StageError::Write(error));
                }
                dead.push((row as u32, error.to_string()));
            }
            let good = without(&mut work, output, &[], dead, Step::Encode)?;
            // What is left was encoded without an error just now.
            (written, _) = self.writing.write(&work, &good)?;
            good
        };
        if self.statistics.output {
            let columns = self.writing.value(&output.batch)?;
            work.statistics.output = Some(Statistics::of(&columns));
        }
        work.finish(written)
    }
}

/// Whether all rows are of one record.
fn is_one_record(work: &Work) -> bool {
    let offset = |row: &u32| work.block.record(*row as usize).offset();
    let ends = work.rows.first().zip(work.rows.last());
    ends.is_some_and(|(first, last)| offset(first) == offset(last))
}

/// Takes rows out: those in `dropped`, and every row of each record that has a
/// row in `dead`, which dies of it.
fn without(
    work: &mut Work,
    output: Output,
    dropped: &[u32],
    dead: Vec<(u32, String)>,
    step: Step,
) -> Result<Output, StageError> {
    if dropped.is_empty() && dead.is_empty() {
        return Ok(output);
    }
    let Output { batch, origin } = output;
    let mut gone = vec![false; work.rows.len()];
    for (row, error) in dead {
        let input = origin.of(row as usize);
        if !std::mem::replace(&mut gone[input], true) {
            work.kill(work.rows[input], step, error);
        }
    }
    let mut keep: Vec<bool> = (0..batch.num_rows()).map(|row| !gone[origin.of(row)]).collect();
    for row in dropped {
        keep[*row as usize] = false;
    }
    let origins = (0..batch.num_rows()).filter(|row| keep[*row]).map(|row| origin.of(row) as u32);
    let origin = Origin::Rows(origins.collect());
    let batch = filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(unplanned)?;
    Ok(Output { batch, origin })
}

pub(super) fn unplanned(error: ArrowError) -> StageError {
    StageError::Transform(TransformError::Input { message: error.to_string() })
}
