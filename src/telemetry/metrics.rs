//! Every instrument of the program, defined here and nowhere else;
//! `docs/metrics.md` is written from this list.

use std::{fmt::Write as _, sync::OnceLock};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter},
};

/// What an instrument is, for its maker and for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub kind: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub attributes: &'static [&'static str],
    pub description: &'static str,
}

/// An instrument of this type can be made of its [`Spec`].
trait Make: Sized {
    const KIND: &'static str;
    fn make(meter: &Meter, spec: &Spec) -> Self;
}

impl Make for Counter<u64> {
    const KIND: &'static str = "counter";
    fn make(meter: &Meter, spec: &Spec) -> Self {
        let counter = meter.u64_counter(spec.name).with_unit(spec.unit);
        counter.with_description(spec.description).build()
    }
}

impl Make for Histogram<f64> {
    const KIND: &'static str = "histogram";
    fn make(meter: &Meter, spec: &Spec) -> Self {
        let bounds = if spec.unit == "s" { SECONDS.to_vec() } else { AMOUNTS.to_vec() };
        let histogram = meter.f64_histogram(spec.name).with_unit(spec.unit);
        histogram.with_description(spec.description).with_boundaries(bounds).build()
    }
}

impl Make for Gauge<f64> {
    const KIND: &'static str = "gauge";
    fn make(meter: &Meter, spec: &Spec) -> Self {
        let gauge = meter.f64_gauge(spec.name).with_unit(spec.unit);
        gauge.with_description(spec.description).build()
    }
}

/// From a step of a batch to a bounded run of an hour.
const SECONDS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0,
    3600.0,
];
const AMOUNTS: [f64; 9] = [1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0, 10000.0];

macro_rules! instruments {
    ($($field:ident: $type:ty = $name:literal [$unit:literal] ($($attribute:literal),*) $text:literal;)*) => {
        /// The instruments, by field.
        #[derive(Debug)]
        pub struct Metrics {
            $(pub $field: $type,)*
        }

        /// All instruments, in the order of the reference.
        pub const INSTRUMENTS: &[Spec] = &[
            $(Spec {
                kind: <$type as Make>::KIND,
                name: $name,
                unit: $unit,
                attributes: &[$($attribute),*],
                description: $text,
            },)*
        ];

        impl Metrics {
            pub fn new(meter: &Meter) -> Self {
                let mut specs = INSTRUMENTS.iter();
                let mut next = || specs.next().copied().unwrap_or(INSTRUMENTS[0]);
                Self { $($field: Make::make(meter, &next()),)* }
            }
        }
    };
}

