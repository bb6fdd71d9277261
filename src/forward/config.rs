//! Settings of the forwarder and its backends.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::runtime::{check_number, check_time};

/// Delivery of lineage events to backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardConfig {
    /// The backends by name; each has its own consumer group and goes at its
    /// own pace. None: events go to a file in the data directory.
    pub backends: BTreeMap<String, Backend>,

    /// The topic for events that a backend refuses.
    pub dead_letter_topic: String,

    /// Most requests under way at once to one backend.
    pub concurrency: usize,

    /// Most events a second to one backend, evenly spread, tries included;
    /// left out: no limit.
    pub rate_per_second: Option<NonZeroU32>,

    /// Which RUNNING events are left out when a later one of the same run
    /// already waits behind them.
    pub coalesce: Coalesce,

    /// Most events in one request, where the backend takes batches; 1: never
    /// ask for it. Each event of a batch is of another run.
    pub batch_events_max: usize,

    /// Size of a batch in bytes from which on no more events are added to it.
    pub batch_bytes_enough: usize,

    /// Most events read and not yet settled.
    pub window_events_max: usize,

    /// Most bytes of events read and not yet settled. One poll may go over it.
    pub window_bytes_max: usize,

    /// How often an event may be answered 500, each time after other events
    /// passed, before it counts as the event's own fault and is parked.
    pub poison_attempts: u32,

    /// Failures in a row, of whatever events, after which the backend counts as
    /// down: then one event at a time asks whether it is back.
    pub breaker_failures: u32,

    /// Longest first wait before an event is tried again; doubled at each
    /// failure. The wait itself is random up to that.
    #[serde(with = "humantime_serde")]
    pub backoff_initial: Duration,

    /// Longest wait between two tries.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,

    /// Longest wait that a backend may ask for by `Retry-After`.
    #[serde(with = "humantime_serde")]
    pub retry_after_max: Duration,

    /// Longest time between commits while events are delivered. A crash delivers
    /// again what was delivered since the last one.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,

    /// Settled events from which on the interval is not waited for, unless
    /// commits took a twentieth of the time already.
    pub commit_events_enough: usize,

    /// Longest that shutdown waits for requests under way.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            backends: BTreeMap::new(),
            dead_letter_topic: "lineage.dlq".to_owned(),
            concurrency: 8,
            rate_per_second: None,
            coalesce: Coalesce::Own,
            batch_events_max: 50,
            batch_bytes_enough: 1 << 20,
            window_events_max: 1000,
            window_bytes_max: 64 << 20,
            poison_attempts: 3,
            breaker_failures: 5,
            backoff_initial: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            retry_after_max: Duration::from_mins(5),
            commit_interval: Duration::from_secs(1),
            commit_events_enough: 500,
            drain_timeout: Duration::from_secs(35),
        }
    }
}

impl ForwardConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        self.check_ranges(problem);
        if self.backoff_max < self.backoff_initial {
            let text = "must be at least `forward.backoff_initial`".to_owned();
            problem("forward.backoff_max", text);
        }
        if self.dead_letter_topic.is_empty() {
            problem("forward.dead_letter_topic", "must not be empty".to_owned());
        }
        for (name, backend) in &self.backends {
            backend.check(&format!("forward.backends.{name}"), self.drain_timeout, problem);
        }
    }

    fn check_ranges(&self, problem: &mut impl FnMut(&str, String)) {
        for (setting, value, most) in [
            ("forward.concurrency", self.concurrency, 1024),
            ("forward.batch_events_max", self.batch_events_max, 10_000),
            ("forward.batch_bytes_enough", self.batch_bytes_enough, 1 << 30),
            ("forward.window_events_max", self.window_events_max, 1_000_000),
            ("forward.window_bytes_max", self.window_bytes_max, 1 << 34),
            ("forward.commit_events_enough", self.commit_events_enough, 1_000_000),
            ("forward.poison_attempts", self.poison_attempts as usize, 1000),
            ("forward.breaker_failures", self.breaker_failures as usize, 1_000_000),
        ] {
            check_number(setting, value, &(1..=most), problem);
        }
        if let Some(rate) = self.rate_per_second {
            check_number("forward.rate_per_second", rate.get(), &(1..=1_000_000), problem);
        }
        let (instant, hour) = (Duration::from_millis(1), Duration::from_hours(1));
        let day = Duration::from_hours(24);
        for (setting, value, range) in [
            ("forward.backoff_initial", self.backoff_initial, instant..=hour),
            ("forward.backoff_max", self.backoff_max, Duration::ZERO..=day),
            ("forward.retry_after_max", self.retry_after_max, Duration::ZERO..=day),
            ("forward.commit_interval", self.commit_interval, instant..=hour),
            ("forward.drain_timeout", self.drain_timeout, instant..=hour),
        ] {
            check_time(setting, value, &range, problem);
        }
    }

    /// The backends, or where there are none a file in `data_dir`, so that
    /// lineage is never thrown away.
    pub fn backends_or_file(&self, data_dir: &Path) -> BTreeMap<String, Backend> {
        if !self.backends.is_empty() {
            return self.backends.clone();
        }
        let path = data_dir.join("lineage.ndjson");
        let file = FileConfig { path, ..FileConfig::default() };
        BTreeMap::from([("file".to_owned(), Backend::File(file))])
    }
}

