//! Topics and groups of the cluster: look, make, widen, configure; never delete.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use embedded_kafka::topic_config::is_same;
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

/// Longest that a change of settings may take to be known to the brokers.
const CONFIG_TIMEOUT: Duration = Duration::from_secs(5);
const CONFIG_LOOK: Duration = Duration::from_millis(20);

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

    /// Partitions that their broker can not serve, each with its reason: one that has
    /// no leader, or a leader whose disk is full.
    pub fn offline_partitions(&self) -> Result<Vec<(Topic, i32, String)>, BrokerError> {
        let metadata = self.broker.metadata(None, TIMEOUT)?;
        let mut offline = Vec::new();
        for topic in metadata.topics() {
            for partition in topic.partitions() {
                let reason = match partition.error() {
                    Some(code) => RDKafkaErrorCode::from(code).to_string(),
                    None if partition.leader() < 0 => "it has no leader".to_owned(),
                    None => continue,
                };
                offline.push((topic.name().into(), partition.id(), reason));
            }
        }
        Ok(offline)
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
        let answers = self.client.alter_configs([&request], &options()).await;
        answers.map_err(|source| BrokerError::of(action, source))?;
        self.await_config(name, changes).await
    }

    /// Waits until a topic has the settings `changes`: of the broker's answer to
    /// a change, the client library passes on no refusal (rdkafka 0.39,
    /// `AlterConfigsFuture`).
    async fn await_config(
        &self,
        name: &Topic,
        changes: &BTreeMap<String, String>,
    ) -> Result<(), BrokerError> {
        let deadline = Instant::now() + CONFIG_TIMEOUT;
        loop {
            let has = self.topic_config(name).await?;
            let is_set = |(key, value): &(&String, &String)| {
                has.get(*key).is_some_and(|entry| entry.own && is_same(key, &entry.value, value))
            };
            let Some((key, value)) = changes.iter().find(|change| !is_set(change)) else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                let action = "change the settings of a topic";
                let reason = format!("`{name}`: the broker did not take `{key}: {value}`");
                return Err(BrokerError::Refused { action, reason });
            }
            tokio::time::sleep(CONFIG_LOOK).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{
        KafkaConfig,
        embedded::{Embedded, EmbeddedOptions},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_setting_that_the_broker_refuses_is_refused_on_a_topic_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let embedded = Embedded::start(&EmbeddedOptions {
            listen: Some("127.0.0.1:0".to_owned()),
            data_dir: dir.path().to_owned(),
            ephemeral: true,
        })
        .await
        .unwrap();
        let config = KafkaConfig { bootstrap: embedded.bootstrap(), ..KafkaConfig::default() };
        let admin = Admin::connect(&Broker::new(config)).unwrap();
        let config = BTreeMap::from([("segment.ms".to_owned(), "5".to_owned())]);
        let request = TopicRequest {
            name: "t".into(),
            partitions: 1,
            replication: 1,
            config: config.clone(),
        };
        admin.create(&request).await.unwrap();
        let set = async |key: &str, value: &str| {
            let changes = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            admin.configure(&"t".into(), &changes).await
        };
        for (key, value) in [("retention.ms", "abc"), ("nope.x", "1")] {
            let refused = set(key, value).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("did not take `{key}: {value}`")), "{refused}");
        }
        set("retention.ms", "60000").await.unwrap();
        set("cleanup.policy", "compact, delete").await.unwrap();
        let has = admin.describe(&"t".into()).await.unwrap().unwrap().config;
        let own = |key: &str| has[key].own.then(|| has[key].value.as_str());
        assert_eq!(own("retention.ms"), Some("60000"));
        assert_eq!(own("segment.ms"), Some("5"), "what was set before stays");
        assert!(!has.contains_key("nope.x"));
        embedded.shutdown().await;
    }
}
