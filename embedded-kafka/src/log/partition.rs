//! A partition: its log behind one lock, and the fetches that wait for it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::Notify;

use super::admission;
use super::batch::{self, BatchError, HEADER_BYTES, Header};
use super::health::Health;
use super::options::LogOptions;
use super::producers::{Aborted, ProducerView, Producers, Verdict};
use super::records::Records;
use super::segment::Segment;
use super::store::Store;
use super::unpack::uncompressed;

/// The index leads to a position at most this far before the batch looked for.
const INDEX_SLACK_BYTES: u64 = 4096;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    /// `topic-index`, for messages.
    pub(super) name: String,
    pub(super) log: Mutex<Log>,
    /// Fetches to wake at the next change that they can see, by their number.
    waiters: Mutex<HashMap<u64, Waiter>>,
    /// Held while the disk is waited for, so that who finds nothing left to
    /// sync has waited for who is syncing it.
    sync: Mutex<()>,
    health: Health,
}

#[derive(Debug)]
pub(super) struct Log {
    /// `None`: in memory.
    pub(super) folder: Option<PathBuf>,
    /// Oldest first, never empty; the last takes the appends.
    pub(super) segments: Vec<Segment>,
    /// First offset that can be read.
    pub(super) start: i64,
    pub(super) producers: Producers,
    pub(super) options: LogOptions,
    /// Written since the last sync.
    pub(super) unsynced: Vec<Store>,
    pub(super) active_unsynced: bool,
    /// Compaction has seen everything before this offset.
    pub(super) compacted_to: i64,
}

/// A fetch that waits.
#[derive(Debug)]
struct Waiter {
    /// It reads up to the stable end.
    committed: bool,
    notify: Arc<Notify>,
}

/// Where a batch landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub base_offset: i64,
    /// -1 unless the topic stamps the time of the append.
    pub append_time_ms: i64,
    pub log_start: i64,
}

/// First, last and stable ends of a log at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub start: i64,
    pub end: i64,
    /// Every transaction that begins before this offset has ended.
    pub stable_end: i64,
}

/// Answer to a read: whole batches, the first of which holds the offset asked for.
#[derive(Debug)]
pub(crate) struct Slice {
    pub records: Bytes,
    pub bounds: Bounds,
    /// For who reads committed only.
    pub aborted: Vec<Aborted>,
}

/// A place to read from, found under the lock and read outside it.
struct Place {
    store: Store,
    position: u64,
    /// Behind the last batch below `limit`, at most an index step.
    end: u64,
    limit: i64,
    bounds: Bounds,
}

impl Partition {
    pub(super) fn from_log(name: String, log: Log) -> Self {
        let (waiters, sync) = (Mutex::default(), Mutex::default());
        Self { name, log: Mutex::new(log), waiters, sync, health: Health::default() }
    }

    /// The log stays usable when a holder of the lock panicked: a batch is
    /// counted only after it was written whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the one batch that a producer sent.
    pub(crate) fn append(&self, records: &Bytes, now_ms: i64) -> Result<Appended, ResponseError> {
        let header = Header::check(records).map_err(|error| self.refuse(error))?;
        if header.size != records.len()
            || header.is_control()
            || i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1
        {
            return Err(ResponseError::InvalidRecord);
        }
        let mut log = self.lock();
        if header.size > log.options.max_batch_bytes {
            return Err(ResponseError::MessageTooLarge);
        }
        admission::check(&log.options, &header, records, now_ms)?;
        match log.producers.judge(&header)? {
            Verdict::Duplicate { base_offset, .. } => {
                return Ok(Appended { base_offset, append_time_ms: -1, log_start: log.start });
            }
            Verdict::Append => {}
        }
        let stamped = log.options.log_append_time;
        let stable_end = log.stable_end();
        let base_offset = log.write(records, now_ms).map_err(|error| self.fail(&error))?;
        self.health.succeeded(&self.name);
        let stable_end_moved = log.stable_end() != stable_end;
        let append_time_ms = if stamped { now_ms } else { -1 };
        let appended = Appended { base_offset, append_time_ms, log_start: log.start };
        drop(log);
        self.wake_some(stable_end_moved);
        Ok(appended)
    }

    /// Lets a producer write its transaction here until its marker comes.
    pub(crate) fn admit(&self, producer_id: i64, epoch: i16) {
        self.lock().producers.admit(producer_id, epoch);
    }

