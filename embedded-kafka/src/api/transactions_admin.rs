//! `ListTransactions`, `DescribeTransactions`, `DescribeProducers`.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::describe_transactions_response::{
    TopicData, TransactionState as Described,
};
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
    DescribeTransactionsResponse, ListTransactionsRequest, ListTransactionsResponse,
};

use super::{Call, text, topic_name, transactional_id};
use crate::log::now_ms;
use crate::log::producers::ProducerView;
use crate::state::ledger::{Phase, Txn};

/// Kafka's name of a phase.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Empty => "Empty",
        Phase::Ongoing => "Ongoing",
        Phase::PrepareCommit => "PrepareCommit",
        Phase::PrepareAbort => "PrepareAbort",
        Phase::CompleteCommit => "CompleteCommit",
        Phase::CompleteAbort => "CompleteAbort",
    }
}

pub(crate) async fn list_transactions(
    call: Call,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    const PHASES: [Phase; 6] = [
        Phase::Empty,
        Phase::Ongoing,
        Phase::PrepareCommit,
        Phase::PrepareAbort,
        Phase::CompleteCommit,
        Phase::CompleteAbort,
    ];
    let unknown = request
        .state_filters
        .iter()
        .filter(|filter| PHASES.iter().all(|phase| name(*phase) != filter.as_str()));
    let unknown = unknown.cloned().collect();
    let now = now_ms();
    let is_wanted = |txn: &Txn| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        let lasts = request.duration_filter < 0
            || (txn.phase == Phase::Ongoing && now - txn.started_ms > request.duration_filter);
        lasts
            && (states.is_empty() || states.iter().any(|state| state.as_str() == name(txn.phase)))
            && (producers.is_empty() || producers.iter().any(|id| *id == txn.producer_id))
    };
    let state = call.node.state.lock();
    let listed = state.txns.iter().filter(|(_, txn)| is_wanted(txn)).map(|(id, txn)| {
        Listed::default()
            .with_transactional_id(transactional_id(id))
            .with_producer_id(txn.producer_id.into())
            .with_transaction_state(text(name(txn.phase)))
    });
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown)
        .with_transaction_states(listed.collect())
}

pub(crate) async fn describe_transactions(
    call: Call,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let state = call.node.state.lock();
    let described = request.transactional_ids.into_iter().map(|id| {
        let Some(txn) = state.txns.get(id.as_str()) else {
            return Described::default()
                .with_error_code(ResponseError::TransactionalIdNotFound.code())
                .with_transactional_id(id);
        };
        let mut topics: Vec<TopicData> = Vec::new();
        for (topic, partition) in &txn.partitions {
            match topics.last_mut().filter(|last| last.topic.as_str() == topic) {
                Some(last) => last.partitions.push(*partition),
                None => topics.push(
                    TopicData::default()
                        .with_topic(topic_name(topic))
                        .with_partitions(vec![*partition]),
                ),
            }
        }
        Described::default()
            .with_transactional_id(id)
            .with_transaction_state(text(name(txn.phase)))
            .with_transaction_timeout_ms(txn.timeout_ms)
            .with_transaction_start_time_ms(txn.started_ms)
            .with_producer_id(txn.producer_id.into())
            .with_producer_epoch(txn.epoch)
            .with_topics(topics)
    });
    DescribeTransactionsResponse::default().with_transaction_states(described.collect())
}

pub(crate) async fn describe_producers(
    call: Call,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let response =
                PartitionResponse::default().with_partition_index(*index).with_error_message(None);
            match call.node.catalog.partition(&topic.name, *index) {
                None => response.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                Some(partition) => response.with_active_producers(
                    partition.producers().into_iter().map(producer_state).collect(),
                ),
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producer_state(view: ProducerView) -> ProducerState {
    ProducerState::default()
        .with_producer_id(view.producer_id.into())
        .with_producer_epoch(i32::from(view.epoch))
        .with_last_sequence(view.last_sequence)
        .with_last_timestamp(view.last_timestamp)
        .with_coordinator_epoch(0)
        .with_current_txn_start_offset(view.open_from.unwrap_or(-1))
}
