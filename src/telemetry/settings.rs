//! The `OTEL_*` variables, as OpenTelemetry's specification defines them.
//!
//! They are handed in: what reads the environment is `config`.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use super::unread;

/// Where and how telemetry leaves the process. By default nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct OtelConfig {
    pub service_name: String,
    /// Attributes of the resource beside the service's name.
    pub resource: Vec<(String, String)>,
    pub traces: Option<Endpoint>,
    pub metrics: Option<Endpoint>,
    pub logs: Option<Endpoint>,
    pub sampler: Sampling,
    /// Time between two exports of metrics.
    pub metric_interval: Duration,
    /// Whether counters tell what came since the last export, not since the start.
    pub delta: bool,
    pub spans: Queue,
    pub log_records: Queue,
    /// Variables that are not understood, and what is wrong with them. They are
    /// passed over, as the specification asks: telemetry stops no work.
    pub problems: Vec<String>,
    /// Variables that are set and that nothing here follows, and why.
    pub unread: Vec<String>,
}

/// A collector's receiver of one signal.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub url: String,
    pub protocol: Protocol,
    /// They may hold keys, so they are not shown.
    pub headers: Vec<(String, String)>,
    pub timeout: Duration,
    pub gzip: bool,
    pub tls: TlsFiles,
}

/// PEM files for a collector that is reached over TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust besides the system's.
    pub authorities: Option<PathBuf>,
    /// Our own certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// A span with a parent follows the parent's decision.
    pub parent_based: bool,
    /// The share of traces that begin here; 1 for all.
    pub ratio: f64,
}

/// The bound of what waits to be exported; beyond it is dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    pub size_max: usize,
    pub batch_max: usize,
    pub delay: Duration,
}

impl Default for OtelConfig {
    fn default() -> Self {
        let queue = |delay| Queue { size_max: 2048, batch_max: 512, delay };
        Self {
            service_name: "lineage-hub".to_owned(),
            resource: Vec::new(),
            traces: None,
            metrics: None,
            logs: None,
            sampler: Sampling { parent_based: true, ratio: 1.0 },
            metric_interval: Duration::from_mins(1),
            delta: false,
            spans: queue(Duration::from_secs(5)),
            log_records: queue(Duration::from_secs(1)),
            problems: Vec::new(),
            unread: Vec::new(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let Self { url, protocol, timeout, gzip, tls, .. } = self;
        f.debug_struct("Endpoint")
            .field("url", url)
            .field("protocol", protocol)
            .field("headers", &names)
            .field("timeout", timeout)
            .field("gzip", gzip)
            .field("tls", tls)
            .finish()
    }
}

impl OtelConfig {
    pub fn read(variables: &BTreeMap<String, String>) -> Self {
        let mut reader = Reader { variables, problems: Vec::new() };
        let mut config = Self::default();
        if reader.truth("OTEL_SDK_DISABLED") {
            return config;
        }
        config.resource = reader.pairs("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        if let Some(at) = config.resource.iter().position(|(name, _)| name == "service.name") {
            config.service_name = config.resource.remove(at).1;
        }
        if let Some(name) = reader.get("OTEL_SERVICE_NAME") {
            name.clone_into(&mut config.service_name);
        }
        config.traces = reader.endpoint("TRACES");
        config.metrics = reader.endpoint("METRICS");
        config.logs = reader.endpoint("LOGS");
        config.sampler = reader.sampling();
        if let Some(interval) = reader.millis("OTEL_METRIC_EXPORT_INTERVAL") {
            config.metric_interval = interval;
        }
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let names = ["cumulative", "delta"];
        config.delta = reader.one_of(preference, &names) == Some("delta");
        config.spans = reader.queue("BSP", config.spans);
        config.log_records = reader.queue("BLRP", config.log_records);
        config.problems = reader.problems;
        if config.is_on() {
            config.unread = unread::unread(variables);
        }
        config
    }

    /// Whether anything leaves the process.
    pub fn is_on(&self) -> bool {
        self.traces.is_some() || self.metrics.is_some() || self.logs.is_some()
    }
}

struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn problem(&mut self, variable: &str, message: impl fmt::Display) {
        self.problems.push(format!("{variable}: {message}"));
    }

    /// An empty variable is as good as none.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn truth(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str, what: &str) -> Option<T> {
        let value = self.get(name)?;
        let number = value.parse().ok();
        if number.is_none() {
            self.problem(name, format!("`{value}` is not {what}"));
        }
        number
    }

