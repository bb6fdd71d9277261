//! The cluster of one: versions, metadata, coordinators, log directories.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeClusterResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse,
};
use uuid::Uuid;

use super::topic_create::auto_create;
use super::{Call, NONE, text, topic_name};
use crate::catalog::Topic;
use crate::log::batch::LEADER_EPOCH;
use crate::node::NODE_ID;
use crate::server::versions::SUPPORTED;

/// "Not asked for" in answers about authorized operations.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

pub(crate) async fn api_versions(_call: Call, _request: ApiVersionsRequest) -> ApiVersionsResponse {
    supported_versions()
}

/// The answer to an `ApiVersions` request of any version.
pub(crate) fn supported_versions() -> ApiVersionsResponse {
    let keys = SUPPORTED.iter().map(|(key, served)| {
        ApiVersion::default()
            .with_api_key(*key as i16)
            .with_min_version(served.advertised_min)
            .with_max_version(served.max)
    });
    ApiVersionsResponse::default().with_api_keys(keys.collect())
}

pub(crate) async fn metadata(call: Call, request: MetadataRequest) -> MetadataResponse {
    let node = &call.node;
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE_ID)
        .with_host(text(&node.host))
        .with_port(i32::from(node.port));
    let all = match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && call.version == 0,
    };
    let topics = if all {
        node.catalog.topics().iter().map(|topic| describe(topic)).collect()
    } else {
        let asked = request.topics.unwrap_or_default();
        let may_create = call.version < 4 || request.allow_auto_topic_creation;
        asked
            .into_iter()
            .map(|asked| match asked.name {
                Some(name) => by_name(&call, &name, may_create),
                None => by_id(&call, asked.topic_id),
            })
            .collect()
    };
    let cluster_id = node.state.lock().cluster_id.clone();
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&cluster_id)))
        .with_controller_id(NODE_ID)
        .with_topics(topics)
}

fn by_name(call: &Call, name: &str, may_create: bool) -> MetadataResponseTopic {
    let found = match call.node.catalog.topic(name) {
        Some(topic) => Ok(topic),
        None if may_create && call.node.config.auto_create_topics => auto_create(call, name),
        None => Err(ResponseError::UnknownTopicOrPartition),
    };
    match found {
        Ok(topic) => describe(&topic),
        Err(error) => MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(topic_name(name))),
    }
}

fn by_id(call: &Call, id: Uuid) -> MetadataResponseTopic {
    if let Some(topic) = call.node.catalog.topic_by_id(id) {
        describe(&topic)
    } else {
        // Before version 12 a name cannot be left out.
        let name = (call.version < 12).then(|| topic_name(""));
        MetadataResponseTopic::default()
            .with_error_code(ResponseError::UnknownTopicId.code())
            .with_name(name)
            .with_topic_id(id)
    }
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions();
    let partitions = partitions.iter().zip(0..).map(|(partition, index)| {
        // The leader stays: a client that tries again finds out when there is room.
        let failing = partition.is_failing();
        let error = if failing { ResponseError::KafkaStorageError.code() } else { NONE };
        MetadataResponsePartition::default()
            .with_error_code(error)
            .with_partition_index(index)
            .with_leader_id(NODE_ID)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![NODE_ID])
            .with_isr_nodes(vec![NODE_ID])
    });
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
}

pub(crate) async fn describe_cluster(
    call: Call,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let node = &call.node;
    let broker = DescribeClusterBroker::default()
        .with_broker_id(NODE_ID)
        .with_host(text(&node.host))
        .with_port(i32::from(node.port));
    let cluster_id = node.state.lock().cluster_id.clone();
    if request.endpoint_type > 1 {
        return DescribeClusterResponse::default()
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_endpoint_type(1);
    }
    DescribeClusterResponse::default()
        .with_endpoint_type(1)
        .with_cluster_id(text(&cluster_id))
        .with_controller_id(NODE_ID)
        .with_brokers(vec![broker])
}

pub(crate) async fn find_coordinator(
    call: Call,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let (host, port) = (text(&call.node.host), i32::from(call.node.port));
    // 0: a group, 1: a transactional id; share groups are not served.
    let known = matches!(request.key_type, 0 | 1);
    let error_code = if known { NONE } else { ResponseError::InvalidRequest.code() };
    if call.version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(error_code)
            .with_node_id(NODE_ID)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_error_code(error_code)
            .with_node_id(NODE_ID)
            .with_host(host.clone())
            .with_port(port)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

pub(crate) async fn describe_log_dirs(
    call: Call,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let sizes = |topic: &Topic, wanted: &dyn Fn(i32) -> bool| {
        let partitions = topic.partitions();
        let partitions = partitions.iter().enumerate().filter(|(index, _)| wanted(*index as i32));
        let partitions = partitions.map(|(index, partition)| {
            DescribeLogDirsPartition::default()
                .with_partition_index(index as i32)
                .with_partition_size(partition.size() as i64)
        });
        DescribeLogDirsTopic::default()
            .with_name(topic_name(&topic.name))
            .with_partitions(partitions.collect())
    };
    let topics = match request.topics {
        None => call.node.catalog.topics().iter().map(|topic| sizes(topic, &|_| true)).collect(),
        Some(asked) => asked
            .iter()
            .filter_map(|asked| {
                let topic = call.node.catalog.topic(&asked.topic)?;
                Some(sizes(&topic, &|index| asked.partitions.contains(&index)))
            })
            .collect(),
    };
    let folder = call.node.config.data_dir.as_ref().map(|dir| dir.display().to_string());
    let result = DescribeLogDirsResult::default()
        .with_log_dir(text(folder.as_deref().unwrap_or("memory")))
        .with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
