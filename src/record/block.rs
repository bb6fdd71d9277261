//! Records of one partition, in one buffer.
//!
//! A record may hold many rows (Arrow). Such a block is unpacked into another one,
//! in which each row is a record: [`Block::rows_of`]. From there on a stage counts,
//! keeps and drops rows as it does records.

use std::ops::Range;

use super::{HeaderIter, Position, REPLAY_HEADER, RUN_HEADER, Room, TRACE_HEADER, Topic, headers};

/// As in Kafka; other negative numbers are times before 1970.
const NO_TIMESTAMP: i64 = -1;

/// What a poll took from one partition, in the order of its offsets.
///
/// Values, keys and headers stand back to back in one buffer of less than
/// 4 GiB; a record is a few numbers beside it.
#[derive(Debug, Clone)]
pub struct Block {
    topic: Topic,
    partition: i32,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    /// Of rows alone: what each takes on the wire, and the offset behind them.
    unpacked: Option<Unpacked>,
}

#[derive(Debug, Clone)]
struct Unpacked {
    sizes: Vec<u32>,
    next_offset: Option<i64>,
}

/// The parts of a record that its rows share, in a block of rows.
#[derive(Debug, Clone)]
pub struct SharedParts {
    slot: Slot,
    /// Not yet said of a row.
    size: u32,
}

impl SharedParts {
    /// Rows that have keys of their own have no other.
    pub fn drop_key(&mut self) {
        self.slot.key = None;
    }
}

/// What a row has of its own, instead of what its record says.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowParts<'a> {
    pub key: Option<&'a [u8]>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

#[derive(Debug, Clone)]
struct Slot {
    offset: i64,
    /// Milliseconds since the epoch, or [`NO_TIMESTAMP`].
    timestamp: i64,
    value: Option<Range<u32>>,
    key: Option<Range<u32>>,
    headers: Range<u32>,
}

impl Block {
    pub fn new(topic: Topic, partition: i32) -> Self {
        Self { topic, partition, bytes: Vec::new(), slots: Vec::new(), unpacked: None }
    }

    /// As [`Block::new`], with room for records.
    pub fn with_room(topic: Topic, partition: i32, room: Room) -> Self {
        let (bytes, slots) = room.vecs();
        Self { bytes, slots, ..Self::new(topic, partition) }
    }

    /// What it takes to hold it.
    pub fn room(&self) -> Room {
        Room::new(self.slots.len(), self.bytes.len())
    }

    /// An empty block for the rows of this one's records: as this one in all else.
    #[must_use]
    pub fn rows_of(&self) -> Self {
        let unpacked = Unpacked { sizes: Vec::new(), next_offset: self.next_offset() };
        Self { unpacked: Some(unpacked), ..Self::new(self.topic.clone(), self.partition) }
    }

    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of all values, keys and headers.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The offset after the last record: what a commit of this block commits.
    pub fn next_offset(&self) -> Option<i64> {
        match &self.unpacked {
            Some(unpacked) => unpacked.next_offset,
            None => self.slots.last().map(|slot| slot.offset + 1),
        }
    }