    fn millis(&mut self, name: &str) -> Option<Duration> {
        let millis: u64 = self.number(name, "a number of milliseconds")?;
        if millis == 0 {
            self.problem(name, "must be at least 1 millisecond");
        }
        Some(Duration::from_millis(millis.max(1)))
    }

    fn one_of(&mut self, name: &str, allowed: &[&str]) -> Option<&'a str> {
        let value = self.get(name)?;
        if allowed.contains(&value) {
            return Some(value);
        }
        self.problem(name, format!("`{value}` is none of {}", allowed.join(", ")));
        None
    }

    /// `a=b,c=d`, percent-encoded. The values are not repeated in a problem: they may be keys.
    fn pairs(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let value = self.get(name)?;
        let mut pairs = Vec::new();
        for pair in value.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    pairs.push((key.trim().to_owned(), percent_decoded(value.trim())));
                }
                _ => self.problem(name, "must be `name=value` pairs with commas between"),
            }
        }
        Some(pairs)
    }

    /// The general variable and the signal's own, which wins.
    fn signal(&self, signal: &str, name: &str) -> Option<(String, &'a str)> {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_{name}");
        let general = format!("OTEL_EXPORTER_OTLP_{name}");
        let own = self.get(&own).map(|value| (own, value));
        own.or_else(|| self.get(&general).map(|value| (general, value)))
    }

    fn endpoint(&mut self, signal: &str) -> Option<Endpoint> {
        if self.one_of(&format!("OTEL_{signal}_EXPORTER"), &["otlp", "none"]) == Some("none") {
            return None;
        }
        let (variable, url) = self.signal(signal, "ENDPOINT")?;
        let is_own = variable.contains(signal);
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            let message = format!("`{url}` is no URL; write http://HOST:4317 or http://HOST:4318");
            self.problem(&variable, message);
            return None;
        }
        let protocol = self.protocol(signal, url);
        let url = match protocol {
            Protocol::Http if !is_own => {
                format!("{}/v1/{}", url.trim_end_matches('/'), signal.to_lowercase())
            }
            Protocol::Grpc | Protocol::Http => url.to_owned(),
        };
        let headers = self
            .signal(signal, "HEADERS")
            .and_then(|(name, _)| self.pairs(&name))
            .unwrap_or_default();
        let timeout = self.signal(signal, "TIMEOUT").and_then(|(name, _)| self.millis(&name));
        let gzip = self
            .signal(signal, "COMPRESSION")
            .and_then(|(name, _)| self.one_of(&name, &["gzip", "none"]));
        let tls = self.tls(signal);
        Some(Endpoint {
            url,
            protocol,
            headers,
            timeout: timeout.unwrap_or(Duration::from_secs(10)),
            gzip: gzip == Some("gzip"),
            tls,
        })
    }

    fn tls(&mut self, signal: &str) -> TlsFiles {
        let file = |name| self.signal(signal, name).map(|(_, path)| PathBuf::from(path));
        let authorities = file("CERTIFICATE");
        let client = match (file("CLIENT_CERTIFICATE"), file("CLIENT_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let message = "needs OTEL_EXPORTER_OTLP_CLIENT_KEY, and that needs it";
                self.problem("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", message);
                None
            }
        };
        TlsFiles { authorities, client }
    }

    /// Without a word the port tells: 4317 is gRPC's.
    fn protocol(&mut self, signal: &str, url: &str) -> Protocol {
        let allowed = ["grpc", "http/protobuf"];
        let named =
            self.signal(signal, "PROTOCOL").and_then(|(name, _)| self.one_of(&name, &allowed));
        let is_grpc = match named {
            Some(name) => name == "grpc",
            None => url.trim_end_matches('/').ends_with(":4317"),
        };
        if is_grpc { Protocol::Grpc } else { Protocol::Http }
    }

    fn sampling(&mut self) -> Sampling {
        let names = [
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ];
        let name = self.one_of("OTEL_TRACES_SAMPLER", &names).unwrap_or("parentbased_always_on");
        let root = name.trim_start_matches("parentbased_");
        let ratio = match root {
            "always_off" => 0.0,
            "traceidratio" => {
                self.number("OTEL_TRACES_SAMPLER_ARG", "a share from 0 to 1").unwrap_or(1.0)
            }
            _ => 1.0,
        };
        if !(0.0..=1.0).contains(&ratio) {
            self.problem("OTEL_TRACES_SAMPLER_ARG", format!("`{ratio}` is not from 0 to 1"));
        }
        Sampling { parent_based: root.len() < name.len(), ratio }
    }

    fn queue(&mut self, prefix: &str, default: Queue) -> Queue {
        let name = |what: &str| format!("OTEL_{prefix}_{what}");
        let size = self.number(&name("MAX_QUEUE_SIZE"), "a number").unwrap_or(default.size_max);
        let batch =
            self.number(&name("MAX_EXPORT_BATCH_SIZE"), "a number").unwrap_or(default.batch_max);
        let delay = self.millis(&name("SCHEDULE_DELAY")).unwrap_or(default.delay);
        let size_max = size.max(1);
        Queue { size_max, batch_max: batch.clamp(1, size_max), delay }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(byte) = decoded.filter(|_| first == b'%') {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> OtelConfig {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        OtelConfig::read(&variables.collect())
    }

    #[test]
    fn nothing_leaves_without_an_endpoint_or_where_it_is_turned_off() {
        assert!(!read(&[("OTEL_SERVICE_NAME", "shop")]).is_on());
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert!(!read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).is_on());
        let config = read(&[endpoint, ("OTEL_LOGS_EXPORTER", "none")]);
        assert!(config.traces.is_some() && config.metrics.is_some() && config.logs.is_none());
        assert_eq!(config.problems, [""; 0]);
    }

    #[test]
    fn the_general_endpoint_gets_the_signals_path_and_the_port_tells_the_protocol() {
        let config = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://other:9000/write"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://other:4317"),
        ]);
        let at = |endpoint: Option<Endpoint>| endpoint.map(|there| (there.url, there.protocol));
        let there = |url: &str, protocol| Some((url.to_owned(), protocol));
        assert_eq!(at(config.traces), there("http://collector:4318/v1/traces", Protocol::Http));
        assert_eq!(at(config.metrics), there("http://other:9000/write", Protocol::Http));
        assert_eq!(at(config.logs), there("http://other:4317", Protocol::Grpc));
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let config = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, x-tenant=a"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-own=1"),
        ]);
        let metrics = config.metrics.as_ref().map(|there| there.headers.clone());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            metrics,
            Some(vec![pair("authorization", "Bearer s3cret"), pair("x-tenant", "a")])
        );
        assert_eq!(config.traces.as_ref().map(|there| there.headers.len()), Some(1));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn the_files_of_tls_are_those_of_the_signal_or_of_all() {
        let config = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "other.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "me.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "key.pem"),
            ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "key.pem"),
        ]);
        let tls = |endpoint: &Option<Endpoint>| endpoint.as_ref().unwrap().tls.clone();
        assert_eq!(tls(&config.logs).authorities, Some("other.pem".into()));
        let traces = TlsFiles {
            authorities: Some("ca.pem".into()),
            client: Some(("me.pem".into(), "key.pem".into())),
        };
        assert_eq!(tls(&config.traces), traces);
        assert_eq!(tls(&config.metrics).client, None);
        assert_eq!(config.problems.len(), 1, "a key without its certificate");
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let sampling = |name, arg| {
            read(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)]).sampler
        };
        let of = |parent_based, ratio| Sampling { parent_based, ratio };
        assert_eq!(sampling("", ""), of(true, 1.0));
        assert_eq!(sampling("always_off", "0.5"), of(false, 0.0));
        assert_eq!(sampling("parentbased_traceidratio", "0.1"), of(true, 0.1));
        assert_eq!(sampling("traceidratio", ""), of(false, 1.0));
    }

    #[test]
    fn every_problem_names_its_variable() {
        let config = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1s"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ]);
        let all = config.problems.join("\n");
        for variable in ["OTLP_ENDPOINT", "TRACES_SAMPLER", "EXPORT_INTERVAL", "RESOURCE_ATTR"] {
            assert!(all.contains(variable), "{variable} in {all}");
        }
    }
}
