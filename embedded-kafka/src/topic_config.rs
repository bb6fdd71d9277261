//! The settings of a topic that Apache Kafka knows: types, ranges and defaults.
//!
//! Names and values follow Kafka's `LogConfig`. This broker refuses what Kafka
//! refuses, and keeps and shows the settings for which it has no use.

use std::collections::BTreeMap;

/// A setting, and the values that it takes.
#[derive(Debug, Clone, Copy)]
pub struct TopicConfig {
    pub name: &'static str,
    pub default: &'static str,
    pub(crate) kind: Kind,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number of 32 bits.
    Int(i32, i32),
    /// A whole number of 64 bits.
    Long(i64),
    /// From 0 to 1.
    Ratio,
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by commas.
    Words(&'static [&'static str]),
    /// `PARTITION:BROKER` separated by commas, or `*`.
    Replicas,
}

use Kind::{Boolean, Int, Long, Ratio, Replicas, Word, Words};

const POLICIES: &[&str] = &["delete", "compact"];
const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const GZIP_LEVELS: &[&str] = &["-1", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const TIMESTAMPS: &[&str] = &["CreateTime", "LogAppendTime"];
const MAX: &str = "9223372036854775807";

/// In the order of the names.
pub(crate) const TOPIC_CONFIGS: &[TopicConfig] = &[
    config("cleanup.policy", "delete", Words(POLICIES)),
    config("compression.gzip.level", "-1", Word(GZIP_LEVELS)),
    config("compression.lz4.level", "9", Int(1, 17)),
    config("compression.type", "producer", Word(COMPRESSIONS)),
    config("compression.zstd.level", "3", Int(-131_072, 22)),
    config("delete.retention.ms", "86400000", Long(0)),
    config("file.delete.delay.ms", "60000", Long(0)),
    config("flush.messages", MAX, Long(1)),
    config("flush.ms", MAX, Long(0)),
    config("follower.replication.throttled.replicas", "", Replicas),
    config("index.interval.bytes", "4096", Int(0, i32::MAX)),
    config("leader.replication.throttled.replicas", "", Replicas),
    config("local.retention.bytes", "-2", Long(-2)),
    config("local.retention.ms", "-2", Long(-2)),
    config("max.compaction.lag.ms", MAX, Long(1)),
    config("max.message.bytes", "1048588", Int(0, i32::MAX)),
    config("message.downconversion.enable", "true", Boolean),
    config("message.timestamp.after.max.ms", "3600000", Long(0)),
    config("message.timestamp.before.max.ms", MAX, Long(0)),
    config("message.timestamp.type", "CreateTime", Word(TIMESTAMPS)),
    config("min.cleanable.dirty.ratio", "0.5", Ratio),
    config("min.compaction.lag.ms", "0", Long(0)),
    config("min.insync.replicas", "1", Int(1, i32::MAX)),
    config("preallocate", "false", Boolean),
    config("remote.log.copy.disable", "false", Boolean),
    config("remote.log.delete.on.disable", "false", Boolean),
    config("remote.storage.enable", "false", Boolean),
    config("retention.bytes", "-1", Long(i64::MIN)),
    config("retention.ms", "604800000", Long(-1)),
    config("segment.bytes", "67108864", Int(14, i32::MAX)),
    config("segment.index.bytes", "10485760", Int(4, i32::MAX)),
    config("segment.jitter.ms", "0", Long(0)),
    config("segment.ms", "604800000", Long(1)),
    config("unclean.leader.election.enable", "false", Boolean),
];

const fn config(name: &'static str, default: &'static str, kind: Kind) -> TopicConfig {
    TopicConfig { name, default, kind }
}

/// All settings, in the order of their names.
pub fn all() -> impl Iterator<Item = &'static TopicConfig> {
    TOPIC_CONFIGS.iter()
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|config| config.name == name)
}

/// What names of settings begin with that only other brokers of Kafka's protocol
/// know. They are kept and shown.
const VENDORS: [&str; 2] = ["confluent.", "redpanda."];

/// Whether only the brokers of another vendor know the setting.
pub fn is_of_vendor(name: &str) -> bool {
    VENDORS.iter().any(|vendor| name.starts_with(vendor))
}

/// The default of this broker; empty for an unknown setting.
pub(crate) fn default_of(name: &str) -> &'static str {
    find(name).map_or("", |config| config.default)
}

impl TopicConfig {
    /// The value as Kafka writes it; `None` if Kafka does not take it.
    pub fn read(&self, value: &str) -> Option<String> {
        let value = value.trim();
        match self.kind {
            Int(least, most) => {
                let number = value.parse::<i32>().ok()?;
                (least..=most).contains(&number).then(|| number.to_string())
            }
            Long(least) => {
                let number = value.parse::<i64>().ok()?;
                (number >= least).then(|| number.to_string())
            }
            Ratio => {
                let ratio = value.parse::<f64>().ok()?;
                (0.0..=1.0).contains(&ratio).then(|| format!("{ratio:?}"))
            }
            Boolean => {
                let word = value.to_ascii_lowercase();
                ["true", "false"].contains(&word.as_str()).then_some(word)
            }
            Word(words) => words.contains(&value).then(|| value.to_owned()),
            Words(words) => {
                let given: Vec<_> = value.split(',').map(str::trim).collect();
                given.iter().all(|word| words.contains(word)).then(|| given.join(","))
            }
            Replicas => {
                let sound = value.is_empty() || value == "*" || value.split(',').all(is_replica);
                sound.then(|| value.to_owned())
            }
        }
    }

