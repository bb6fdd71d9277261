//! What a partition knows of its producers: epochs, sequences, open
//! transactions, and the transactions that were aborted.
//!
//! The state follows from the batches of the log, and [`Producers::note`] is how
//! it follows: live appends and recovery call the same. Admissions do not: they
//! come from the transaction coordinator and are given again after a restart.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kafka_protocol::ResponseError;
use serde::{Deserialize, Serialize};

use super::batch::{Header, sequence_after};

/// Batches of a producer that are remembered, to know a repeated one.
const BATCHES_REMEMBERED: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedBatch {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    last_offset: i64,
    timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    /// Oldest first; empty after a marker with a new epoch.
    batches: VecDeque<RememberedBatch>,
    /// First offset of the transaction that is open here.
    open_from: Option<i64>,
    last_timestamp: i64,
}

/// A transaction whose records must not be shown to who reads committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub producer_id: i64,
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
}

/// A producer as `DescribeProducers` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerView {
    pub producer_id: i64,
    pub epoch: i16,
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub open_from: Option<i64>,
}

/// What to do with a batch of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// The batch is in the log already, at this offset and timestamp.
    Duplicate {
        base_offset: i64,
        timestamp: i64,
    },
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset of each open transaction.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
    /// Producers whose transaction includes this partition, with its epoch.
    #[serde(skip)]
    admitted: HashMap<i64, i16>,
}

