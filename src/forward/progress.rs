//! How far each partition is settled, without a gap.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use super::input::Partition;

/// A partition and the offset to commit: all records before it are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    pub partition: Partition,
    pub next_offset: i64,
}

/// The records read and not yet committed, by partition in their order.
#[derive(Debug, Default)]
pub(super) struct Progress {
    partitions: BTreeMap<Partition, Records>,
    /// Records read and not settled, and their bytes.
    backlog: usize,
    bytes: usize,
    /// Settled ones that wait behind an unsettled one are counted here, too.
    uncommitted: usize,
    /// Settled ones that the next commit takes in.
    advanced: usize,
}

#[derive(Debug)]
struct Records {
    waiting: VecDeque<Entry>,
    /// The offset to commit, where it moved since it was last taken.
    advance: Option<i64>,
    lost: CancellationToken,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    /// Bytes; `None` once it is settled.
    unsettled: Option<usize>,
    read_at: Instant,
}

impl Progress {
    /// Takes a record in. Its partition's token is cancelled when the partition
    /// is lost, and is a child of `shutdown`.
    pub(super) fn admit(
        &mut self,
        partition: &Partition,
        offset: i64,
        size: usize,
        shutdown: &CancellationToken,
    ) -> CancellationToken {
        let records = self.partitions.entry(partition.clone()).or_insert_with(|| Records {
            waiting: VecDeque::new(),
            advance: None,
            lost: shutdown.child_token(),
        });
        let entry = Entry { offset, unsettled: Some(size), read_at: Instant::now() };
        records.waiting.push_back(entry);
        self.backlog += 1;
        self.bytes += size;
        self.uncommitted += 1;
        records.lost.clone()
    }

    /// Marks a record as done with. One of a partition that was lost meanwhile
    /// is no longer ours to count.
    pub(super) fn settle(&mut self, partition: &Partition, offset: i64) {
        let Some(records) = self.partitions.get_mut(partition) else { return };
        let Ok(at) = records.waiting.binary_search_by_key(&offset, |entry| entry.offset) else {
            return;
        };
        let Some(size) = records.waiting[at].unsettled.take() else { return };
        self.backlog -= 1;
        self.bytes -= size;
        while let Some(Entry { offset, unsettled: None, .. }) = records.waiting.front() {
            records.advance = Some(offset + 1);
            records.waiting.pop_front();
            self.uncommitted -= 1;
            self.advanced += 1;
        }
    }

    /// What may be committed since the last call.
    pub(super) fn take_advances(&mut self) -> Vec<Advance> {
        self.advanced = 0;
        let moved = self.partitions.iter_mut().filter_map(|(partition, records)| {
            let next_offset = records.advance.take()?;
            Some(Advance { partition: partition.clone(), next_offset })
        });
        moved.collect()
    }

    /// Where each partition stands that has records unsettled: all before are.
    pub(super) fn positions(&self) -> Vec<Advance> {
        let first = self.partitions.iter().filter_map(|(partition, records)| {
            let next_offset = records.waiting.front()?.offset;
            Some(Advance { partition: partition.clone(), next_offset })
        });
        first.collect()
    }

    /// Gives a partition up, and cancels what is under way of it.
    pub(super) fn forget(&mut self, partition: &Partition) {
        let Some(records) = self.partitions.remove(partition) else { return };
        records.lost.cancel();
        self.uncommitted -= records.waiting.len();
        for size in records.waiting.iter().filter_map(|entry| entry.unsettled) {
            self.backlog -= 1;
            self.bytes -= size;
        }
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    /// When the oldest of what is not settled was read.
    pub(super) fn oldest(&self) -> Option<Instant> {
        // The first of each partition is unsettled, or it would be gone.
        let first = self.partitions.values().filter_map(|records| records.waiting.front());
        first.map(|entry| entry.read_at).min()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn uncommitted(&self) -> usize {
        self.uncommitted
    }

    /// Records that [`Self::take_advances`] would pass.
    pub(super) fn advanced(&self) -> usize {
        self.advanced
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partition(number: i32) -> Partition {
        Partition { topic: "lineage".into(), number }
    }

    fn admitted(offsets: &[i64]) -> Progress {
        let mut progress = Progress::default();
        for &offset in offsets {
            progress.admit(&partition(3), offset, 10, &CancellationToken::new());
        }
        progress
    }

    #[test]
    fn only_what_has_no_gap_before_it_advances() {
        // Offsets have holes where a transaction ended.
        let mut progress = admitted(&[5, 7, 8]);
        progress.settle(&partition(3), 7);
        assert_eq!(progress.take_advances(), []);
        let held = Advance { partition: partition(3), next_offset: 5 };
        assert_eq!(progress.positions(), [held]);
        assert_eq!((progress.backlog(), progress.bytes(), progress.uncommitted()), (2, 20, 3));

        progress.settle(&partition(3), 5);
        let expected = Advance { partition: partition(3), next_offset: 8 };
        assert_eq!(progress.advanced(), 2);
        assert_eq!(progress.take_advances(), [expected]);
        assert_eq!(progress.take_advances(), [], "an advance is told once");
        assert_eq!(progress.advanced(), 0);
        assert_eq!((progress.backlog(), progress.bytes(), progress.uncommitted()), (1, 10, 1));
    }

    #[test]
    fn a_lost_partition_is_cancelled_and_its_late_results_count_for_nothing() {
        let mut progress = admitted(&[1]);
        let shutdown = CancellationToken::new();
        let token = progress.admit(&partition(3), 2, 10, &shutdown);
        let other = progress.admit(&partition(4), 1, 10, &shutdown);
        progress.forget(&partition(3));
        progress.settle(&partition(3), 1);
        assert!(token.is_cancelled() && !other.is_cancelled());
        assert_eq!(progress.take_advances(), []);
        assert_eq!((progress.backlog(), progress.bytes(), progress.uncommitted()), (1, 10, 1));
    }

    proptest! {
        /// Whatever the order of settling, a commit never passes an unsettled
        /// record, and ends behind the last when all are settled.
        #[test]
        fn a_commit_never_passes_an_unsettled_record(
            order in Just((0_i64..20).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut progress = admitted(&(0..20).collect::<Vec<_>>());
            let mut unsettled: std::collections::BTreeSet<i64> = (0..20).collect();
            let mut committed = 0;
            for offset in order {
                progress.settle(&partition(3), offset);
                unsettled.remove(&offset);
                for advance in progress.take_advances() {
                    prop_assert!(advance.next_offset > committed);
                    committed = advance.next_offset;
                }
                prop_assert_eq!(committed, unsettled.first().copied().unwrap_or(20));
            }
            prop_assert_eq!((progress.backlog(), progress.bytes(), progress.uncommitted()), (0, 0, 0));
        }
    }
}
