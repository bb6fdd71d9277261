//! Reads a topic from a place to its end, or on and on, without a group.

use std::{
    collections::BTreeMap,
    str::FromStr,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use super::{
    Broker, BrokerError,
    client::{QuietConsumer, partitions_in},
};
use crate::record::{Block, Topic};

/// Where to begin in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Beginning,
    End,
    /// An offset, the same in every partition.
    Offset(i64),
    /// The last so many records of each partition.
    Tail(i64),
    /// The first record at or after this time, in milliseconds since the epoch.
    Time(i64),
}

/// The text names no place to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give `beginning`, `end`, an offset, -N, or a time such as 2026-01-31T08:00:00Z")]
pub struct NoStart;

impl FromStr for StartAt {
    type Err = NoStart;

    fn from_str(text: &str) -> Result<Self, NoStart> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(offset) = text.parse::<i64>() {
            let tail = offset.checked_neg().ok_or(NoStart)?;
            return Ok(if offset < 0 { Self::Tail(tail) } else { Self::Offset(offset) });
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| NoStart)?;
        Ok(Self::Time(time.as_millisecond()))
    }
}

/// A reader of all partitions of one topic; sees committed records only.
pub struct Reader {
    client: BaseConsumer<QuietConsumer>,
    topic: Topic,
    /// Per partition: where reading stands, and the end when it was opened.
    cursors: Vec<Cursor>,
}

struct Cursor {
    partition: i32,
    next: i64,
    end: i64,
    /// The end was seen: what is left there is markers and aborted records,
    /// which are never handed out.
    ended: bool,
}

const TIMEOUT: Duration = Duration::from_secs(10);

impl Reader {
    pub fn open(broker: &Broker, topic: &Topic, start: StartAt) -> Result<Self, BrokerError> {
        Self::open_at(broker, topic, start, &BTreeMap::new())
    }

    /// Begins at these offsets by partition, and at `start` in all others.
    pub fn open_at(
        broker: &Broker,
        topic: &Topic,
        start: StartAt,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<Self, BrokerError> {
        let config = broker.client_config(&[
            // Never joined: librdkafka wants a name to hand records out by one queue.
            ("group.id", "lineage-hub-reader"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "50"),
            ("allow.auto.create.topics", "false"),
            ("enable.partition.eof", "true"),
            // Rarely more than a screenful is wanted.
            ("queued.max.messages.kbytes", "8192"),
        ]);
        let client = BaseConsumer::from_config_and_context(&config, QuietConsumer)
            .map_err(|source| BrokerError::Setup { source })?;
        let mut reader = Self { client, topic: topic.clone(), cursors: Vec::new() };
        reader.place(broker, start, offsets)?;
        Ok(reader)
    }

    fn place(
        &mut self,
        broker: &Broker,
        start: StartAt,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<(), BrokerError> {
        let metadata = self
            .client
            .fetch_metadata(Some(&self.topic), TIMEOUT)
            .map_err(|source| broker.unreachable(source))?;
        let partitions = partitions_in(&metadata, &self.topic)?;
        let fail = |source| BrokerError::of("find the place to read from", source);
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions as i32 {
            let (low, end) = self.watermarks(partition)?;
            let start = offsets.get(&partition).map_or(start, |offset| StartAt::Offset(*offset));
            let next = match start {
                StartAt::Beginning => low,
                StartAt::End => end,
                StartAt::Offset(offset) => offset.clamp(low, end.max(low)),
                StartAt::Tail(count) => end.saturating_sub(count).max(low),
                StartAt::Time(time) => self.offset_at(partition, time)?.unwrap_or(end),
            };
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next))
                .map_err(fail)?;
            self.cursors.push(Cursor { partition, next, end, ended: false });
        }
        self.client.assign(&list).map_err(fail)
    }

    /// A topic just made may not have a leader yet, so ask again for a while.
    fn watermarks(&self, partition: i32) -> Result<(i64, i64), BrokerError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.client.fetch_watermarks(&self.topic, partition, TIMEOUT) {
                Ok(marks) => return Ok(marks),
                Err(source) if Instant::now() > deadline => {
                    return Err(BrokerError::of("ask for a partition's offsets", source));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn offset_at(&self, partition: i32, time: i64) -> Result<Option<i64>, BrokerError> {
        let fail = |source| BrokerError::of("find the offset of a time", source);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(time)).map_err(fail)?;
        let found = self.client.offsets_for_times(list, TIMEOUT).map_err(fail)?;
        Ok(found.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// The next record, as a block of one; `None` after `timeout` without one.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Block>, BrokerError> {
        match self.client.poll(timeout) {
            Some(Ok(message)) => {
                let mut block = Block::new(self.topic.clone(), message.partition());
                let headers = message
                    .headers()
                    .into_iter()
                    .flat_map(|headers| headers.iter().map(|header| (header.key, header.value)));
                block.push(
                    message.offset(),
                    message.timestamp().to_millis(),
                    message.key(),
                    message.payload(),
                    headers,
                );
                let (partition, next) = (message.partition(), message.offset() + 1);
                drop(message);
                if let Some(cursor) = self.cursor(partition) {
                    cursor.next = next;
                }
                Ok(Some(block))
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                if let Some(cursor) = self.cursor(partition) {
                    cursor.ended = true;
                }
                Ok(None)
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "reading goes on");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn cursor(&mut self, partition: i32) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.partition == partition)
    }

    /// Goes to these offsets, by partition; the others stay where they are.
    pub fn seek(&mut self, offsets: &BTreeMap<i32, i64>) -> Result<(), BrokerError> {
        let mut list = TopicPartitionList::new();
        for index in 0..self.cursors.len() {
            let (low, end) = self.watermarks(self.cursors[index].partition)?;
            let cursor = &mut self.cursors[index];
            let wanted = offsets.get(&cursor.partition).copied().unwrap_or(cursor.next);
            cursor.next = wanted.clamp(low, end);
            list.add_partition_offset(&self.topic, cursor.partition, Offset::Offset(cursor.next))
                .map_err(|source| BrokerError::of("go to an offset", source))?;
        }
        self.client.assign(&list).map_err(|source| BrokerError::of("go to an offset", source))
    }

    /// Takes what is there now for the end that [`Reader::is_at_end`] asks for.
    pub fn reach_on(&mut self) -> Result<(), BrokerError> {
        let mut list = TopicPartitionList::new();
        for index in 0..self.cursors.len() {
            let (_, end) = self.watermarks(self.cursors[index].partition)?;
            let cursor = &mut self.cursors[index];
            (cursor.end, cursor.ended) = (end, false);
            list.add_partition_offset(&self.topic, cursor.partition, Offset::Offset(cursor.next))
                .map_err(|source| BrokerError::of("read on", source))?;
        }
        // Assigned anew, for the end of a partition is told once.
        self.client.assign(&list).map_err(|source| BrokerError::of("read on", source))
    }

    /// The next offset to read of each partition.
    pub fn place_reached(&self) -> Vec<(i32, i64)> {
        self.cursors.iter().map(|cursor| (cursor.partition, cursor.next)).collect()
    }

    /// Whether all that was there when it was opened has been read.
    pub fn is_at_end(&self) -> bool {
        self.cursors.iter().all(|cursor| cursor.ended || cursor.next >= cursor.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_start_from_are_told_apart() {
        assert_eq!("end".parse(), Ok(StartAt::End));
        assert_eq!("17".parse(), Ok(StartAt::Offset(17)));
        assert_eq!("-3".parse(), Ok(StartAt::Tail(3)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(StartAt::Time(1000)));
        assert!("yesterday".parse::<StartAt>().is_err());
    }
}
