//! `DescribeConfigs`, `AlterConfigs`, `IncrementalAlterConfigs`: settings of
//! topics; those of the broker can be read.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as AlterResult;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResult;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::{Call, text};
use crate::node::NODE_ID;
use crate::state::ledger::Change;
use crate::topic_config::{self, Kind, TOPIC_CONFIGS, TopicConfig};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from.
const SET_FOR_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

type Configs = BTreeMap<String, String>;
type Refusal = (ResponseError, String);

/// All settings of a topic: name, value, and whether it was set.
pub(super) fn described(configs: &Configs) -> impl Iterator<Item = (&str, String, bool)> {
    let known = TOPIC_CONFIGS.iter().map(|TopicConfig { name, default, .. }| {
        let set = configs.get(*name);
        (*name, set.map_or(*default, String::as_str).to_owned(), set.is_some())
    });
    let others = configs.iter().filter(|(name, _)| topic_config::find(name).is_none());
    known.chain(others.map(|(name, value)| (name.as_str(), value.clone(), true)))
}

pub(crate) async fn describe_configs(
    call: Call,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|asked| {
        let found = match asked.resource_type {
            TOPIC => topic_configs(&call, &asked),
            BROKER => broker_configs(&call, &asked),
            _ => Err((
                ResponseError::InvalidRequest,
                "Only topics and brokers are known.".to_owned(),
            )),
        };
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        match found {
            Err((error, words)) => {
                result.with_error_code(error.code()).with_error_message(Some(text(&words)))
            }
            Ok(configs) => {
                let wanted = |config: &DescribeConfigsResourceResult| {
                    let keys = asked.configuration_keys.as_ref();
                    keys.is_none_or(|keys| keys.contains(&config.name))
                };
                let configs = configs.into_iter().filter(wanted).map(|mut config| {
                    if !request.include_synonyms {
                        config.synonyms.clear();
                    }
                    config
                });
                result.with_error_message(None).with_configs(configs.collect())
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn topic_configs(
    call: &Call,
    asked: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let configs = current(call, &asked.resource_name)?;
    let results = described(&configs).map(|(name, value, is_set)| {
        let source = if is_set { SET_FOR_TOPIC } else { DEFAULT };
        let synonym = |value: &str, source| {
            DescribeConfigsSynonym::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
                .with_source(source)
        };
        let mut synonyms = Vec::new();
        if is_set {
            synonyms.push(synonym(&value, SET_FOR_TOPIC));
        }
        synonyms.push(synonym(topic_config::default_of(name), DEFAULT));
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(&value)))
            .with_config_source(source)
            .with_synonyms(synonyms)
            .with_config_type(config_type(name))
            .with_documentation(None)
    });
    Ok(results.collect())
}

/// Kafka's numbers of the types: boolean 1, string 2, int 3, long 5, double 6, list 7.
fn config_type(name: &str) -> i8 {
    match topic_config::find(name).map(|config| config.kind) {
        Some(Kind::Boolean) => 1,
        Some(Kind::Word(_)) | None => 2,
        Some(Kind::Int(..)) => 3,
        Some(Kind::Long(_)) => 5,
        Some(Kind::Ratio) => 6,
        Some(Kind::Words(_) | Kind::Replicas) => 7,
    }
}

fn broker_configs(
    call: &Call,
    asked: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let config = &call.node.config;
    if !asked.resource_name.is_empty() && asked.resource_name.as_str() != NODE_ID.0.to_string() {
        return Err((ResponseError::InvalidRequest, "There is no such broker.".to_owned()));
    }
    let values = [
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("broker.id", NODE_ID.0.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("group.initial.rebalance.delay.ms", config.group_initial_delay.as_millis().to_string()),
        ("max.connections", config.connections_max.to_string()),
        ("message.max.bytes", topic_config::default_of("max.message.bytes").to_owned()),
        ("num.partitions", config.default_partitions.to_string()),
        ("offset.metadata.max.bytes", config.offset_metadata_bytes_max.to_string()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("socket.request.max.bytes", config.request_bytes_max.to_string()),
        ("transaction.max.timeout.ms", config.transaction_timeout_max.as_millis().to_string()),
        ("transaction.state.log.min.isr", "1".to_owned()),
    ];
    let result = |(name, value): (&str, String)| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(&value)))
            .with_read_only(true)
            .with_config_source(STATIC_BROKER)
            .with_config_type(2)
            .with_documentation(None)
    };
    Ok(values.into_iter().map(result).collect())
}

fn current(call: &Call, topic: &str) -> Result<Configs, Refusal> {
    let state = call.node.state.lock();
    let known = state.topics.get(topic).map(|topic| topic.configs.clone());
    known.ok_or_else(|| {
        (ResponseError::UnknownTopicOrPartition, format!("Topic '{topic}' does not exist."))
    })
}

/// Checks and sets the settings of a topic to what `change` makes of them.
fn alter(
    call: &Call,
    resource: (i8, &str),
    validate_only: bool,
    change: impl FnOnce(Configs) -> Result<Configs, Refusal>,
) -> Result<(), Refusal> {
    let (kind, name) = resource;
    if kind != TOPIC {
        let words = "Settings of the broker are given at its start.".to_owned();
        return Err((ResponseError::InvalidRequest, words));
    }
    let configs = change(current(call, name)?)?;
    topic_config::check(&configs).map_err(|words| (ResponseError::InvalidConfig, words))?;
    if validate_only {
        return Ok(());
    }
    let mut state = call.node.state.lock();
    state
        .commit(Change::ConfigsSet { name: name.to_owned(), configs: configs.clone() })
        .map_err(|error| (error, "The journal cannot be written.".to_owned()))?;
    if let Some(topic) = call.node.catalog.topic(name) {
        for partition in topic.partitions() {
            partition.set_options(call.node.catalog.options(&configs));
        }
    }
    Ok(())
}

pub(crate) async fn alter_configs(
    call: Call,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let responses = request.resources.into_iter().map(|asked| {
        let resource = (asked.resource_type, asked.resource_name.as_str());
        let outcome = alter(&call, resource, request.validate_only, |_| {
            let set = asked.configs.iter().filter_map(|config| {
                Some((config.name.to_string(), config.value.as_ref()?.to_string()))
            });
            Ok(set.collect())
        });
        let (error_code, words) = told(outcome);
        AlterResult::default()
            .with_error_code(error_code)
            .with_error_message(words.as_deref().map(text))
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub(crate) async fn incremental_alter_configs(
    call: Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|asked| {
        let resource = (asked.resource_type, asked.resource_name.as_str());
        let outcome = alter(&call, resource, request.validate_only, |mut configs| {
            for config in &asked.configs {
                alter_one(&mut configs, config)?;
            }
            Ok(configs)
        });
        let (error_code, words) = told(outcome);
        IncrementalResult::default()
            .with_error_code(error_code)
            .with_error_message(words.as_deref().map(text))
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name)
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

/// Operations: 0 set, 1 delete, 2 append to a list, 3 subtract from a list.
fn alter_one(configs: &mut Configs, config: &AlterableConfig) -> Result<(), Refusal> {
    let name = config.name.to_string();
    let value = config.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let is_list = |name: &str| config_type(name) == 7;
    let listed = |configs: &Configs| -> Vec<String> {
        let current =
            configs.get(&name).map_or_else(|| topic_config::default_of(&name), String::as_str);
        current.split(',').map(|part| part.trim().to_owned()).filter(|p| !p.is_empty()).collect()
    };
    match config.config_operation {
        0 => {
            configs.insert(name, value);
        }
        1 => {
            configs.remove(&name);
        }
        2 if is_list(&name) => {
            let mut parts = listed(configs);
            parts.push(value);
            configs.insert(name.clone(), parts.join(","));
        }
        3 if is_list(&name) => {
            let parts: Vec<_> = listed(configs).into_iter().filter(|part| *part != value).collect();
            configs.insert(name.clone(), parts.join(","));
        }
        _ => {
            let words = format!("Configuration {name} cannot be altered in this way.");
            return Err((ResponseError::InvalidConfig, words));
        }
    }
    Ok(())
}

fn told(outcome: Result<(), Refusal>) -> (i16, Option<String>) {
    match outcome {
        Ok(()) => (0, None),
        Err((error, words)) => (error.code(), Some(words)),
    }
}