impl Producers {
    /// Judges a batch before it is appended.
    pub(crate) fn judge(&self, header: &Header) -> Result<Verdict, ResponseError> {
        if !header.has_producer() {
            return Ok(Verdict::Append);
        }
        if header.base_sequence < 0 || header.producer_epoch < 0 {
            return Err(ResponseError::InvalidRecord);
        }
        let known = self.by_id.get(&header.producer_id);
        let admitted = self.admitted.get(&header.producer_id).copied();
        let newest = known.map(|known| known.epoch).max(admitted);
        if newest.is_some_and(|newest| header.producer_epoch < newest) {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if let Some(duplicate) = known.and_then(|known| known.duplicate(header)) {
            return Ok(duplicate);
        }
        if header.is_transactional() && admitted != Some(header.producer_epoch) {
            return Err(ResponseError::InvalidTxnState);
        }
        if !header.is_transactional() && known.is_some_and(|known| known.open_from.is_some()) {
            return Err(ResponseError::InvalidTxnState);
        }
        match known {
            Some(known) if !known.continues(header) => Err(ResponseError::OutOfOrderSequenceNumber),
            _ => Ok(Verdict::Append),
        }
    }

    /// Takes an appended batch into the state. `commits` is the kind of a marker.
    pub(crate) fn note(&mut self, header: &Header, commits: Option<bool>) {
        if !header.has_producer() {
            return;
        }
        if header.is_control() {
            if let Some(commits) = commits {
                self.note_marker(header, commits);
            }
            return;
        }
        let producer =
            self.by_id.entry(header.producer_id).or_insert_with(|| Producer::new(header));
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(RememberedBatch {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
        });
        producer.last_timestamp = header.max_timestamp;
        if header.is_transactional() && producer.open_from.is_none() {
            producer.open_from = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    fn note_marker(&mut self, header: &Header, commits: bool) {
        let producer =
            self.by_id.entry(header.producer_id).or_insert_with(|| Producer::new(header));
        if header.producer_epoch > producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.last_timestamp = header.max_timestamp;
        if let Some(first_offset) = producer.open_from.take() {
            self.open.remove(&first_offset);
            if !commits {
                self.aborted.push(Aborted {
                    producer_id: header.producer_id,
                    first_offset,
                    last_offset: header.base_offset,
                });
            }
        }
        self.admitted.remove(&header.producer_id);
    }

    /// Lets a producer write its transaction here until a marker ends it.
    pub(crate) fn admit(&mut self, producer_id: i64, epoch: i16) {
        self.admitted.insert(producer_id, epoch);
    }

    /// Whether the producer's transaction has records here, or may have.
    pub(crate) fn takes_part(&self, producer_id: i64) -> bool {
        self.admitted.contains_key(&producer_id)
            || self.by_id.get(&producer_id).is_some_and(|producer| producer.open_from.is_some())
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open_offset(&self) -> Option<i64> {
        self.open.first_key_value().map(|(&offset, _)| offset)
    }

    /// Producers with an open transaction, and its first offset.
    pub(crate) fn open(&self) -> impl Iterator<Item = (i64, i64)> {
        self.open.iter().map(|(&first_offset, &producer_id)| (producer_id, first_offset))
    }

    /// Aborted transactions with records in `from..to`.
    pub(crate) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        // Ordered by the marker's offset, as the markers came.
        let skip = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        self.aborted[skip..].iter().filter(move |aborted| aborted.first_offset < to)
    }

    /// Forgets aborted transactions that end before the start of the log, and
    /// producers without a transaction that were last heard of before `before_ms`.
    pub(crate) fn forget(&mut self, log_start: i64, before_ms: i64) {
        self.aborted.retain(|aborted| aborted.last_offset >= log_start);
        let admitted = &self.admitted;
        self.by_id.retain(|id, producer| {
            producer.open_from.is_some()
                || admitted.contains_key(id)
                || producer.last_timestamp >= before_ms
        });
    }

    pub(crate) fn view(&self) -> Vec<ProducerView> {
        let view = |(&producer_id, producer): (&i64, &Producer)| ProducerView {
            producer_id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            open_from: producer.open_from,
        };
        self.by_id.iter().map(view).collect()
    }
}

impl Producer {
    fn new(header: &Header) -> Self {
        Self {
            epoch: header.producer_epoch,
            batches: VecDeque::with_capacity(BATCHES_REMEMBERED),
            open_from: None,
            last_timestamp: header.max_timestamp,
        }
    }

    fn duplicate(&self, header: &Header) -> Option<Verdict> {
        if self.epoch != header.producer_epoch {
            return None;
        }
        let last_sequence = header.last_sequence();
        let same = |batch: &&RememberedBatch| {
            batch.base_sequence == header.base_sequence && batch.last_sequence == last_sequence
        };
        let batch = self.batches.iter().find(same)?;
        Some(Verdict::Duplicate { base_offset: batch.base_offset, timestamp: batch.timestamp })
    }

    /// A new epoch begins at sequence 0; within one, no sequence is left out.
    fn continues(&self, header: &Header) -> bool {
        if header.producer_epoch > self.epoch {
            return header.base_sequence == 0;
        }
        match self.batches.back() {
            Some(last) => header.base_sequence == sequence_after(last.last_sequence, 1),
            // A marker brought the epoch; the producer's own count begins with it.
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, base_sequence: i32, records: i32, base_offset: i64) -> Header {
        Header {
            base_offset,
            size: 100,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp: 1_000,
            max_timestamp: 1_000,
            producer_id: 9,
            producer_epoch: epoch,
            base_sequence,
            record_count: records,
        }
    }

    fn transactional(header: Header) -> Header {
        Header { attributes: 0x10, ..header }
    }

    fn marker(epoch: i16, base_offset: i64) -> Header {
        Header { attributes: 0x30, base_sequence: -1, ..batch(epoch, 0, 1, base_offset) }
    }

    #[test]
    fn each_of_the_last_five_batches_is_known_again_and_the_sixth_is_out_of_order() {
        let mut producers = Producers::default();
        for i in 0..6 {
            let header = batch(0, i * 10, 10, i64::from(i) * 10);
            assert_eq!(producers.judge(&header), Ok(Verdict::Append));
            producers.note(&header, None);
        }
        for i in 1..6 {
            let again = producers.judge(&batch(0, i * 10, 10, 999));
            let base_offset = i64::from(i) * 10;
            assert_eq!(again, Ok(Verdict::Duplicate { base_offset, timestamp: 1_000 }));
        }
        let forgotten = producers.judge(&batch(0, 0, 10, 999));
        assert_eq!(forgotten, Err(ResponseError::OutOfOrderSequenceNumber));
    }

    #[test]
    fn a_gap_in_the_sequence_is_refused_and_an_older_epoch_is_fenced() {
        let mut producers = Producers::default();
        producers.note(&batch(3, 0, 10, 0), None);
        let gap = producers.judge(&batch(3, 11, 1, 0));
        assert_eq!(gap, Err(ResponseError::OutOfOrderSequenceNumber));
        let zombie = producers.judge(&batch(2, 10, 1, 0));
        assert_eq!(zombie, Err(ResponseError::InvalidProducerEpoch));
        assert_eq!(producers.judge(&batch(4, 0, 1, 0)), Ok(Verdict::Append));
        let midway = producers.judge(&batch(4, 5, 1, 0));
        assert_eq!(midway, Err(ResponseError::OutOfOrderSequenceNumber));
    }

    #[test]
    fn a_transactional_batch_needs_an_admission_that_the_marker_takes_away() {
        let mut producers = Producers::default();
        let first = transactional(batch(0, 0, 10, 0));
        assert_eq!(producers.judge(&first), Err(ResponseError::InvalidTxnState));
        producers.admit(9, 0);
        assert_eq!(producers.judge(&first), Ok(Verdict::Append));
        producers.note(&first, None);
        assert_eq!(producers.first_open_offset(), Some(0));

        producers.note(&marker(0, 10), Some(true));
        assert_eq!(producers.first_open_offset(), None);
        let late = producers.judge(&transactional(batch(0, 10, 1, 11)));
        assert_eq!(late, Err(ResponseError::InvalidTxnState));
        assert_eq!(producers.aborted(0, 100).count(), 0);
    }

    #[test]
    fn an_aborted_transaction_is_listed_for_the_offsets_it_touches_only() {
        let mut producers = Producers::default();
        producers.admit(9, 0);
        producers.note(&transactional(batch(0, 0, 10, 20)), None);
        producers.note(&marker(1, 35), Some(false));

        let found: Vec<_> = producers.aborted(0, 21).copied().collect();
        assert_eq!(found, [Aborted { producer_id: 9, first_offset: 20, last_offset: 35 }]);
        assert_eq!(producers.aborted(35, 36).count(), 1);
        assert_eq!(producers.aborted(36, 100).count(), 0);
        assert_eq!(producers.aborted(0, 20).count(), 0);
        // The marker of a fencing abort carries the new epoch.
        let zombie = producers.judge(&transactional(batch(0, 10, 1, 36)));
        assert_eq!(zombie, Err(ResponseError::InvalidProducerEpoch));
    }

    #[test]
    fn forgetting_spares_who_is_in_a_transaction() {
        let mut producers = Producers::default();
        producers.admit(9, 0);
        producers.note(&transactional(batch(0, 0, 1, 0)), None);
        producers.forget(0, 5_000);
        assert_eq!(producers.view().len(), 1);
        producers.note(&marker(0, 1), Some(false));
        producers.forget(2, 5_000);
        assert_eq!(producers.view().len(), 0);
        assert_eq!(producers.aborted(0, 100).count(), 0);
    }
}
