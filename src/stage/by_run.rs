//! What became of a block's records, by the bounded run that they belong to.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::process::DeadRecord;
use crate::{
    broker::OutBatch,
    lineage::Counts,
    record::{Block, Record},
};

/// The part of a block that belongs to one bounded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCounts {
    pub run: Uuid,
    pub counts: Counts,
    /// For each expectation of the stage, the rows that failed it.
    pub unmet: Vec<u64>,
}

/// What a transaction adds to the books of one bounded run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunBooks {
    /// By input partition.
    pub counts: BTreeMap<i32, Counts>,
    /// For each expectation of the stage, the rows that failed it; empty where no
    /// block was counted.
    pub unmet: Vec<u64>,
}

impl RunBooks {
    /// Adds the run's part of a block of `partition`.
    pub fn add(&mut self, partition: i32, more: &RunCounts) {
        *self.counts.entry(partition).or_default() += more.counts;
        self.unmet.resize(more.unmet.len(), 0);
        for (sum, unmet) in self.unmet.iter_mut().zip(&more.unmet) {
            *sum += unmet;
        }
    }
}

/// The books of each bounded run; none where no record belongs to one. `failed`
/// has for each expectation the record of every row that failed it.
pub(super) fn by_run(
    output: &OutBatch,
    dead: &[DeadRecord],
    failed: &[Vec<u32>],
) -> Vec<RunCounts> {
    let Members { runs, of_record } = Members::of(&output.block);
    let new = |run| RunCounts { run, counts: Counts::default(), unmet: vec![0; failed.len()] };
    let mut books: Vec<RunCounts> = runs.into_iter().map(new).collect();
    if books.is_empty() {
        return books;
    }
    for (expectation, records) in failed.iter().enumerate() {
        for record in records {
            if let Some(run) = of_record[*record as usize] {
                books[run as usize].unmet[expectation] += 1;
            }
        }
    }
    let mut count = |record: u32, change: &dyn Fn(&mut Counts)| {
        if let Some(run) = of_record[record as usize] {
            change(&mut books[run as usize].counts);
        }
    };
    for (index, record) in output.block.iter().enumerate() {
        let bytes = record.size() as u64;
        count(index as u32, &|counts| {
            counts.read += 1;
            counts.bytes_in += bytes;
        });
    }
    for dead in dead {
        count(dead.record, &|counts| counts.dead_lettered += 1);
    }
    let mut last = None;
    for origin in output.inputs() {
        let is_first = last.replace(origin) != Some(origin);
        count(origin, &|counts| {
            counts.mapped += u64::from(is_first);
            counts.out += 1;
        });
    }
    for (origin, bytes) in output.sizes() {
        count(origin, &|counts| counts.bytes_out += bytes as u64);
    }
    for RunCounts { counts, .. } in &mut books {
        counts.filtered = counts.read - counts.mapped - counts.dead_lettered;
    }
    books
}

/// The bounded runs that a block has records of.
pub fn runs_of(block: &Block) -> Vec<Uuid> {
    Members::of(block).runs
}

/// Which run each record of a block belongs to.
#[derive(Default)]
struct Members {
    runs: Vec<Uuid>,
    /// For each record, the index of its run in `runs`; empty without a run.
    of_record: Vec<Option<u32>>,
}

impl Members {
    fn of(block: &Block) -> Self {
        let mut members = Self::default();
        if !block.iter().any(|record| record.has_headers()) {
            return members;
        }
        let mut known = BTreeMap::new();
        // Records of one run mostly come one after another.
        let mut last: Option<(&[u8], Option<u32>)> = None;
        members.of_record.extend(block.iter().map(|record: Record<'_>| {
            let text = record.run()?;
            if let Some((before, index)) = last
                && before == text
            {
                return index;
            }
            let run = Uuid::try_parse_ascii(text).ok();
            let index = run.map(|run| {
                *known.entry(run).or_insert_with(|| {
                    members.runs.push(run);
                    members.runs.len() as u32 - 1
                })
            });
            last = Some((text, index));
            index
        }));
        members
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        broker::SetParts,
        record::{EncodedRows, RUN_HEADER},
        stage::Step,
    };

    const RUN: &str = "0190d5b2-7c00-7000-8000-000000000001";
    const OTHER: &str = "0190d5b2-7c00-7000-8000-000000000002";

    fn block(runs: &[Option<&str>]) -> Block {
        let mut block = Block::new("orders".into(), 0);
        for (offset, run) in runs.iter().enumerate() {
            let header = run.map(|run| (RUN_HEADER, Some(run.as_bytes())));
            block.push(offset as i64, None, Some(b"k"), Some(b"in"), header);
        }
        block
    }

    #[test]
    fn the_books_of_each_run_balance_and_records_of_none_are_in_no_book() {
        let runs = [Some(RUN), None, Some(OTHER), Some(RUN), Some(RUN), Some("no uuid")];
        let mut rows = EncodedRows::default();
        for value in [&b"a"[..], b"bb", b"c", b"d"] {
            rows.buffer().extend_from_slice(value);
            rows.end_row();
        }
        let output = OutBatch {
            block: Arc::new(block(&runs)),
            rows,
            origins: vec![0, 0, 1, 2],
            packs: None,
            set: SetParts::default(),
            tombstones: vec![],
            trace: None,
        };
        let dead =
            [DeadRecord { record: 3, step: Step::Decode, error: String::new(), value: None }];
        let books = by_run(&output, &dead, &[vec![0, 0, 1, 2], vec![]]);

        let header = (RUN_HEADER.len() + RUN.len()) as u64;
        let [first, second] = &books[..] else { panic!("{books:?}") };
        assert_eq!(first.run.to_string(), RUN);
        assert_eq!(
            first.counts,
            Counts {
                read: 3,
                mapped: 1,
                out: 2,
                filtered: 1,
                dead_lettered: 1,
                bytes_in: 3 * (3 + header),
                bytes_out: 2 * (1 + header) + 3,
            }
        );
        assert_eq!((second.counts.read, second.counts.out), (1, 1));
        assert!(first.counts.balances() && second.counts.balances());
        assert_eq!((&first.unmet[..], &second.unmet[..]), (&[2, 0][..], &[1, 0][..]));
    }

    #[test]
    fn a_block_without_runs_has_no_books() {
        let none = block(&[None, None]);
        assert!(runs_of(&none).is_empty());
        assert_eq!(runs_of(&block(&[None, Some("x"), Some(OTHER)])).len(), 1);
    }
}
