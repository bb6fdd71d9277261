//! Topics, transactions and the offsets of groups, in memory.
//!
//! # Guarantees
//!
//! What a transaction wrote can be read, and its offsets are committed, once it
//! is committed and not before. As in Kafka the end of a transaction takes an
//! offset of each partition that it wrote to, and what was aborted leaves a
//! gap, so nobody who is tested here may count on offsets without holes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    broker::{BrokerError, CommittedOffset, OffsetCommit},
    dead_letter::DeadLetter,
    record::{Block, Topic, partition_of},
};

/// A record as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl TestRecord {
    /// The key as text, `None` where there is none.
    pub fn key_text(&self) -> Option<String> {
        self.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// The value as text; `null` for a tombstone.
    pub fn text(&self) -> String {
        let value = self.value.as_deref().unwrap_or(b"null");
        String::from_utf8_lossy(value).into_owned()
    }

    /// The last header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(header, _)| header == name)?;
        value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Bytes of key, value and headers, as accounts count them.
    pub fn size(&self) -> usize {
        let mut block = Block::new("".into(), self.partition);
        self.push_to(&mut block);
        block.iter().map(|record| record.size()).sum()
    }

    /// Where and why it died; `None` where it is no dead letter.
    pub fn dead_letter(&self) -> Option<DeadLetter> {
        let mut block = Block::new("".into(), self.partition);
        self.push_to(&mut block);
        DeadLetter::read(&block.record(0))
    }

    fn push_to(&self, block: &mut Block) {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        block.push(self.offset, Some(self.timestamp), key, value, headers);
    }
}

/// A record that is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    pub key: Option<&'a [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since the epoch; `None` for the driver's now.
    pub timestamp: Option<i64>,
    /// `None`: by the key as Kafka does, or without a key each in turn.
    pub partition: Option<i32>,
}

/// Shared by the driver and the producers of its stages.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Inner>>);

impl Memory {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    topics: BTreeMap<Topic, MemoryTopic>,
    /// What is written and neither committed nor aborted, by transactional id.
    open: BTreeMap<String, Vec<(Topic, TestRecord)>>,
    /// For each group, the next offset of a partition and the metadata beside it.
    groups: BTreeMap<String, BTreeMap<i32, (i64, String)>>,
    /// Topics that take no records.
    refusing: BTreeSet<String>,
    /// Milliseconds since the epoch, for records that bring no time.
    pub(super) time: i64,
}

#[derive(Debug, Default)]
struct MemoryTopic {
    partitions: Vec<Log>,
    /// Records without a key so far.
    keyless: usize,
}

#[derive(Debug, Clone, Default)]
struct Log {
    /// Committed, by offset.
    records: Vec<TestRecord>,
    /// The offset of the next record.
    end: i64,
}

/// How much one read may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadLimits {
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
}

impl Inner {
    /// Makes a topic; one that is there stays as it is.
    pub(super) fn add_topic(&mut self, name: &str, partitions: usize) {
        self.topics.entry(name.into()).or_insert_with(|| MemoryTopic {
            partitions: vec![Log::default(); partitions.max(1)],
            keyless: 0,
        });
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(AsRef::as_ref)
    }

    pub(super) fn partitions(&self, topic: &str) -> usize {
        self.topics.get(topic).map_or(0, |topic| topic.partitions.len())
    }

    pub(super) fn refuse(&mut self, topic: &str, refuse: bool) {
        if refuse {
            self.refusing.insert(topic.to_owned());
        } else {
            self.refusing.remove(topic);
        }
    }

