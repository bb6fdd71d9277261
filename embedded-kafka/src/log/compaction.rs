//! Compaction: of each key, the newest record stays.
//!
//! Closed segments below the stable end are rewritten one by one; offsets stay
//! as they are. Records of aborted transactions go, markers stay. A tombstone
//! stays for `delete.retention.ms`, so that readers see it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{self, Header};
use super::partition::{Log, Partition};
use super::producers::Aborted;
use super::records::Records;
use super::segment::{Batches, Segment, file};
use super::store::Store;
use super::unpack::uncompressed;

/// Keys and their newest offsets that one pass holds in memory; a partition with
/// more keys is compacted over several passes' segments.
const KEYS_MAX: usize = 1 << 20;

/// What one pass works on, taken under the lock.
struct Pass {
    /// (base offset, size, batches) of each segment to look at.
    segments: Vec<(i64, Batches)>,
    aborted: Vec<Aborted>,
    end: i64,
    tombstones_kept_after_ms: i64,
}

impl Partition {
    /// Compacts when enough of the log is new since the last time.
    pub(crate) fn compact(&self, now_ms: i64) -> io::Result<()> {
        let Some(mut pass) = self.lock().begin_compaction(now_ms) else { return Ok(()) };
        let mut newest = HashMap::new();
        let mut readable = pass.segments.iter().map(|(_, batches)| batches.again());
        let complete = readable.all(|batches| note_keys(batches, &pass.aborted, &mut newest));
        drop(readable);
        if !complete {
            tracing::debug!(partition = self.name, "more keys than one compaction holds");
            // A tombstone that was not noted still hides the records before it.
            pass.tombstones_kept_after_ms = i64::MIN;
        }
        for (base_offset, batches) in std::mem::take(&mut pass.segments) {
            let cleaned = clean(batches, &pass, &newest);
            self.lock().replace(base_offset, &cleaned, now_ms)?;
        }
        self.lock().compacted_to = pass.end;
        Ok(())
    }
}

impl Log {
    fn begin_compaction(&self, now_ms: i64) -> Option<Pass> {
        if !self.options.compact {
            return None;
        }
        let bound = self.stable_end();
        let closed = &self.segments[..self.segments.len() - 1];
        let closed = &closed[..closed.partition_point(|segment| segment.next_offset <= bound)];
        let total: u64 = closed.iter().map(|segment| segment.size).sum();
        let dirty: u64 = closed
            .iter()
            .filter(|segment| segment.next_offset > self.compacted_to)
            .map(|segment| segment.size)
            .sum();
        if dirty == 0 || (dirty as f64) < self.options.dirty_ratio_min * total as f64 {
            return None;
        }
        let last = closed.last()?;
        Some(Pass {
            segments: closed.iter().map(|s| (s.base_offset, s.batches(0, s.size))).collect(),
            aborted: self.producers.aborted(0, bound).copied().collect(),
            end: last.next_offset,
            tombstones_kept_after_ms: now_ms.saturating_sub(self.options.delete_retention_ms),
        })
    }

    /// Puts the cleaned batches in the place of a segment.
    fn replace(&mut self, base_offset: i64, cleaned: &[Bytes], now_ms: i64) -> io::Result<()> {
        let Some(at) = self.segments.iter().position(|s| s.base_offset == base_offset) else {
            // Retention was faster.
            return Ok(());
        };
        let store = if let Some(folder) = &self.folder {
            let path = file(folder, base_offset, "cleaned");
            fs::write(&path, cleaned.concat())?;
            let store = Store::open(&path)?;
            store.sync()?;
            // The old index speaks of other positions.
            let _ = fs::remove_file(file(folder, base_offset, "index"));
            fs::rename(&path, file(folder, base_offset, "log"))?;
            store
        } else {
            let store = Store::memory();
            store.write_at(&cleaned.concat(), 0)?;
            store
        };
        let next_offset = self.segments[at].next_offset;
        let mut segment = Segment::over(self.folder.as_deref(), store, base_offset, now_ms);
        for bytes in cleaned {
            segment.note(&Header::read(bytes).map_err(io::Error::other)?);
        }
        if cleaned.is_empty() && self.segments.len() > 1 {
            segment.next_offset = next_offset;
        }
        segment.save_index()?;
        self.segments[at] = segment;
        Ok(())
    }
}

