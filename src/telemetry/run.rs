//! What is told of bounded runs: their start, their trace and their end.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};

use super::{
    context::{self, Header},
    metrics::{self, label},
};

/// Records of a run that carry its trace each; after them one in so many does.
const TRACED_FIRST: u64 = 1000;
const TRACED_EVERY: u64 = 32;

/// The sending of a bounded run: the span that its records name.
///
/// ```text
/// caller's traceparent -> RunSpan::start -> header_of(record) -> stages -> forwarder
/// ```
#[derive(Debug)]
pub struct RunSpan(Option<Context>);

impl RunSpan {
    /// Begins it, as a child of `parent`: the header `traceparent` of whoever
    /// asked for the run, where there is one.
    pub fn start(pipeline: &str, topic: &str, run: &str, parent: Option<&[u8]>) -> Self {
        if let Some(metrics) = metrics::metrics() {
            metrics.runs_started.add(1, &[label("pipeline", pipeline)]);
        }
        Self(super::tracer().map(|tracer| {
            let parent = context::under(parent.and_then(context::extract));
            let builder = SpanBuilder::from_name(format!("send {topic}"))
                .with_kind(SpanKind::Producer)
                .with_attributes([
                    label("messaging.system", "kafka"),
                    label("messaging.destination.name", topic),
                    label("messaging.operation.name", "send"),
                    label("messaging.operation.type", "send"),
                    label("lineage_hub.pipeline", pipeline),
                    label("lineage_hub.run", run),
                ]);
            let span = tracer.build_with_context(builder, &parent);
            parent.with_span(span)
        }))
    }

    /// What the record of this number, from 0, is to carry. Of a large run not
    /// each does: a header costs the broker's client more than the work on a
    /// record, and one of a batch is enough for the batch to be of the trace.
    pub fn header_of(&self, record: u64) -> Option<Header> {
        let carries = record < TRACED_FIRST || record.is_multiple_of(TRACED_EVERY);
        carries.then(|| self.header()).flatten()
    }

    /// What each lineage event about the run is to carry.
    pub fn header(&self) -> Option<Header> {
        let context = self.0.as_ref()?;
        let span = context.span();
        span.span_context().is_sampled().then(|| context::inject(span.span_context()))
    }

    /// All is sent.
    pub fn end(&self, records: u64) {
        let Some(context) = &self.0 else { return };
        let count = KeyValue::new("messaging.batch.message_count", records as i64);
        context.span().set_attribute(count);
        context.span().end();
    }

    /// The sending was given up.
    pub fn fail(&self, error: &str) {
        let Some(context) = &self.0 else { return };
        context.span().set_status(Status::error(error.to_owned()));
        context.span().end();
    }
}

/// A bounded run has ended, and this process has written its end.
#[derive(Debug, Clone, Copy)]
pub struct RunEnded<'a> {
    pub pipeline: &'a str,
    /// `complete`, `failed` or `aborted`.
    pub outcome: &'a str,
    pub took: Duration,
}

impl RunEnded<'_> {
    pub fn emit(self) {
        let Self { pipeline, outcome, took } = self;
        tracing::info!(pipeline, outcome, ?took, "run ended");
        let Some(metrics) = metrics::metrics() else { return };
        let labels = [label("pipeline", pipeline), label("outcome", outcome)];
        metrics.runs_ended.add(1, &labels);
        metrics.run_duration.record(took.as_secs_f64(), &labels);
    }
}

/// Nothing more will come of the records of a bounded run: of one that was cancelled
/// some while after its end.
#[derive(Debug, Clone, Copy)]
pub struct RunSettled<'a> {
    pub pipeline: &'a str,
    pub read: u64,
    pub out: u64,
    pub filtered: u64,
    pub dead_lettered: u64,
}

impl RunSettled<'_> {
    pub fn emit(self) {
        let Self { pipeline, read, out, filtered, dead_lettered } = self;
        tracing::info!(pipeline, read, out, filtered, dead_lettered, "run settled");
        let Some(metrics) = metrics::metrics() else { return };
        for (result, records) in
            [("in", read), ("out", out), ("filtered", filtered), ("dead_lettered", dead_lettered)]
        {
            let labels = [label("pipeline", pipeline), label("result", result)];
            metrics.run_records.add(records, &labels);
        }
    }
}
