//! A collector on loopback that keeps what it is sent: in this process, or the
//! real one whose export file `TEST_COLLECTOR_FILE` names.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value::Value as Any},
    metrics::v1::{metric::Data, number_data_point::Value as Number},
};
use prost::Message;
use serde_json::Value;

type Attributes = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    /// Trace and span of each link.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) attributes: Attributes,
}

/// The last point of one series of a counter, or how much a histogram has counted.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    pub(crate) attributes: Attributes,
    pub(crate) value: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) trace: String,
    pub(crate) body: String,
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Span>,
    /// By process, name and attributes: what comes later counts.
    sums: BTreeMap<(String, String, Attributes), u64>,
    lines: Vec<Line>,
}

/// What became of the telemetry of a test.
pub(crate) struct Collector {
    kept: Arc<Mutex<Kept>>,
    address: SocketAddr,
    file: Option<PathBuf>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let keeper = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeper = Arc::clone(&keeper);
                thread::spawn(move || serve(stream, &keeper));
            }
        });
        let file = std::env::var_os("TEST_COLLECTOR_FILE").map(PathBuf::from);
        Self { kept, address, file }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        let real = std::env::var("TEST_COLLECTOR_ENDPOINT").ok().filter(|_| self.file.is_some());
        real.unwrap_or_else(|| format!("http://{}", self.address))
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.read(|kept| kept.spans.clone())
    }

    /// The counters of this name, whose attributes hold `value`: all processes together.
    pub(crate) fn sums(&self, name: &str, value: &str) -> Vec<Sum> {
        let sums = self.read(|kept| kept.sums.clone());
        let of_name = sums.into_iter().filter(|((_, its, attributes), _)| {
            its == name && attributes.values().any(|its| its == value)
        });
        let sums = of_name.map(|((_, _, attributes), value)| Sum { attributes, value });
        sums.collect()
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.read(|kept| kept.lines.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        let Some(file) = &self.file else { return look(&self.kept.lock().unwrap()) };
        let mut kept = Kept::default();
        // The last line may be under way.
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            if let Ok(json) = serde_json::from_str(line) {
                kept.take_json(&json);
            }
        }
        look(&kept)
    }
}

/// Answers requests until the other side has enough.
fn serve(stream: TcpStream, keeper: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim().to_lowercase());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        keeper.lock().unwrap().take(&head[0], &body);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.clone()) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

impl Kept {
    fn take(&mut self, request: &str, body: &[u8]) {
        if request.contains("/v1/traces") {
            self.take_traces(ExportTraceServiceRequest::decode(body).unwrap());
        } else if request.contains("/v1/metrics") {
            self.take_metrics(ExportMetricsServiceRequest::decode(body).unwrap());
        } else if request.contains("/v1/logs") {
            self.take_logs(ExportLogsServiceRequest::decode(body).unwrap());
        } else {
            panic!("no path of OTLP: {request}");
        }
    }

    fn take_traces(&mut self, request: ExportTraceServiceRequest) {
        let scopes = request.resource_spans.into_iter().flat_map(|part| part.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans).map(|span| Span {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            links: span
                .links
                .iter()
                .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                .collect(),
            attributes: attributes(&span.attributes),
        });
        self.spans.extend(spans);
    }

    fn take_metrics(&mut self, request: ExportMetricsServiceRequest) {
        for part in request.resource_metrics {
            let resource = attributes(&part.resource.unwrap_or_default().attributes);
            let metrics = part.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
            for metric in metrics {
                let mut keep = |pairs: &[KeyValue], value| {
                    let instance = resource["service.instance.id"].clone();
                    self.sums.insert((instance, metric.name.clone(), attributes(pairs)), value);
                };
                match metric.data {
                    Some(Data::Sum(sum)) => {
                        for point in sum.data_points {
                            let Some(Number::AsInt(value)) = point.value else { continue };
                            keep(&point.attributes, u64::try_from(value).unwrap());
                        }
                    }
                    Some(Data::Histogram(histogram)) => {
                        for point in histogram.data_points {
                            keep(&point.attributes, point.count);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn take_logs(&mut self, request: ExportLogsServiceRequest) {
        let scopes = request.resource_logs.into_iter().flat_map(|part| part.scope_logs);
        let lines = scopes.flat_map(|scope| scope.log_records).map(|record| Line {
            trace: hex(&record.trace_id),
            body: match record.body.and_then(|body| body.value) {
                Some(Any::StringValue(text)) => text,
                other => format!("{other:?}"),
            },
        });
        self.lines.extend(lines);
    }

    /// As the real collector's file exporter writes it.
    fn take_json(&mut self, line: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attributes = |pairs: &Value| -> Attributes {
            let value = |pair: &Value| {
                let value = pair["value"].as_object().and_then(|value| value.values().next());
                value.map_or_else(String::new, |value| {
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                })
            };
            list(pairs).iter().map(|pair| (text(&pair["key"]), value(pair))).collect()
        };
        for part in list(&line["resourceSpans"]) {
            for span in list(&part["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"])) {
                let links = list(&span["links"]);
                self.spans.push(Span {
                    trace: text(&span["traceId"]),
                    id: text(&span["spanId"]),
                    parent: text(&span["parentSpanId"]),
                    name: text(&span["name"]),
                    links: links
                        .iter()
                        .map(|link| (text(&link["traceId"]), text(&link["spanId"])))
                        .collect(),
                    attributes: attributes(&span["attributes"]),
                });
            }
        }
        for part in list(&line["resourceMetrics"]) {
            let instance =
                attributes(&part["resource"]["attributes"])["service.instance.id"].clone();
            for metric in
                list(&part["scopeMetrics"]).iter().flat_map(|scope| list(&scope["metrics"]))
            {
                let (sums, histograms) = (&metric["sum"], &metric["histogram"]);
                for (points, value) in [(sums, "asInt"), (histograms, "count")] {
                    for point in list(&points["dataPoints"]) {
                        let name = text(&metric["name"]);
                        let key = (instance.clone(), name, attributes(&point["attributes"]));
                        let value = point[value].as_str().and_then(|value| value.parse().ok());
                        self.sums.insert(key, value.unwrap_or_default());
                    }
                }
            }
        }
        for part in list(&line["resourceLogs"]) {
            for line in list(&part["scopeLogs"]).iter().flat_map(|scope| list(&scope["logRecords"]))
            {
                let body = text(&line["body"]["stringValue"]);
                self.lines.push(Line { trace: text(&line["traceId"]), body });
            }
        }
    }
}
