//! How a backend sees runs end: streaming, bounded, cancelled, failed and killed ones.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    Project,
    endings::{Open, assert_runs_end_once},
    marquez::{Fault, Marquez},
    orders, wait_until,
};

/// A project whose lineage goes to a backend, by settings of the forwarder.
fn project(test: &str, marquez: &Marquez, forward: &str) -> Project {
    let project = Project::with_topics(test);
    let mut settings = String::from("stage: { session_timeout: 6s, transaction_timeout: 10s }\n");
    let (backend, url) = (project.name("marquez"), marquez.url());
    writeln!(settings, "forward:\n  backends: {{ {backend}: {{ type: http, url: \"{url}\", request_timeout: 1s }} }}").unwrap();
    settings.push_str(forward);
    project.write("hub.yaml", &settings);
    project
}

/// A run as the backend knows it.
struct Shown {
    job: String,
    is_bounded: bool,
    state: String,
    error: String,
    parent: Option<String>,
}

fn shown(marquez: &Marquez) -> BTreeMap<String, Shown> {
    let mut runs = BTreeMap::new();
    for event in marquez.taken() {
        let text = |pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let parent = text("/run/facets/parent/run/runId");
        let shown = Shown {
            job: text("/job/name"),
            is_bounded: text("/job/facets/jobType/processingType") == "BATCH",
            state: text("/eventType"),
            error: text("/run/facets/errorMessage/message"),
            parent: (!parent.is_empty()).then_some(parent),
        };
        runs.insert(text("/run/runId"), shown);
    }
    runs
}

fn order(id: &str, currency: &str) -> Value {
    json!({
        "order_id": id, "customer_id": 1, "ts": "2026-01-05T10:00:00Z", "country": "fr",
        "status": "paid", "currency": currency, "email": "m",
        "items": [{ "sku": "a", "qty": 1, "price": 2.5 }],
    })
}

fn run(project: &Project, name: &str, currency: &str) -> Option<i32> {
    project.write(name, &format!("{}\n{}\n", order("a", "EUR"), order("b", currency)));
    let path = project.path(name);
    let file = path.to_str().unwrap();
    project.run(&["run", &project.pipeline(), "--input", file, "--wait"]).code
}

/// The runs of a pipeline of one kind, each with its state and error, sorted.
fn ends(shown: &BTreeMap<String, Shown>, job: &str, is_bounded: bool) -> Vec<(String, String)> {
    let of = shown.values().filter(|run| run.job == job && run.is_bounded == is_bounded);
    let mut ends: Vec<_> = of.map(|run| (run.state.clone(), run.error.clone())).collect();
    ends.sort();
    ends
}

#[test]
fn a_backend_sees_every_run_end_as_it_ended_under_its_parent() {
    const FILE: &str = "pipelines/orders.yaml";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let marquez = runtime.block_on(Marquez::start());
    let project = project("endings", &marquez, "");
    let pipeline = project.pipeline();

    // One that goes well.
    let hub = project.start(&["up"]);
    assert_eq!(run(&project, "good.ndjson", "EUR"), Some(0));
    hub.stop();

    // A stage stops at a record, and with it the process.
    project.edit(FILE, "otherwise: dead_letter", "otherwise: stop");
    let hub = project.start(&["up"]);
    let begun = Instant::now();
    assert_eq!(run(&project, "bad.ndjson", "XXX"), Some(1));
    let done = hub.join();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "told after {:?}", begun.elapsed());
    assert!(done.err.contains("the stage has stopped"), "{}", done.err);

    // What is left of that run is dropped, and stops nothing. Another run is cancelled
    // before any stage works on it.
    let mut api = project.start(&["api"]);
    let address = api.api();
    let body = json!({ "pipeline": pipeline, "records": [order("c", "EUR"), order("d", "XXX")] });
    let answer = address.post("/api/v1/pipeline/run", &body).expect(202);
    let cancelled = answer["run_id"].as_str().unwrap().to_owned();
    address.delete(&format!("/api/v1/runs/{cancelled}")).expect(202);
    api.stop();
    let mut hub = project.start(&["up"]);
    wait_until("the parts of the cancelled run have ended", || {
        let parts = shown(&marquez);
        let of_run = parts.values().filter(|run| run.parent.as_ref() == Some(&cancelled));
        of_run.filter(|run| run.state == "ABORT").count() == 3
    });

    // A process that is killed, and one that comes after it.
    hub.kill();
    let hub = project.start(&["up"]);
    wait_until("the run of the process that was killed has an end", || {
        ends(&shown(&marquez), &pipeline, false)
            .iter()
            .any(|(state, error)| state == "FAIL" && error.contains("ended without a word"))
    });
    hub.stop();

    let events = marquez.taken();
    assert_runs_end_once(&events, &Open::None);
    let shown = shown(&marquez);
    let streaming = ends(&shown, &pipeline, false);
    let states: Vec<&str> = streaming.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["COMPLETE", "COMPLETE", "FAIL", "FAIL"], "{streaming:?}");
    let reason = format!("stage {} cannot go on: ", project.stage("extract"));
    assert!(streaming.iter().any(|(_, error)| error.starts_with(&reason)), "{streaming:?}");
    let bounded = ends(&shown, &pipeline, true);
    let states: Vec<&str> = bounded.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["ABORT", "COMPLETE", "FAIL"], "{bounded:?}");
    assert!(bounded[2].1.contains("known currency"), "{bounded:?}");

    for (stage, failed) in [("extract", "FAIL"), ("transform", "ABORT"), ("load", "ABORT")] {
        let job = project.name(&format!("orders.{stage}"));
        let mut parts: Vec<&str> = Vec::new();
        for part in shown.values().filter(|run| run.job == job) {
            let parent = &shown[part.parent.as_ref().unwrap()];
            assert_eq!((&parent.job, parent.is_bounded), (&pipeline, part.is_bounded));
            if part.is_bounded {
                parts.push(&part.state);
            }
        }
        parts.sort_unstable();
        let mut expected = ["ABORT", "COMPLETE", failed];
        expected.sort_unstable();
        assert_eq!(parts, expected, "{stage}");
    }
}

/// The last events come after the stages have ended, and a backend takes its time.
#[test]
fn what_a_slow_backend_has_not_taken_yet_is_delivered_before_the_process_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let marquez = runtime.block_on(Marquez::start());
    marquez.set_outage(Some(Fault::Slow(Duration::from_millis(400))));
    let project = project("drain", &marquez, "  concurrency: 1\n  drain_timeout: 60s\n");
    let hub = project.start(&["up"]);
    assert_eq!(run(&project, "good.ndjson", "EUR"), Some(0));
    hub.stop();
    // At two and a half a second these take longer than a forwarder was once given.
    assert!(marquez.taken().len() >= 12, "{}", marquez.taken().len());
    assert_runs_end_once(&marquez.taken(), &Open::None);

    // One that is down does not hold the process for ever.
    marquez.set_outage(Some(Fault::Cut));
    project.edit("hub.yaml", "drain_timeout: 60s", "drain_timeout: 3s");
    let hub = project.start(&["up"]);
    let workload = orders::send(&project, 10, 1);
    orders::wait(&project, &workload);
    hub.terminate();
    let done = hub.join();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.contains("lineage is not all delivered"), "{}", done.err);
}
