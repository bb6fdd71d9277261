//! Consumer groups from outside: members, what they hold, how far they are.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    groups::GroupMemberInfo,
    topic_partition_list::TopicPartitionListElem,
};

use super::{Broker, BrokerError, client::QuietConsumer};
use crate::record::Topic;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A consumer group as its coordinator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDescription {
    /// Kafka's name of the state; empty where the group is not known.
    pub state: String,
    pub members: Vec<GroupMember>,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub id: String,
    pub client_id: String,
    pub host: String,
    /// By topic.
    pub partitions: BTreeMap<String, Vec<i32>>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    pub partition: i32,
    /// The next offset to read; `None`: nothing is committed.
    pub committed: Option<i64>,
    /// What the group says of itself beside it.
    pub metadata: String,
    /// The partition's first offset, and the one behind its last committed record.
    pub begin: i64,
    pub end: i64,
}

impl GroupOffset {
    pub fn lag(&self) -> i64 {
        (self.end - self.committed.unwrap_or(self.begin)).max(0)
    }
}

/// The group's members; none where nobody is in it.
pub fn describe(broker: &Broker, group: &str) -> Result<GroupDescription, BrokerError> {
    let client = broker.metadata_client()?;
    let found = client
        .fetch_group_list(Some(group), TIMEOUT)
        .map_err(|source| BrokerError::of("look at a consumer group", source))?;
    let Some(found) = found.groups().first() else { return Ok(GroupDescription::default()) };
    Ok(GroupDescription {
        state: found.state().to_owned(),
        members: found.members().iter().map(member).collect(),
    })
}

fn member(member: &GroupMemberInfo) -> GroupMember {
    GroupMember {
        id: member.id().to_owned(),
        client_id: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
        partitions: member.assignment().and_then(assignment).unwrap_or_default(),
    }
}

/// Reads `ConsumerProtocolAssignment`: a version, and partitions by topic.
fn assignment(bytes: &[u8]) -> Option<BTreeMap<String, Vec<i32>>> {
    let mut rest = bytes;
    let mut take = |count: usize| -> Option<&[u8]> {
        let (head, tail) = rest.split_at_checked(count)?;
        rest = tail;
        Some(head)
    };
    take(2)?;
    let mut topics = BTreeMap::new();
    let count = i32::from_be_bytes(take(4)?.try_into().ok()?);
    for _ in 0..count {
        let length = i16::from_be_bytes(take(2)?.try_into().ok()?);
        let name = std::str::from_utf8(take(usize::try_from(length).ok()?)?).ok()?.to_owned();
        let count = i32::from_be_bytes(take(4)?.try_into().ok()?);
        let mut partitions = Vec::new();
        for _ in 0..count {
            partitions.push(i32::from_be_bytes(take(4)?.try_into().ok()?));
        }
        topics.insert(name, partitions);
    }
    Some(topics)
}

/// How far `group` is on `topic`; empty where the topic is not there.
///
/// Of a transaction that is open nothing is told, and nobody waits for its end: after
/// a crash that can take a minute, in which people will want to look.
pub fn offsets(
    broker: &Broker,
    group: &str,
    topic: &Topic,
) -> Result<Vec<GroupOffset>, BrokerError> {
    // Who reads committed records only is given no offsets until open transactions
    // have ended, and who reads all is told of ends that no stage can read to.
    let client = |isolation| {
        let config = broker.client_config(&[
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("isolation.level", isolation),
            ("allow.auto.create.topics", "false"),
        ]);
        BaseConsumer::from_config_and_context(&config, QuietConsumer)
            .map_err(|source| BrokerError::Setup { source })
    };
    let (of_offsets, of_ends) = (client("read_uncommitted")?, client("read_committed")?);
    let metadata = of_offsets
        .fetch_metadata(Some(topic), TIMEOUT)
        .map_err(|source| broker.unreachable(source))?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    if partitions == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range(topic, 0, partitions as i32 - 1);
    let fail = |source| BrokerError::of("read a group's offsets", source);
    let committed = of_offsets.committed_offsets(wanted, TIMEOUT).map_err(fail)?;
    let offset_of = |element: &TopicPartitionListElem<'_>| {
        let (begin, end) =
            of_ends.fetch_watermarks(topic, element.partition(), TIMEOUT).map_err(fail)?;
        Ok(GroupOffset {
            partition: element.partition(),
            committed: match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            },
            metadata: element.metadata().to_owned(),
            begin,
            end,
        })
    };
    committed.elements().iter().map(offset_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_torn_ones_are_none() {
        let mut bytes = vec![0, 1];
        bytes.extend(1_i32.to_be_bytes());
        bytes.extend(2_i16.to_be_bytes());
        bytes.extend(b"ab");
        bytes.extend(2_i32.to_be_bytes());
        bytes.extend(3_i32.to_be_bytes());
        bytes.extend(5_i32.to_be_bytes());
        let read = assignment(&bytes).unwrap();
        assert_eq!(read, [("ab".to_owned(), vec![3, 5])].into());
        for cut in 0..bytes.len() {
            assert_eq!(assignment(&bytes[..cut]), None, "{cut}");
        }
    }
}
