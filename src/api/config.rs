//! Settings of the HTTP API.

use std::{fmt, fs, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::runtime::{check_number, check_time};

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port that it listens on. Anything but loopback needs a token.
    pub listen: String,

    /// Asked of every request to `/api` as a bearer token; left out: none.
    pub token: Option<Token>,

    /// A file that holds the token, as secrets are mounted; not together with
    /// `token`.
    pub token_file: Option<PathBuf>,

    /// Origins whose pages may use the API; none: no CORS.
    pub cors: Vec<String>,

    /// Maximum number of bytes of a body that is held in memory, after unpacking. A
    /// streamed upload may be larger, and a lineage event as large as its topic allows.
    pub body_bytes_max: usize,

    /// Longest that a request may take, but for streams and uploads.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,

    /// Longest that a client may neither send of an upload nor take of an answer;
    /// then it is cut off.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,

    /// Most connections at once, besides those that `streams_max` and `uploads_max`
    /// allow.
    pub connections_max: usize,

    /// Most streams of Server-Sent Events at once. Those that follow a topic have a
    /// Kafka client each, so there are fewer where the process may open few files.
    pub streams_max: usize,

    /// Most uploads at once.
    pub uploads_max: usize,

    /// Lineage events waiting for a backend from which on `/ready` says no.
    pub backlog_max: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            token: None,
            token_file: None,
            cors: Vec::new(),
            body_bytes_max: 8 << 20,
            request_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            connections_max: 256,
            streams_max: 256,
            uploads_max: 8,
            backlog_max: 100_000,
        }
    }
}

impl ApiConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        match self.listen.parse::<SocketAddr>() {
            Err(_) => problem(
                "api.listen",
                format!("`{}` is not an address and a port, such as 127.0.0.1:8000", self.listen),
            ),
            Ok(address) => {
                let has_token = self.token.is_some() || self.token_file.is_some();
                if !address.ip().is_loopback() && !has_token {
                    let text = "is not loopback, so set `api.token` or `api.token_file`";
                    problem("api.listen", text.to_owned());
                }
            }
        }
        if self.token.is_some() && self.token_file.is_some() {
            problem("api.token_file", "not together with `api.token`".to_owned());
        }
        if self.token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            problem("api.token", "must not be empty".to_owned());
        }
        for origin in &self.cors {
            if !(origin.starts_with("http://") || origin.starts_with("https://")) {
                let text = format!("`{origin}` is no origin, such as https://hub.example.com");
                problem("api.cors", text);
            }
        }
        for (setting, value, most) in [
            ("api.body_bytes_max", self.body_bytes_max, 1 << 30),
            ("api.connections_max", self.connections_max, 100_000),
            ("api.streams_max", self.streams_max, 100_000),
            ("api.uploads_max", self.uploads_max, 10_000),
        ] {
            check_number(setting, value, &(1..=most), problem);
        }
        let range = Duration::from_millis(1)..=Duration::from_hours(24);
        for (setting, value) in [
            ("api.request_timeout", self.request_timeout),
            ("api.stall_timeout", self.stall_timeout),
        ] {
            check_time(setting, value, &range, problem);
        }
    }

    /// The token, read from its file where one is named.
    pub(super) fn read_token(&self) -> Result<Option<Token>, std::io::Error> {
        let Some(path) = &self.token_file else { return Ok(self.token.clone()) };
        let text = fs::read_to_string(path)?;
        if text.trim().is_empty() {
            return Err(std::io::Error::other("it is empty"));
        }
        Ok(Some(Token(text.trim().to_owned())))
    }
}

/// A bearer token; not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &ApiConfig) -> Vec<String> {
        let mut problems = Vec::new();
        config.check(&mut |setting, _| problems.push(setting.to_owned()));
        problems
    }

    #[test]
    fn the_defaults_work_together_and_every_problem_is_told() {
        assert_eq!(problems(&ApiConfig::default()), [""; 0]);
        let config = ApiConfig {
            listen: "everywhere".to_owned(),
            token: Some(Token::new("")),
            token_file: Some("t".into()),
            cors: vec!["*".to_owned()],
            streams_max: 0,
            stall_timeout: Duration::ZERO,
            ..ApiConfig::default()
        };
        assert_eq!(
            problems(&config),
            [
                "api.listen",
                "api.token_file",
                "api.token",
                "api.cors",
                "api.streams_max",
                "api.stall_timeout"
            ]
        );
    }

    #[test]
    fn anything_but_loopback_needs_a_token() {
        let open = ApiConfig { listen: "0.0.0.0:8000".to_owned(), ..ApiConfig::default() };
        assert_eq!(problems(&open), ["api.listen"]);
        let guarded = ApiConfig { token: Some(Token::new("t")), ..open };
        assert_eq!(problems(&guarded), [""; 0]);
        assert!(!format!("{guarded:?}").contains("\"t\""));
    }
}
