//! What reaches a collector: one trace from the start of a run to the forwarder's
//! request, metrics that are the books, and nothing that anybody waits for.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::TcpListener,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::support::{
    Hub, PATIENCE, Project,
    collector::{Collector, Span, Sum},
    marquez::Marquez,
    wait_until,
};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/orders.ndjson");

/// The command with telemetry to this endpoint.
fn observed(mut command: Command, endpoint: &str) -> Command {
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    if let Ok(protocol) = std::env::var("TEST_COLLECTOR_PROTOCOL") {
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    }
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "300");
    command.env("OTEL_BSP_SCHEDULE_DELAY", "100");
    command.env("OTEL_BLRP_SCHEDULE_DELAY", "100");
    command
}

fn start(project: &Project, args: &[&str], endpoint: &str) -> Hub {
    Hub::start(observed(project.command(args), endpoint), &project.path("logs"))
}

/// Sends the sample as a run, and waits for its books.
fn run_sample(project: &Project, endpoint: &str) -> Value {
    let pipeline = project.pipeline();
    let args = ["run", &pipeline, "--input", SAMPLE, "--wait", "--output", "json"];
    start(project, &args, endpoint).join().json_lines().remove(0)
}

/// A project whose lineage goes to a stand-in for Marquez.
fn project_with_backend(test: &str) -> (Project, Marquez) {
    let project = Project::with_topics(test);
    let marquez = project.cluster.block_on(Marquez::start());
    let backend = project.name("marquez");
    let url = marquez.url();
    let settings =
        format!("forward:\n  backends:\n    {backend}: {{ type: http, url: \"{url}\" }}\n");
    project.write("hub.yaml", &settings);
    (project, marquez)
}

fn total(sums: &[Sum]) -> u64 {
    sums.iter().map(|sum| sum.value).sum()
}

#[test]
fn one_trace_leads_from_a_run_through_three_stages_to_the_forwarders_request() {
    let (project, marquez) = project_with_backend("trace");
    let collector = Collector::start();
    let hub = start(&project, &["up", "-v"], &collector.endpoint());
    let run = run_sample(&project, &collector.endpoint());
    assert_eq!(run["balanced"], true, "{run:#}");
    let id = run["id"].as_str().unwrap();
    wait_until("the sender's span arrives", || sender_of(&collector.spans(), id).is_some());
    hub.stop();
    let first = sender_of(&collector.spans(), id).unwrap();
    assert_eq!(first.name, format!("send {}", project.name("raw.orders")));
    check_trace(&project, &collector, &marquez, &first);
    let lines = collector.lines();
    let of_trace = lines.iter().filter(|line| line.trace == first.trace);
    let bodies: BTreeSet<&str> = of_trace.map(|line| line.body.as_str()).collect();
    assert!(bodies.contains("batch worked on"), "log lines name the trace: {bodies:?}");
}

#[test]
fn a_caller_of_the_api_finds_its_own_trace_at_the_end_of_the_way() {
    let (project, marquez) = project_with_backend("apitrace");
    let collector = Collector::start();
    let mut hub = start(&project, &["up"], &collector.endpoint());
    let api = hub.api();
    // Of this test alone, also where the collector is shared.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let (trace, caller) = (format!("{now:032x}"), "00f067aa0ba902b7");
    let traceparent = format!("00-{trace}-{caller}-01");
    let headers = [("content-type", "application/x-ndjson"), ("traceparent", traceparent.as_str())];
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let sample = std::fs::read(SAMPLE).unwrap();
    let started = api.ask("POST", &upload, &headers, &sample).expect(202);
    let id = started["run_id"].as_str().unwrap();
    wait_until("the run is complete", || {
        api.get(&format!("/api/v1/runs/{id}")).expect(200)["state"] == "complete"
    });
    wait_until("the sender's span arrives", || sender_of(&collector.spans(), id).is_some());
    hub.stop();

    let spans = collector.spans();
    let first = sender_of(&spans, id).unwrap();
    assert_eq!(first.trace, trace);
    let served = spans.iter().find(|span| span.id == first.parent).expect("the API's own span");
    assert_eq!(served.name, "POST /api/v1/pipeline/run");
    assert_eq!((served.trace.as_str(), served.parent.as_str()), (trace.as_str(), caller));
    assert_eq!(served.attributes["http.response.status_code"], "202");
    check_trace(&project, &collector, &marquez, &first);
}

