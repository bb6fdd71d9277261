//! Keys, timestamps and headers that a stage sets of the rows it sends.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, MapArray, StringArray, TimestampMillisecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMillisecondType},
    error::ArrowError,
};

use crate::{
    codec::key::key_texts,
    record::{HeaderIter, RUN_HEADER, Record, TRACE_HEADER},
};

/// What rows do not keep of their input records. Each part is there for all rows
/// or for none, in buffers of its own: nothing is allocated for a row.
#[derive(Debug, Clone, Default)]
pub struct SetParts {
    keys: Option<BinaryArray>,
    timestamps: Option<TimestampMillisecondArray>,
    headers: Option<Headers>,
}

#[derive(Debug, Clone)]
struct Headers {
    /// The entries of each row.
    rows: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
    names: StringArray,
    values: StringArray,
}

impl SetParts {
    /// Takes a value for each row: keys of any type that can be text or is
    /// binary, timestamps, and headers as maps of text to text.
    ///
    /// # Errors
    ///
    /// A column of a type that is none of these.
    pub fn new(
        keys: Option<&ArrayRef>,
        timestamps: Option<&ArrayRef>,
        headers: Option<&ArrayRef>,
    ) -> Result<Self, ArrowError> {
        Ok(Self {
            keys: keys.map(key_texts).transpose()?,
            timestamps: timestamps.map(as_timestamps).transpose()?,
            headers: headers.map(Headers::new).transpose()?,
        })
    }

    /// The row's key, or `kept` where keys are not set.
    pub fn key<'a>(&'a self, row: usize, kept: Option<&'a [u8]>) -> Option<&'a [u8]> {
        let Some(keys) = &self.keys else { return kept };
        keys.is_valid(row).then(|| keys.value(row))
    }

    /// Milliseconds since the epoch; `None`: the input record's.
    pub fn timestamp(&self, row: usize) -> Option<i64> {
        let times = self.timestamps.as_ref()?;
        (times.is_valid(row) && times.value(row) >= 0).then(|| times.value(row))
    }

    /// `None`: the input record's. The row stays in the run and the trace of `input`.
    pub fn headers<'a>(&'a self, row: usize, input: Record<'a>) -> Option<OutHeaders<'a>> {
        let entries = self.entries(row)?;
        Some(OutHeaders::set(SetHeaders { run: input.run(), trace: input.trace(), ..entries }))
    }

    fn entries(&self, row: usize) -> Option<SetHeaders<'_>> {
        let headers = self.headers.as_ref()?;
        let (mut next, mut end) = (0, 0);
        if headers.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            (next, end) = (headers.rows[row] as usize, headers.rows[row + 1] as usize);
        }
        Some(SetHeaders { headers, next, end, run: None, trace: None })
    }

    /// Bytes of what is set of a row.
    pub fn size(&self, row: usize) -> usize {
        let key = self.key(row, None).map_or(0, <[u8]>::len);
        key + self.entries(row).map_or(0, |entries| OutHeaders::set(entries).size())
    }
}

fn as_timestamps(times: &ArrayRef) -> Result<TimestampMillisecondArray, ArrowError> {
    let DataType::Timestamp(_, zone) = times.data_type() else {
        return Err(ArrowError::CastError(format!("no timestamp: {}", times.data_type())));
    };
    let millis = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
    Ok(millis.as_primitive::<TimestampMillisecondType>().clone())
}

impl Headers {
    fn new(maps: &ArrayRef) -> Result<Self, ArrowError> {
        let Some(maps) = maps.as_any().downcast_ref::<MapArray>() else {
            return Err(ArrowError::CastError(format!("no map: {}", maps.data_type())));
        };
        let text = |column: &ArrayRef| {
            Ok::<_, ArrowError>(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        Ok(Self {
            rows: maps.offsets().clone(),
            nulls: maps.nulls().cloned(),
            names: text(maps.keys())?,
            values: text(maps.values())?,
        })
    }
}

/// The headers of one row that were set, and those of its run and its trace.
#[derive(Debug, Clone)]
struct SetHeaders<'a> {
    headers: &'a Headers,
    next: usize,
    end: usize,
    run: Option<&'a [u8]>,
    trace: Option<&'a [u8]>,
}

impl<'a> Iterator for SetHeaders<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.end {
            let entry = self.next;
            self.next += 1;
            let Headers { names, values, .. } = self.headers;
            let name = names.value(entry);
            // The run is counted by its header: a row stays in the run of its record.
            if name != RUN_HEADER && name != TRACE_HEADER {
                let value = values.is_valid(entry).then(|| values.value(entry).as_bytes());
                return Some((name, value));
            }
        }
        of_run(&mut self.run, &mut self.trace)
    }
}

/// The next of these two headers that is there.
fn of_run<'a>(
    run: &mut Option<&'a [u8]>,
    trace: &mut Option<&'a [u8]>,
) -> Option<(&'static str, Option<&'a [u8]>)> {
    let run = run.take().map(|run| (RUN_HEADER, Some(run)));
    run.or_else(|| trace.take().map(|trace| (TRACE_HEADER, Some(trace))))
}

/// Whether two trace headers differ in the span alone: `00-<trace id>-<span id>-<flags>`.
fn is_of_trace(one: &[u8], other: &[u8]) -> bool {
    const TRACE_ID_END: usize = 35;
    one.len() == other.len() && one.get(..TRACE_ID_END) == other.get(..TRACE_ID_END)
}

/// The headers of a record that goes out.
#[derive(Debug, Clone)]
pub struct OutHeaders<'a> {
    source: Source<'a>,
    /// The trace header of records that are of its trace.
    trace: Option<&'a [u8]>,
}

#[derive(Debug, Clone)]
enum Source<'a> {
    Kept(HeaderIter<'a>),
    Set(SetHeaders<'a>),
    OfRun { run: Option<&'a [u8]>, trace: Option<&'a [u8]> },
}

impl<'a> OutHeaders<'a> {
    pub fn kept(headers: HeaderIter<'a>) -> Self {
        Self { source: Source::Kept(headers), trace: None }
    }

    /// What a record of many rows shares with one of them: their run and trace.
    pub(super) fn of_run(input: Record<'a>) -> Self {
        Self { source: Source::OfRun { run: input.run(), trace: input.trace() }, trace: None }
    }

    /// The same with another span of their trace: it goes on with the work on the
    /// record. Their size stays.
    pub(super) fn traced(self, trace: Option<&'a [u8]>) -> Self {
        Self { trace, ..self }
    }

    fn set(headers: SetHeaders<'a>) -> Self {
        Self { source: Source::Set(headers), trace: None }
    }

    /// Their bytes as a [`Record`] counts them: names and values.
    pub(super) fn size(self) -> usize {
        self.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
    }
}

impl<'a> Iterator for OutHeaders<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = match &mut self.source {
            Source::Kept(headers) => headers.next(),
            Source::Set(headers) => headers.next(),
            Source::OfRun { run, trace } => of_run(run, trace),
        }?;
        match (self.trace, value) {
            (Some(trace), Some(own)) if name == TRACE_HEADER && is_of_trace(own, trace) => {
                Some((name, Some(trace)))
            }
            _ => Some((name, value)),
        }
    }
}
