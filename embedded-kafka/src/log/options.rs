//! The settings of a topic that its log obeys, out of Kafka's configuration names.

use std::collections::BTreeMap;

use crate::topic_config::default_of;

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
    /// How far behind and ahead of the broker's clock a record's timestamp may be.
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub dirty_ratio_min: f64,
}

impl LogOptions {
    /// Settings of a topic over the defaults; values were checked when they were set.
    pub(crate) fn new(configs: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            configs.get(name).map_or_else(|| default_of(name), String::as_str).to_owned()
        };
        let number = |name: &str| text(name).trim().parse::<i64>().unwrap_or_default();
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
            log_append_time: text("message.timestamp.type").trim() == "LogAppendTime",
            delete_retention_ms: number("delete.retention.ms"),
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            dirty_ratio_min: text("min.cleanable.dirty.ratio").trim().parse().unwrap_or(0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_is_no_limit() {
        let configs = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let options = LogOptions::new(&configs);
        assert_eq!(options.retention_ms, None);
        assert_eq!(options.retention_bytes, None);
        assert_eq!(LogOptions::new(&BTreeMap::new()).retention_ms, Some(604_800_000));
    }
}