/// Notes the newest offset of each key. False: there are more keys than may be held.
fn note_keys(
    mut batches: Batches,
    aborted: &[Aborted],
    newest: &mut HashMap<Arc<[u8]>, i64>,
) -> bool {
    while let Some(Ok((_, header, bytes))) = batches.next_batch() {
        if header.is_control() || is_aborted(&header, aborted) {
            continue;
        }
        let Ok(unpacked) = uncompressed(&header, &bytes) else { continue };
        for record in Records::new(&unpacked).map_while(Result::ok) {
            let Some(key) = record.key else { continue };
            let offset = header.base_offset + i64::from(record.offset_delta);
            if let Some(known) = newest.get_mut(key) {
                *known = offset;
            } else if newest.len() < KEYS_MAX {
                newest.insert(Arc::from(key), offset);
            } else {
                return false;
            }
        }
    }
    true
}

/// The batches of a segment without the records that newer ones replace.
fn clean(mut batches: Batches, pass: &Pass, newest: &HashMap<Arc<[u8]>, i64>) -> Vec<Bytes> {
    let mut cleaned = Vec::new();
    while let Some(Ok((_, header, bytes))) = batches.next_batch() {
        if header.is_control() {
            cleaned.push(bytes);
            continue;
        }
        if is_aborted(&header, &pass.aborted) {
            continue;
        }
        let Ok(unpacked) = uncompressed(&header, &bytes) else {
            cleaned.push(bytes);
            continue;
        };
        let mut kept = Vec::with_capacity(unpacked.len());
        let mut count = 0;
        for record in Records::new(&unpacked).map_while(Result::ok) {
            let offset = header.base_offset + i64::from(record.offset_delta);
            let replaced =
                record.key.and_then(|key| newest.get(key)).is_some_and(|newest| *newest > offset);
            let time = header.base_timestamp.saturating_add(record.timestamp_delta);
            let expired = !record.has_value && time < pass.tombstones_kept_after_ms;
            if !replaced && !expired {
                kept.extend_from_slice(record.raw);
                count += 1;
            }
        }
        if count == header.record_count {
            cleaned.push(bytes);
        } else if count > 0 {
            cleaned.push(Bytes::from(batch::rebuild(&header, count, &kept)));
        }
    }
    cleaned
}

