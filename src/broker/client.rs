//! Makes clients of one cluster.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    metadata::Metadata,
};

use super::{BrokerError, KafkaConfig, context::Quiet};
use crate::record::Topic;

/// One Kafka cluster; cheap to clone, connects when a client is made.
#[derive(Debug, Clone)]
pub struct Broker {
    config: KafkaConfig,
}

impl Broker {
    pub fn new(config: KafkaConfig) -> Self {
        Self { config }
    }

    pub fn bootstrap(&self) -> &str {
        &self.config.bootstrap
    }

    /// What each client starts from; `own` are its own properties, over which
    /// only the user's go.
    pub(super) fn client_config(&self, own: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.config.bootstrap)
            .set("client.id", &self.config.client_id)
            // Reconnecting quickly is what makes a restarted broker harmless.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false");
        for (key, value) in own {
            client.set(*key, *value);
        }
        for (key, value) in &self.config.properties {
            client.set(key, value);
        }
        client
    }

    /// Asks the cluster for its topics: the check that it is there at all.
    pub fn probe(&self, timeout: Duration) -> Result<(), BrokerError> {
        self.metadata(None, timeout).map(|_| ())
    }

    /// How many partitions a topic has. Asked again a few times: now and then
    /// librdkafka leaves a fresh client's question unanswered.
    pub fn partitions(&self, topic: &Topic) -> Result<usize, BrokerError> {
        const TRIES: usize = 5;
        const PATIENCE: Duration = Duration::from_secs(3);
        let mut tries = 0;
        let metadata = loop {
            tries += 1;
            match self.metadata(Some(topic), PATIENCE) {
                Err(BrokerError::Unreachable { .. }) if tries < TRIES => {}
                answer => break answer?,
            }
        };
        partitions_in(&metadata, topic)
    }

    pub(super) fn metadata(
        &self,
        topic: Option<&str>,
        timeout: Duration,
    ) -> Result<Metadata, BrokerError> {
        let client = self.metadata_client()?;
        client.fetch_metadata(topic, timeout).map_err(|source| self.unreachable(source))
    }

    pub(super) fn metadata_client(&self) -> Result<BaseConsumer<QuietConsumer>, BrokerError> {
        BaseConsumer::from_config_and_context(&self.client_config(&[]), QuietConsumer)
            .map_err(|source| BrokerError::Setup { source })
    }

    pub(super) fn unreachable(&self, source: rdkafka::error::KafkaError) -> BrokerError {
        use rdkafka::error::RDKafkaErrorCode as Code;
        match source.rdkafka_error_code() {
            Some(
                Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::Resolve,
            ) => BrokerError::Unreachable { bootstrap: self.config.bootstrap.clone(), source },
            _ => BrokerError::of("ask the broker for its topics", source),
        }
    }
}

/// How many partitions a topic has that was asked for alone.
pub(super) fn partitions_in(metadata: &Metadata, topic: &Topic) -> Result<usize, BrokerError> {
    match metadata.topics().first().map(|found| found.partitions().len()) {
        None | Some(0) => Err(BrokerError::TopicMissing { topic: topic.clone() }),
        Some(partitions) => Ok(partitions),
    }
}

/// [`Quiet`], for clients that never join a group.
pub(super) struct QuietConsumer;

impl rdkafka::ClientContext for QuietConsumer {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, fac: &str, message: &str) {
        Quiet.log(level, fac, message);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for QuietConsumer {}
