//! `CreateTopics`, `CreatePartitions`, and topics made because they were asked for.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
};
use uuid::Uuid;

use super::configs::described;
use super::{Call, NONE, text};
use crate::catalog::Topic;
use crate::state::ledger::{Change, TopicEntry};
use crate::topic_config;

const NAME_CHARS_MAX: usize = 249;

/// Why a topic is not made or changed: error and words.
type Refusal = (ResponseError, String);

pub(crate) async fn create_topics(
    call: Call,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut seen = HashSet::new();
    let twice: HashSet<_> = request
        .topics
        .iter()
        .filter(|topic| !seen.insert(topic.name.to_string()))
        .map(|topic| topic.name.to_string())
        .collect();
    let results = request.topics.into_iter().map(|asked| {
        let outcome = if twice.contains(asked.name.as_str()) {
            Err((ResponseError::InvalidRequest, "Topic is named more than once.".to_owned()))
        } else {
            create_one(&call, &asked, request.validate_only)
        };
        let result = CreatableTopicResult::default().with_name(asked.name);
        match outcome {
            Ok(entry) => created(&call, result, &entry),
            Err((error, words)) => result
                .with_error_code(error.code())
                .with_error_message(Some(text(&words)))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        }
    });
    CreateTopicsResponse::default().with_topics(results.collect())
}

fn created(call: &Call, result: CreatableTopicResult, entry: &TopicEntry) -> CreatableTopicResult {
    let result = result
        .with_topic_id(if call.version >= 7 { entry.id } else { Uuid::nil() })
        .with_error_code(NONE);
    if call.version < 5 {
        return result;
    }
    let configs = described(&entry.configs).map(|(name, value, is_set)| {
        CreatableTopicConfigs::default()
            .with_name(text(name))
            .with_value(Some(text(&value)))
            .with_config_source(if is_set { 1 } else { 5 })
    });
    result
        .with_num_partitions(entry.partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()))
}

fn create_one(
    call: &Call,
    asked: &CreatableTopic,
    validate_only: bool,
) -> Result<TopicEntry, Refusal> {
    if asked.replication_factor > 1 || asked.replication_factor == 0 {
        let words = format!("Replication factor {} on a cluster of 1.", asked.replication_factor);
        return Err((ResponseError::InvalidReplicationFactor, words));
    }
    let partitions = match (asked.assignments.len() as i32, asked.num_partitions) {
        (0, -1) => call.node.config.default_partitions,
        (0, count) => count,
        (assigned, _) => assigned,
    };
    let mut configs = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else { continue };
        configs.insert(config.name.to_string(), value.to_string());
    }
    topic_config::check(&configs).map_err(|words| (ResponseError::InvalidConfig, words))?;
    create(call, &asked.name, partitions, configs, validate_only)
}

/// Makes a topic that a client asked the metadata of.
pub(super) fn auto_create(call: &Call, name: &str) -> Result<Arc<Topic>, ResponseError> {
    let partitions = call.node.config.default_partitions;
    match create(call, name, partitions, BTreeMap::new(), false) {
        // Another client was faster: just as well.
        Ok(_) | Err((ResponseError::TopicAlreadyExists, _)) => {}
        Err((error, _)) => return Err(error),
    }
    call.node.catalog.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)
}

fn create(
    call: &Call,
    name: &str,
    partitions: i32,
    configs: BTreeMap<String, String>,
    validate_only: bool,
) -> Result<TopicEntry, Refusal> {
    if !is_valid_name(name) {
        let words = "Topic names have 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_', '-'.";
        return Err((ResponseError::InvalidTopicException, words.to_owned()));
    }
    let mut state = call.node.state.lock();
    if state.topics.contains_key(name) {
        let words = format!("Topic '{name}' already exists.");
        return Err((ResponseError::TopicAlreadyExists, words));
    }
    // In the names of Kafka's metrics the two are the same letter.
    let similar = |other: &&String| other.replace('.', "_") == name.replace('.', "_");
    if let Some(other) = state.topics.keys().filter(|_| name.contains(['.', '_'])).find(similar) {
        let words = format!("Topic '{name}' collides with existing topic: {other}");
        return Err((ResponseError::InvalidTopicException, words));
    }
    let others: i32 = state.topics.values().map(|topic| topic.partitions).sum();
    check_partitions(call, partitions, others)?;
    let topic = TopicEntry { id: Uuid::new_v4(), partitions, configs, log_starts: BTreeMap::new() };
    if validate_only {
        return Ok(topic);
    }
    let change = Change::TopicCreated { name: name.to_owned(), topic: topic.clone() };
    state.commit(change).map_err(|error| (error, "The journal cannot be written.".to_owned()))?;
    call.node.catalog.add(name, &topic).map_err(|error| {
        // Without its logs there is no topic.
        let _ = state.commit(Change::TopicDeleted { name: name.to_owned() });
        (ResponseError::KafkaStorageError, format!("The topic's logs cannot be made: {error}"))
    })?;
    Ok(topic)
}

fn check_partitions(call: &Call, partitions: i32, others: i32) -> Result<(), Refusal> {
    if partitions <= 0 {
        let words = "The number of partitions must be greater than 0.".to_owned();
        return Err((ResponseError::InvalidPartitions, words));
    }
    let most = call.node.config.partitions_max;
    if i64::from(partitions) + i64::from(others) > most as i64 {
        let words = format!("This broker holds at most {most} partitions.");
        return Err((ResponseError::InvalidPartitions, words));
    }
    Ok(())
}

fn is_valid_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

pub(crate) async fn create_partitions(
    call: Call,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = request.topics.into_iter().map(|asked| {
        let outcome = enlarge(&call, &asked, request.validate_only);
        let result = CreatePartitionsTopicResult::default().with_name(asked.name);
        match outcome {
            Ok(()) => result,
            Err((error, words)) => {
                result.with_error_code(error.code()).with_error_message(Some(text(&words)))
            }
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn enlarge(call: &Call, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let mut state = call.node.state.lock();
    let unknown =
        || (ResponseError::UnknownTopicOrPartition, "The topic does not exist.".to_owned());
    let has = state.topics.get(asked.name.as_str()).ok_or_else(unknown)?.partitions;
    let topic = call.node.catalog.topic(&asked.name).ok_or_else(unknown)?;
    if asked.count <= has {
        let words =
            format!("Topic has {has} partitions, which {} would not increase.", asked.count);
        return Err((ResponseError::InvalidPartitions, words));
    }
    let others: i32 = state.topics.values().map(|topic| topic.partitions).sum();
    check_partitions(call, asked.count, others - has)?;
    if validate_only {
        return Ok(());
    }
    let change = Change::PartitionsSet { name: asked.name.to_string(), count: asked.count };
    state.commit(change).map_err(|error| (error, "The journal cannot be written.".to_owned()))?;
    let entry = state.topics.get(asked.name.as_str()).ok_or_else(unknown)?;
    call.node.catalog.enlarge(&topic, entry).map_err(|error| {
        (ResponseError::KafkaStorageError, format!("The logs cannot be made: {error}"))
    })
}
