//! What a stage tells of its batches and transactions: once a batch, never a record.

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use opentelemetry::{
    Context, ContextGuard, KeyValue,
    trace::{Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::span::EnteredSpan;

use super::{
    Metrics,
    context::{self, Header},
    metrics::{self, label},
};

/// Contexts of records that the span of a batch links to at most.
const LINKS_MAX: usize = 32;

/// The steps of a batch, in their order.
pub const STEPS: [&str; 4] = ["decode", "transform", "expect", "encode"];

/// Which stage it is that tells.
#[derive(Debug, Clone, Copy)]
pub struct StageLabels<'a> {
    pub pipeline: &'a str,
    pub stage: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    pub group: &'a str,
}

/// Records and bytes of a batch or a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Books {
    pub read: u64,
    pub mapped: u64,
    pub out: u64,
    pub filtered: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// By step.
    pub dead: [u64; STEPS.len()],
}

impl AddAssign for Books {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.mapped += other.mapped;
        self.out += other.out;
        self.filtered += other.filtered;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        for (sum, dead) in self.dead.iter_mut().zip(other.dead) {
            *sum += dead;
        }
    }
}

/// A stage's telemetry, with its labels made once; nothing where it is off.
#[derive(Debug, Clone)]
pub struct StageTelemetry {
    metrics: Option<&'static Metrics>,
    tracer: Option<&'static SdkTracer>,
    labels: Labels,
}

#[derive(Debug, Clone)]
struct Labels {
    process: String,
    stage: [KeyValue; 2],
    steps: [[KeyValue; 3]; STEPS.len()],
    consumed: [KeyValue; 3],
    sent: [KeyValue; 2],
    commit: [KeyValue; 3],
}

impl StageTelemetry {
    pub fn new(labels: StageLabels<'_>) -> Self {
        Self::with(labels, metrics::metrics(), super::tracer())
    }

    pub(super) fn with(
        labels: StageLabels<'_>,
        metrics: Option<&'static Metrics>,
        tracer: Option<&'static SdkTracer>,
    ) -> Self {
        let StageLabels { pipeline, stage, from, to, group } = labels;
        let kafka = || label("messaging.system", "kafka");
        let stage = [label("pipeline", pipeline), label("stage", stage)];
        let step = |step| [stage[0].clone(), stage[1].clone(), label("step", step)];
        let labels = Labels {
            process: format!("process {from}"),
            steps: STEPS.map(step),
            consumed: [
                kafka(),
                label("messaging.destination.name", from),
                label("messaging.consumer.group.name", group),
            ],
            sent: [kafka(), label("messaging.destination.name", to)],
            commit: [
                kafka(),
                label("messaging.destination.name", from),
                label("messaging.operation.name", "commit"),
            ],
            stage,
        };
        Self { metrics, tracer, labels }
    }

    /// Begins a batch of so many records, whose trace headers are `headers`.
    pub fn batch<'a>(
        &self,
        records: usize,
        headers: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Batch<'_> {
        let now = (self.metrics.is_some() || self.tracer.is_some()).then(Instant::now);
        let span = self.tracer.map(|tracer| self.span(tracer, records, headers));
        let steps = Vec::with_capacity(STEPS.len());
        Batch { of: self, records, begun: now, lap: now, steps, span }
    }

    /// The span of a batch. Where all its records are of one trace it is of that
    /// trace, too; of several it can be the child of none, and links to each.
    fn span<'a>(
        &self,
        tracer: &SdkTracer,
        records: usize,
        headers: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> BatchSpan {
        let contexts = sampled(headers);
        let parent = context::under(context::shared(&contexts));
        let one_trace = parent.has_active_span();
        let mut attributes = self.labels.consumed.to_vec();
        attributes.extend(
            self.labels.stage.iter().map(|label| {
                KeyValue::new(format!("lineage_hub.{}", label.key), label.value.clone())
            }),
        );
        attributes.push(KeyValue::new("messaging.operation.name", "process"));
        attributes.push(KeyValue::new("messaging.operation.type", "process"));
        attributes.push(KeyValue::new("messaging.batch.message_count", records as i64));
        let builder = SpanBuilder::from_name(self.labels.process.clone())
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .with_links(contexts.into_iter().map(Link::with_context).collect());
        let span = tracer.build_with_context(builder, &parent);
        BatchSpan { context: parent.with_span(span), one_trace }
    }

    /// A transaction was committed: only now does what it holds count.
    pub fn committed(&self, books: &Books, open: Duration, commit: Duration) {
        let Some(metrics) = self.metrics else { return };
        let Labels { stage, steps, consumed, sent, commit: operation, .. } = &self.labels;
        metrics.operation_duration.record(commit.as_secs_f64(), operation);
        metrics.transaction_duration.record(open.as_secs_f64(), stage);
        metrics.consumed.add(books.read, consumed);
        metrics.sent.add(books.out, sent);
        metrics.records_in.add(books.read, stage);
        metrics.records_mapped.add(books.mapped, stage);
        metrics.records_filtered.add(books.filtered, stage);
        metrics.records_out.add(books.out, stage);
        metrics.bytes_in.add(books.bytes_in, stage);
        metrics.bytes_out.add(books.bytes_out, stage);
        for (dead, step) in books.dead.iter().zip(steps) {
            metrics.dead_lettered.add(*dead, step);
        }
    }

    /// How many rows of a committed transaction failed an expectation.
    pub fn unmet(&self, expectation: &str, rows: u64) {
        let Some(metrics) = self.metrics else { return };
        let [pipeline, stage] = self.labels.stage.clone();
        let labels = [pipeline, stage, label("expectation", expectation)];
        metrics.unmet.add(rows, &labels);
        let [pipeline, stage, expectation] = labels;
        let outcome = label("outcome", if rows == 0 { "passed" } else { "failed" });
        metrics.quality_results.add(1, &[pipeline, stage, expectation, outcome]);
    }

    /// The open transaction was taken back.
    pub fn aborted(&self) {
        if let Some(metrics) = self.metrics {
            metrics.aborts.add(1, &self.labels.stage);
        }
    }
}