instruments! {
    consumed: Counter<u64> = "messaging.client.consumed.messages" ["{message}"]
        ("messaging.system", "messaging.destination.name", "messaging.consumer.group.name")
        "Records taken in and committed";
    sent: Counter<u64> = "messaging.client.sent.messages" ["{message}"]
        ("messaging.system", "messaging.destination.name")
        "Records written to the output topic and committed";
    process_duration: Histogram<f64> = "messaging.process.duration" ["s"]
        ("messaging.system", "messaging.destination.name", "messaging.consumer.group.name", "error.type")
        "Time to work on a batch: decode, transform, check and encode";
    operation_duration: Histogram<f64> = "messaging.client.operation.duration" ["s"]
        ("messaging.system", "messaging.destination.name", "messaging.operation.name", "error.type")
        "Time of an operation on the broker; here: `commit`, the end of a transaction";

    records_in: Counter<u64> = "lineage_hub.stage.records.in" ["{record}"] ("pipeline", "stage")
        "Records taken in";
    records_mapped: Counter<u64> = "lineage_hub.stage.records.mapped" ["{record}"] ("pipeline", "stage")
        "Records of which at least one row, or a tombstone, went out";
    records_filtered: Counter<u64> = "lineage_hub.stage.records.filtered" ["{record}"] ("pipeline", "stage")
        "Records of which nothing went out, by the SELECT or an expectation that drops";
    dead_lettered: Counter<u64> = "lineage_hub.stage.records.dead_lettered" ["{record}"]
        ("pipeline", "stage", "step")
        "Records sent to the dead letter topic, by the step that they failed at";
    records_out: Counter<u64> = "lineage_hub.stage.records.out" ["{record}"] ("pipeline", "stage")
        "Records written to the output topic";
    bytes_in: Counter<u64> = "lineage_hub.stage.bytes.in" ["By"] ("pipeline", "stage")
        "Bytes of keys, values and headers taken in";
    bytes_out: Counter<u64> = "lineage_hub.stage.bytes.out" ["By"] ("pipeline", "stage")
        "Bytes of keys, values and headers written to the output topic";
    batch_records: Histogram<f64> = "lineage_hub.stage.batch.records" ["{record}"] ("pipeline", "stage")
        "Records of a batch";
    step_duration: Histogram<f64> = "lineage_hub.stage.step.duration" ["s"] ("pipeline", "stage", "step")
        "Time of a batch in one step: `decode`, `transform`, `expect` or `encode`";
    transaction_duration: Histogram<f64> = "lineage_hub.stage.transaction.duration" ["s"]
        ("pipeline", "stage")
        "Time from a transaction's first record to the end of its commit";
    aborts: Counter<u64> = "lineage_hub.stage.transaction.aborts" ["{transaction}"] ("pipeline", "stage")
        "Transactions taken back, to be tried again from the committed offsets";
    unmet: Counter<u64> = "lineage_hub.quality.unmet" ["{row}"] ("pipeline", "stage", "expectation")
        "Rows that failed an expectation; 0 where all pass";
    quality_results: Counter<u64> = "lineage_hub.quality.results" ["{result}"]
        ("pipeline", "stage", "expectation", "outcome")
        "Checks of an expectation over a committed transaction: `passed` where no row failed it, else `failed`";
    lag: Gauge<f64> = "lineage_hub.stage.lag" ["{record}"] ("pipeline", "stage", "topic")
        "Records in the input topic that the stage's group has not committed; each process tells it for the whole group";

    runs_started: Counter<u64> = "lineage_hub.run.started" ["{run}"] ("pipeline")
        "Bounded runs begun";
    runs_ended: Counter<u64> = "lineage_hub.run.ended" ["{run}"] ("pipeline", "outcome")
        "Bounded runs ended: `complete`, `failed` or `aborted`";
    run_duration: Histogram<f64> = "lineage_hub.run.duration" ["s"] ("pipeline", "outcome")
        "Time from the start of a bounded run to its end";
    run_records: Counter<u64> = "lineage_hub.run.records" ["{record}"] ("pipeline", "result")
        "Records of bounded runs whose books are closed, those of cancelled ones too, by what came of them: `in`, `out`, `filtered` or `dead_lettered`";

    forwarded: Counter<u64> = "lineage_hub.forward.events" ["{event}"] ("backend", "result")
        "Lineage events settled: `delivered`, `parked`, `coalesced` or `skipped`";
    forward_retries: Counter<u64> = "lineage_hub.forward.retries" ["{request}"] ("backend")
        "Requests that failed and are tried again";
    forward_duration: Histogram<f64> = "lineage_hub.forward.request.duration" ["s"] ("backend", "outcome")
        "Time of one request to a lineage backend: `ok`, `refused` or `failed`";
    forward_backlog: Gauge<f64> = "lineage_hub.forward.backlog" ["{event}"] ("backend")
        "Events read and neither delivered nor parked";
    forward_backlog_age: Gauge<f64> = "lineage_hub.forward.backlog.age" ["s"] ("backend")
        "Time since the oldest event of the backlog was read; 0 without one";
    forward_down: Gauge<f64> = "lineage_hub.forward.down" ["1"] ("backend")
        "1 while the backend counts as down, else 0";

    telemetry_dropped: Counter<u64> = "lineage_hub.telemetry.dropped" ["{item}"] ("signal")
        "Spans and log records dropped because the queue to the collector was full";
    telemetry_failures: Counter<u64> = "lineage_hub.telemetry.failures" ["{request}"] ("signal")
        "Exports that the collector did not take";
}

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// The instruments, where metrics are exported.
pub fn metrics() -> Option<&'static Metrics> {
    METRICS.get()
}

/// Makes the instruments of the whole process; a second call changes nothing.
pub(super) fn install(meter: &Meter) {
    METRICS.get_or_init(|| Metrics::new(meter));
}

pub(super) fn label(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

/// The text of `docs/metrics.md`.
pub fn reference() -> String {
    let mut text = "# Metrics\n\nWritten from the list in `src/telemetry/metrics.rs` by \
                    `make docs`; a test holds it. Nothing is exported unless an endpoint is set: \
                    [configuration.md](configuration.md#telemetry).\n\nRecords and bytes are \
                    counted when their transaction is committed: what is aborted was never \
                    counted, and the sums are those of the books. Where the answer to a commit \
                    is lost the books count it and these do not.\n"
        .to_owned();
    for (title, prefix) in [
        ("Messaging", "messaging."),
        ("Stages", "lineage_hub.stage."),
        ("Data quality", "lineage_hub.quality."),
        ("Bounded runs", "lineage_hub.run."),
        ("Forwarder", "lineage_hub.forward."),
        ("Telemetry itself", "lineage_hub.telemetry."),
    ] {
        let _ = write!(
            text,
            "\n## {title}\n\n| Name | Kind | Unit | Attributes | What |\n|---|---|---|---|---|\n"
        );
        for spec in INSTRUMENTS.iter().filter(|spec| spec.name.starts_with(prefix)) {
            let Spec { kind, name, unit, description, .. } = spec;
            let attributes: Vec<_> =
                spec.attributes.iter().map(|attribute| format!("`{attribute}`")).collect();
            let attributes = attributes.join(", ");
            let _ =
                writeln!(text, "| `{name}` | {kind} | `{unit}` | {attributes} | {description} |");
        }
    }
    text
}
