//! What a stage asks of a producer; the real one and the test driver's answer to it.

use std::sync::Arc;

use super::{BrokerError, OutHeaders, SetParts};
use crate::record::{Block, EncodedRows, HeaderBytes, Record, Topic};

/// A transaction at a time: begin, send, commit or abort.
pub trait Produce {
    fn begin(&mut self) -> Result<(), BrokerError>;

    /// Hands over encoded rows; they are delivered when `commit` returns.
    fn send_batch(&mut self, topic: &Topic, batch: &OutBatch) -> Result<(), BrokerError>;

    /// Hands over one record: a dead letter, a lineage event.
    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), BrokerError>;

    /// Commits what was sent, and these offsets of the stage's group with it.
    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError>;

    /// Leaves nothing behind of the transaction that is open, if one is.
    fn abort(&mut self) -> Result<(), BrokerError>;

    /// Makes a fresh producer of the same transactional id, which also ends
    /// whatever transaction an earlier one left open.
    fn rebuild(&mut self) -> Result<(), BrokerError>;

    /// The consumer lost partitions `losses` times while records of theirs were
    /// under way, and all that it holds since then is assigned anew. After a loss
    /// that this does not count, no offsets can be committed.
    fn allow_commits(&mut self, losses: u64);
}

/// Encoded rows on their way out, each with the input record it came from,
/// whose key, timestamp and headers it keeps unless they are set.
#[derive(Debug, Clone)]
pub struct OutBatch {
    pub block: Arc<Block>,
    /// A value for each row; where rows are packed, one for each pack.
    pub rows: EncodedRows,
    /// For each row, the index of its record in `block`; ascending.
    pub origins: Vec<u32>,
    /// Records of many rows, and the tombstones between them, as they are sent.
    pub packs: Option<Vec<OutPack>>,
    /// What is set of the rows, in their order.
    pub set: SetParts,
    /// Records of `block` that pass as tombstones; ascending, none of them in `origins`.
    pub tombstones: Vec<u32>,
    /// The trace header of the records that are of its trace; the others keep theirs.
    pub trace: Option<[u8; 55]>,
}

/// A record of many rows, all of one bounded run or of none; or a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutPack {
    /// The index of its value; `None`: a tombstone.
    pub value: Option<u32>,
    /// The input record of its first row, or the tombstone.
    pub record: u32,
    /// `None`: any, or by the key of a tombstone.
    pub partition: Option<i32>,
    /// The latest of its rows' timestamps.
    pub timestamp: Option<i64>,
}

impl OutBatch {
    /// Every record to send. Without packs they come in the order of the input records.
    pub fn records(&self) -> impl Iterator<Item = OutRow<'_>> {
        self.sent().map(|(_, row)| row)
    }

    /// Every record to send, with the index of its input record.
    fn sent(&self) -> impl Iterator<Item = (u32, OutRow<'_>)> {
        let trace = self.trace.as_ref().map(<[u8; 55]>::as_slice);
        let packs = self.packs.iter().flatten().map(move |pack| {
            let input = self.block.record(pack.record as usize);
            let value = pack.value.map(|index| self.rows.row(index as usize));
            let row = OutRow {
                key: if value.is_none() { input.key() } else { None },
                value,
                partition: pack.partition,
                timestamp: pack.timestamp,
                headers: pack.headers(input).traced(trace),
            };
            (pack.record, row)
        });
        let rows = self.order().filter(|_| self.packs.is_none()).map(move |(row, origin)| {
            let input = self.block.record(origin as usize);
            let headers = row.and_then(|row| self.set.headers(row, input));
            let row = OutRow {
                key: row.map_or(input.key(), |row| self.set.key(row, input.key())),
                value: row.map(|row| self.rows.row(row)),
                partition: None,
                timestamp: row.and_then(|row| self.set.timestamp(row)).or(input.timestamp()),
                headers: headers.unwrap_or_else(|| OutHeaders::kept(input.headers())).traced(trace),
            };
            (origin, row)
        });
        packs.chain(rows)
    }

    /// For each row and tombstone, the index of its input record; ascending.
    pub fn inputs(&self) -> impl Iterator<Item = u32> {
        self.order().map(|(_, record)| record)
    }

    /// Bytes of all keys, values and headers that it sends.
    pub fn size(&self) -> usize {
        self.sizes().map(|(_, size)| size).sum()
    }

    /// For each record that it sends, the index of its input record, and the
    /// bytes of its key, value and headers.
    pub fn sizes(&self) -> impl Iterator<Item = (u32, usize)> {
        self.sent().map(|(record, row)| (record, row.size()))
    }

    /// The row's index, or `None` for a tombstone, and the index of its input record.
    fn order(&self) -> impl Iterator<Item = (Option<usize>, u32)> {
        let mut rows = self.origins.iter().copied().enumerate().peekable();
        let mut tombstones = self.tombstones.iter().copied().peekable();
        std::iter::from_fn(move || match (rows.peek(), tombstones.peek()) {
            (Some((_, row)), Some(tombstone)) if tombstone < row => {
                tombstones.next().map(|record| (None, record))
            }
            (Some(_), _) => rows.next().map(|(row, record)| (Some(row), record)),
            (None, _) => tombstones.next().map(|record| (None, record)),
        })
    }
}

impl OutPack {
    /// A tombstone keeps its headers; rows have theirs inside, and share their run's.
    fn headers<'a>(&self, input: Record<'a>) -> OutHeaders<'a> {
        match self.value {
            Some(_) => OutHeaders::of_run(input),
            None => OutHeaders::kept(input.headers()),
        }
    }
}

