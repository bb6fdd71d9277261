//! Topics and groups of the cluster: look, make, widen, configure; never delete.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic,
        OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    },
    config::FromClientConfigAndContext,
    error::RDKafkaErrorCode,
};

use super::{
    Broker, BrokerError,
    context::Quiet,
    groups::{self, GroupOffset},
};
use crate::record::Topic;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRequest {
    pub name: Topic,
    pub partitions: i32,
    pub replication: i32,
    pub config: BTreeMap<String, String>,
}

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: Topic,
    pub partitions: i32,
    pub replication: i32,
    pub config: BTreeMap<String, ConfigEntry>,
}

/// One setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub value: String,
    /// Set on the topic itself, not inherited from the broker.
    pub own: bool,
}

/// Asks and changes the cluster.
pub struct Admin {
    broker: Broker,
    client: AdminClient<Quiet>,
}

impl Admin {
    pub fn connect(broker: &Broker) -> Result<Self, BrokerError> {
        let client = AdminClient::from_config_and_context(&broker.client_config(&[]), Quiet)
            .map_err(|source| BrokerError::Setup { source })?;
        Ok(Self { broker: broker.clone(), client })
    }

    /// All topics but Kafka's own, with partitions and replication.
    pub fn topics(&self) -> Result<BTreeMap<Topic, (i32, i32)>, BrokerError> {
        let metadata = self.broker.metadata(None, TIMEOUT)?;
        Ok(metadata
            .topics()
            .iter()
            .filter(|topic| !topic.name().starts_with("__"))
            .map(|topic| {
                let partitions = topic.partitions();
                let replication = partitions.first().map_or(0, |first| first.replicas().len());
                (topic.name().into(), (partitions.len() as i32, replication as i32))
            })
            .collect())
    }

    /// The topic with its settings, or `None` where it does not exist.
    pub async fn describe(&self, name: &Topic) -> Result<Option<TopicDescription>, BrokerError> {
        let Some((partitions, replication)) = self.topics()?.get(name).copied() else {
            return Ok(None);
        };
        let config = self.topic_config(name).await?;
        Ok(Some(TopicDescription { name: name.clone(), partitions, replication, config }))
    }

    async fn topic_config(
        &self,
        name: &Topic,
    ) -> Result<BTreeMap<String, ConfigEntry>, BrokerError> {
        let action = "read the settings of a topic";
        let answers = self
            .client
            .describe_configs([&ResourceSpecifier::Topic(name)], &options())
            .await
            .map_err(|source| BrokerError::of(action, source))?;
        let mut config = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| refused(action, name, code))?;
            if !matches!(resource.specifier, OwnedResourceSpecifier::Topic(_)) {
                continue;
            }
            for entry in resource.entries {
                let own = entry.source == ConfigSource::DynamicTopic;
                let value = entry.value.unwrap_or_default();
                config.insert(entry.name, ConfigEntry { value, own });
            }
        }
        Ok(config)
    }

    /// Makes a topic; `false` where it was there already.
    pub async fn create(&self, request: &TopicRequest) -> Result<bool, BrokerError> {
        let action = "create a topic";
        let mut topic = NewTopic::new(
            &request.name,
            request.partitions,
            TopicReplication::Fixed(request.replication),
        );
        for (key, value) in &request.config {
            topic = topic.set(key, value);
        }
        let answers = self
            .client
            .create_topics([&topic], &options())
            .await
            .map_err(|source| self.broker.unreachable(source))?;
        match answers.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(refused(action, &request.name, code)),
            _ => Ok(true),
        }
    }

    /// Widens a topic to `partitions` in all.
    pub async fn add_partitions(&self, name: &Topic, partitions: i32) -> Result<(), BrokerError> {
        let action = "add partitions to a topic";
        let request = NewPartitions::new(name, partitions as usize);
        let answers = self
            .client
            .create_partitions([&request], &options())
            .await
            .map_err(|source| BrokerError::of(action, source))?;
        match answers.into_iter().next() {
            Some(Err((_, code))) => Err(refused(action, name, code)),
            _ => Ok(()),
        }
    }

    /// Sets settings of a topic, and keeps those that it has of its own.
    pub async fn configure(
        &self,
        name: &Topic,
        changes: &BTreeMap<String, String>,
    ) -> Result<(), BrokerError> {
        let action = "change the settings of a topic";
        // This request replaces all of a topic's own settings at once.
        let mut wanted: BTreeMap<String, String> = self
            .topic_config(name)
            .await?
            .into_iter()
            .filter(|(_, entry)| entry.own)
            .map(|(key, entry)| (key, entry.value))
            .collect();
        wanted.extend(changes.clone());
        let mut request = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in &wanted {
            request = request.set(key, value);
        }
        let answers = self
            .client
            .alter_configs([&request], &options())
            .await
            .map_err(|source| BrokerError::of(action, source))?;
        match answers.into_iter().next() {
            Some(Err((_, code))) => Err(refused(action, name, code)),
            _ => Ok(()),
        }
    }

    /// Members of `group` as they are now; none where there is no such group.
    pub fn members(&self, group: &str) -> Result<usize, BrokerError> {
        let groups = self.client.inner().fetch_group_list(Some(group), TIMEOUT);
        let groups = groups.map_err(|source| BrokerError::of("look at a group", source))?;
        Ok(groups.groups().first().map_or(0, |found| found.members().len()))
    }

    /// How far `group` is on `topic`.
    pub fn offsets(&self, group: &str, topic: &Topic) -> Result<Vec<GroupOffset>, BrokerError> {
        groups::offsets(&self.broker, group, topic)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

fn refused(action: &'static str, name: &Topic, code: RDKafkaErrorCode) -> BrokerError {
    BrokerError::Refused { action, reason: format!("`{name}`: {code}") }
}
