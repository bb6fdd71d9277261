//! How stages run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::runtime::{check_number, check_time};

/// What a crash may do to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Outputs, dead letters, lineage and offsets in one transaction.
    #[default]
    ExactlyOnce,
    /// Records may come twice after a crash; for brokers without transactions.
    AtLeastOnce,
}

/// How producers compress batches of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    #[default]
    Lz4,
    Zstd,
}

impl Compression {
    /// Kafka's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// What the `sql` facet of lineage shows of the literals in a SELECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlLiterals {
    #[default]
    Keep,
    /// `?` in place of each, where they may be secret.
    Strip,
}

/// When a batch closes: at the first of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Most records that are worked on together.
    pub records_max: usize,

    /// Longest that the first record of a batch waits for the last. Under
    /// `stage.commit.interval`, or it sets the pace of commits.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,

    /// Most bytes of keys, values and headers that are worked on together; a
    /// single larger record is a batch of its own.
    pub bytes_max: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { records_max: 4096, linger: Duration::from_millis(5), bytes_max: 8 * 1024 * 1024 }
    }
}

/// When a transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommitConfig {
    /// Time from one commit to the next: what a reader of committed records waits
    /// at most. Under `stage.transaction_timeout`.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl Default for CommitConfig {
    fn default() -> Self {
        Self { interval: Duration::from_millis(100) }
    }
}

/// Waiting between attempts after a failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Wait before the second attempt; it doubles with each further one.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,

    /// Longest wait; at least `stage.retry.backoff_min`.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { backoff_min: Duration::from_millis(100), backoff_max: Duration::from_secs(30) }
    }
}

/// When a stage stops rather than dead-letter more: a wrong schema must not
/// empty a topic into its dead letters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterConfig {
    /// Largest share of dead letters among the records of a window, from 0 to 1;
    /// 1 never stops. A stage's `dead_letter.share_max` wins over it.
    pub share_max: f64,

    /// Records that a window holds; the share is judged when it is full.
    pub window: u64,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self { share_max: 0.5, window: 1000 }
    }
}

/// How stages run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageConfig {
    pub batch: BatchConfig,
    pub commit: CommitConfig,

    /// `exactly_once`, or `at_least_once` for brokers without transactions.
    pub guarantee: Guarantee,

    /// Timeout after which the broker aborts a transaction whose stage went
    /// silent; 1s to 15m, the broker's own maximum (`transaction.max.timeout.ms`).
    #[serde(with = "humantime_serde")]
    pub transaction_timeout: Duration,

    /// After this the group gives the partitions of a silent replica to others.
    /// 6s to 30m, the broker's own limits (`group.min.session.timeout.ms` and
    /// `group.max.session.timeout.ms`).
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,

    /// Longest that a stop waits for the commit under way. Under the time that
    /// whoever stops the process gives it (30 s in Kubernetes).
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,

    pub retry: RetryConfig,

    /// Of the batches that stages write, unless a topic's file says otherwise:
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: Compression,

    pub dead_letter: DeadLetterConfig,

    /// `keep`, or `strip` for lineage that shows `?` in place of the literals of
    /// a SELECT.
    pub sql_literals: SqlLiterals,
}

impl Default for StageConfig {
    fn default() -> Self {
        Self {
            batch: BatchConfig::default(),
            commit: CommitConfig::default(),
            guarantee: Guarantee::default(),
            transaction_timeout: Duration::from_mins(1),
            session_timeout: Duration::from_secs(45),
            drain_timeout: Duration::from_secs(20),
            retry: RetryConfig::default(),
            compression: Compression::default(),
            dead_letter: DeadLetterConfig::default(),
            sql_literals: SqlLiterals::default(),
        }
    }
}

impl StageConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        self.check_ranges(problem);
        let Self { batch, commit, retry, dead_letter, .. } = self;
        let mut require = |holds: bool, key: &str, message: &str| {
            if !holds {
                problem(key, message.to_owned());
            }
        };
        require(
            batch.linger < commit.interval,
            "stage.batch.linger",
            "must be under `stage.commit.interval`",
        );
        require(
            commit.interval < self.transaction_timeout,
            "stage.commit.interval",
            "must be under `stage.transaction_timeout`",
        );
        require(
            retry.backoff_min <= retry.backoff_max,
            "stage.retry.backoff_max",
            "must be at least `stage.retry.backoff_min`",
        );
        require(
            (0.0..=1.0).contains(&dead_letter.share_max),
            "stage.dead_letter.share_max",
            "must be from 0 to 1",
        );
    }

    /// Kafka's brokers refuse longer timeouts unless they are told otherwise
    /// (`transaction.max.timeout.ms`, `group.max.session.timeout.ms`).
    fn check_ranges(&self, problem: &mut impl FnMut(&str, String)) {
        let Self { batch, retry, dead_letter, .. } = self;
        for (setting, value, range) in [
            ("stage.batch.records_max", batch.records_max as u64, 1..=1_000_000),
            ("stage.batch.bytes_max", batch.bytes_max as u64, 1..=1 << 30),
            ("stage.dead_letter.window", dead_letter.window, 1..=1_000_000_000),
        ] {
            check_number(setting, value, &range, problem);
        }
        let (instant, second) = (Duration::from_millis(1), Duration::from_secs(1));
        let hour = Duration::from_hours(1);
        for (setting, value, range) in [
            (
                "stage.transaction_timeout",
                self.transaction_timeout,
                second..=Duration::from_mins(15),
            ),
            (
                "stage.session_timeout",
                self.session_timeout,
                Duration::from_secs(6)..=Duration::from_mins(30),
            ),
            ("stage.drain_timeout", self.drain_timeout, instant..=hour),
            ("stage.retry.backoff_min", retry.backoff_min, instant..=hour),
            ("stage.retry.backoff_max", retry.backoff_max, Duration::ZERO..=hour),
        ] {
            check_time(setting, value, &range, problem);
        }
    }
}
