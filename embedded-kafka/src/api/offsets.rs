//! `OffsetCommit`, `OffsetFetch`, `TxnOffsetCommit`: where a group has got to.

use std::time::Instant;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::transactions::fenced_as_invalid_epoch;
use super::{Call, code, group_id, optional, text, topic_name};
use crate::groups;
use crate::log::now_ms;
use crate::state::ledger::{Change, Committed};
use crate::txn::Speaker;

pub(crate) async fn offset_commit(
    call: Call,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let mut accepted = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|p| {
            let position = (p.committed_offset, p.committed_leader_epoch);
            let outcome = check(
                &call,
                &topic.name,
                p.partition_index,
                position,
                p.committed_metadata.as_ref(),
            );
            let error_code = code(&outcome);
            if let Ok(committed) = outcome {
                accepted.push((topic.name.to_string(), p.partition_index, Some(committed)));
            }
            OffsetCommitResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(error_code)
        });
        let partitions = partitions.collect();
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions),
        );
    }
    let outcome = match commit(&call, &request, accepted) {
        Ok(()) => call.node.sync_append(Vec::new()).await,
        refused => refused,
    };
    if let Err(error) = outcome {
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.error_code = error.code();
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn commit(
    call: &Call,
    request: &OffsetCommitRequest,
    offsets: Vec<(String, i32, Option<Committed>)>,
) -> Result<(), ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let generation = request.generation_id_or_member_epoch;
    let group = if generation < 0 {
        call.node.groups.get_or_create(&request.group_id)
    } else {
        call.node.groups.get(&request.group_id).ok_or(ResponseError::IllegalGeneration)?
    };
    let instance = optional(request.group_instance_id.as_ref());
    let mut group = groups::lock(&group);
    let (id, now) = (&request.member_id, Instant::now());
    group.check_commit(id, instance.as_deref(), generation, false, now)?;
    let change = Change::Offsets { group: request.group_id.to_string(), offsets };
    call.node.state.lock().commit(change)
}

/// An offset that may be committed.
fn check(
    call: &Call,
    topic: &str,
    partition: i32,
    (offset, leader_epoch): (i64, i32),
    metadata: Option<&StrBytes>,
) -> Result<Committed, ResponseError> {
    let metadata = metadata.map(ToString::to_string).unwrap_or_default();
    if metadata.len() > call.node.config.offset_metadata_bytes_max {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    let known = call.node.catalog.partition(topic, partition);
    known.ok_or(ResponseError::UnknownTopicOrPartition)?;
    Ok(Committed { offset, leader_epoch, metadata, at_ms: now_ms() })
}

pub(crate) async fn txn_offset_commit(
    call: Call,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let mut accepted = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|p| {
            let position = (p.committed_offset, p.committed_leader_epoch);
            let outcome = check(
                &call,
                &topic.name,
                p.partition_index,
                position,
                p.committed_metadata.as_ref(),
            );
            let error_code = code(&outcome);
            if let Ok(committed) = outcome {
                accepted.push((topic.name.to_string(), p.partition_index, committed));
            }
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(error_code)
        });
        let partitions = partitions.collect();
        topics.push(
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions),
        );
    }
    if let Err(error) = txn_commit(&call, &request, accepted) {
        let error = fenced_as_invalid_epoch(error);
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.error_code = error.code();
        }
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn txn_commit(
    call: &Call,
    request: &TxnOffsetCommitRequest,
    offsets: Vec<(String, i32, Committed)>,
) -> Result<(), ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let group = call.node.groups.get_or_create(&request.group_id);
    let instance = optional(request.group_instance_id.as_ref());
    let mut group = groups::lock(&group);
    let (id, generation) = (&request.member_id, request.generation_id);
    group.check_commit(id, instance.as_deref(), generation, true, Instant::now())?;
    let speaker = Speaker {
        transactional_id: request.transactional_id.to_string(),
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    call.node.add_txn_offsets(&speaker, request.group_id.to_string(), offsets)
}

/// A partition's offset as it is answered.
struct Found {
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    error_code: i16,
}

pub(crate) async fn offset_fetch(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if call.version < 8 {
        let asked = request.topics.map(|topics| {
            topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect()
        });
        let topics =
            find(&call, &request.group_id, asked, stable).into_iter().map(|(name, found)| {
                let partitions = found.into_iter().map(|found| {
                    let epoch = if call.version >= 5 { found.leader_epoch } else { -1 };
                    OffsetFetchResponsePartition::default()
                        .with_partition_index(found.partition)
                        .with_committed_offset(found.offset)
                        .with_committed_leader_epoch(epoch)
                        .with_metadata(Some(text(&found.metadata)))
                        .with_error_code(found.error_code)
                });
                OffsetFetchResponseTopic::default()
                    .with_name(topic_name(&name))
                    .with_partitions(partitions.collect())
            });
        return OffsetFetchResponse::default().with_topics(topics.collect());
    }
    let groups = request.groups.into_iter().map(|group| {
        let asked = group.topics.map(|topics| {
            topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect()
        });
        let topics =
            find(&call, &group.group_id, asked, stable).into_iter().map(|(name, found)| {
                let partitions = found.into_iter().map(|found| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(found.partition)
                        .with_committed_offset(found.offset)
                        .with_committed_leader_epoch(found.leader_epoch)
                        .with_metadata(Some(text(&found.metadata)))
                        .with_error_code(found.error_code)
                });
                OffsetFetchResponseTopics::default()
                    .with_name(topic_name(&name))
                    .with_partitions(partitions.collect())
            });
        OffsetFetchResponseGroup::default()
            .with_group_id(group_id(&group.group_id))
            .with_topics(topics.collect())
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

/// Offsets of a group by topic; all there are when none are asked for by name.
fn find(
    call: &Call,
    group: &str,
    asked: Option<Vec<(String, Vec<i32>)>>,
    stable: bool,
) -> Vec<(String, Vec<Found>)> {
    let state = call.node.state.lock();
    let committed = state.offsets.get(group);
    let asked = asked.unwrap_or_else(|| {
        let mut all: Vec<(String, Vec<i32>)> = Vec::new();
        for (topic, partition) in committed.into_iter().flat_map(|of_group| of_group.keys()) {
            match all.last_mut() {
                Some((name, partitions)) if name == topic => partitions.push(*partition),
                _ => all.push((topic.clone(), vec![*partition])),
            }
        }
        all
    });
    let find_one = |topic: &str, partition: i32| {
        let none = Found {
            partition,
            offset: -1,
            leader_epoch: -1,
            metadata: String::new(),
            error_code: 0,
        };
        if stable && state.is_unstable(group, topic, partition) {
            return Found { error_code: ResponseError::UnstableOffsetCommit.code(), ..none };
        }
        let found = committed.and_then(|of_group| of_group.get(&(topic.to_owned(), partition)));
        found.map_or(none, |found| Found {
            partition,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
            metadata: found.metadata.clone(),
            error_code: 0,
        })
    };
    asked
        .into_iter()
        .map(|(topic, partitions)| {
            let found = partitions.into_iter().map(|at| find_one(&topic, at)).collect();
            (topic, found)
        })
        .collect()
}
