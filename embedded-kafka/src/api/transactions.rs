//! `InitProducerId`, `AddPartitionsToTxn`, `AddOffsetsToTxn`, `EndTxn`.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, InitProducerIdRequest,
    InitProducerIdResponse,
};

use super::{Call, code};
use crate::txn::{InitProducer, Speaker};

/// Older clients know a fenced producer by its invalid epoch only.
pub(super) fn fenced_as_invalid_epoch(error: ResponseError) -> ResponseError {
    match error {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}

/// The error in the words of the request's version.
fn told<T>(
    call: &Call,
    fenced_since: i16,
    outcome: Result<T, ResponseError>,
) -> Result<T, ResponseError> {
    outcome.map_err(|error| {
        if call.version >= fenced_since { error } else { fenced_as_invalid_epoch(error) }
    })
}

pub(crate) async fn init_producer_id(
    call: Call,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let (producer_id, epoch) = (request.producer_id.0, request.producer_epoch);
    let init = InitProducer {
        transactional_id: request.transactional_id.map(|id| id.to_string()),
        timeout_ms: request.transaction_timeout_ms,
        current: (producer_id >= 0 && epoch >= 0).then_some((producer_id, epoch)),
    };
    match told(&call, 4, call.node.init_producer(init).await) {
        Ok((producer_id, epoch)) => InitProducerIdResponse::default()
            .with_producer_id(producer_id.into())
            .with_producer_epoch(epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1),
    }
}

pub(crate) async fn add_partitions_to_txn(
    call: Call,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if call.version < 4 {
        let speaker = Speaker {
            transactional_id: request.v3_and_below_transactional_id.to_string(),
            producer_id: request.v3_and_below_producer_id.0,
            epoch: request.v3_and_below_producer_epoch,
        };
        let results = add(&call, &speaker, request.v3_and_below_topics, false);
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    let results = request.transactions.into_iter().map(|txn| {
        let speaker = Speaker {
            transactional_id: txn.transactional_id.to_string(),
            producer_id: txn.producer_id.0,
            epoch: txn.producer_epoch,
        };
        let results = add(&call, &speaker, txn.topics, txn.verify_only);
        AddPartitionsToTxnResult::default()
            .with_transactional_id(txn.transactional_id)
            .with_topic_results(results)
    });
    AddPartitionsToTxnResponse::default().with_results_by_transaction(results.collect())
}

/// All partitions become part of the transaction, or none.
fn add(
    call: &Call,
    speaker: &Speaker,
    topics: Vec<AddPartitionsToTxnTopic>,
    verify_only: bool,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let flat = || topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.to_string(), *p)));
    let exists = |(topic, partition): &(String, i32)| {
        call.node.catalog.partition(topic, *partition).is_some()
    };
    let all_exist = flat().all(|one| exists(&one));
    let outcome = if !all_exist {
        Err(ResponseError::OperationNotAttempted)
    } else if verify_only {
        call.node.verify_partitions(speaker, &flat().collect::<Vec<_>>())
    } else {
        call.node.add_partitions(speaker, flat().collect())
    };
    let outcome = told(call, 2, outcome);
    let result_of = |topic: &AddPartitionsToTxnTopic, partition: i32| {
        let known = exists(&(topic.name.to_string(), partition));
        let error =
            if known { code(&outcome) } else { ResponseError::UnknownTopicOrPartition.code() };
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(partition)
            .with_partition_error_code(error)
    };
    topics
        .iter()
        .map(|topic| {
            let results = topic.partitions.iter().map(|partition| result_of(topic, *partition));
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(results.collect())
        })
        .collect()
}

pub(crate) async fn add_offsets_to_txn(
    call: Call,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let speaker = Speaker {
        transactional_id: request.transactional_id.to_string(),
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let outcome = if request.group_id.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        call.node.add_offsets(&speaker, request.group_id.to_string())
    };
    AddOffsetsToTxnResponse::default().with_error_code(code(&told(&call, 2, outcome)))
}

pub(crate) async fn end_txn(call: Call, request: EndTxnRequest) -> EndTxnResponse {
    let speaker = Speaker {
        transactional_id: request.transactional_id.to_string(),
        producer_id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let outcome = call.node.end_txn(&speaker, request.committed).await;
    EndTxnResponse::default().with_error_code(code(&told(&call, 2, outcome)))
}
