//! Spans and metrics as an exporter gets them.

use std::sync::{Arc, Mutex};

use opentelemetry::{
    metrics::MeterProvider as _,
    trace::{Status, TracerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics, SumDataPoint},
        exporter::PushMetricExporter,
    },
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};

use super::{
    Metrics,
    context::extract,
    stage::{Books, StageLabels, StageTelemetry},
};

const ONE: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SAME: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
const OTHER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &[u8] = b"00-aaaa2f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

const LABELS: StageLabels<'_> = StageLabels {
    pipeline: "orders",
    stage: "extract",
    from: "raw.orders",
    to: "orders.extracted",
    group: "orders-extract",
};

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// The span of a batch with these headers, and what goes on with its records.
fn span_of(headers: &[Option<&[u8]>]) -> (SpanData, super::BatchTrace) {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    // One for each test: the labels of a stage hold it for the whole process.
    let tracer = Box::leak(Box::new(provider.tracer("test")));
    let telemetry = StageTelemetry::with(LABELS, None, Some(tracer));
    let batch = telemetry.batch(headers.len(), headers.iter().copied());
    let trace = batch.end(&Books { out: 1, ..Books::default() });
    let span = kept.0.lock().unwrap().remove(0);
    (span, trace)
}

fn links(span: &SpanData) -> Vec<String> {
    let contexts = span.links.iter().map(|link| &link.span_context);
    contexts.map(|context| format!("{}/{}", context.trace_id(), context.span_id())).collect()
}

#[test]
fn a_batch_of_one_trace_is_of_that_trace_and_its_records_go_on_with_its_span() {
    let (span, trace) = span_of(&[Some(ONE), None, Some(ONE), Some(SAME)]);
    let first = extract(ONE).unwrap();
    assert_eq!(span.name, "process raw.orders");
    assert_eq!(span.span_context.trace_id(), first.trace_id());
    assert_eq!(span.parent_span_id, first.span_id());
    assert_eq!(links(&span).len(), 2, "each of its contexts once");
    let goes_on = extract(&trace.records.unwrap()).unwrap();
    assert_eq!(goes_on.trace_id(), first.trace_id());
    assert_eq!(goes_on.span_id(), span.span_context.span_id());
    assert_eq!(trace.events, trace.records);
}

#[test]
fn a_batch_of_several_traces_links_to_each_and_its_records_keep_theirs() {
    let (span, trace) = span_of(&[Some(ONE), Some(OTHER), Some(ONE)]);
    let known = [ONE, OTHER].map(|header| extract(header).unwrap());
    assert!(known.iter().all(|context| context.trace_id() != span.span_context.trace_id()));
    let expected = known.map(|context| format!("{}/{}", context.trace_id(), context.span_id()));
    assert_eq!(links(&span), expected);
    assert_eq!(trace.records, None);
    assert!(trace.events.is_some());
}

#[test]
fn what_is_not_sampled_or_no_header_makes_no_link() {
    let (span, _) = span_of(&[Some(UNSAMPLED), Some(b"no header"), None]);
    assert_eq!(links(&span), [""; 0]);
    assert_eq!(span.status, Status::Unset);
}

#[test]
fn links_have_a_bound() {
    let headers: Vec<String> =
        (1..100).map(|trace| format!("00-{trace:032x}-b7ad6b7169203331-01")).collect();
    let headers: Vec<_> = headers.iter().map(|header| Some(header.as_bytes())).collect();
    assert_eq!(links(&span_of(&headers).0).len(), 32);
}

#[derive(Debug, Clone, Default)]
struct Sums(Arc<Mutex<Vec<(String, u64)>>>);

impl PushMetricExporter for Sums {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut sums = Vec::new();
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            if let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() {
                let total = sum.data_points().map(SumDataPoint::value).sum();
                sums.push((metric.name().to_owned(), total));
            }
        }
        *self.0.lock().unwrap() = sums;
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[test]
fn what_is_committed_is_counted_once_and_what_is_taken_back_never() {
    let sums = Sums::default();
    let reader = PeriodicReader::builder(sums.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let metrics = Box::leak(Box::new(Metrics::new(&provider.meter("test"))));
    let telemetry = StageTelemetry::with(LABELS, Some(metrics), None);
    let books = Books {
        read: 10,
        mapped: 6,
        out: 7,
        filtered: 3,
        bytes_in: 100,
        bytes_out: 70,
        dead: [1, 0, 0, 0],
    };
    let mut batch = telemetry.batch(10, std::iter::empty());
    batch.step();
    batch.end(&books);
    let now = std::time::Duration::from_millis(1);
    telemetry.committed(&books, now, now);
    telemetry.unmet("positive", 0);
    telemetry.unmet("positive", 2);
    telemetry.aborted();
    provider.force_flush().unwrap();

    let sums = sums.0.lock().unwrap().clone();
    let of = |name: &str| sums.iter().find(|(its, _)| its.ends_with(name)).map(|(_, sum)| *sum);
    for (name, expected) in [
        ("records.in", 10),
        ("records.mapped", 6),
        ("records.out", 7),
        ("records.filtered", 3),
        ("records.dead_lettered", 1),
        ("bytes.in", 100),
        ("bytes.out", 70),
        ("consumed.messages", 10),
        ("sent.messages", 7),
        ("quality.unmet", 2),
        ("quality.results", 2),
        ("transaction.aborts", 1),
    ] {
        assert_eq!(of(name), Some(expected), "{name} in {sums:?}");
    }
}

#[test]
fn where_it_is_off_nothing_is_looked_at() {
    let telemetry = StageTelemetry::with(LABELS, None, None);
    let headers = std::iter::from_fn(|| panic!("nobody asks for the headers"));
    let trace = telemetry.batch(1, headers).end(&Books::default());
    assert_eq!((trace.records, trace.events), (None, None));
}
