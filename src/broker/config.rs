//! How Kafka is reached.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::properties;
use crate::runtime::parse_address;

/// How Kafka is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Comma-separated `host:port` of one or more brokers. If it is empty, `up` and
    /// `demo` start an embedded broker.
    pub bootstrap: String,

    /// The name by which brokers know this client in their logs and quotas.
    pub client_id: String,

    /// Properties of librdkafka for connections, security and fetching, passed on as
    /// they are: `security.protocol`, `sasl.username`, `socket.timeout.ms` and so on.
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
            let server = server.trim();
            let wrong = match parse_address(server) {
                Ok((_, 0)) => "has port 0, which is not a port of a broker".to_owned(),
                Ok(_) => continue,
                Err(error) => error.to_string(),
            };
            problem("kafka.bootstrap", format!("`{server}` {wrong}"));
        }
        if self.client_id.is_empty() {
            problem("kafka.client_id", "must not be empty".to_owned());
        }
        properties::check(&self.properties, &mut |name, message| {
            let dot = if name.is_empty() { "" } else { "." };
            problem(&format!("kafka.properties{dot}{name}"), message);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_no_client_can_use_is_refused_with_the_reason() {
        let problems = |bootstrap: &str| {
            let config = KafkaConfig { bootstrap: bootstrap.to_owned(), ..KafkaConfig::default() };
            let mut problems = Vec::new();
            config.check(&mut |setting, message| problems.push(format!("{setting}: {message}")));
            problems
        };
        for good in ["", "a:9092", "a:1, b:2", "[::1]:9092", "10.0.0.7:9093"] {
            assert_eq!(problems(good), [""; 0], "{good}");
        }
        for bad in ["http://a:9092", "a b:1", "a:1;b:2", "localhost", "a:0", "a:1,", "a:99999"] {
            assert_eq!(problems(bad).len(), 1, "{bad}");
        }
        assert_eq!(
            problems("http://a:9092"),
            ["kafka.bootstrap: `http://a:9092` has a scheme; write `host:port` without `://`"]
        );
    }
}
