//! Queues to the collector that never make anyone wait.
//!
//! ```text
//! a span ends, a line is logged -> [Queue::size_max] -> batch -> collector
//!                                    `-> full: dropped and counted
//! ```
//!
//! The bound counts what is exported just now, too: what a collector that hangs
//! holds up is part of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord},
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

use super::metrics::{self, label};

/// What waits of one signal, shared by both ends of its queue.
#[derive(Debug)]
pub(super) struct Waiting {
    signal: &'static str,
    size_max: usize,
    items: AtomicUsize,
    /// Said aloud once, until an export goes well again.
    failing: AtomicBool,
}

impl Waiting {
    pub(super) fn new(signal: &'static str, size_max: usize) -> Arc<Self> {
        let (items, failing) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { signal, size_max, items, failing })
    }

    /// Whether there is room for one more.
    fn admit(&self) -> bool {
        if self.items.fetch_add(1, Ordering::Relaxed) < self.size_max {
            return true;
        }
        self.items.fetch_sub(1, Ordering::Relaxed);
        if let Some(metrics) = metrics::metrics() {
            metrics.telemetry_dropped.add(1, &[label("signal", self.signal)]);
        }
        false
    }

    /// So many are no longer waited for, one way or the other.
    fn settled(&self, items: usize, result: &OTelSdkResult) {
        self.items.fetch_sub(items, Ordering::Relaxed);
        let signal = self.signal;
        match result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(signal, "the collector takes telemetry again");
                }
            }
            Err(error) => {
                if let Some(metrics) = metrics::metrics() {
                    metrics.telemetry_failures.add(1, &[label("signal", signal)]);
                }
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let hint = "look at OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL";
                    tracing::warn!(signal, %error, hint, "the collector does not take telemetry");
                }
            }
        }
    }
}

/// The near end of a queue.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    pub(super) inner: P,
    pub(super) waiting: Arc<Waiting>,
}

/// The far end of a queue.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) inner: E,
    pub(super) waiting: Arc<Waiting>,
}

impl SpanProcessor for Bounded<BatchSpanProcessor> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.waiting.admit() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl LogProcessor for Bounded<BatchLogProcessor> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.waiting.admit() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = batch.len();
        let result = self.inner.export(batch).await;
        self.waiting.settled(items, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Counted<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let items = batch.iter().count();
        let result = self.inner.export(batch).await;
        self.waiting.settled(items, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Metrics wait nowhere: what is not taken is told with the next export.
impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.inner.export(metrics).await;
        self.waiting.settled(0, &result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
