//! The values that generated files are made of: for each, valid ones, odd ones and
//! hostile ones.

/// Values for one place of a file.
pub(crate) struct Pool {
    pub(crate) valid: &'static [&'static str],
    pub(crate) odd: &'static [&'static str],
    pub(crate) hostile: &'static [&'static str],
}

pub(crate) const TOPICS: Pool = Pool {
    valid: &["a", "b", "c", "raw.x", "orders-1", "A9"],
    odd: &["a.b", "a_b", "...", "lineage-2", "x.dlq", "a.dlq"],
    hostile: &[
        "\"\"",
        "..",
        "é",
        "lineage",
        "lineage.dlq",
        "__consumer_offsets",
        "\"a b\"",
        "[a]",
        "~",
    ],
};

pub(crate) const NAMES: Pool = Pool {
    valid: &["p", "q", "s", "clean", "step-1"],
    odd: &["p-s", "a-b", "a", "lineage-hub-forward", "p_", "P"],
    hostile: &["\"\"", "é", "a/b", "\"a b\"", "{}", "'\\0'"],
};

pub(crate) const TYPES: Pool = Pool {
    valid: &[
        "string",
        "int",
        "bigint not null",
        "double",
        "\"decimal(12,2)\"",
        "timestamp",
        "date",
        "time",
        "boolean",
        "binary",
        "list<int>",
        "\"struct<a: int, b: string>\"",
        "\"map<string, int>\"",
        "tinyint",
        "float",
    ],
    odd: &[
        "\"decimal(38,38)\"",
        "\"timestamp(9)\"",
        "\"timestamp(0)\"",
        "list<list<list<string>>>",
        "STRING",
        "\"list<struct<a: list<struct<b: int>>>>\"",
        "\"time(9)\"",
    ],
    hostile: &[
        "\"decimal(39,2)\"",
        "\"decimal(0,0)\"",
        "list<",
        "text",
        "\"map<int, int>\"",
        "\"timestamp(10)\"",
        "{a: int}",
        "\"struct<>\"",
    ],
};

pub(crate) const PARTITIONS: Pool = Pool {
    valid: &["1", "2", "3"],
    odd: &["64", "\"2\"", "0x2"],
    hostile: &["0", "-1", "2147483648", "99999999999999999999", "two", "1.5", "[1]"],
};

pub(crate) const SQL: Pool = Pool {
    valid: &[
        "SELECT * FROM input",
        "SELECT f0 FROM input",
        "SELECT f0, f0 AS g FROM input WHERE f0 IS NOT NULL",
        "SELECT CAST(f0 AS STRING) AS f0 FROM input",
        "SELECT _offset AS f0, _topic AS t FROM input",
        "WITH c AS (SELECT * FROM input) SELECT * FROM c",
    ],
    odd: &[
        "SELECT f0 FROM input WHERE 1 = 0",
        "SELECT 1 AS f0 FROM input",
        "SELECT f0, 'x' AS _key FROM input",
        "SELECT NULL AS f0 FROM input",
        "SELECT f0 AS \"weird name #1\" FROM input",
        "select F0 from INPUT",
        "SELECT now() AS f0 FROM input;",
        "SELECT [1, 2] AS f0, {'a': 1} AS g FROM input",
        "SELECT repeat('x', 100) AS f0 FROM input",
    ],
    hostile: &[
        "SELECT",
        "DROP TABLE input",
        "SELECT nope FROM input",
        "SELECT count(*) FROM input",
        "SELECT repeat('x', 1000000000) AS f0 FROM input",
        "SELECT array_repeat(1, 1000000000) AS f0 FROM input",
        "SELECT lpad('x', 2000000000) AS f0 FROM input",
        "SELECT cardinality(range(0, 1000000000000)) AS f0 FROM input",
        "SELECT 9223372036854775807 + 1 AS f0 FROM input",
        "SELECT 1 / 0 AS f0 FROM input",
        "SELECT f0 AS _offset FROM input",
        "SELECT * FROM other",
        "SELECT f0, f0 FROM input",
        "SELECT '\u{0}' AS f0 FROM input",
    ],
};

pub(crate) const EXPECTATIONS: Pool = Pool {
    valid: &["f0 IS NOT NULL", "true", "1 = 1"],
    odd: &["f0 = f0", "NULL", "CAST(f0 AS STRING) LIKE '%'"],
    hostile: &["f0 +", "nope > 1", "1", "sum(f0) > 1", "\u{feff}true"],
};

pub(crate) const OTHERWISE: Pool = Pool {
    valid: &["dead_letter", "drop", "warn", "stop"],
    odd: &["\"warn\""],
    hostile: &["Stop", "ignore", "~", "1"],
};

