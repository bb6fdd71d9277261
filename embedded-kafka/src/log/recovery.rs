//! Opening and closing a partition's folder.
//!
//! ```text
//! 00000000000000000000.log    batches        } scanned from where the index
//! 00000000000000000000.index  sparse index   } ends, cut at the first torn batch
//! producers                   state of the producers at one offset
//! ```
//!
//! The producer state is read from its file and brought up to date with the
//! batches behind it; without a usable file it is built from the whole log.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::batch;
use super::options::LogOptions;
use super::partition::{Log, Partition};
use super::producers::Producers;
use super::segment::Segment;

const PRODUCERS_FILE: &str = "producers";

#[derive(Deserialize)]
struct SavedProducers {
    offset: i64,
    crc: u32,
    /// JSON of [`Producers`] in a string, so that the checksum covers exact bytes.
    state: String,
}

#[derive(Serialize)]
struct SavingProducers<'a> {
    offset: i64,
    crc: u32,
    state: &'a str,
}

impl Partition {
    /// A partition in memory.
    pub(crate) fn in_memory(name: String, options: LogOptions, now_ms: i64) -> io::Result<Self> {
        let segment = Segment::create(None, 0, now_ms)?;
        Ok(Self::from_log(name, Log::new(None, vec![segment], options)))
    }

    /// Opens the folder of a partition, made when missing.
    /// `start`: what was deleted on request before the restart.
    /// `trust_indexes`: the disk has all that the indexes speak of.
    pub(crate) fn open(
        name: String,
        folder: &Path,
        options: LogOptions,
        start: i64,
        trust_indexes: bool,
        now_ms: i64,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut segments = Vec::new();
        for base_offset in base_offsets(folder)? {
            let opened = Segment::open(folder, base_offset, trust_indexes, now_ms)?;
            if opened.torn_bytes > 0 {
                tracing::warn!(
                    partition = name,
                    bytes = opened.torn_bytes,
                    offset = opened.segment.next_offset,
                    "cut a torn tail off the log"
                );
            }
            segments.push(opened.segment);
        }
        if segments.is_empty() {
            segments.push(Segment::create(Some(folder), start, now_ms)?);
        }
        let mut log = Log::new(Some(folder.to_owned()), segments, options);
        log.start = log.start.max(start).min(log.end());
        log.recover_producers();
        Ok(Self::from_log(name, log))
    }

    /// Writes what makes the next opening fast, and waits for the disk.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.sync()?;
        let log = self.lock();
        log.active().save_index()?;
        log.save_producers()
    }
}

impl Log {
    /// Reads the producer state and the batches behind it.
    fn recover_producers(&mut self) {
        let saved = self.folder.as_deref().and_then(load_producers);
        // A state from behind the end speaks of batches that a torn tail took.
        let usable = saved.filter(|(offset, _)| *offset <= self.end());
        let (mut from, producers) = usable.unwrap_or_default();
        self.producers = producers;
        for segment in &self.segments {
            if segment.next_offset <= from {
                continue;
            }
            let mut batches = segment.batches(segment.position_before(from), segment.size);
            while let Some(Ok((_, header, bytes))) = batches.next_batch() {
                if header.base_offset < from {
                    continue;
                }
                let commits = header.is_control().then(|| batch::marker_commits(&bytes)).flatten();
                self.producers.note(&header, commits);
            }
            from = segment.next_offset;
        }
    }

    pub(super) fn save_producers(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let state = serde_json::to_string(&self.producers).map_err(io::Error::other)?;
        let crc = crc32c::crc32c(state.as_bytes());
        let saving = SavingProducers { offset: self.end(), crc, state: &state };
        let bytes = serde_json::to_vec(&saving).map_err(io::Error::other)?;
        write_atomically(&folder.join(PRODUCERS_FILE), &bytes)
    }
}

fn load_producers(folder: &Path) -> Option<(i64, Producers)> {
    let bytes = fs::read(folder.join(PRODUCERS_FILE)).ok()?;
    let saved: SavedProducers = serde_json::from_slice(&bytes).ok()?;
    if crc32c::crc32c(saved.state.as_bytes()) != saved.crc {
        return None;
    }
    Some((saved.offset, serde_json::from_str(&saved.state).ok()?))
}

/// Base offsets of the segments in a folder, in order.
fn base_offsets(folder: &Path) -> io::Result<Vec<i64>> {
    let mut offsets = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                offsets.extend(stem.and_then(|stem| stem.parse::<i64>().ok()));
            }
            // Left by a compaction that was interrupted before its rename.
            Some("cleaned") => fs::remove_file(&path)?,
            _ => {}
        }
    }
    offsets.sort_unstable();
    Ok(offsets)
}

/// Replaces a file as a whole: after a crash it is the old one or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