    /// The record with its partition and time, not yet with an offset.
    fn place(&mut self, topic: &Topic, record: NewRecord<'_>) -> Result<TestRecord, BrokerError> {
        let missing = || BrokerError::TopicMissing { topic: topic.clone() };
        let known = self.topics.get_mut(topic).ok_or_else(missing)?;
        if self.refusing.contains(&**topic) {
            return Err(BrokerError::timed_out("send a record"));
        }
        let count = known.partitions.len();
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, count) as i32,
            (None, None) => {
                known.keyless += 1;
                ((known.keyless - 1) % count) as i32
            }
        };
        if usize::try_from(partition).is_ok_and(|partition| partition < count) {
            let headers = record.headers.iter();
            Ok(TestRecord {
                partition,
                offset: -1,
                timestamp: record.timestamp.unwrap_or(self.time),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers
                    .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
                    .collect(),
            })
        } else {
            Err(BrokerError::PartitionMissing { topic: topic.clone(), partition })
        }
    }

    fn log(&mut self, topic: &str, partition: i32) -> Option<&mut Log> {
        let partition = usize::try_from(partition).ok()?;
        self.topics.get_mut(topic)?.partitions.get_mut(partition)
    }

    fn append(&mut self, topic: &str, mut record: TestRecord) {
        if let Some(log) = self.log(topic, record.partition) {
            record.offset = log.end;
            log.end += 1;
            log.records.push(record);
        }
    }

    /// Writes a record outside of any transaction.
    pub(super) fn write(
        &mut self,
        topic: &Topic,
        record: NewRecord<'_>,
    ) -> Result<(), BrokerError> {
        let record = self.place(topic, record)?;
        self.append(topic, record);
        Ok(())
    }

    /// Writes a record in the open transaction of `id`.
    pub(super) fn send(
        &mut self,
        id: &str,
        topic: &Topic,
        record: NewRecord<'_>,
    ) -> Result<(), BrokerError> {
        let record = self.place(topic, record)?;
        self.open.entry(id.to_owned()).or_default().push((topic.clone(), record));
        Ok(())
    }

    pub(super) fn commit(&mut self, id: &str, group: &str, offsets: &[OffsetCommit]) {
        let written = self.open.remove(id).unwrap_or_default();
        let touched = touched(&written);
        for (topic, record) in written {
            self.append(&topic, record);
        }
        self.mark(&touched);
        let committed = self.groups.entry(group.to_owned()).or_default();
        for OffsetCommit { partition, next_offset, metadata } in offsets {
            committed.insert(*partition, (*next_offset, metadata.clone()));
        }
    }

    /// Ends what `id` left open, if it did.
    pub(super) fn abort(&mut self, id: &str) {
        let written = self.open.remove(id).unwrap_or_default();
        for (topic, record) in &written {
            if let Some(log) = self.log(topic, record.partition) {
                log.end += 1;
            }
        }
        self.mark(&touched(&written));
    }

    /// The marker that ends a transaction takes an offset.
    fn mark(&mut self, touched: &BTreeSet<(Topic, i32)>) {
        for (topic, partition) in touched {
            if let Some(log) = self.log(topic, *partition) {
                log.end += 1;
            }
        }
    }

    /// The committed records of a partition from an offset on; `None` where there are none.
    pub(super) fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        limits: ReadLimits,
    ) -> Option<Block> {
        let log = self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?)?;
        let start = log.records.partition_point(|record| record.offset < from);
        let mut block = Block::new(topic.clone(), partition);
        for record in &log.records[start..] {
            if block.len() >= limits.records_max || block.size() >= limits.bytes_max {
                break;
            }
            record.push_to(&mut block);
        }
        (!block.is_empty()).then_some(block)
    }

    /// The committed records of a topic, by partition and offset.
    pub(super) fn records(&self, topic: &str) -> Vec<TestRecord> {
        let logs = self.topics.get(topic).into_iter().flat_map(|topic| &topic.partitions);
        logs.flat_map(|log| &log.records).cloned().collect()
    }

    /// What a group has committed of the first `partitions` of its topic.
    pub(super) fn committed(&self, group: &str, partitions: usize) -> Vec<CommittedOffset> {
        let of_group = self.groups.get(group);
        let partitions = 0..partitions as i32;
        partitions
            .map(|partition| match of_group.and_then(|group| group.get(&partition)) {
                Some((next_offset, metadata)) => CommittedOffset {
                    partition,
                    next_offset: Some(*next_offset),
                    metadata: metadata.clone(),
                },
                None => CommittedOffset { partition, next_offset: None, metadata: String::new() },
            })
            .collect()
    }
}

fn touched(written: &[(Topic, TestRecord)]) -> BTreeSet<(Topic, i32)> {
    written.iter().map(|(topic, record)| (topic.clone(), record.partition)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ReadLimits = ReadLimits { records_max: usize::MAX, bytes_max: usize::MAX };

    fn value(value: &str) -> NewRecord<'_> {
        NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() }
    }

    #[test]
    fn a_transaction_is_seen_whole_with_its_offsets_or_not_at_all() {
        let memory = Memory::default();
        let mut inner = memory.lock();
        inner.add_topic("out", 1);
        let out: Topic = "out".into();
        inner.send("a", &out, value("lost")).unwrap();
        inner.send("b", &out, value("kept")).unwrap();
        assert_eq!(inner.records("out"), []);
        inner.abort("a");
        assert_eq!(inner.committed("group", 1)[0].next_offset, None);
        let offset = OffsetCommit { partition: 0, next_offset: 7, metadata: "m".to_owned() };
        inner.commit("b", "group", &[offset]);

        let texts: Vec<_> = inner.records("out").iter().map(TestRecord::text).collect();
        assert_eq!(texts, ["kept"]);
        assert_eq!(inner.committed("group", 1)[0].next_offset, Some(7));
        assert_eq!(inner.committed("other", 1)[0].next_offset, None);
        // The aborted record and its marker hold offsets 0 and 1.
        assert_eq!(inner.records("out")[0].offset, 2);
        inner.write(&out, value("later")).unwrap();
        assert_eq!(inner.records("out")[1].offset, 4);
    }

    #[test]
    fn a_read_begins_at_its_offset_and_keeps_its_limits() {
        let memory = Memory::default();
        let mut inner = memory.lock();
        inner.add_topic("in", 2);
        let topic: Topic = "in".into();
        for text in ["a", "b", "c", "d", "e"] {
            inner.write(&topic, NewRecord { partition: Some(1), ..value(text) }).unwrap();
        }
        let two = ReadLimits { records_max: 2, ..ALL };
        let block = inner.read(&topic, 1, 2, two).unwrap();
        let offsets: Vec<_> = block.iter().map(|record| record.offset()).collect();
        assert_eq!((offsets, block.partition()), (vec![2, 3], 1));
        assert!(inner.read(&topic, 1, 5, ALL).is_none());
        assert!(inner.read(&topic, 0, 0, ALL).is_none());
        assert!(matches!(
            inner.write(&topic, NewRecord { partition: Some(2), ..value("f") }),
            Err(BrokerError::PartitionMissing { partition: 2, .. })
        ));
    }
}