/// Kafka's topic properties.
pub(crate) const PROPERTIES: Pool = Pool {
    valid: &[
        "retention.ms: 604800000",
        "cleanup.policy: delete",
        "max.message.bytes: 1048588",
        "compression.type: producer",
    ],
    odd: &[
        "retention.ms: -1",
        "cleanup.policy: \"compact,delete\"",
        "segment.bytes: 1048576",
        "min.insync.replicas: 1",
        "retention.bytes: \"100000000\"",
    ],
    hostile: &[
        "retention.ms: abc",
        "nope.x: 1",
        "cleanup.policy: burn",
        "max.message.bytes: -5",
        "segment.bytes: 1",
        "retention.ms: [1]",
        "compression.type: rar",
    ],
};

/// Lines of `hub.yaml`, as `section.key` and value.
pub(crate) const SETTINGS: Pool = Pool {
    valid: &[
        "stage.batch.records_max=100",
        "stage.commit.interval=50ms",
        "stage.batch.linger=1ms",
        "stage.guarantee=at_least_once",
        "stage.compression=zstd",
        "stage.session_timeout=10s",
        "stage.drain_timeout=5s",
        "lineage.running_interval=2s",
        "lineage.namespace=shop",
        "forward.concurrency=2",
        "forward.drain_timeout=31s",
        "log.filter=warn",
        "api.listen=\"127.0.0.1:0\"",
        "kafka.client_id=me",
    ],
    odd: &[
        "stage.transaction_timeout=15m",
        "stage.transaction_timeout=1s",
        "stage.session_timeout=30m",
        "stage.session_timeout=6s",
        "stage.batch.records_max=1",
        "stage.batch.bytes_max=1",
        "stage.dead_letter.share_max=0",
        "stage.dead_letter.window=1",
        "stage.retry.backoff_max=1h",
        "lineage.enabled=false",
        "lineage.topic=events",
        "lineage.running_interval=24h",
        "lineage.broker=\"elsewhere:9092\"",
        "forward.window_bytes_max=1",
        "forward.window_events_max=1",
        "forward.rate_per_second=1000000",
        "forward.dead_letter_topic=parked",
        "api.streams_max=100000",
        "api.uploads_max=10000",
        "api.connections_max=1",
        "data_dir=\"other data\"",
        "kafka.properties.socket.keepalive.enable=\"true\"",
        "kafka.properties.debug=\"broker\"",
    ],
    hostile: &[
        "stage.batch.records_max=0",
        "stage.batch.records_max=18446744073709551615",
        "stage.transaction_timeout=600h",
        "stage.session_timeout=2h",
        "stage.session_timeout=18446744073709551615s",
        "stage.drain_timeout=584542046090years",
        "stage.commit.interval=2h",
        "lineage.running_interval=18446744073709551615s",
        "lineage.topic=\"bad topic/..\"",
        "lineage.topic=a",
        "lineage.topic=__consumer_offsets",
        "lineage.broker=\"a b:x\"",
        "forward.dead_letter_topic=lineage",
        "forward.drain_timeout=18446744073709551615s",
        "forward.concurrency=99999999999999999999",
        "api.streams_max=18446744073709551615",
        "api.uploads_max=18446744073709551615",
        "api.listen=\"0.0.0.0:80\"",
        "api.listen=localhost",
        "kafka.bootstrap=\"http://a:9092\"",
        "kafka.bootstrap=\"a:1;b:2\"",
        "kafka.properties.acks=\"0\"",
        "kafka.properties.statistics.interval.ms=\"1\"",
        "kafka.properties.metadata.broker.list=\"b:1\"",
        "kafka.properties.socket.timeout.ms=\"abc\"",
        "stage.unknown=1",
        "data_dir=\"\"",
        "log.filter=\"=,=\"",
        "log.format=xml",
    ],
};

/// Variables of the environment.
pub(crate) const VARIABLES: Pool = Pool {
    valid: &[
        "LINEAGE_HUB__STAGE__DRAIN_TIMEOUT=3s",
        "OPENLINEAGE_NAMESPACE=shop",
        "NO_COLOR=1",
        "KAFKA_BOOTSTRAP_SERVERS=",
    ],
    odd: &["OPENLINEAGE_DISABLED=true", "LINEAGE_HUB__LOG__FORMAT=json", "OPENLINEAGE_API_KEY=k"],
    hostile: &[
        "MARQUEZ_URL=http://",
        "MARQUEZ_URL=http://:5000",
        "MARQUEZ_URL=http://a:99999",
        "MARQUEZ_URL=http://a b",
        "MARQUEZ_URL=ftp://a",
        "LINEAGE_HUB__STAGE__NOPE=1",
        "LINEAGE_HUB__STAGE__COMMIT__INTERVAL=soon",
        "KAFKA_BOOTSTRAP_SERVERS=nowhere",
        "OPENLINEAGE_DISABLED=perhaps",
    ],
};
