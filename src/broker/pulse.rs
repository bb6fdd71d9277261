//! Asks again and again whether the cluster answers, over one connection.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Broker, BrokerError, client::QuietConsumer};
use crate::record::Topic;

/// A client that is kept, so that asking costs one small request.
pub struct Pulse {
    broker: Broker,
    client: BaseConsumer<QuietConsumer>,
    topic: Topic,
}

impl Pulse {
    /// Asks for this topic alone: a large cluster has many.
    pub fn connect(broker: &Broker, topic: &Topic) -> Result<Self, BrokerError> {
        let client = broker.metadata_client()?;
        Ok(Self { broker: broker.clone(), client, topic: topic.clone() })
    }

    pub fn feel(&self, timeout: Duration) -> Result<(), BrokerError> {
        let found = self.client.fetch_metadata(Some(&self.topic), timeout);
        found.map(|_| ()).map_err(|source| self.broker.unreachable(source))
    }
}
