//! What the forwarder tells of its events and requests.

use std::{future::Future, time::Instant};

use opentelemetry::{
    Context, KeyValue,
    context::FutureExt,
    trace::{Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use super::{
    context,
    metrics::{self, label},
};

/// What became of events, and how many wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settled {
    pub delivered: u64,
    pub parked: u64,
    pub coalesced: u64,
    pub skipped: u64,
    pub retries: u64,
}

impl Settled {
    /// Counts what came since the last time.
    pub fn emit(self, backend: &str) {
        let Some(metrics) = metrics::metrics() else { return };
        let Self { delivered, parked, coalesced, skipped, retries } = self;
        for (result, events) in [
            ("delivered", delivered),
            ("parked", parked),
            ("coalesced", coalesced),
            ("skipped", skipped),
        ] {
            if events > 0 {
                let labels = [label("backend", backend), label("result", result)];
                metrics.forwarded.add(events, &labels);
            }
        }
        if retries > 0 {
            metrics.forward_retries.add(retries, &[label("backend", backend)]);
        }
    }
}

/// How the forwarder stands.
pub fn backlog(backend: &str, events: u64, oldest: Option<Instant>, down: bool) {
    let Some(metrics) = metrics::metrics() else { return };
    let labels = [label("backend", backend)];
    metrics.forward_backlog.record(events as f64, &labels);
    let age = oldest.map_or(0.0, |since| since.elapsed().as_secs_f64());
    metrics.forward_backlog_age.record(age, &labels);
    metrics.forward_down.record(f64::from(u8::from(down)), &labels);
}

/// One request to a backend, in the trace of the event that it carries.
#[derive(Debug)]
pub struct Request {
    begun: Instant,
    span: Option<Context>,
}

impl Request {
    /// `headers`: the trace headers of the events that it carries.
    pub fn start<'a>(backend: &str, headers: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        let span = super::tracer().map(|tracer| {
            let contexts: Vec<SpanContext> =
                headers.flatten().filter_map(context::extract).collect();
            let parent = context::under(context::shared(&contexts));
            let builder = SpanBuilder::from_name("POST lineage")
                .with_kind(SpanKind::Client)
                .with_attributes([
                    KeyValue::new("http.request.method", "POST"),
                    label("lineage_hub.backend", backend),
                ])
                .with_links(contexts.into_iter().map(Link::with_context).collect());
            let span = tracer.build_with_context(builder, &parent);
            parent.with_span(span)
        });
        Self { begun: Instant::now(), span }
    }

    /// Runs the request in its span, so that what it sends can name the span.
    pub async fn run<F: Future>(&self, request: F) -> F::Output {
        match &self.span {
            Some(context) => request.with_context(context.clone()).await,
            None => request.await,
        }
    }

    /// `outcome`: `ok`, `refused` or `failed`.
    pub fn end(self, backend: &str, outcome: &'static str) {
        if let Some(metrics) = metrics::metrics() {
            let labels = [label("backend", backend), label("outcome", outcome)];
            metrics.forward_duration.record(self.begun.elapsed().as_secs_f64(), &labels);
        }
        if let Some(context) = self.span {
            if outcome != "ok" {
                context.span().set_status(Status::error(outcome));
            }
            context.span().end();
        }
    }
}