/// One record of an [`OutBatch`].
#[derive(Debug, Clone)]
pub struct OutRow<'a> {
    pub key: Option<&'a [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    /// `None`: by the key, as Kafka's own default partitioner does.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` for now.
    pub timestamp: Option<i64>,
    pub headers: OutHeaders<'a>,
}

impl OutRow<'_> {
    /// Bytes of key, value and headers.
    fn size(self) -> usize {
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        length(self.key) + length(self.value) + self.headers.size()
    }
}

/// One record to send.
#[derive(Debug, Clone)]
pub struct OutRecord<'a> {
    pub topic: &'a Topic,
    /// `None`: by the key, as Kafka's own default partitioner does.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a HeaderBytes,
    /// Milliseconds since the epoch; `None` for now.
    pub timestamp: Option<i64>,
}

/// An input offset to commit: the next one to read, with the partition's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    pub partition: i32,
    pub next_offset: i64,
    pub metadata: String,
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, Int64Array, MapBuilder, StringBuilder, TimestampMicrosecondArray,
    };

    use super::*;
    use crate::record::{RUN_HEADER, TRACE_HEADER};

    #[test]
    fn rows_and_tombstones_leave_in_the_order_of_their_records() {
        let batch = OutBatch {
            block: Arc::new(Block::new("orders".into(), 0)),
            rows: EncodedRows::default(),
            origins: vec![0, 2, 2, 5],
            packs: None,
            set: SetParts::default(),
            tombstones: vec![1, 6],
            trace: None,
        };
        let order: Vec<_> = batch.order().collect();
        assert_eq!(
            order,
            [(Some(0), 0), (None, 1), (Some(1), 2), (Some(2), 2), (Some(3), 5), (None, 6)]
        );
    }
    type Sent = (Option<String>, Option<i64>, Vec<(String, Option<String>)>);

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn sent(batch: &OutBatch) -> Vec<Sent> {
        let records = batch.records().map(|record| {
            let headers = record.headers.map(|(name, value)| (name.to_owned(), value.map(text)));
            (record.key.map(text), record.timestamp, headers.collect())
        });
        records.collect()
    }

    fn header(name: &str, value: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), value.map(str::to_owned))
    }

    /// Records 0 to 2 of one run, with a header `h`; record 1 is a tombstone.
    fn batch_of_a_run(set: SetParts) -> OutBatch {
        let mut block = Block::new("orders".into(), 0);
        for offset in 0..3_u8 {
            let value = (offset != 1).then_some(&b"in"[..]);
            let headers = [("h", Some(&b"1"[..])), (RUN_HEADER, Some(&b"r"[..]))];
            block.push(i64::from(offset), Some(7), Some(b"k"), value, headers);
        }
        let mut rows = EncodedRows::default();
        (0..2).for_each(|_| rows.end_row());
        OutBatch {
            block: Arc::new(block),
            rows,
            origins: vec![0, 2],
            packs: None,
            set,
            tombstones: vec![1],
            trace: None,
        }
    }

    #[test]
    fn what_is_not_set_is_kept() {
        let batch = batch_of_a_run(SetParts::default());
        let headers = vec![header("h", Some("1")), header(RUN_HEADER, Some("r"))];
        assert_eq!(sent(&batch), vec![(Some("k".to_owned()), Some(7), headers); 3]);
    }

    #[test]
    fn what_is_set_is_of_rows_alone_and_a_row_stays_in_its_run() {
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(5)]));
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-5_000_000, 9_000]));
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (name, value) in [("a", Some("1")), (RUN_HEADER, Some("forged")), ("b", None)] {
            maps.keys().append_value(name);
            maps.values().append_option(value);
        }
        maps.append(true).unwrap();
        maps.append(false).unwrap();
        let maps: ArrayRef = Arc::new(maps.finish());
        let set = SetParts::new(Some(&keys), Some(&times), Some(&maps)).unwrap();
        let batch = batch_of_a_run(set);

        let run = header(RUN_HEADER, Some("r"));
        let key = |key: &str| Some(key.to_owned());
        assert_eq!(
            sent(&batch),
            [
                (None, Some(7), vec![header("a", Some("1")), header("b", None), run.clone()]),
                (key("k"), Some(7), vec![header("h", Some("1")), run.clone()]),
                (key("5"), Some(9), vec![run]),
            ]
        );
        let headers = "a1b".len() + "kh1".len() + "5".len();
        assert_eq!(batch.size(), headers + 3 * (RUN_HEADER.len() + 1));
    }

    /// The trace of a record goes on with the stage's span; a record of another
    /// trace, and what is no trace, stay as they are. Sizes do not change.
    #[test]
    fn a_record_goes_on_in_its_own_trace() {
        const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        const NEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-1111111111111111-01";
        let mut block = Block::new("orders".into(), 0);
        for (offset, trace) in [OWN, OTHER, "none"].into_iter().enumerate() {
            let headers = [("h", Some(&b"1"[..])), (TRACE_HEADER, Some(trace.as_bytes()))];
            block.push(offset as i64, None, None, Some(b"in"), headers);
        }
        let mut rows = EncodedRows::default();
        (0..3).for_each(|_| rows.end_row());
        let set = SetParts::default();
        let block = Arc::new(block);
        let mut batch = OutBatch {
            block,
            rows,
            origins: vec![0, 1, 2],
            packs: None,
            set,
            tombstones: vec![],
            trace: None,
        };
        let size = batch.size();
        batch.trace = NEXT.as_bytes().try_into().ok();

        let traces: Vec<_> =
            sent(&batch).into_iter().map(|(.., headers)| headers[1].clone()).collect();
        let trace = |value| header(TRACE_HEADER, Some(value));
        assert_eq!(traces, [trace(NEXT), trace(OTHER), trace("none")]);
        assert_eq!(batch.size(), size);
    }
}