/// The span of whoever sent the run.
fn sender_of(spans: &[Span], run: &str) -> Option<Span> {
    let is_of_run =
        |span: &&Span| span.attributes.get("lineage_hub.run").is_some_and(|its| its == run);
    spans.iter().find(is_of_run).cloned()
}

/// From the sender of the sample through three stages to the forwarder's request: one
/// trace, with every record in it and every link to a span of it.
#[track_caller]
fn check_trace(project: &Project, collector: &Collector, marquez: &Marquez, first: &Span) {
    let posted = |spans: &[Span]| {
        spans.iter().any(|span| span.trace == first.trace && span.name == "POST lineage")
    };
    wait_until("the forwarder's span arrives", || posted(&collector.spans()));
    let spans = collector.spans();
    let trace: Vec<&Span> = spans.iter().filter(|span| span.trace == first.trace).collect();
    let ids: BTreeSet<&str> = trace.iter().map(|span| span.id.as_str()).collect();
    let named = |name: &str| trace.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let mut before = BTreeSet::from([first.id.as_str()]);
    for (topic, expected) in
        [("raw.orders", 1000), ("orders.extracted", 997), ("orders.transformed", 681)]
    {
        let batches = named(&format!("process {}", project.name(topic)));
        let records = batches.iter().map(|span| &span.attributes["messaging.batch.message_count"]);
        let records: u64 = records.map(|count| count.parse::<u64>().unwrap()).sum();
        assert_eq!(records, expected, "records of {topic} in the trace");
        for batch in &batches {
            assert!(before.contains(batch.parent.as_str()), "{batch:?} hangs in the air");
            assert!(!batch.links.is_empty());
            for (linked, span) in &batch.links {
                assert_eq!(*linked, first.trace);
                assert!(before.contains(span.as_str()), "{topic}: a link to no span of the trace");
            }
        }
        before = batches.iter().map(|span| span.id.as_str()).collect();
    }
    for post in named("POST lineage") {
        assert!(ids.contains(post.parent.as_str()), "{post:?} hangs in the air");
    }
    let told = marquez.arrivals().into_iter().filter_map(|arrival| arrival.traceparent);
    let told: Vec<String> = told.collect();
    assert!(told.iter().any(|header| header.contains(&first.trace)), "the backend gets the trace");
}

#[test]
fn the_metrics_are_the_books_of_the_run() {
    let (project, _marquez) = project_with_backend("metrics");
    let collector = Collector::start();
    let hub = start(&project, &["up"], &collector.endpoint());
    let run = run_sample(&project, &collector.endpoint());
    hub.stop();

    let pipeline = project.pipeline();
    let count = |name: &str, stage: &str| {
        let sums = collector.sums(&format!("lineage_hub.stage.{name}"), &pipeline);
        let of_stage = sums.into_iter().filter(|sum| sum.attributes["stage"] == stage);
        total(&of_stage.collect::<Vec<_>>())
    };
    let names = [
        ("records.in", "in"),
        ("records.mapped", "mapped"),
        ("records.out", "out"),
        ("records.filtered", "filtered"),
        ("records.dead_lettered", "deadLettered"),
        ("bytes.in", "bytesIn"),
        ("bytes.out", "bytesOut"),
    ];
    wait_until("the last metrics arrive", || count("records.out", "load") == 681);
    for stage in ["extract", "transform", "load"] {
        let books = &run["parts"][format!("{pipeline}.{stage}")]["counts"];
        for (metric, book) in names {
            assert_eq!(
                Some(count(metric, stage)),
                books[book].as_u64(),
                "{metric} of {stage}: {books:#}"
            );
        }
    }
    let mut decoded = collector.sums("lineage_hub.stage.records.dead_lettered", &pipeline);
    decoded.retain(|sum| sum.attributes["step"] == "decode");
    assert_eq!(total(&decoded), 3);
    let ended = collector.sums("lineage_hub.run.ended", &pipeline);
    assert_eq!(total(&ended), 1, "one of the two trackers has ended it: {ended:?}");
    assert_eq!(ended.iter().find(|sum| sum.value == 1).unwrap().attributes["outcome"], "complete");
    assert_eq!(total(&collector.sums("lineage_hub.run.started", &pipeline)), 1);
    let durations = collector.sums("lineage_hub.run.duration", &pipeline);
    assert_eq!(total(&durations), 1, "{durations:?}");
    let records = |result: &str| {
        let mut sums = collector.sums("lineage_hub.run.records", &pipeline);
        sums.retain(|sum| sum.attributes["result"] == result);
        total(&sums)
    };
    assert_eq!((records("in"), records("out")), (1000, 681));
    // However many transactions there were.
    let results = collector.sums("lineage_hub.quality.results", &pipeline);
    for name in ["known currency", "has items", "positive quantities"] {
        let passed = |sum: &Sum| {
            sum.attributes["expectation"] == name && sum.attributes["outcome"] == "passed"
        };
        assert!(results.iter().any(|sum| passed(sum) && sum.value > 0), "{name}: {results:?}");
    }
    let backend = project.name("marquez");
    let settled = collector.sums("lineage_hub.forward.events", &backend);
    assert!(total(&settled) >= 8, "START and COMPLETE of the run and its stages: {settled:?}");
}

