//! `DeleteTopics` and `DeleteRecords`.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};

use super::{Call, code, topic_name};
use crate::state::ledger::Change;

pub(crate) async fn delete_topics(
    call: Call,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let named = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState::default().with_name(Some(name)));
    let responses = request.topics.into_iter().chain(named).map(|asked| {
        let topic = match &asked.name {
            Some(name) => {
                call.node.catalog.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)
            }
            None => {
                call.node.catalog.topic_by_id(asked.topic_id).ok_or(ResponseError::UnknownTopicId)
            }
        };
        let name = topic.as_ref().ok().map(|topic| topic_name(&topic.name));
        let id = topic.as_ref().map_or(asked.topic_id, |topic| topic.id);
        let outcome = topic.and_then(|topic| delete(&call, &topic.name));
        DeletableTopicResult::default()
            .with_name(name.or(asked.name))
            .with_topic_id(id)
            .with_error_code(code(&outcome))
            .with_error_message(None)
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn delete(call: &Call, name: &str) -> Result<(), ResponseError> {
    let mut state = call.node.state.lock();
    if !state.topics.contains_key(name) {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    state.commit(Change::TopicDeleted { name: name.to_owned() })?;
    if let Err(error) = call.node.catalog.remove(name) {
        // The topic is gone; its folder goes at the next start.
        tracing::warn!(topic = name, %error, "files of a deleted topic are left");
    }
    Ok(())
}

pub(crate) async fn delete_records(
    call: Call,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let outcome = delete_before(&call, &topic.name, asked.partition_index, asked.offset);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code(&outcome))
                .with_low_watermark(outcome.unwrap_or(-1))
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(call: &Call, topic: &str, index: i32, offset: i64) -> Result<i64, ResponseError> {
    let mut state = call.node.state.lock();
    let partition = call.node.catalog.partition(topic, index);
    let start = partition.ok_or(ResponseError::UnknownTopicOrPartition)?.delete_before(offset)?;
    state.commit(Change::LogStart { name: topic.to_owned(), partition: index, offset: start })?;
    Ok(start)
}