    /// Appends a record; headers as they come from the wire.
    pub fn push<'h>(
        &mut self,
        offset: i64,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) {
        let value = value.map(|value| self.append(value));
        let key = key.map(|key| self.append(key));
        let start = self.bytes.len() as u32;
        for (name, value) in headers {
            headers::append(&mut self.bytes, name, value);
        }
        let headers = start..self.bytes.len() as u32;
        let timestamp = timestamp.unwrap_or(NO_TIMESTAMP);
        self.slots.push(Slot { offset, timestamp, value, key, headers });
    }

    /// Takes over key, timestamp and headers of a record of so many rows, which follow.
    pub fn share(&mut self, record: &Record<'_>, rows: usize) -> SharedParts {
        self.slots.reserve(rows);
        if let Some(unpacked) = &mut self.unpacked {
            unpacked.sizes.reserve(rows);
        }
        let key = record.key().map(|key| self.append(key));
        let headers = self.append(record.part(&record.slot.headers));
        let Slot { offset, timestamp, .. } = *record.slot;
        let slot = Slot { offset, timestamp, value: Some(0..0), key, headers };
        SharedParts { slot, size: record.size() as u32 }
    }

    /// Appends a row of the record that `shared` is of: what the row has of its
    /// own stands in place of the record's. The first row stands for the bytes of
    /// the record.
    pub fn push_row<'h>(
        &mut self,
        shared: &mut SharedParts,
        own: RowParts<'_>,
        headers: Option<impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>>,
    ) {
        let mut slot = shared.slot.clone();
        if let Some(key) = own.key {
            slot.key = Some(self.append(key));
        }
        slot.timestamp = own.timestamp.unwrap_or(slot.timestamp);
        if let Some(headers) = headers {
            let start = self.bytes.len() as u32;
            for (name, value) in headers {
                headers::append(&mut self.bytes, name, value);
            }
            slot.headers = start..self.bytes.len() as u32;
        }
        self.push_slot(slot, std::mem::take(&mut shared.size));
    }

    /// Appends a record as it came, which has no rows: malformed, or a tombstone.
    pub fn push_whole(&mut self, record: &Record<'_>) {
        let mut shared = self.share(record, 1);
        shared.slot.value = record.value().map(|value| self.append(value));
        self.push_slot(shared.slot, shared.size);
    }

    /// The first and the second half of its records, which must be records as they came.
    pub fn halves(&self) -> (Self, Self) {
        let new = || Self::new(self.topic.clone(), self.partition);
        let (mut first, mut second) = (new(), new());
        for record in self.iter() {
            let half = if record.index < self.len() / 2 { &mut first } else { &mut second };
            half.push_whole(&record);
        }
        (first, second)
    }

    fn push_slot(&mut self, slot: Slot, size: u32) {
        self.slots.push(slot);
        if let Some(unpacked) = &mut self.unpacked {
            unpacked.sizes.push(size);
        }
    }

    fn append(&mut self, part: &[u8]) -> Range<u32> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        start..self.bytes.len() as u32
    }

    /// The record at `index`, which must be under [`Block::len`].
    pub fn record(&self, index: usize) -> Record<'_> {
        Record { block: self, slot: &self.slots[index], index }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        let slots = self.slots.iter().enumerate();
        slots.map(|(index, slot)| Record { block: self, slot, index })
    }
}

/// One record of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    block: &'a Block,
    slot: &'a Slot,
    index: usize,
}

impl<'a> Record<'a> {
    pub fn position(&self) -> Position {
        Position {
            topic: self.block.topic.clone(),
            partition: self.block.partition,
            offset: self.slot.offset,
        }
    }

    pub fn partition(&self) -> i32 {
        self.block.partition
    }

    pub fn offset(&self) -> i64 {
        self.slot.offset
    }

    /// Milliseconds since the epoch, where the record has a timestamp.
    pub fn timestamp(&self) -> Option<i64> {
        (self.slot.timestamp != NO_TIMESTAMP).then_some(self.slot.timestamp)
    }

