//! What a broker can be told, with defaults that work together.

use std::path::PathBuf;
use std::time::Duration;

/// When the disk is waited for. Whatever is chosen, the death of the process
/// alone loses nothing: this is about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Before a produce request or an offset commit is acknowledged.
    EachAppend,
    /// Before a commit of a transaction is acknowledged, and on the interval.
    #[default]
    Commit,
    /// On the interval only.
    Interval,
}

/// Settings of a broker. Sizes in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// `None`: everything in memory.
    pub data_dir: Option<PathBuf>,
    /// Address to listen on, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Take a free port of the same host when that of `listen` is taken.
    pub or_free_port: bool,
    /// Host that clients are told, when it is another than the one listened on.
    pub advertised_host: Option<String>,
    pub allow_remote: bool,
    pub auto_create_topics: bool,
    /// Partitions of a topic made without saying how many.
    pub default_partitions: i32,
    /// Most partitions of all topics together; each takes files and memory.
    pub partitions_max: usize,
    pub fsync: Fsync,
    /// At most so long unsynced bytes stay unsynced.
    pub fsync_interval: Duration,
    pub retention_interval: Duration,
    pub connections_max: usize,
    pub request_bytes_max: usize,
    /// Requests under way hold at most this much together; further ones wait.
    pub request_bytes_in_flight_max: usize,
    /// A fetch answer ends near this size.
    pub fetch_bytes_max: usize,
    /// A fetch waits at most so long, whatever it asks for.
    pub fetch_wait_max: Duration,
    /// A new group waits so long for further members before its first assignment.
    pub group_initial_delay: Duration,
    pub session_timeout_min: Duration,
    pub session_timeout_max: Duration,
    pub transaction_timeout_max: Duration,
    pub offset_metadata_bytes_max: usize,
    /// An empty group keeps its offsets so long.
    pub offsets_retention: Duration,
    /// A transactional id that is not used is kept so long.
    pub transactional_id_retention: Duration,
    /// Connections that are silent for so long are closed.
    pub idle_max: Duration,
}

/// Most partitions of all topics together.
pub const PARTITIONS_MAX: usize = 10_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: None,
            listen: "127.0.0.1:9092".to_owned(),
            or_free_port: false,
            advertised_host: None,
            allow_remote: false,
            auto_create_topics: false,
            default_partitions: 1,
            partitions_max: PARTITIONS_MAX,
            fsync: Fsync::default(),
            fsync_interval: Duration::from_secs(1),
            retention_interval: Duration::from_secs(30),
            connections_max: 1_000,
            request_bytes_max: 100 << 20,
            request_bytes_in_flight_max: 256 << 20,
            fetch_bytes_max: 4 << 20,
            fetch_wait_max: Duration::from_secs(30),
            group_initial_delay: Duration::ZERO,
            session_timeout_min: Duration::from_millis(100),
            session_timeout_max: Duration::from_mins(30),
            transaction_timeout_max: Duration::from_mins(15),
            offset_metadata_bytes_max: 4_096,
            offsets_retention: Duration::from_hours(7 * 24),
            transactional_id_retention: Duration::from_hours(7 * 24),
            idle_max: Duration::from_mins(10),
        }
    }
}
