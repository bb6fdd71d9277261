//! What is to be done so that the cluster has a topic as a project declares it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use embedded_kafka::topic_config::is_same;

use super::{Admin, BrokerError, TopicDescription, TopicRequest};
use crate::record::Topic;

/// Longest that a topic just made may take to be known to the brokers.
const SPREAD_TIMEOUT: Duration = Duration::from_secs(15);

/// One difference between what is declared and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    Create(TopicRequest),
    AddPartitions {
        topic: Topic,
        from: i32,
        to: i32,
    },
    SetConfig {
        topic: Topic,
        key: String,
        from: Option<String>,
        to: String,
    },
    /// Kafka cannot do this without losing records or their order.
    Impossible {
        topic: Topic,
        what: String,
    },
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(request) => {
                write!(f, "create {} with {} partitions", request.name, request.partitions)
            }
            Self::AddPartitions { topic, from, to } => {
                write!(f, "widen {topic} from {from} to {to} partitions")
            }
            Self::SetConfig { topic, key, from, to } => {
                let from = from.as_deref().unwrap_or("unset");
                write!(f, "set {key} of {topic} from {from} to {to}")
            }
            Self::Impossible { topic, what } => write!(f, "cannot change {topic}: {what}"),
        }
    }
}

impl TopicChange {
    pub fn is_possible(&self) -> bool {
        !matches!(self, Self::Impossible { .. })
    }
}

/// The changes that make `found` what is `wanted`; never a deletion.
pub fn diff(wanted: &TopicRequest, found: Option<&TopicDescription>) -> Vec<TopicChange> {
    let Some(found) = found else { return vec![TopicChange::Create(wanted.clone())] };
    let topic = wanted.name.clone();
    let mut changes = Vec::new();
    let (from, to) = (found.partitions, wanted.partitions);
    if to > from {
        changes.push(TopicChange::AddPartitions { topic: topic.clone(), from, to });
    } else if to < from {
        let what = format!(
            "it has {from} partitions and {to} are declared; Kafka cannot take partitions away, \
             so declare {from} or make a new topic"
        );
        changes.push(TopicChange::Impossible { topic: topic.clone(), what });
    }
    if wanted.replication > 0 && wanted.replication != found.replication {
        let what = format!(
            "its replication is {} and {} is declared; move it with kafka-reassign-partitions",
            found.replication, wanted.replication
        );
        changes.push(TopicChange::Impossible { topic: topic.clone(), what });
    }
    for (key, to) in &wanted.config {
        let from = found.config.get(key).map(|entry| entry.value.clone());
        if from.as_ref().is_none_or(|from| !is_same(key, from, to)) {
            let (topic, key, to) = (topic.clone(), key.clone(), to.clone());
            changes.push(TopicChange::SetConfig { topic, key, from, to });
        }
    }
    changes
}

/// Carries out what is possible; safe to repeat. Whoever comes next finds the
/// topics: a cluster answers before all of it knows of them.
pub async fn apply(admin: &Admin, changes: &[TopicChange]) -> Result<(), BrokerError> {
    for change in changes {
        match change {
            TopicChange::Create(request) => {
                admin.create(request).await?;
            }
            TopicChange::AddPartitions { topic, to, .. } => {
                admin.add_partitions(topic, *to).await?;
            }
            TopicChange::SetConfig { topic, key, to, .. } => {
                let change = [(key.clone(), to.clone())].into();
                admin.configure(topic, &change).await?;
            }
            TopicChange::Impossible { .. } => {}
        }
    }
    let deadline = Instant::now() + SPREAD_TIMEOUT;
    while !are_known(admin, changes)? && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn are_known(admin: &Admin, changes: &[TopicChange]) -> Result<bool, BrokerError> {
    let known = admin.topics()?;
    let has = |topic: &Topic, wanted: i32| known.get(topic).is_some_and(|(has, _)| *has >= wanted);
    Ok(changes.iter().all(|change| match change {
        TopicChange::Create(request) => has(&request.name, request.partitions),
        TopicChange::AddPartitions { topic, to, .. } => has(topic, *to),
        TopicChange::SetConfig { .. } | TopicChange::Impossible { .. } => true,
    }))
}

#[cfg(test)]
mod tests {
    use super::{super::ConfigEntry, *};

    fn wanted(partitions: i32) -> TopicRequest {
        TopicRequest {
            name: "orders".into(),
            partitions,
            replication: -1,
            config: [("retention.ms".to_owned(), "1000".to_owned())].into(),
        }
    }

    fn found(partitions: i32, retention: &str) -> TopicDescription {
        let entry = ConfigEntry { value: retention.to_owned(), own: true };
        TopicDescription {
            name: "orders".into(),
            partitions,
            replication: 1,
            config: [("retention.ms".to_owned(), entry)].into(),
        }
    }

    #[test]
    fn a_missing_topic_is_made_and_one_as_declared_is_left_alone() {
        assert_eq!(diff(&wanted(4), None), [TopicChange::Create(wanted(4))]);
        assert_eq!(diff(&wanted(4), Some(&found(4, "1000"))), []);
    }

    #[test]
    fn partitions_are_added_and_never_taken_away() {
        let changes = diff(&wanted(4), Some(&found(2, "1000")));
        assert_eq!(changes[0].to_string(), "widen orders from 2 to 4 partitions");
        let changes = diff(&wanted(2), Some(&found(4, "1000")));
        assert!(!changes[0].is_possible());
        assert!(changes[0].to_string().contains("cannot take partitions away"));
    }

    #[test]
    fn a_setting_that_differs_is_set() {
        let changes = diff(&wanted(4), Some(&found(4, "9")));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].to_string(), "set retention.ms of orders from 9 to 1000");
    }
}
