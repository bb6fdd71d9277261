//! A segment: consecutive record batches of a partition, with a sparse index by
//! offset and time.
//!
//! The index has an entry for the first batch of every [`INDEX_EVERY_BYTES`]. It
//! is held in memory and written beside the segment when that is closed; opening
//! reads it back and scans only the bytes behind what it covers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};

use super::batch::{BatchError, HEADER_BYTES, Header, STAMP_BYTES, stamp};
use super::store::Store;

const INDEX_EVERY_BYTES: u64 = 4096;
const INDEX_MAGIC: u64 = 0x656b_5f69_6e64_6578;
const SCAN_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexEntry {
    relative_offset: u32,
    position: u32,
    /// Greatest timestamp of the batches before this one in the segment.
    max_timestamp_before: i64,
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub base_offset: i64,
    /// Offset behind the last record.
    pub next_offset: i64,
    pub size: u64,
    pub max_timestamp: i64,
    pub store: Store,
    /// Time of the first append since the broker started, for `segment.ms`.
    pub opened_ms: i64,
    index: Vec<IndexEntry>,
    folder: Option<PathBuf>,
}

/// What opening a segment found.
pub(crate) struct Opened {
    pub segment: Segment,
    /// Bytes behind the last whole batch, cut off.
    pub torn_bytes: u64,
}

impl Segment {
    /// An empty segment; in memory when there is no folder.
    pub(crate) fn create(folder: Option<&Path>, base_offset: i64, now_ms: i64) -> io::Result<Self> {
        let store = match folder {
            Some(folder) => Store::open(&file(folder, base_offset, "log"))?,
            None => Store::memory(),
        };
        store.truncate(0)?;
        Ok(Self::over(folder, store, base_offset, now_ms))
    }

    /// Opens a segment of a broker that was closed or died: what its index does
    /// not cover is scanned and checked, and cut behind the last whole batch.
    /// `trust_index`: the bytes that the index covers have reached the disk.
    pub(crate) fn open(
        folder: &Path,
        base_offset: i64,
        trust_index: bool,
        now_ms: i64,
    ) -> io::Result<Opened> {
        let store = Store::open(&file(folder, base_offset, "log"))?;
        let len = store.len()?;
        let mut segment = Self::over(Some(folder), store, base_offset, now_ms);
        if trust_index {
            segment.load_index(len);
        }
        let mut batches = segment.batches(segment.size, len);
        while let Some(Ok((_, header, _))) = batches.next_checked() {
            // A batch that does not continue the log is not of this log.
            if header.base_offset < segment.next_offset {
                break;
            }
            segment.note(&header);
        }
        let torn_bytes = len - segment.size;
        if torn_bytes > 0 {
            segment.store.truncate(segment.size)?;
        }
        Ok(Opened { segment, torn_bytes })
    }

    /// Appends one batch, at the offset that `header` has.
    pub(crate) fn append(&mut self, header: &Header, batch: &[u8]) -> io::Result<()> {
        // In two writes: a copy of each batch would cost more. Where the second
        // fails or does not come, the batch is cut off or overwritten.
        self.store.write_at(&stamp(batch, header.base_offset), self.size)?;
        self.store.write_at(&batch[STAMP_BYTES..], self.size + STAMP_BYTES as u64)?;
        self.note(header);
        Ok(())
    }

