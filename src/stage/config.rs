//! How stages run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

    /// After this the broker aborts a transaction whose stage went silent. At
    /// most the broker's `transaction.max.timeout.ms` (15 min unless changed).
    #[serde(with = "humantime_serde")]
    pub transaction_timeout: Duration,

    /// After this the group gives the partitions of a silent replica to others.
    /// Within the broker's `group.min.session.timeout.ms` (6 s) and
    /// `group.max.session.timeout.ms` (30 min).
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
        let mut require = |holds: bool, key: &str, message: &str| {
            if !holds {
                problem(key, message.to_owned());
            }
        };
        let Self { batch, commit, retry, dead_letter, .. } = self;
        require(
            (1..=1_000_000).contains(&batch.records_max),
            "stage.batch.records_max",
            "must be 1 to 1000000",
        );
        require(
            (1..=1 << 30).contains(&batch.bytes_max),
            "stage.batch.bytes_max",
            "must be 1 to 1073741824 (1 GiB)",
        );
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
            self.session_timeout >= Duration::from_secs(6),
            "stage.session_timeout",
            "must be at least 6s",
        );
        require(!self.drain_timeout.is_zero(), "stage.drain_timeout", "must be above 0s");
        require(!retry.backoff_min.is_zero(), "stage.retry.backoff_min", "must be above 0s");
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
        require(dead_letter.window > 0, "stage.dead_letter.window", "must be at least 1");
    }
}
