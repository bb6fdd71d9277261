//! How Kafka is reached.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Properties that the hub's promises hang on, so nobody else may set them.
const RESERVED: [(&str, &str); 9] = [
    ("bootstrap.servers", "set `kafka.bootstrap`"),
    ("client.id", "set `kafka.client_id`"),
    ("compression.type", "set `stage.compression`"),
    ("session.timeout.ms", "set `stage.session_timeout`"),
    ("transaction.timeout.ms", "set `stage.transaction_timeout`"),
    ("enable.auto.commit", "offsets are committed with the outputs"),
    ("group.id", "a stage's group is named after it"),
    ("isolation.level", "stages read committed"),
    ("transactional.id", "each task has its own, or it would fence another"),
];

/// How Kafka is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port` of one or more brokers, with commas between. Left empty, `up`
    /// and `demo` start a broker of their own.
    pub bootstrap: String,

    /// The name by which brokers know this client in their logs and quotas.
    pub client_id: String,

    /// Properties of librdkafka, passed on as they are: `security.protocol`,
    /// `sasl.username`, `ssl.ca.location` and the like.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap: String::new(),
            client_id: "lineage-hub".to_owned(),
            properties: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    /// Only the names of the properties: among their values are passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bootstrap, client_id, properties } = self;
        let names: Vec<_> = properties.keys().collect();
        f.debug_struct("KafkaConfig")
            .field("bootstrap", bootstrap)
            .field("client_id", client_id)
            .field("properties", &names)
            .finish()
    }
}

impl KafkaConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        for server in self.bootstrap.split(',').filter(|_| !self.bootstrap.is_empty()) {
            let port = server.trim().rsplit_once(':').and_then(|(host, port)| {
                (!host.is_empty()).then_some(())?;
                port.parse::<u16>().ok()
            });
            if port.is_none_or(|port| port == 0) {
                problem("kafka.bootstrap", format!("`{server}` is not `host:port`"));
            }
        }
        if self.client_id.is_empty() {
            problem("kafka.client_id", "must not be empty".to_owned());
        }
        for (name, reason) in RESERVED {
            if self.properties.contains_key(name) {
                problem(&format!("kafka.properties.{name}"), format!("is the hub's own: {reason}"));
            }
        }
    }
}
