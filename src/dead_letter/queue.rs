//! What a dead letter topic holds: letters, and marks of those that were replayed.
//!
//! A mark is a tombstone in the partition of its letter, written in the
//! transaction that replayed it, so it is there if and only if the replay is.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::DeadLetter;
use crate::{
    broker::{Broker, BrokerError, Reader, StartAt},
    record::{HeaderBytes, Record, Topic},
};

/// The header of a mark: `PARTITION@OFFSET` of the letter that was replayed. Its
/// value's run stands in the run header.
const REPLAYED: &str = "lineage-hub-dlq-replayed";

/// Longest that a topic may say nothing while it is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// A partition and an offset in the dead letter topic.
pub type Place = (i32, i64);

/// A record of a dead letter topic.
#[derive(Debug)]
pub enum Entry {
    Letter(DeadLetter),
    /// The letter at this place was replayed, as this run.
    Mark {
        place: Place,
        run: String,
    },
    /// Somebody else wrote it.
    Other,
}

impl Entry {
    pub fn read(record: &Record<'_>) -> Self {
        if let Some(place) = replayed(record) {
            let run = String::from_utf8_lossy(record.run().unwrap_or_default()).into_owned();
            return Self::Mark { place, run };
        }
        DeadLetter::read(record).map_or(Self::Other, Self::Letter)
    }
}

fn replayed(record: &Record<'_>) -> Option<Place> {
    let (_, value) = record.headers().filter(|(name, _)| *name == REPLAYED).last()?;
    let (partition, offset) = std::str::from_utf8(value?).ok()?.split_once('@')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

/// The header that marks the letter at `place` as replayed.
pub fn mark((partition, offset): Place, headers: &mut HeaderBytes) {
    headers.push(REPLAYED, Some(format!("{partition}@{offset}").as_bytes()));
}

/// Visits every record that stands in a dead letter topic now, in the order of
/// each partition. `visit` may end it by an error of its own.
pub fn scan<E: From<BrokerError>>(
    broker: &Broker,
    topic: &Topic,
    mut visit: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::open(broker, topic, StartAt::Beginning)?;
    let mut heard = Instant::now();
    while !reader.is_at_end() {
        let Some(block) = reader.next(Duration::from_millis(200))? else {
            if heard.elapsed() > PATIENCE {
                return Err(BrokerError::timed_out("read the dead letters").into());
            }
            continue;
        };
        heard = Instant::now();
        block.iter().try_for_each(&mut visit)?;
    }
    Ok(())
}

/// The letters that were replayed, and as which run.
pub fn marks(broker: &Broker, topic: &Topic) -> Result<BTreeMap<Place, String>, BrokerError> {
    let mut marks = BTreeMap::new();
    scan(broker, topic, |record| {
        if let Entry::Mark { place, run } = Entry::read(&record) {
            marks.insert(place, run);
        }
        Ok::<_, BrokerError>(())
    })?;
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, RUN_HEADER};

    #[test]
    fn a_mark_reads_back_and_is_no_letter() {
        let mut headers = HeaderBytes::default();
        headers.push(RUN_HEADER, Some(b"r1"));
        mark((3, 1287), &mut headers);
        let mut block = Block::new("orders.dlq".into(), 3);
        block.push(1300, None, Some(b"k"), None, &headers);
        block.push(1301, None, None, Some(b"{}"), []);
        let Entry::Mark { place, run } = Entry::read(&block.record(0)) else { panic!() };
        assert_eq!((place, run.as_str()), ((3, 1287), "r1"));
        assert!(matches!(Entry::read(&block.record(1)), Entry::Other));
    }
}
