//! Whether the disk takes what a partition writes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by a failed read or write, cleared by the next write that succeeds. Only the
/// changes are logged: clients retry many times per second.
#[derive(Debug, Default)]
pub(super) struct Health {
    failing: AtomicBool,
}

impl Health {
    pub(super) fn failed(&self, partition: &str, error: &io::Error) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(partition, %error, "log cannot be read or written");
        }
    }

    pub(super) fn succeeded(&self, partition: &str) {
        // A load first: it costs less than a swap, and nearly always answers.
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(partition, "log is written again");
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use kafka_protocol::ResponseError;
    use kafka_protocol::records::Compression;

    use crate::log::options::LogOptions;
    use crate::log::{Partition, batch_of};

    /// Without its folder no further segment can be made, as on a disk that is full.
    #[test]
    fn a_partition_whose_disk_refuses_says_so_until_it_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("t-0");
        let configs = BTreeMap::from([("segment.bytes".to_owned(), "1024".to_owned())]);
        let options = LogOptions::new(&configs);
        let partition = Partition::open("t-0".to_owned(), &folder, options, 0, true, 0).unwrap();
        let value = "v".repeat(800);
        let rows = [(None, Some(value.as_str()), 0)];
        let batch = batch_of(&rows, (-1, -1, -1), false, Compression::None);
        partition.append(&batch, 0).unwrap();
        assert!(!partition.is_failing());

        fs::remove_dir_all(&folder).unwrap();
        for _ in 0..2 {
            let refused = partition.append(&batch, 0).unwrap_err();
            assert_eq!(refused, ResponseError::KafkaStorageError);
            assert!(partition.is_failing());
        }

        fs::create_dir_all(&folder).unwrap();
        assert_eq!(partition.append(&batch, 0).unwrap().base_offset, 1);
        assert!(!partition.is_failing());
    }
}
