//! Rolling to a new segment, and dropping old ones.

use std::io;

use super::partition::{Log, Partition};
use super::segment::Segment;

/// An idempotent producer that was silent for so long is forgotten.
const PRODUCER_EXPIRATION_MS: i64 = 24 * 60 * 60 * 1_000;

impl Partition {
    /// Drops what the topic's retention no longer covers.
    pub(crate) fn retain(&self, now_ms: i64) -> io::Result<()> {
        let mut log = self.lock();
        if log.options.delete {
            log.drop_expired(now_ms)?;
        }
        let start = log.start;
        log.producers.forget(start, now_ms - PRODUCER_EXPIRATION_MS);
        Ok(())
    }
}

impl Log {
    /// Closes the active segment when the next batch would overfill it, or it is old.
    pub(super) fn roll_if_due(&mut self, batch_bytes: u64, now_ms: i64) -> io::Result<()> {
        let active = self.active();
        if active.size == 0 {
            return Ok(());
        }
        let full = active.size + batch_bytes > self.options.segment_bytes;
        let old = now_ms - active.opened_ms >= self.options.segment_ms;
        if full || old { self.roll(now_ms) } else { Ok(()) }
    }

    fn roll(&mut self, now_ms: i64) -> io::Result<()> {
        self.active().save_index()?;
        self.save_producers()?;
        let next = Segment::create(self.folder.as_deref(), self.end(), now_ms)?;
        if self.active_unsynced {
            let closed = self.active().store.clone();
            self.unsynced.push(closed);
            self.active_unsynced = false;
        }
        self.segments.push(next);
        Ok(())
    }

    fn drop_expired(&mut self, now_ms: i64) -> io::Result<()> {
        let oldest_kept = self.options.retention_ms.map(|retention| now_ms - retention);
        let expired = |segment: &Segment| {
            segment.size > 0 && oldest_kept.is_some_and(|oldest| segment.max_timestamp < oldest)
        };
        // Nothing of an open transaction is dropped: its marker is still to come.
        let bound = self.stable_end();
        if expired(self.active()) && bound == self.end() {
            self.roll(now_ms)?;
        }
        let mut total: u64 = self.segments.iter().map(|segment| segment.size).sum();
        let closed = &self.segments[..self.segments.len() - 1];
        for segment in closed.iter().take_while(|segment| segment.next_offset <= bound) {
            let too_much =
                self.options.retention_bytes.is_some_and(|most| total - segment.size >= most);
            if !expired(segment) && !too_much {
                break;
            }
            total -= segment.size;
            self.start = self.start.max(segment.next_offset);
        }
        self.drop_segments_before_start()
    }

    /// Removes closed segments with nothing behind the start of the log.
    pub(super) fn drop_segments_before_start(&mut self) -> io::Result<()> {
        let closed = self.segments.len() - 1;
        let gone = self.segments[..closed].partition_point(|s| s.next_offset <= self.start);
        for segment in self.segments.drain(..gone) {
            segment.remove()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::records::Compression;

    use super::super::options::LogOptions;
    use super::super::records::tests::batch_of;
    use super::*;

    fn partition(configs: &[(&str, &str)]) -> Partition {
        let configs: BTreeMap<_, _> =
            configs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Partition::in_memory("t-0".to_owned(), LogOptions::new(&configs), 0).unwrap()
    }

    fn append(partition: &Partition, timestamp: i64) {
        let value = "v".repeat(400);
        let rows = [(None, Some(value.as_str()), timestamp)];
        let batch = batch_of(&rows, (-1, -1, -1), false, Compression::None);
        partition.append(&batch, timestamp).unwrap();
    }

    #[test]
    fn old_segments_go_and_new_ones_stay() {
        let partition = partition(&[("segment.bytes", "1024"), ("retention.ms", "1000")]);
        for timestamp in [0, 0, 0, 0, 5_000, 5_000] {
            append(&partition, timestamp);
        }
        partition.retain(5_500).unwrap();
        assert_eq!(partition.bounds().start, 4);
        assert_eq!(partition.bounds().end, 6);
        assert!(partition.read(3, 1_000, true, false).is_err());
        assert!(!partition.read(4, 1_000, true, false).unwrap().records.is_empty());
    }

    #[test]
    fn a_log_over_its_size_is_cut_from_the_front() {
        let partition = partition(&[("segment.bytes", "1024"), ("retention.bytes", "1500")]);
        for _ in 0..10 {
            append(&partition, 0);
        }
        partition.retain(1).unwrap();
        assert!(partition.size() >= 1500 && partition.size() < 3_000, "{}", partition.size());
        assert_eq!(partition.bounds().end, 10);
    }

    #[test]
    fn an_open_transaction_is_not_dropped() {
        let partition = partition(&[("retention.ms", "1000")]);
        partition.admit(9, 0);
        let rows = [(None, Some("v"), 0)];
        partition.append(&batch_of(&rows, (9, 0, 0), true, Compression::None), 0).unwrap();
        partition.retain(50_000).unwrap();
        assert_eq!(partition.bounds().start, 0);

        partition.append_marker(9, 0, true, 10).unwrap();
        partition.retain(50_000).unwrap();
        assert_eq!(partition.bounds().start, 2);
    }
}