/// Which RUNNING events a later one of the same run supersedes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coalesce {
    Off,
    /// Those of lineage-hub, which repeat everything in each event.
    Own,
    /// Those of all producers; for ones that send cumulative events only.
    All,
}

/// One place that events go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Backend {
    /// An OpenLineage API: Marquez and its like.
    Http(HttpConfig),
    /// One event a line, to whoever looks on.
    Console,
    /// One event a line, in a file.
    File(FileConfig),
}

impl Backend {
    fn check(
        &self,
        setting: &str,
        drain_timeout: Duration,
        problem: &mut impl FnMut(&str, String),
    ) {
        match self {
            Self::Console => {}
            Self::Http(http) => {
                check_url(&format!("{setting}.url"), &http.url, problem);
                if let Some(proxy) = &http.proxy {
                    check_url(&format!("{setting}.proxy"), proxy, problem);
                }
                if http.api_key.is_some() && http.api_key_file.is_some() {
                    let text = format!("not together with `{setting}.api_key`");
                    problem(&format!("{setting}.api_key_file"), text);
                }
                let range = Duration::from_millis(1)..=Duration::from_hours(1);
                let connect = format!("{setting}.connect_timeout");
                check_time(&connect, http.connect_timeout, &range, problem);
                if http.request_timeout.is_zero() || http.request_timeout >= drain_timeout {
                    let text = "must be more than 0s and under `forward.drain_timeout`".to_owned();
                    problem(&format!("{setting}.request_timeout"), text);
                }
            }
            Self::File(file) => {
                if file.path.as_os_str().is_empty() {
                    problem(&format!("{setting}.path"), "must not be empty".to_owned());
                }
                let rotate = format!("{setting}.rotate_bytes");
                check_number(&rotate, file.rotate_bytes, &(1..=1 << 50), problem);
                if let Some(files) = file.files_max {
                    let most = format!("{setting}.files_max");
                    check_number(&most, files, &(0..=100_000), problem);
                }
            }
        }
    }
}

/// Reports a URL to which no request can be sent. The text itself is not repeated
/// in the report: it may hold a key.
fn check_url(setting: &str, text: &str, problem: &mut impl FnMut(&str, String)) {
    let wrong = match Url::parse(text) {
        Err(error) => error.to_string(),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "the scheme must be http or https".to_owned()
        }
        Ok(url) if url.port() == Some(0) => "port 0 is not a port".to_owned(),
        // The parser drops white space and accepts `http:/host`: another program would not.
        Ok(_) if text.contains(char::is_whitespace) || !text.contains("://") => {
            "white space, or no `//` after the scheme".to_owned()
        }
        Ok(_) => return,
    };
    problem(setting, format!("is not a valid URL, such as http://localhost:5000: {wrong}"));
}

