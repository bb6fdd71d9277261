//! The settings of a topic that its log obeys, out of Kafka's configuration names.

use std::collections::BTreeMap;

/// Kafka's names with the broker's defaults, in the order of the names. What is
/// not listed is refused; what the broker has no use for is kept and shown.
pub(crate) const TOPIC_CONFIGS: &[(&str, &str, Kind)] = &[
    ("cleanup.policy", "delete", Kind::CleanupPolicy),
    ("compression.type", "producer", Kind::Text),
    ("delete.retention.ms", "86400000", Kind::Number),
    ("file.delete.delay.ms", "60000", Kind::Number),
    ("flush.messages", "9223372036854775807", Kind::Number),
    ("flush.ms", "9223372036854775807", Kind::Number),
    ("index.interval.bytes", "4096", Kind::Number),
    ("max.compaction.lag.ms", "9223372036854775807", Kind::Number),
    ("max.message.bytes", "1048588", Kind::Number),
    ("message.timestamp.after.max.ms", "3600000", Kind::Number),
    ("message.timestamp.before.max.ms", "9223372036854775807", Kind::Number),
    ("message.timestamp.type", "CreateTime", Kind::TimestampType),
    ("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    ("min.compaction.lag.ms", "0", Kind::Number),
    ("min.insync.replicas", "1", Kind::Number),
    ("preallocate", "false", Kind::Text),
    ("retention.bytes", "-1", Kind::Number),
    ("retention.ms", "604800000", Kind::Number),
    ("segment.bytes", "67108864", Kind::Number),
    ("segment.index.bytes", "10485760", Kind::Number),
    ("segment.jitter.ms", "0", Kind::Number),
    ("segment.ms", "604800000", Kind::Number),
    ("unclean.leader.election.enable", "false", Kind::Text),
];

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Ratio,
    CleanupPolicy,
    TimestampType,
}

/// Says what is wrong with a setting, for the client that sent it.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let Some((_, _, kind)) = TOPIC_CONFIGS.iter().find(|(known, _, _)| *known == name) else {
        return Err(format!("Unknown topic config name: {name}"));
    };
    let valid = match kind {
        Kind::Text => true,
        Kind::Number => value.parse::<i64>().is_ok(),
        Kind::Ratio => value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
        Kind::CleanupPolicy => {
            value.split(',').all(|policy| matches!(policy.trim(), "delete" | "compact"))
        }
        Kind::TimestampType => matches!(value, "CreateTime" | "LogAppendTime"),
    };
    if valid { Ok(()) } else { Err(format!("Invalid value {value} for configuration {name}")) }
}

/// The settings of a log. Sizes in bytes, times in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogOptions {
    pub segment_bytes: u64,
    pub segment_ms: i64,
    /// `None`: without end.
    pub retention_ms: Option<i64>,
    pub retention_bytes: Option<u64>,
    pub max_batch_bytes: usize,
    pub delete: bool,
    pub compact: bool,
    pub log_append_time: bool,
    pub delete_retention_ms: i64,
    pub dirty_ratio_min: f64,
}

impl LogOptions {
    /// Settings of a topic over the defaults; values were checked when they were set.
    pub(crate) fn new(configs: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            configs.get(name).map_or_else(|| default_of(name), String::as_str).to_owned()
        };
        let number = |name: &str| text(name).parse::<i64>().unwrap_or_default();
        let limit = |value: i64| (value >= 0).then_some(value);
        let policy = text("cleanup.policy");
        Self {
            // Positions in a segment are u32.
            segment_bytes: number("segment.bytes").clamp(1 << 10, 1 << 31) as u64,
            segment_ms: number("segment.ms").max(1),
            retention_ms: limit(number("retention.ms")),
            retention_bytes: limit(number("retention.bytes")).map(|bytes| bytes as u64),
            max_batch_bytes: number("max.message.bytes").max(0) as usize,
            delete: policy.contains("delete"),
            compact: policy.contains("compact"),
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            delete_retention_ms: number("delete.retention.ms"),
            dirty_ratio_min: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
        }
    }
}

/// The broker's default of a setting; empty for an unknown one.
pub(crate) fn default_of(name: &str) -> &'static str {
    TOPIC_CONFIGS.iter().find(|(known, _, _)| *known == name).map_or("", |(_, default, _)| default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_valid_value() {
        for (name, default, _) in TOPIC_CONFIGS {
            assert_eq!(check(name, default), Ok(()), "{name}");
        }
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused_by_name() {
        assert!(check("retention.mss", "1").unwrap_err().contains("retention.mss"));
        assert!(check("retention.ms", "a week").unwrap_err().contains("retention.ms"));
        assert!(check("cleanup.policy", "compact,delete").is_ok());
        assert!(check("cleanup.policy", "burn").is_err());
    }

    #[test]
    fn minus_one_is_no_limit() {
        let configs = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let options = LogOptions::new(&configs);
        assert_eq!(options.retention_ms, None);
        assert_eq!(options.retention_bytes, None);
        assert_eq!(LogOptions::new(&BTreeMap::new()).retention_ms, Some(604_800_000));
    }
}