    /// The values that Kafka takes, in words.
    pub fn expected(&self) -> String {
        match self.kind {
            Int(least, most) => format!("a whole number from {least} to {most}"),
            Long(i64::MIN) => "a whole number".to_owned(),
            Long(least) => format!("a whole number of at least {least}"),
            Ratio => "a number from 0 to 1".to_owned(),
            Boolean => "true or false".to_owned(),
            Word(words) => format!("one of {}", words.join(", ")),
            Words(words) => format!("one or more of {}, separated by commas", words.join(", ")),
            Replicas => "`*`, or PARTITION:BROKER separated by commas".to_owned(),
        }
    }
}

fn is_replica(text: &str) -> bool {
    let is_number = |text: &str| text.trim().parse::<u32>().is_ok();
    text.split_once(':')
        .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}

/// Whether two values of a setting mean the same, such as `0.50` and `0.5`.
pub fn is_same(name: &str, value: &str, other: &str) -> bool {
    let read = |value: &str| find(name).and_then(|config| config.read(value));
    value == other || read(value).is_some_and(|value| Some(value) == read(other))
}

/// What is wrong with settings that are right one by one: the name of the first,
/// and the reason.
pub fn check_together(configs: &BTreeMap<String, String>) -> Result<(), (&'static str, String)> {
    let number = |name: &str| {
        let value = configs.get(name).map_or(default_of(name), String::as_str);
        value.trim().parse::<i64>().unwrap_or_default()
    };
    let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
    if least > most {
        let reason = format!("{least} is more than max.compaction.lag.ms, {most}");
        return Err(("min.compaction.lag.ms", reason));
    }
    Ok(())
}

/// What is wrong with the settings of a topic, for the client that sent them.
pub(crate) fn check(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        let Some(config) = find(name) else {
            if is_of_vendor(name) {
                continue;
            }
            return Err(format!("Unknown topic config name: {name}"));
        };
        if config.read(value).is_none() {
            let expected = config.expected();
            return Err(format!(
                "Invalid value {value} for configuration {name}: expected {expected}"
            ));
        }
    }
    let together = check_together(configs);
    together.map_err(|(name, reason)| format!("Invalid value for configuration {name}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(name: &str, value: &str) -> Option<String> {
        check(&BTreeMap::from([(name.to_owned(), value.to_owned())])).err()
    }

    #[test]
    fn every_default_is_a_valid_value_and_names_are_in_order() {
        for config in all() {
            assert_eq!(wrong(config.name, config.default), None);
        }
        assert!(TOPIC_CONFIGS.is_sorted_by_key(|config| config.name));
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused_by_name() {
        assert_eq!(wrong("nope.x", "1").unwrap(), "Unknown topic config name: nope.x");
        for (name, value) in [
            ("retention.ms", "abc"),
            ("retention.ms", "-2"),
            ("retention.ms", "1.5"),
            ("retention.ms", "9223372036854775808"),
            ("segment.bytes", "13"),
            ("segment.bytes", "2147483648"),
            ("max.message.bytes", "-1"),
            ("min.insync.replicas", "0"),
            ("cleanup.policy", "burn"),
            ("cleanup.policy", ""),
            ("cleanup.policy", "compact,"),
            ("compression.type", "none"),
            ("compression.gzip.level", "0"),
            ("message.timestamp.type", "createtime"),
            ("min.cleanable.dirty.ratio", "1.1"),
            ("min.cleanable.dirty.ratio", "NaN"),
            ("preallocate", "yes"),
            ("leader.replication.throttled.replicas", "0-1"),
        ] {
            let words = wrong(name, value).unwrap_or_else(|| panic!("{name}: {value}"));
            assert!(words.contains(name) && words.contains("expected"), "{words}");
        }
    }

    #[test]
    fn values_are_read_as_kafka_reads_them() {
        for (name, value) in [
            ("retention.ms", "-1"),
            ("retention.ms", " 5 "),
            ("retention.bytes", "-7"),
            ("cleanup.policy", "compact, delete"),
            ("preallocate", "TRUE"),
            ("follower.replication.throttled.replicas", "0:1,1:2"),
            ("leader.replication.throttled.replicas", "*"),
            ("redpanda.remote.read", "true"),
        ] {
            assert_eq!(wrong(name, value), None);
        }
        assert!(is_same("min.cleanable.dirty.ratio", "1", "1.0"));
        assert!(is_same("cleanup.policy", "compact, delete", "compact,delete"));
        assert!(!is_same("retention.ms", "5", "6") && !is_same("nope", "5", "05"));
    }

    #[test]
    fn lags_of_compaction_must_agree() {
        let lags = |least: &str, most: &str| {
            let pair = [("min.compaction.lag.ms", least), ("max.compaction.lag.ms", most)];
            check(&pair.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        assert_eq!(lags("5", "5"), Ok(()));
        assert!(lags("6", "5").unwrap_err().contains("min.compaction.lag.ms"));
    }
}