/// An OpenLineage API over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Base URL; events go to `<url>/<endpoint>`.
    pub url: String,

    /// Path of the API under the URL; batches go to `<endpoint>/batch`.
    pub endpoint: String,

    /// Sent as a bearer token; left out: none.
    pub api_key: Option<Secret>,

    /// A file that holds the bearer token, as secrets are mounted; not together
    /// with `api_key`.
    pub api_key_file: Option<PathBuf>,

    /// PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,

    /// Proxy for all requests; left out: none.
    pub proxy: Option<String>,

    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,

    /// Longest wait for the whole of a request. Must be under
    /// `forward.drain_timeout`, or shutdown gives up on a request that would
    /// have succeeded.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,

    /// Bodies of at least so many bytes are sent gzipped; left out: none are.
    pub gzip_bytes_min: Option<usize>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:5000".to_owned(),
            endpoint: "api/v1/lineage".to_owned(),
            api_key: None,
            api_key_file: None,
            ca_file: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            gzip_bytes_min: Some(16 << 10),
        }
    }
}

/// A file of one event a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    pub path: PathBuf,

    /// Size from which on the file is set aside as `<path>.<n>` and a new one begun.
    pub rotate_bytes: u64,

    /// Most files set aside; the oldest is removed. Left out: all are kept.
    pub files_max: Option<usize>,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from(".lineage-hub/lineage.ndjson"),
            rotate_bytes: 64 << 20,
            files_max: Some(16),
        }
    }
}

/// A text that must not be seen: it prints, and is written to files, as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(config: &ForwardConfig) -> Vec<String> {
        let mut problems = Vec::new();
        config.check(&mut |setting, _| problems.push(setting.to_owned()));
        problems
    }

    #[test]
    fn the_defaults_work_together() {
        let mut config = ForwardConfig::default();
        config.backends.insert("marquez".to_owned(), Backend::Http(HttpConfig::default()));
        config.backends = config
            .backends_or_file(Path::new("data"))
            .into_iter()
            .chain(ForwardConfig::default().backends_or_file(Path::new("data")))
            .collect();
        assert_eq!(config.backends.len(), 2);
        assert_eq!(problems(&config), [""; 0]);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let http = HttpConfig {
            url: "localhost:5000".to_owned(),
            request_timeout: Duration::from_hours(1),
            ..HttpConfig::default()
        };
        let config = ForwardConfig {
            concurrency: 0,
            backoff_max: Duration::ZERO,
            backends: [("m".to_owned(), Backend::Http(http))].into(),
            ..ForwardConfig::default()
        };
        assert_eq!(
            problems(&config),
            [
                "forward.concurrency",
                "forward.backoff_max",
                "forward.backends.m.url",
                "forward.backends.m.request_timeout",
            ]
        );
    }

    #[test]
    fn backends_are_read_by_type_and_a_wrong_setting_is_named() {
        let config: ForwardConfig = serde_json::from_value(json!({
            "concurrency": 2,
            "commit_interval": "250ms",
            "backends": {
                "marquez": {"type": "http", "url": "http://marquez:5000", "api_key": "k", "request_timeout": "3s"},
                "look": {"type": "console"},
            },
        }))
        .unwrap();
        assert_eq!(config.commit_interval, Duration::from_millis(250));
        assert_eq!(config.backends["look"], Backend::Console);
        let Backend::Http(http) = &config.backends["marquez"] else { panic!("not http") };
        assert_eq!(http.request_timeout, Duration::from_secs(3));
        assert_eq!(http.api_key.as_ref().map(Secret::expose), Some("k"));

        let wrong = json!({"backends": {"m": {"type": "http", "uri": "x"}}});
        let error = serde_json::from_value::<ForwardConfig>(wrong).unwrap_err().to_string();
        assert!(error.contains("uri"), "{error}");
    }

    #[test]
    fn a_secret_shows_nowhere() {
        let http = HttpConfig { api_key: Some(Secret::new("hidden")), ..HttpConfig::default() };
        let config = ForwardConfig {
            backends: [("m".to_owned(), Backend::Http(http))].into(),
            ..ForwardConfig::default()
        };
        assert!(!format!("{config:?}").contains("hidden"));
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains("***") && !json.contains("hidden"));
    }
}
