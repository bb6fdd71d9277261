//! `config` of a topic file: Kafka's own settings of a topic.

use std::collections::BTreeMap;

use embedded_kafka::topic_config;

use crate::pipeline::{
    problem::{Place, Problems, did_you_mean},
    yaml::{self, Node, Text},
};

/// Of Kafka 4; earlier versions take smaller segments.
const SEGMENT_BYTES_MIN: i64 = 1 << 20;

/// The settings with their values as Kafka writes them; `replication` is that of
/// the topic's file.
pub(super) fn read(
    node: Option<&Node>,
    replication: Option<i16>,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let entries = node.and_then(|node| yaml::map(node, "`config`", problems)).unwrap_or_default();
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut places: BTreeMap<&str, &Place> = BTreeMap::new();
    for (key, node) in entries {
        let what = format!("`config.{}`", key.as_str());
        let Some(text) = yaml::scalar(node, &what, problems) else { continue };
        if let Some(value) = read_value(key, text, problems) {
            values.insert(key.as_str().to_owned(), value);
            places.insert(key.as_str(), text.place());
        }
    }
    if let Err((name, reason)) = topic_config::check_together(&values) {
        let place = places.get(name).or_else(|| places.values().next());
        let place = place.copied().or(node.map(|node| &node.place));
        if let Some(place) = place {
            problems.error(place, format!("`{name}`: {reason}"));
        }
    }
    check_replicas(&values, &places, replication, problems);
    values.into_iter().collect()
}

fn read_value(key: &Text, text: &Text, problems: &mut Problems) -> Option<String> {
    let (name, value) = (key.as_str(), text.as_str());
    let Some(config) = topic_config::find(name) else {
        if topic_config::is_of_vendor(name) {
            let message = format!("only brokers of that vendor know `{name}`; it is not checked");
            problems.warning(key.place(), message);
            return Some(value.to_owned());
        }
        let names = topic_config::all().map(|config| config.name);
        let hint = did_you_mean(name, names)
            .unwrap_or_else(|| "Kafka's documentation lists them under Topic Configs".to_owned());
        let message = format!("Kafka has no setting of a topic `{name}`");
        problems.error_hint(key.place(), message, hint);
        return None;
    };
    let read = config.read(value);
    if read.is_none() {
        let message = format!("`{name}` must be {}, not `{value}`", config.expected());
        problems.error(text.place(), message);
    }
    if name == "segment.bytes"
        && read.as_deref().and_then(|bytes| bytes.parse().ok()) < Some(SEGMENT_BYTES_MIN)
        && read.is_some()
    {
        let message = format!("Kafka 4 refuses a `segment.bytes` under {SEGMENT_BYTES_MIN}");
        problems.warning(text.place(), message);
    }
    read
}

/// With fewer replicas than must be in sync, Kafka refuses every record.
fn check_replicas(
    values: &BTreeMap<String, String>,
    places: &BTreeMap<&str, &Place>,
    replication: Option<i16>,
    problems: &mut Problems,
) {
    const IN_SYNC: &str = "min.insync.replicas";
    let in_sync = values.get(IN_SYNC).and_then(|text| text.parse::<i32>().ok());
    if let (Some(in_sync), Some(replication), Some(place)) =
        (in_sync, replication, places.get(IN_SYNC))
        && in_sync > i32::from(replication)
    {
        let message = format!(
            "`{IN_SYNC}` is {in_sync} and `replication` is {replication}, so Kafka would refuse \
             every record"
        );
        problems.error_hint(place, message, format!("use at most {replication}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, replication: Option<i16>) -> (Vec<(String, String)>, Vec<String>) {
        let mut problems = Problems::default();
        let node = yaml::parse(&"t".into(), source).unwrap().unwrap();
        let values = read(Some(&node), replication, &mut problems);
        (values, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_are_as_kafka_writes_them() {
        let (values, problems) = of(
            "cleanup.policy: compact, delete\nretention.ms: -1\npreallocate: True\n\
             min.insync.replicas: 2\n",
            Some(2),
        );
        assert_eq!(problems, [""; 0]);
        let values: Vec<_> =
            values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            values,
            [
                ("cleanup.policy", "compact,delete"),
                ("min.insync.replicas", "2"),
                ("preallocate", "true"),
                ("retention.ms", "-1"),
            ]
        );
    }

    #[test]
    fn unknown_names_and_wrong_values_are_errors_with_their_places() {
        let (values, problems) = of(
            "retention.mss: 1\nretention.ms: a week\ncompression.type: none\nnope.x: 1\n\
             min.insync.replicas: 3\nmin.compaction.lag.ms: 5\nmax.compaction.lag.ms: 4\n\
             segment.bytes: 1000\nredpanda.remote.read: true\n",
            Some(2),
        );
        assert_eq!(values.len(), 5);
        assert_eq!(
            problems,
            [
                "t:1:1: Kafka has no setting of a topic `retention.mss`; did you mean \
                 `retention.ms`?",
                "t:2:15: `retention.ms` must be a whole number of at least -1, not `a week`",
                "t:3:19: `compression.type` must be one of uncompressed, zstd, lz4, snappy, gzip, \
                 producer, not `none`",
                "t:4:1: Kafka has no setting of a topic `nope.x`; Kafka's documentation lists \
                 them under Topic Configs",
                "t:5:22: `min.insync.replicas` is 3 and `replication` is 2, so Kafka would refuse \
                 every record; use at most 2",
                "t:6:24: `min.compaction.lag.ms`: 5 is more than max.compaction.lag.ms, 4",
                "t:8:16: warning: Kafka 4 refuses a `segment.bytes` under 1048576",
                "t:9:1: warning: only brokers of that vendor know `redpanda.remote.read`; it is \
                 not checked",
            ]
        );
    }
}