    /// The value; `None` for a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.slot.value.as_ref().map(|range| self.part(range))
    }

    pub fn key(&self) -> Option<&'a [u8]> {
        self.slot.key.as_ref().map(|range| self.part(range))
    }

    pub fn has_headers(&self) -> bool {
        !self.slot.headers.is_empty()
    }

    pub fn headers(&self) -> HeaderIter<'a> {
        HeaderIter::new(self.part(&self.slot.headers))
    }

    /// The bounded run that the record belongs to, from its last run header.
    pub fn run(&self) -> Option<&'a [u8]> {
        self.last(RUN_HEADER)
    }

    /// The trace that the record belongs to, from its last trace header.
    pub fn trace(&self) -> Option<&'a [u8]> {
        self.last(TRACE_HEADER)
    }

    fn last(&self, name: &str) -> Option<&'a [u8]> {
        if !self.has_headers() {
            return None;
        }
        self.headers().filter(|(key, _)| *key == name).last().and_then(|(_, value)| value)
    }

    /// The stage that alone is to work on the record: a dead letter replayed to this topic.
    pub fn replayed_for(&self) -> Option<&'a str> {
        if !self.has_headers() {
            return None;
        }
        let (_, value) = self.headers().filter(|(key, _)| *key == REPLAY_HEADER).last()?;
        let (topic, stage) = std::str::from_utf8(value?).ok()?.split_once(' ')?;
        (topic == &*self.block.topic).then_some(stage)
    }

    /// Bytes of key, value and headers: what was written, not what keeping it takes.
    pub fn size(&self) -> usize {
        if let Some(unpacked) = &self.block.unpacked {
            return unpacked.sizes[self.index] as usize;
        }
        let length = |range: &Range<u32>| range.len();
        let headers = self.headers().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        self.slot.value.as_ref().map_or(0, length)
            + self.slot.key.as_ref().map_or(0, length)
            + headers.sum::<usize>()
    }

    fn part(&self, range: &Range<u32>) -> &'a [u8] {
        &self.block.bytes[range.start as usize..range.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_parts_apart() {
        let mut block = Block::new("orders".into(), 3);
        block.push(7, Some(11), Some(b"k"), Some(b"value"), [("h", Some(&b"1"[..]))]);
        block.push(9, None, None, None, []);

        let first = block.record(0);
        assert_eq!(first.position().to_string(), "orders/3@7");
        assert_eq!((first.key(), first.value()), (Some(&b"k"[..]), Some(&b"value"[..])));
        assert_eq!(first.headers().collect::<Vec<_>>(), [("h", Some(&b"1"[..]))]);
        assert_eq!(first.timestamp(), Some(11));
        assert_eq!(first.size(), "k".len() + "value".len() + "h".len() + "1".len());

        let second = block.record(1);
        assert_eq!((second.key(), second.value(), second.timestamp()), (None, None, None));
        assert!(!second.has_headers());
        assert_eq!(block.next_offset(), Some(10));
    }

    #[test]
    fn the_halves_of_a_block_are_its_records_in_their_order() {
        let mut block = Block::new("orders".into(), 3);
        block.push(7, Some(0), Some(b"k"), Some(b"a"), [("h", Some(&b"1"[..]))]);
        block.push(8, None, None, None, []);
        block.push(11, Some(3), None, Some(b"c"), []);
        let parts = |block: &Block| {
            let parts = |record: Record<'_>| {
                let headers: Vec<String> =
                    record.headers().map(|header| format!("{header:?}")).collect();
                let bytes = [record.key(), record.value()].map(|part| part.map(<[u8]>::to_vec));
                (record.offset(), record.timestamp(), bytes, headers)
            };
            block.iter().map(parts).collect::<Vec<_>>()
        };
        let (first, second) = block.halves();
        assert_eq!([parts(&first), parts(&second)].concat(), parts(&block));
        assert_eq!((first.len(), first.next_offset()), (1, Some(8)));
        assert_eq!((second.partition(), second.next_offset()), (3, Some(12)));
    }

    #[test]
    fn rows_share_what_their_record_has_and_its_bytes_are_counted_once() {
        let mut packed = Block::new("orders".into(), 3);
        let run = (RUN_HEADER, Some(&b"r"[..]));
        packed.push(7, Some(11), Some(b"k"), Some(b"two rows"), [run]);
        packed.push(9, Some(12), None, None, []);
        packed.push(10, Some(13), None, Some(b"no rows"), []);

        let mut rows = packed.rows_of();
        let mut shared = rows.share(&packed.record(0), 2);
        rows.push_row(&mut shared, RowParts::default(), None::<HeaderIter<'_>>);
        let own = RowParts { key: Some(b"own"), timestamp: Some(5) };
        rows.push_row(&mut shared, own, Some([("h", Some(&b"1"[..]))]));
        rows.push_whole(&packed.record(1));

        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.offset(), row.key(), row.timestamp(), row.run(), row.value()))
            .collect();
        assert_eq!(
            found,
            [
                (7, Some(&b"k"[..]), Some(11), Some(&b"r"[..]), Some(&b""[..])),
                (7, Some(&b"own"[..]), Some(5), None, Some(&b""[..])),
                (9, None, Some(12), None, None),
            ]
        );
        let sizes: Vec<_> = rows.iter().map(|row| row.size()).collect();
        assert_eq!(sizes, [packed.record(0).size(), 0, 0]);
        assert_eq!(rows.next_offset(), Some(11), "behind the record that has no rows");
    }
}