/// The lag of a stage's group, as the broker tells it.
pub fn lag(pipeline: &str, stage: &str, topic: &str, records: i64) {
    let Some(metrics) = metrics::metrics() else { return };
    let labels = [label("pipeline", pipeline), label("stage", stage), label("topic", topic)];
    metrics.lag.record(records as f64, &labels);
}

/// The distinct contexts that are sampled. Records of one origin come one after
/// another, so mostly only the bytes are compared.
fn sampled<'a>(headers: impl Iterator<Item = Option<&'a [u8]>>) -> Vec<SpanContext> {
    let mut contexts: Vec<SpanContext> = Vec::new();
    let mut last = None;
    for header in headers.flatten() {
        if last.replace(header) == Some(header) || contexts.len() == LINKS_MAX {
            continue;
        }
        let context = context::extract(header).filter(SpanContext::is_sampled);
        contexts.extend(context.filter(|context| !contexts.contains(context)));
    }
    contexts
}

/// A batch under work.
#[derive(Debug)]
pub struct Batch<'t> {
    of: &'t StageTelemetry,
    records: usize,
    begun: Option<Instant>,
    lap: Option<Instant>,
    steps: Vec<Duration>,
    span: Option<BatchSpan>,
}

#[derive(Debug)]
struct BatchSpan {
    context: Context,
    /// Its records that are of a trace are of this one.
    one_trace: bool,
}

/// While it is held, what is logged is of the batch's trace.
#[derive(Debug)]
pub struct Entered {
    _context: ContextGuard,
    _span: EnteredSpan,
}

impl Batch<'_> {
    pub fn enter(&self) -> Option<Entered> {
        let context = &self.span.as_ref()?.context;
        let span = context.span();
        let (trace_id, span_id) = (span.span_context().trace_id(), span.span_context().span_id());
        let span = tracing::info_span!("process", %trace_id, %span_id);
        Some(Entered { _context: context.clone().attach(), _span: span.entered() })
    }

    /// The next step of [`STEPS`] has ended.
    pub fn step(&mut self) {
        if let Some(lap) = &mut self.lap {
            let now = Instant::now();
            self.steps.push(now - std::mem::replace(lap, now));
        }
    }

    /// The batch is worked on. What is sent of its records carries the header
    /// that is given back in the place of their own.
    pub fn end(self, books: &Books) -> BatchTrace {
        self.record(None);
        let Some(BatchSpan { context, one_trace }) = self.span else {
            return BatchTrace::default();
        };
        let span = context.span();
        span.set_attribute(KeyValue::new("lineage_hub.records.out", books.out as i64));
        span.set_attribute(KeyValue::new("lineage_hub.records.filtered", books.filtered as i64));
        let dead: u64 = books.dead.iter().sum();
        span.set_attribute(KeyValue::new("lineage_hub.records.dead_lettered", dead as i64));
        span.end();
        let own = span.span_context();
        let header = own.is_sampled().then(|| context::inject(own));
        BatchTrace { records: header.filter(|_| one_trace), events: header }
    }

    /// The batch could not be worked on, and the stage ends with it.
    pub fn fail(self, error: &dyn std::error::Error) {
        self.record(Some(error));
        if let Some(BatchSpan { context, .. }) = self.span {
            context.span().set_status(Status::error(error.to_string()));
            context.span().end();
        }
    }

    fn record(&self, error: Option<&dyn std::error::Error>) {
        let (Some(metrics), Some(begun)) = (self.of.metrics, self.begun) else { return };
        let Labels { steps, stage, consumed, .. } = &self.of.labels;
        let took = begun.elapsed().as_secs_f64();
        if error.is_some() {
            let mut labels = consumed.to_vec();
            labels.push(label("error.type", "stage"));
            metrics.process_duration.record(took, &labels);
            return;
        }
        metrics.process_duration.record(took, consumed);
        metrics.batch_records.record(self.records as f64, stage);
        for (step, labels) in self.steps.iter().zip(steps) {
            metrics.step_duration.record(step.as_secs_f64(), labels);
        }
    }
}

/// The trace that goes on with what came of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchTrace {
    /// For records that have a header already; `None`: they keep theirs.
    pub records: Option<Header>,
    /// For the lineage events that tell of the batch.
    pub events: Option<Header>,
}