    /// Ends the transaction of a producer here. Returns the offset of the marker.
    pub(crate) fn append_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        commit: bool,
        now_ms: i64,
    ) -> io::Result<i64> {
        let marker = batch::marker(producer_id, epoch, commit, now_ms);
        let written = self.lock().write(&marker, now_ms);
        let offset = written.inspect_err(|error| self.health.failed(&self.name, error))?;
        self.health.succeeded(&self.name);
        self.wake();
        Ok(offset)
    }

    /// Whether the producer's transaction has records here, or may have.
    pub(crate) fn takes_part(&self, producer_id: i64) -> bool {
        self.lock().producers.takes_part(producer_id)
    }

    /// Producers whose transaction is open here, with its first offset.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i64)> {
        self.lock().producers.open().collect()
    }

    pub(crate) fn producers(&self) -> Vec<ProducerView> {
        self.lock().producers.view()
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.lock().bounds()
    }

    /// Bytes of all segments.
    pub(crate) fn size(&self) -> u64 {
        self.lock().segments.iter().map(|segment| segment.size).sum()
    }

    pub(crate) fn set_options(&self, options: LogOptions) {
        self.lock().options = options;
    }

    /// Reads whole batches from `offset`, up to about `max_bytes` but at least
    /// one batch when `at_least_one`. `committed`: up to the stable end.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        committed: bool,
    ) -> Result<Slice, ResponseError> {
        let found = self.lock().find(offset, committed)?;
        let place = match found {
            Ok(place) => place,
            Err(bounds) => {
                return Ok(Slice { records: Bytes::new(), bounds, aborted: Vec::new() });
            }
        };
        let (records, next) =
            place.read(offset, max_bytes, at_least_one).map_err(|error| self.fail(&error))?;
        let aborted = if committed && !records.is_empty() {
            self.lock().producers.aborted(offset, next).copied().collect()
        } else {
            Vec::new()
        };
        Ok(Slice { records, bounds: place.bounds, aborted })
    }

    /// About how many bytes can be read from `offset`: not less, and at most an
    /// index step too many.
    pub(crate) fn bytes_from(&self, offset: i64, committed: bool) -> u64 {
        let log = self.lock();
        let limit = if committed { log.stable_end() } else { log.end() };
        if offset >= limit {
            return 0;
        }
        let from = log.segments.partition_point(|segment| segment.next_offset <= offset);
        let segments = &log.segments[from..];
        let all: u64 = segments.iter().map(|segment| segment.position_behind(limit)).sum();
        all - segments.first().map_or(0, |first| first.position_before(offset).min(first.size))
    }

    /// The first record with a timestamp of at least `timestamp`: (timestamp, offset).
    pub(crate) fn offset_for_time(&self, timestamp: i64) -> Option<(i64, i64)> {
        let (store, from, to) = {
            let log = self.lock();
            let segment = log.segments.iter().find(|s| s.max_timestamp >= timestamp)?;
            (
                segment.batches(segment.position_before_time(timestamp), segment.size),
                log.start,
                log.end(),
            )
        };
        let mut batches = store;
        while let Some(Ok((_, header, bytes))) = batches.next_batch() {
            if header.max_timestamp < timestamp
                || header.last_offset() < from
                || header.is_control()
            {
                continue;
            }
            if let Some(found) = first_at(&header, &bytes, timestamp).filter(|(_, at)| *at < to) {
                return Some((found.0, found.1.max(from)));
            }
        }
        None
    }

    /// The greatest timestamp in the log and the offset of its record.
    pub(crate) fn offset_of_max_timestamp(&self) -> Option<(i64, i64)> {
        let greatest = self.lock().segments.iter().map(|segment| segment.max_timestamp).max()?;
        if greatest < 0 { None } else { self.offset_for_time(greatest) }
    }

    /// Moves the start of the log forward; -1 means to its end.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64, ResponseError> {
        let mut log = self.lock();
        let offset = if offset == -1 { log.end() } else { offset };
        if offset < 0 || offset > log.end() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        log.start = log.start.max(offset);
        log.drop_segments_before_start().map_err(|error| self.fail(&error))?;
        Ok(log.start)
    }

    /// Whether something was appended since the last sync.
    pub(crate) fn is_unsynced(&self) -> bool {
        let log = self.lock();
        log.active_unsynced || !log.unsynced.is_empty()
    }

    /// Returns when all that was appended before the call is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let _one_at_a_time = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
        let stores = {
            let mut log = self.lock();
            if log.active_unsynced {
                let active = log.active().store.clone();
                log.unsynced.push(active);
                log.active_unsynced = false;
            }
            std::mem::take(&mut log.unsynced)
        };
        for (done, store) in stores.iter().enumerate() {
            if let Err(error) = store.sync() {
                self.lock().unsynced.extend_from_slice(&stores[done..]);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Asks to be woken at each change until [`Partition::unwatch`]; who reads
    /// committed only is not woken for records of open transactions.
    pub(crate) fn watch(&self, number: u64, notify: &Arc<Notify>, committed: bool) {
        let notify = Arc::clone(notify);
        self.waiting().insert(number, Waiter { committed, notify });
    }

    pub(crate) fn unwatch(&self, number: u64) {
        self.waiting().remove(&number);
    }

    /// Wakes the fetches that wait here.
    pub(crate) fn wake(&self) {
        self.wake_some(true);
    }

    fn wake_some(&self, stable_end_moved: bool) {
        let waiting = self.waiting();
        for waiter in waiting.values().filter(|waiter| stable_end_moved || !waiter.committed) {
            waiter.notify.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, error: BatchError) -> ResponseError {
        tracing::debug!(partition = self.name, %error, "record batch refused");
        match error {
            BatchError::Checksum | BatchError::Short { .. } | BatchError::Length(_) => {
                ResponseError::CorruptMessage
            }
            BatchError::Magic(_) => ResponseError::UnsupportedForMessageFormat,
            BatchError::Count { .. } => ResponseError::InvalidRecord,
        }
    }

    fn fail(&self, error: &io::Error) -> ResponseError {
        self.health.failed(&self.name, error);
        ResponseError::KafkaStorageError
    }

    /// Whether the disk refused what was last read or written here.
    pub(crate) fn is_failing(&self) -> bool {
        self.health.is_failing()
    }
}

impl Log {
    pub(super) fn new(
        folder: Option<PathBuf>,
        segments: Vec<Segment>,
        options: LogOptions,
    ) -> Self {
        Self {
            start: segments.first().map_or(0, |first| first.base_offset),
            folder,
            segments,
            producers: Producers::default(),
            options,
            unsynced: Vec::new(),
            active_unsynced: false,
            compacted_to: 0,
        }
    }

    pub(super) fn active(&self) -> &Segment {
        self.segments.last().expect("a log has at least its active segment")
    }

    pub(super) fn end(&self) -> i64 {
        self.active().next_offset
    }

    pub(super) fn stable_end(&self) -> i64 {
        self.producers.first_open_offset().unwrap_or_else(|| self.end())
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { start: self.start, end: self.end(), stable_end: self.stable_end() }
    }

    /// Gives a checked batch the next offset and writes it.
    fn write(&mut self, batch: &[u8], now_ms: i64) -> io::Result<i64> {
        self.roll_if_due(batch.len() as u64, now_ms)?;
        let base_offset = self.end();
        let restamped;
        let batch = if self.options.log_append_time {
            restamped = batch::with_append_time(batch, now_ms);
            &restamped
        } else {
            batch
        };
        let header = Header::read(batch).map_err(io::Error::other)?;
        let header = Header { base_offset, ..header };
        let commits = header.is_control().then(|| batch::marker_commits(batch)).flatten();
        let active = self.segments.last_mut().expect("a log has at least its active segment");
        active.append(&header, batch)?;
        self.active_unsynced = true;
        self.producers.note(&header, commits);
        Ok(base_offset)
    }

    /// Where to read `offset`; the bounds alone when there is nothing (yet) to read.
    fn find(&self, offset: i64, committed: bool) -> Result<Result<Place, Bounds>, ResponseError> {
        let bounds = self.bounds();
        if offset < bounds.start || offset > bounds.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let limit = if committed { bounds.stable_end } else { bounds.end };
        // Compaction leaves gaps, also at the end of a segment, and empty segments.
        let at = self.segments.partition_point(|segment| segment.next_offset <= offset);
        let found = self.segments[at..].iter().find(|segment| segment.size > 0);
        let Some(segment) = found.filter(|_| offset < limit) else {
            return Ok(Err(bounds));
        };
        Ok(Ok(Place {
            store: segment.store.clone(),
            position: segment.position_before(offset),
            end: segment.position_behind(limit),
            limit,
            bounds,
        }))
    }
}

impl Place {
    /// Batches from the one that holds `offset`, and the offset behind the last.
    fn read(&self, offset: i64, max_bytes: usize, at_least_one: bool) -> io::Result<(Bytes, i64)> {
        let left = self.end - self.position;
        let take = (max_bytes as u64 + INDEX_SLACK_BYTES + HEADER_BYTES as u64).min(left);
        let mut buffer = self.store.read_at(self.position, take as usize)?;
        let (mut skipped, mut kept, mut next) = (0, 0, offset);
        while let Ok(header) = Header::read(&buffer[skipped + kept..]) {
            if header.last_offset() < offset {
                skipped += header.size;
                if skipped >= buffer.len() {
                    break;
                }
                continue;
            }
            if header.base_offset >= self.limit {
                break;
            }
            let whole = skipped + kept + header.size <= buffer.len();
            if kept > 0 && (!whole || kept + header.size > max_bytes) {
                break;
            }
            if kept == 0 && header.size > max_bytes && !at_least_one {
                break;
            }
            if !whole {
                buffer = self.store.read_at(self.position + skipped as u64, header.size)?;
                skipped = 0;
            }
            kept += header.size;
            next = header.next_offset();
        }
        let behind = (skipped + kept).min(buffer.len());
        Ok((buffer.slice(skipped.min(behind)..behind), next))
    }
}

/// The first record of a batch at or behind `timestamp`.
fn first_at(header: &Header, batch: &Bytes, timestamp: i64) -> Option<(i64, i64)> {
    if header.has_log_append_time() {
        return Some((header.max_timestamp, header.base_offset));
    }
    let unpacked = uncompressed(header, batch).ok()?;
    Records::new(&unpacked)
        .map_while(Result::ok)
        .map(|r| {
            (
                header.base_timestamp.saturating_add(r.timestamp_delta),
                header.base_offset + i64::from(r.offset_delta),
            )
        })
        .find(|(time, _)| *time >= timestamp)
}
