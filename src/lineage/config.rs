//! Settings of lineage that all who write or read it share.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::naming;
use crate::runtime::check_time;

/// What lineage is written, and under which names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineageConfig {
    /// Whether stages report lineage at all (`OPENLINEAGE_DISABLED` turns it off).
    pub enabled: bool,

    /// The topic that lineage events are written to.
    pub topic: String,

    /// Namespace of the jobs of a pipeline that names none (`OPENLINEAGE_NAMESPACE`).
    pub namespace: String,

    /// `host:port` by which lineage knows the broker, whatever name a replica
    /// reaches it by. Left out: the first of the bootstrap servers. Two names
    /// of one broker would split the graph in two.
    pub broker: Option<String>,

    /// Time between the RUNNING events of a streaming run. A backend takes some
    /// tens of events a second in all, so many replicas want a longer one.
    #[serde(with = "humantime_serde")]
    pub running_interval: Duration,
}

impl Default for LineageConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            topic: "lineage".to_owned(),
            namespace: "lineage-hub".to_owned(),
            broker: None,
            running_interval: Duration::from_mins(1),
        }
    }
}

impl LineageConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        if self.topic.is_empty() {
            problem("lineage.topic", "must not be empty".to_owned());
        }
        if self.namespace.is_empty() {
            problem("lineage.namespace", "must not be empty".to_owned());
        }
        let range = Duration::from_secs(1)..=Duration::from_hours(24);
        check_time("lineage.running_interval", self.running_interval, &range, problem);
        if let Some(Err(error)) = self.broker.as_deref().map(naming::kafka_namespace) {
            problem("lineage.broker", error.to_string());
        }
    }

    /// The dataset namespace of the broker's topics.
    pub fn dataset_namespace(&self, bootstrap: &str) -> Result<String, naming::NamingError> {
        naming::kafka_namespace(self.broker.as_deref().unwrap_or(bootstrap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_together() {
        let mut problems = Vec::new();
        LineageConfig::default().check(&mut |setting, _| problems.push(setting.to_owned()));
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let config = LineageConfig {
            topic: String::new(),
            broker: Some("kafka:port".to_owned()),
            running_interval: Duration::ZERO,
            ..LineageConfig::default()
        };
        let mut problems = Vec::new();
        config.check(&mut |setting, _| problems.push(setting.to_owned()));
        assert_eq!(problems, ["lineage.topic", "lineage.running_interval", "lineage.broker"]);
    }

    #[test]
    fn the_configured_broker_name_wins_over_the_bootstrap() {
        let inside = LineageConfig::default();
        let named = LineageConfig { broker: Some("kafka.shop:9092".to_owned()), ..inside.clone() };
        assert_eq!(inside.dataset_namespace("10.0.0.7:9093").unwrap(), "kafka://10.0.0.7:9093");
        assert_eq!(named.dataset_namespace("10.0.0.7:9093").unwrap(), "kafka://kafka.shop:9092");
    }
}