    /// An empty account over bytes that are written already; [`Segment::note`] fills it.
    pub(crate) fn over(folder: Option<&Path>, store: Store, base_offset: i64, now_ms: i64) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            size: 0,
            max_timestamp: -1,
            store,
            opened_ms: now_ms,
            index: Vec::new(),
            folder: folder.map(Path::to_owned),
        }
    }

    /// Takes a batch at the end of the segment into the counts and the index.
    pub(crate) fn note(&mut self, header: &Header) {
        let indexed_to = self.index.last().map_or(0, |entry| u64::from(entry.position));
        if self.index.is_empty() || self.size - indexed_to >= INDEX_EVERY_BYTES {
            self.index.push(IndexEntry {
                relative_offset: (header.base_offset - self.base_offset) as u32,
                position: self.size as u32,
                max_timestamp_before: self.max_timestamp,
            });
        }
        self.size += header.size as u64;
        self.next_offset = header.next_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Position at or before the batch that holds `offset`, at most an index step before.
    pub(crate) fn position_before(&self, offset: i64) -> u64 {
        let relative = (offset - self.base_offset).max(0) as u64;
        let behind =
            self.index.partition_point(|entry| u64::from(entry.relative_offset) <= relative);
        behind.checked_sub(1).map_or(0, |at| u64::from(self.index[at].position))
    }

    /// Position behind the last batch that begins before `offset`, at most an
    /// index step behind.
    pub(crate) fn position_behind(&self, offset: i64) -> u64 {
        let relative = (offset - self.base_offset).max(0) as u64;
        let before =
            self.index.partition_point(|entry| u64::from(entry.relative_offset) < relative);
        self.index.get(before).map_or(self.size, |entry| u64::from(entry.position))
    }

    /// Position at or before the first batch with a timestamp of at least `timestamp`.
    pub(crate) fn position_before_time(&self, timestamp: i64) -> u64 {
        let behind = self.index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        behind.checked_sub(1).map_or(0, |at| u64::from(self.index[at].position))
    }

    /// Reads batch after batch of the bytes from `from` up to `to`.
    pub(crate) fn batches(&self, from: u64, to: u64) -> Batches {
        Batches { store: self.store.clone(), position: from, end: to, buffer: Bytes::new() }
    }

    /// Writes the index beside the segment.
    pub(crate) fn save_index(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut bytes = Vec::with_capacity(40 + self.index.len() * 16);
        bytes.put_u64(INDEX_MAGIC);
        bytes.put_u64(self.size);
        bytes.put_i64(self.next_offset);
        bytes.put_i64(self.max_timestamp);
        bytes.put_u32(self.index.len() as u32);
        for entry in &self.index {
            bytes.put_u32(entry.relative_offset);
            bytes.put_u32(entry.position);
            bytes.put_i64(entry.max_timestamp_before);
        }
        bytes.put_u32(crc32c::crc32c(&bytes));
        fs::write(file(folder, self.base_offset, "index"), bytes)
    }

    /// Takes the saved index when it is whole and speaks of bytes that are there.
    fn load_index(&mut self, len: u64) {
        let Some(folder) = &self.folder else { return };
        let Ok(saved) = fs::read(file(folder, self.base_offset, "index")) else { return };
        let Some((body, crc)) = saved.split_last_chunk::<4>() else { return };
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) || body.len() < 36 {
            return;
        }
        let mut fields = body;
        let (magic, size) = (fields.get_u64(), fields.get_u64());
        let (next_offset, max_timestamp) = (fields.get_i64(), fields.get_i64());
        let count = fields.get_u32() as usize;
        if magic != INDEX_MAGIC || size > len || fields.len() != count * 16 {
            return;
        }
        self.index = (0..count)
            .map(|_| IndexEntry {
                relative_offset: fields.get_u32(),
                position: fields.get_u32(),
                max_timestamp_before: fields.get_i64(),
            })
            .collect();
        (self.size, self.next_offset, self.max_timestamp) = (size, next_offset, max_timestamp);
    }

    /// Removes the files of the segment; handles on them stay readable.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        for extension in ["log", "index"] {
            match fs::remove_file(file(folder, self.base_offset, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The file of a segment: its base offset in 20 digits, so that names sort as offsets do.
pub(crate) fn file(folder: &Path, base_offset: i64, extension: &str) -> PathBuf {
    folder.join(format!("{base_offset:020}.{extension}"))
}

/// Batch after batch out of a store, read a mebibyte at a time.
pub(crate) struct Batches {
    store: Store,
    /// Position of the front of `buffer`.
    position: u64,
    end: u64,
    buffer: Bytes,
}

impl Batches {
    /// The next whole batch with its position. Its checksum is not looked at.
    pub(crate) fn next_batch(&mut self) -> Option<Result<(u64, Header, Bytes), BatchError>> {
        if self.position >= self.end {
            return None;
        }
        let header = self.fill(HEADER_BYTES).and_then(|()| Header::read(&self.buffer));
        let whole = header.and_then(|header| self.fill(header.size).map(|()| header));
        Some(whole.map(|header| {
            let at = self.position;
            self.position += header.size as u64;
            (at, header, self.buffer.split_to(header.size))
        }))
    }

    /// The next whole batch, its checksum checked.
    pub(crate) fn next_checked(&mut self) -> Option<Result<(u64, Header, Bytes), BatchError>> {
        self.next_batch().map(|batch| {
            let (at, _, bytes) = batch?;
            Ok((at, Header::check(&bytes)?, bytes))
        })
    }

    /// The same range from its beginning, when nothing was read of it yet.
    pub(crate) fn again(&self) -> Self {
        Self {
            store: self.store.clone(),
            position: self.position,
            end: self.end,
            buffer: Bytes::new(),
        }
    }

    /// Sees to it that `need` bytes are in the buffer.
    fn fill(&mut self, need: usize) -> Result<(), BatchError> {
        if self.buffer.len() >= need {
            return Ok(());
        }
        let left = (self.end - self.position) as usize;
        let short = BatchError::Short { have: left, need };
        if left < need {
            return Err(short);
        }
        let take = need.max(SCAN_BYTES).min(left);
        self.buffer = self.store.read_at(self.position, take).map_err(|_| short)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::marker;
    use super::*;

    fn filled(folder: &Path, batches: i64) -> Segment {
        let mut segment = Segment::create(Some(folder), 100, 0).unwrap();
        for i in 0..batches {
            append_marker(&mut segment, 100 + i, 1_000 + i);
        }
        segment
    }

    fn append_marker(segment: &mut Segment, base_offset: i64, timestamp: i64) {
        let marker = marker(1, 0, true, timestamp);
        let header = Header { base_offset, ..Header::read(&marker).unwrap() };
        segment.append(&header, &marker).unwrap();
    }

    #[test]
    fn a_torn_tail_is_cut_and_the_whole_batches_stay() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(folder.path(), 300);
        let whole = segment.size;
        segment.store.write_at(&[7; 30], whole).unwrap();

        let opened = Segment::open(folder.path(), 100, true, 0).unwrap();
        assert_eq!(opened.torn_bytes, 30);
        assert_eq!(opened.segment.size, whole);
        assert_eq!(opened.segment.next_offset, 400);
        assert_eq!(opened.segment.index, segment.index);
    }

    #[test]
    fn a_batch_with_a_flipped_bit_ends_the_log_there() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(folder.path(), 10);
        let one = segment.size / 10;
        segment.store.read_at(5 * one, one as usize).unwrap();
        let mut broken = segment.store.read_at(5 * one, one as usize).unwrap().to_vec();
        broken[70] ^= 1;
        fs::OpenOptions::new().write(true).open(file(folder.path(), 100, "log")).unwrap();
        segment.store.write_at(&broken, 5 * one).unwrap();

        let opened = Segment::open(folder.path(), 100, true, 0).unwrap();
        assert_eq!(opened.segment.next_offset, 105);
        assert_eq!(opened.torn_bytes, 5 * one);
    }

    #[test]
    fn a_saved_index_is_taken_and_only_the_rest_is_scanned() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = filled(folder.path(), 200);
        segment.save_index().unwrap();
        append_marker(&mut segment, 300, 9_000);

        let opened = Segment::open(folder.path(), 100, true, 0).unwrap().segment;
        assert_eq!(opened.next_offset, 301);
        assert_eq!(opened.max_timestamp, 9_000);
        assert_eq!(opened.index, segment.index);
    }

    #[test]
    fn bytes_that_the_disk_lost_under_an_index_are_found_when_it_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(folder.path(), 10);
        segment.save_index().unwrap();
        let one = segment.size / 10;
        segment.store.write_at(&vec![0; one as usize], 5 * one).unwrap();
        let opened = Segment::open(folder.path(), 100, false, 0).unwrap();
        assert_eq!((opened.segment.next_offset, opened.torn_bytes), (105, 5 * one));
    }

    #[test]
    fn the_index_leads_close_before_an_offset_and_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(folder.path(), 1_000);
        let one = segment.size / 1_000;
        for i in [0, 1, 52, 53, 500, 999] {
            let exact = i * one;
            for found in [
                segment.position_before(100 + i as i64),
                segment.position_before_time(1_000 + i as i64),
            ] {
                assert!(found <= exact && exact - found <= INDEX_EVERY_BYTES + one, "{i}: {found}");
            }
            let behind = segment.position_behind(100 + i as i64);
            assert!(behind >= exact && behind - exact <= INDEX_EVERY_BYTES + one, "{i}: {behind}");
        }
    }
}
