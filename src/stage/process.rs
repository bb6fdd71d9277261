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

use std::sync::Arc;

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};

use super::{CancelledRuns, RunCounts, StageError, Statistics, by_run::by_run, metadata_columns};
use crate::{
    broker::{OutBatch, SetParts},
    codec::json::{DecodeConfig, Decoder, EncodeConfig, EncodeError, Encoder},
    lineage::Counts,
    record::{Block, EncodedRows, Recovery, Topic},
    telemetry::{Batch, BatchTrace, Books, STEPS, StageLabels, StageTelemetry},
    transform::{
        Expectations, Input, Origin, Otherwise, Output, Setters, Transform, TransformError,
        apply_isolating,
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
    pub decode: DecodeConfig,
    /// The size that it allows is that of value, key and headers together where
    /// key or headers are set.
    pub encode: EncodeConfig,
    /// Whose columns are counted.
    pub statistics: InOut<bool>,
}

/// The work of a stage on one block after another; each task has its own.
pub struct Processor {
    stage: String,
    telemetry: Arc<StageTelemetry>,
    decoder: Decoder,
    transform: Box<dyn Transform>,
    expectations: Expectations,
    encoder: Encoder,
    /// A row's size with the parts that are set, in bytes at most.
    record_bytes_max: usize,
    /// The columns of the value, where others are among those of the output.
    value: Option<Vec<usize>>,
    /// With the topic's key field as the key.
    setters: Setters,
    /// The decoder's columns and the metadata columns that the transform reads.
    input: SchemaRef,
    statistics: InOut<bool>,
    /// Runs whose records are dropped.
    cancelled: CancelledRuns,
}

impl Processor {
    pub fn new(parts: ProcessorParts<'_>) -> Result<Self, StageError> {
        let ProcessorParts { stage, labels, from, to, input, transform, expectations, .. } = parts;
        let ProcessorParts { key, decode, encode, statistics, .. } = parts;
        let decoder = Decoder::new(input, decode)
            .map_err(|source| StageError::Decode { topic: from.clone(), source })?;
        let output = transform.output_schema();
        let mut setters = Setters::of(&output)
            .map_err(|source| StageError::Setter { topic: to.clone(), source })?;
        let record_bytes_max = encode.record_bytes_max;
        let encoder = Encoder::with_config(&setters.value_schema(&output), encode)
            .map_err(|source| StageError::Encode { topic: to.clone(), source })?;
        let value = (!setters.is_empty()).then(|| setters.value_columns(output.fields().len()));
        let field = key.and_then(|name| output.index_of(name).ok());
        setters.key = setters.key.or(field);
        let fields = decoder.schema().fields().iter().cloned();
        let metadata = transform.metadata_columns().iter().map(|column| Arc::new(column.field()));
        let input = Arc::new(Schema::new(fields.chain(metadata).collect::<Vec<_>>()));
        Ok(Self {
            stage,
            telemetry: Arc::new(StageTelemetry::new(labels)),
            decoder,
            transform,
            expectations,
            encoder,
            record_bytes_max,
            value,
            setters,
            input,
            statistics,
            cancelled: CancelledRuns::default(),
        })
    }

    /// Drops the records of these runs: they count as filtered.
    #[must_use]
    pub fn heeding(mut self, cancelled: CancelledRuns) -> Self {
        self.cancelled = cancelled;
        self
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

    fn decode(&mut self, work: &mut Work<'_>) -> Result<RecordBatch, StageError> {
        let any_cancelled = self.cancelled.any();
        for (index, record) in work.block.iter().enumerate() {
            let index = index as u32;
            work.counts.bytes_in += record.size() as u64;
            if any_cancelled && record.run().is_some_and(|run| self.cancelled.contains(run)) {
                continue;
            }
            if record.replayed_for().is_some_and(|stage| stage != self.stage) {
                continue;
            }
            let Some(value) = record.value() else {
                work.tombstones.push(index);
                continue;
            };
            match self.decoder.decode(value) {
                Ok(()) => work.rows.push(index),
                Err(error) if error.recovery() == Recovery::DeadLetter => {
                    work.kill(index, Step::Decode, error.to_string());
                }
                Err(error) => return Err(StageError::Read(error)),
            }
        }
        let batch = self.decoder.finish();
        if self.statistics.input {
            work.statistics.input = Some(Statistics::of(&batch));
        }
        if self.transform.metadata_columns().is_empty() {
            return Ok(batch);
        }
        self.with_metadata(work, &batch).map_err(unplanned)
    }

    fn with_metadata(
        &self,
        work: &Work<'_>,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns = batch.columns().to_vec();
        for column in self.transform.metadata_columns() {
            columns.push(metadata_columns::build(*column, work.block, &work.rows)?);
        }
        RecordBatch::try_new(Arc::clone(&self.input), columns)
    }

    fn transform(
        &mut self,
        work: &mut Work<'_>,
        batch: &RecordBatch,
    ) -> Result<Output, StageError> {
        let input = Input { partition: work.block.partition(), batch };
        let (output, bad) =
            apply_isolating(&mut *self.transform, &input).map_err(StageError::Transform)?;
        for (row, error) in bad {
            work.kill(work.rows[row as usize], Step::Transform, error.to_string());
        }
        Ok(output)
    }

    /// Drops the rows that fail an expectation, and all rows of records that die of one.
    fn check(&mut self, work: &mut Work<'_>, output: Output) -> Result<Output, StageError> {
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

    fn encode(&mut self, mut work: Work<'_>, output: Output) -> Result<Processed, StageError> {
        let (mut written, bad) = self.write(&output.batch)?;
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
            (written, _) = self.write(&good.batch)?;
            good
        };
        if self.statistics.output {
            let columns = match &self.value {
                None => output.batch.clone(),
                Some(columns) => output.batch.project(columns).map_err(unplanned)?,
            };
            work.statistics.output = Some(Statistics::of(&columns));
        }
        let origins = match output.origin {
            Origin::Identity => work.rows.clone(),
            Origin::Rows(origins) => {
                origins.into_iter().map(|row| work.rows[row as usize]).collect()
            }
        };
        Ok(work.finish(written, origins))
    }

    /// The rows as they go out, and those that cannot, by their index.
    fn write(
        &self,
        output: &RecordBatch,
    ) -> Result<(Written, Vec<(usize, EncodeError)>), StageError> {
        let mut rows = EncodedRows::default();
        let mut bad = match &self.value {
            None => self.encoder.encode(output, &mut rows),
            Some(columns) => {
                let value = output.project(columns).map_err(unplanned)?;
                self.encoder.encode(&value, &mut rows)
            }
        };
        let column = |index: Option<usize>| index.map(|index| output.column(index));
        let Setters { key, timestamp, headers } = self.setters;
        let set =
            SetParts::new(column(key), column(timestamp), column(headers)).map_err(unplanned)?;
        if key.is_some() || headers.is_some() {
            // The broker refuses what is too large, and with it the whole transaction.
            let limit = self.record_bytes_max;
            let large = (0..rows.len()).filter(|&row| rows.row(row).len() + set.size(row) > limit);
            bad.extend(large.map(|row| (row, EncodeError::TooLarge { limit })));
        }
        Ok((Written { rows, set }, bad))
    }
}

/// Rows ready to be sent, but for their origins.
struct Written {
    rows: EncodedRows,
    set: SetParts,
}

/// Takes rows out: those in `dropped`, and every row of each record that has a
/// row in `dead`, which dies of it.
fn without(
    work: &mut Work<'_>,
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

fn unplanned(error: ArrowError) -> StageError {
    StageError::Transform(TransformError::Input { message: error.to_string() })
}

/// A block under work.
struct Work<'a> {
    block: &'a Arc<Block>,
    /// For each row of the decoded batch, its record in the block.
    rows: Vec<u32>,
    tombstones: Vec<u32>,
    dead: Vec<DeadRecord>,
    counts: Counts,
    /// For each expectation, the record of every row that failed it.
    failed: Vec<Vec<u32>>,
    statistics: InOut<Option<Statistics>>,
}

impl<'a> Work<'a> {
    fn new(block: &'a Arc<Block>, expectations: usize) -> Self {
        Self {
            block,
            rows: Vec::with_capacity(block.len()),
            tombstones: Vec::new(),
            dead: Vec::new(),
            counts: Counts::default(),
            failed: vec![Vec::new(); expectations],
            statistics: InOut::default(),
        }
    }

    fn kill(&mut self, record: u32, step: Step, error: String) {
        self.dead.push(DeadRecord { record, step, error });
    }

    fn finish(mut self, Written { rows, set }: Written, origins: Vec<u32>) -> Processed {
        self.dead.sort_by_key(|dead| dead.record);
        let mut mapped = self.tombstones.len() as u64;
        let mut last = None;
        for origin in &origins {
            mapped += u64::from(last.replace(*origin) != Some(*origin));
        }
        let read = self.block.len() as u64;
        let dead_lettered = self.dead.len() as u64;
        let out = (rows.len() + self.tombstones.len()) as u64;
        let output = OutBatch {
            block: Arc::clone(self.block),
            rows,
            origins,
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
        Processed { output, dead, counts, runs, unmet, statistics, trace }
    }
}
