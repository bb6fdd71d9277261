//! `ListOffsets` and `OffsetForLeaderEpoch`: where a partition begins and ends,
//! and which offset belongs to a time.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use super::{Call, code};
use crate::log::batch::LEADER_EPOCH;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(crate) async fn list_offsets(call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let topics = request.topics.into_iter().map(|topic| {
        let answer = |asked: &ListOffsetsPartition| {
            let found = find(&call, &topic.name, asked, committed);
            let (timestamp, offset) = *found.as_ref().unwrap_or(&(-1, -1));
            let epoch = if offset >= 0 && call.version >= 4 { LEADER_EPOCH } else { -1 };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code(&found))
                .with_timestamp(timestamp)
                .with_offset(offset)
                .with_leader_epoch(epoch)
        };
        let partitions = topic.partitions.iter().map(answer).collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// (timestamp, offset); -1 where there is none.
fn find(
    call: &Call,
    topic: &str,
    asked: &ListOffsetsPartition,
    committed: bool,
) -> Result<(i64, i64), ResponseError> {
    let partition = call.node.catalog.partition(topic, asked.partition_index);
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let bounds = partition.bounds();
    let end = if committed { bounds.stable_end } else { bounds.end };
    Ok(match asked.timestamp {
        LATEST => (-1, end),
        EARLIEST | EARLIEST_LOCAL => (-1, bounds.start),
        MAX_TIMESTAMP => partition.offset_of_max_timestamp().unwrap_or((-1, -1)),
        LATEST_TIERED => (-1, -1),
        timestamp if timestamp < 0 => return Err(ResponseError::UnsupportedVersion),
        timestamp => {
            let found = partition.offset_for_time(timestamp);
            found.filter(|(_, offset)| *offset < end).unwrap_or((-1, -1))
        }
    })
}

/// There was never another leader: its epoch ends where the log ends.
pub(crate) async fn offset_for_leader_epoch(
    call: Call,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match call.node.catalog.partition(&topic.topic, asked.partition) {
                None => answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                Some(_) if asked.leader_epoch > LEADER_EPOCH => answer,
                Some(partition) => {
                    answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(partition.bounds().end)
                }
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