#[test]
fn runs_that_are_cancelled_or_break_off_are_counted_as_aborted() {
    let project = Project::with_topics("aborted");
    let collector = Collector::start();
    let mut hub = start(&project, &["up", "--no-forward"], &collector.endpoint());
    let api = hub.api();
    let pipeline = project.pipeline();
    let aborted = || {
        let mut ended = collector.sums("lineage_hub.run.ended", &pipeline);
        ended.retain(|sum| sum.attributes["outcome"] == "aborted");
        total(&ended)
    };
    // Half an upload, and the client goes.
    let upload = format!("/api/v1/pipeline/run?pipeline={pipeline}");
    let headers = [("content-type", "application/x-ndjson"), ("content-length", "1000")];
    let mut half = api.send_head("POST", &upload, &headers);
    half.write_all(b"{}\n").unwrap();
    wait_until("it is there", || {
        !api.get("/api/v1/runs?kind=bounded").expect(200)["runs"].as_array().unwrap().is_empty()
    });
    drop(half);
    wait_until("the one that broke off is counted", || aborted() == 1);

    // Its records come in while it is cancelled.
    let headers = [("content-type", "application/x-ndjson"), ("content-length", "1000")];
    let mut stream = api.send_head("POST", &upload, &headers);
    stream.write_all(b"{}\n{}\n").unwrap();
    let mut running = Value::Null;
    wait_until("it is running", || {
        let runs = api.get("/api/v1/runs?kind=bounded&state=running").expect(200);
        running = runs["runs"][0]["id"].clone();
        running.is_string()
    });
    api.delete(&format!("/api/v1/runs/{}", running.as_str().unwrap())).expect(202);
    wait_until("the cancelled one is counted", || aborted() == 2);
    let settled = || {
        let mut sums = collector.sums("lineage_hub.run.records", &pipeline);
        sums.retain(|sum| sum.attributes["result"] == "in");
        total(&sums)
    };
    wait_until("its books are closed", || settled() == 2);
    hub.stop();
}

#[test]
fn a_collector_that_hangs_slows_nothing_and_what_is_dropped_is_counted() {
    let project = Project::with_topics("hangs");
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let collector = Collector::start();
    let mut command = observed(project.command(&["up"]), &collector.endpoint());
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", silent);
    command.env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
    command.env("OTEL_BSP_MAX_QUEUE_SIZE", "2");
    let hub = Hub::start(command, &project.path("logs"));
    let run = run_sample(&project, &collector.endpoint());
    assert_eq!(run["balanced"], true, "{run:#}");
    let dropped = || total(&collector.sums("lineage_hub.telemetry.dropped", "traces"));
    wait_until("spans are dropped and counted", || dropped() > 0);
    let begun = Instant::now();
    hub.stop();
    assert!(begun.elapsed() < PATIENCE / 4, "the end waited for the collector");
}
