//! `Produce`: record batches to the ends of their partitions.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::{Call, NONE};
use crate::log::{Appended, Partition, now_ms};

pub(crate) async fn produce(call: Call, request: ProduceRequest) -> ProduceResponse {
    let mut written = Vec::new();
    let acks_known = matches!(request.acks, -1..=1);
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let partitions = topic.partition_data.iter().map(|data| {
            let outcome = if acks_known {
                append(&call, &topic, data, &mut written)
            } else {
                Err(ResponseError::InvalidRequiredAcks)
            };
            partition_response(data.index, outcome)
        });
        let partitions = partitions.collect();
        responses.push(
            TopicProduceResponse::default()
                .with_name(topic.name)
                .with_partition_responses(partitions),
        );
    }
    if let Err(error) = call.node.sync_append(written).await {
        for partition in responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
            partition.error_code = error.code();
        }
    }
    ProduceResponse::default().with_responses(responses)
}

fn append(
    call: &Call,
    topic: &TopicProduceData,
    data: &PartitionProduceData,
    written: &mut Vec<Arc<Partition>>,
) -> Result<Appended, ResponseError> {
    let partition = call
        .node
        .catalog
        .partition(&topic.name, data.index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let none = Bytes::new();
    let appended = partition.append(data.records.as_ref().unwrap_or(&none), now_ms())?;
    written.push(partition);
    Ok(appended)
}

fn partition_response(
    index: i32,
    outcome: Result<Appended, ResponseError>,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(appended) => response
            .with_error_code(NONE)
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time_ms)
            .with_log_start_offset(appended.log_start),
        Err(error) => response.with_error_code(error.code()).with_base_offset(-1),
    }
}
