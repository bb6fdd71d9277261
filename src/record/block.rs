//! Records of one partition, in one buffer.

use std::ops::Range;

use super::{HeaderIter, Position, REPLAY_HEADER, RUN_HEADER, TRACE_HEADER, Topic, headers};

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
}

#[derive(Debug, Clone)]
struct Slot {
    offset: i64,
    /// Milliseconds since the epoch; negative where the record has none.
    timestamp: i64,
    value: Option<Range<u32>>,
    key: Option<Range<u32>>,
    headers: Range<u32>,
}

impl Block {
    pub fn new(topic: Topic, partition: i32) -> Self {
        Self { topic, partition, bytes: Vec::new(), slots: Vec::new() }
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
        self.slots.last().map(|slot| slot.offset + 1)
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
        self.slots.push(Slot { offset, timestamp: timestamp.unwrap_or(-1), value, key, headers });
    }

    fn append(&mut self, part: &[u8]) -> Range<u32> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        start..self.bytes.len() as u32
    }

    /// The record at `index`, which must be under [`Block::len`].
    pub fn record(&self, index: usize) -> Record<'_> {
        Record { block: self, slot: &self.slots[index] }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.slots.iter().map(|slot| Record { block: self, slot })
    }
}

/// One record of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    block: &'a Block,
    slot: &'a Slot,
}

impl<'a> Record<'a> {
    pub fn position(&self) -> Position {
        Position {
            topic: self.block.topic.clone(),
            partition: self.block.partition,
            offset: self.slot.offset,
        }
    }

    pub fn offset(&self) -> i64 {
        self.slot.offset
    }

    /// Milliseconds since the epoch, where the record has a timestamp.
    pub fn timestamp(&self) -> Option<i64> {
        (self.slot.timestamp >= 0).then_some(self.slot.timestamp)
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
}