fn is_aborted(header: &Header, aborted: &[Aborted]) -> bool {
    header.is_transactional()
        && aborted.iter().any(|one| {
            one.producer_id == header.producer_id
                && (one.first_offset..one.last_offset).contains(&header.base_offset)
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::records::Compression;
    use proptest::prelude::*;

    use super::super::options::LogOptions;
    use super::super::records::tests::batch_of;
    use super::*;

    /// (offset, key) of every record that can be read.
    fn contents(partition: &Partition) -> Vec<(i64, String)> {
        let (mut offset, mut found) = (partition.bounds().start, Vec::new());
        loop {
            let slice = partition.read(offset, 1 << 20, true, false).unwrap();
            let mut rest = slice.records;
            if rest.is_empty() {
                return found;
            }
            while !rest.is_empty() {
                let header = Header::check(&rest).unwrap();
                let bytes = rest.split_to(header.size);
                offset = header.next_offset();
                if header.is_control() {
                    continue;
                }
                let unpacked = uncompressed(&header, &bytes).unwrap();
                for record in Records::new(&unpacked).map(Result::unwrap) {
                    let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                    found.push((header.base_offset + i64::from(record.offset_delta), key));
                }
            }
        }
    }

    fn compacted(folder: Option<&std::path::Path>) -> (LogOptions, Partition) {
        let configs = BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("segment.bytes".to_owned(), "1024".to_owned()),
            ("delete.retention.ms".to_owned(), "1000".to_owned()),
        ]);
        let options = LogOptions::new(&configs);
        let partition = match folder {
            Some(folder) => Partition::open("t-0".to_owned(), folder, options.clone(), 0, true, 0),
            None => Partition::in_memory("t-0".to_owned(), options.clone(), 0),
        };
        (options, partition.unwrap())
    }

    fn append(partition: &Partition, keys: &[&str], timestamp: i64) {
        let value = "v".repeat(300);
        let rows: Vec<_> =
            keys.iter().map(|k| (Some(*k), Some(value.as_str()), timestamp)).collect();
        let batch = batch_of(&rows, (-1, -1, -1), false, Compression::Lz4);
        partition.append(&batch, timestamp).unwrap();
    }

    #[test]
    fn the_newest_record_of_each_key_stays_at_its_offset() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [None, Some(folder.path())] {
            let (options, partition) = compacted(folder);
            for _ in 0..40 {
                append(&partition, &["a", "b"], 0);
            }
            append(&partition, &["c"], 0);
            partition.compact(10).unwrap();
            let after = contents(&partition);
            assert!(after.len() < 30, "{after:?}");
            let newest = |key: &str| after.iter().rev().find(|(_, k)| k == key).map(|(o, _)| *o);
            assert_eq!((newest("a"), newest("b"), newest("c")), (Some(78), Some(79), Some(80)));
            assert_eq!(partition.bounds().end, 81);

            if let Some(folder) = folder {
                let again = Partition::open("t-0".to_owned(), folder, options, 0, true, 0).unwrap();
                assert_eq!(contents(&again), after);
            }
        }
    }

    #[test]
    fn a_tombstone_goes_after_its_time_and_its_key_with_it() {
        let (_, partition) = compacted(None);
        append(&partition, &["a"], 0);
        let tombstone = batch_of(&[(Some("a"), None, 100)], (-1, -1, -1), false, Compression::None);
        partition.append(&tombstone, 100).unwrap();
        for _ in 0..40 {
            append(&partition, &["x", "y", "z"], 100);
        }
        partition.compact(500).unwrap();
        assert_eq!(contents(&partition).iter().filter(|(_, key)| key == "a").count(), 1);
        partition.lock().compacted_to = 0;
        partition.compact(5_000).unwrap();
        assert_eq!(contents(&partition).iter().filter(|(_, key)| key == "a").count(), 0);
    }

    #[test]
    fn records_without_a_key_are_refused() {
        let (_, partition) = compacted(None);
        let batch = batch_of(&[(None, Some("v"), 0)], (-1, -1, -1), false, Compression::Zstd);
        assert!(partition.append(&batch, 0).is_err());
        assert_eq!(partition.bounds().end, 0);
    }

    /// The ends of a number's range, where sums go over it, and what lies between.
    fn extreme<T: Arbitrary + Clone + std::fmt::Debug + 'static>(
        ends: &'static [T],
    ) -> impl Strategy<Value = T> {
        prop_oneof![proptest::sample::select(ends), any::<T>()]
    }

    proptest! {
        #[test]
        fn a_batch_of_any_fields_is_taken_or_refused_and_looked_into(
            last_offset_delta in extreme(&[0, 1, i32::MAX]),
            record_count in extreme(&[1, 2, i32::MIN]),
            attributes in extreme(&[0, 0, 0, 8]),
            times in proptest::collection::vec(extreme(&[0, i64::MIN, i64::MAX]), 3),
            // Of a record: attributes, timestamp and offset deltas, key "k", value "v".
            mut record in Just(vec![20, 0, 1, 0, 2, b'k', 2, b'v', 0, 0, 0]),
            changed in proptest::collection::vec((0..11usize, any::<u8>()), 0..3),
        ) {
            for (at, byte) in changed {
                record[at] = byte;
            }
            let like = Header {
                base_offset: 0,
                size: 0,
                attributes,
                last_offset_delta,
                base_timestamp: times[0],
                max_timestamp: times[1],
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                record_count,
            };
            let batch = Bytes::from(batch::rebuild(&like, record_count, &record));
            let (_, partition) = compacted(None);
            // A segment holds 1,024 bytes; of full ones keys are compacted.
            for _ in 0..20 {
                let _ = partition.append(&batch, 0);
            }
            partition.offset_for_time(times[2]);
            partition.offset_of_max_timestamp();
            prop_assert!(partition.retain(10).is_ok());
            prop_assert!(partition.compact(10).is_ok());
        }
    }
}
