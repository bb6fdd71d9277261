//! The HTTP API where something is too large, too much, or asked twice.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use crate::support::{
    Hub, Project,
    http::{self, Api},
    reading::read_all,
    wait_until,
};

fn api_alone(project: &Project, settings: &[(&str, &str)]) -> Hub {
    let mut command = project.command(&["api"]);
    for (name, value) in settings {
        command.env(format!("LINEAGE_HUB__API__{name}"), value);
    }
    project.start_command(command)
}

/// An OpenLineage event with so many bytes more than it needs.
fn event(run: &str, padding: usize) -> Value {
    json!({
        "eventType": "START", "eventTime": "2026-01-05T10:00:00Z",
        "producer": format!("https://spark/{}", "x".repeat(padding)),
        "run": { "runId": run }, "job": { "namespace": "s", "name": "j" },
    })
}

/// Kafka would refuse it for ever, and with it all that is sent together.
#[test]
fn an_event_over_the_topics_limit_is_refused_and_takes_no_other_with_it() {
    let project = Project::with_topics("largeevent");
    let lineage = project.name("lineage");
    let text = format!(
        "topic: {lineage}\npartitions: 4\nconfig: {{ max.message.bytes: 1048588 }}\nfields: {{ a: string }}\n"
    );
    project.write("topics/lineage.yaml", &text);
    project.run(&["topics", "apply"]).ok();
    let mut hub = api_alone(&project, &[]);
    let api = hub.api();
    let large = event("large", 2 << 20);
    let lineage = "/api/v1/lineage";
    thread::scope(|scope| {
        for number in 0..8 {
            let (api, large) = (api.clone(), large.clone());
            scope.spawn(move || {
                assert_eq!(api.post(lineage, &large).problem(413), "record_too_large");
                let small = event(&format!("small-{number}"), 0);
                assert_eq!(api.post(lineage, &small).status, 201);
            });
        }
    });
    let batch = json!([event("b-1", 0), {}, large, event("b-2", 0)]);
    let outcome = api.post("/api/v1/lineage/batch", &batch).expect(200);
    assert_eq!(
        outcome["summary"],
        json!({ "received": 4, "successful": 2, "failed": 2 }),
        "{outcome:#}"
    );
    let failed = &outcome["failed_events"];
    assert_eq!((&failed[0]["index"], &failed[1]["index"]), (&json!(1), &json!(2)));
    assert!(failed[1]["reason"].as_str().unwrap().contains("max.message.bytes"), "{failed}");
    hub.stop();
    let events = read_all(&project.cluster, &project.name("lineage"));
    let runs: BTreeSet<String> =
        events.iter().map(|record| record.json()["run"]["runId"].to_string()).collect();
    assert_eq!((events.len(), runs.len()), (10, 10), "{runs:?}");
}

#[test]
fn a_record_over_the_topics_limit_is_refused_before_there_is_a_run() {
    let project = Project::with_topics("largerecord");
    project.leaves_runs_open();
    let mut hub = api_alone(&project, &[]);
    let api = hub.api();
    let run = |records: Value| {
        let body = json!({ "pipeline": project.pipeline(), "records": records });
        api.post("/api/v1/pipeline/run", &body)
    };
    let refused = run(json!([{ "order_id": "a" }, { "order_id": "x".repeat(2 << 20) }]));
    assert_eq!(refused.problem(413), "record_too_large");
    assert!(refused.json()["detail"].as_str().unwrap().contains("record 2"), "{refused:?}");
    assert_eq!(api.get("/api/v1/runs").expect(200)["runs"], json!([]));
    // The key comes on top, and only Kafka finds that to be too much. What is the same
    // over and over would be packed to nothing.
    let numbers = (0_u64..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: Vec<String> =
        numbers.take(900_000 / 16).map(|number| format!("{number:016x}")).collect();
    let text = text.concat();
    let refused = run(json!([{ "order_id": text }]));
    assert_eq!(refused.problem(413), "record_too_large");
    // It had begun, and has an end; nothing of it stays open to hold up the next one.
    wait_until("the refused run is aborted", || {
        api.get("/api/v1/runs").expect(200)["runs"][0]["state"] == "aborted"
    });
    run(json!([{ "order_id": "a" }])).expect(202);
    hub.stop();
}

/// Of one test.
const KEYS: usize = 10;

/// The client that comes again does not wait for the answer, nor for the feed.
#[test]
fn a_repeat_at_any_moment_sends_nothing_twice() {
    let project = Project::with_topics("repeat");
    project.leaves_runs_open();
    let mut hub = api_alone(&project, &[]);
    let api = hub.api();
    let body = json!({ "pipeline": project.pipeline(), "records": [{ "order_id": "a" }] });
    let body = body.to_string();
    for number in 0..KEYS {
        let key = format!("k-{number}");
        let ids: Vec<String> = thread::scope(|scope| {
            let begin = || loop {
                let headers =
                    [("content-type", "application/json"), ("idempotency-key", key.as_str())];
                let answer = api.ask("POST", "/api/v1/pipeline/run", &headers, body.as_bytes());
                if answer.status != 503 {
                    break answer.expect(202)["run_id"].as_str().unwrap().to_owned();
                }
            };
            let both = [scope.spawn(begin), scope.spawn(begin)];
            both.map(|request| request.join().unwrap()).to_vec()
        });
        assert_eq!(ids[0], ids[1]);
    }
    hub.stop();
    assert_eq!(read_all(&project.cluster, &project.name("raw.orders")).len(), KEYS);
}

#[test]
fn the_hub_is_not_ready_without_a_topic_and_says_which() {
    let project = Project::with_topics("missing");
    let mut hub = api_alone(&project, &[]);
    let api = hub.api();
    let topic = project.name("orders.extracted");
    project.cluster.delete_topic(&topic);
    let check = not_ready(&api, "topics");
    assert!(check.contains(&topic) && check.contains("topics apply"), "{check}");
    project.run(&["topics", "apply"]).ok();
    wait_until("it is ready again", || api.get("/ready").status == 200);
    hub.stop();
}

#[test]
fn the_hub_is_not_ready_with_too_much_lineage_waiting() {
    let project = Project::with_topics("backlog");
    project.lineage_to_file();
    let mut hub = api_alone(&project, &[("BACKLOG_MAX", "2")]);
    let api = hub.api();
    for number in 0..3 {
        assert_eq!(api.post("/api/v1/lineage", &event(&format!("r-{number}"), 0)).status, 201);
    }
    let check = not_ready(&api, &format!("forwarder {}", project.name("file")));
    assert_eq!(check, "3 events wait, over `api.backlog_max` (2)");
    let forwarder = project.start(&["forward"]);
    wait_until("it is ready again", || api.get("/ready").status == 200);
    forwarder.stop();
    hub.stop();
}

/// Waits until `/ready` says no for this reason alone; the reason.
#[track_caller]
fn not_ready(api: &Api, check: &str) -> String {
    let mut answer = api.get("/ready");
    wait_until(&format!("{check} is not ready"), || {
        answer = api.get("/ready");
        answer.status == 503
    });
    let ready = answer.json();
    assert_eq!(ready["ready"], false);
    let wrong = |found: &&Value| found["ok"] == false;
    let wrong: Vec<Value> =
        ready["checks"].as_array().unwrap().iter().filter(wrong).cloned().collect();
    assert_eq!(wrong.len(), 1, "{ready:#}");
    assert_eq!(wrong[0]["check"], check, "{ready:#}");
    wrong[0]["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_connection_too_many_is_told_so_and_the_hub_is_alive_all_the_same() {
    let project = Project::with_topics("connections");
    let settings = [("CONNECTIONS_MAX", "1"), ("STREAMS_MAX", "1"), ("UPLOADS_MAX", "1")];
    let mut hub = api_alone(&project, &settings);
    let api = hub.api();
    // Requests that are not sent to their end, as many as there is room for.
    let mut held = Vec::new();
    wait_until("there is no room", || {
        let headers = [("content-type", "application/json"), ("content-length", "10")];
        held.push(api.send_head("POST", "/api/v1/lineage", &headers));
        api.get("/api/v1/runs").status == 503
    });
    for _ in 0..50 {
        let refused = api.get("/api/v1/runs");
        assert_eq!(refused.problem(503), "too_many_connections");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(api.get("/health").expect(200)["status"], "alive");
    }
    drop(held);
    wait_until("there is room again", || api.get("/api/v1/runs").status == 200);
    // A stream too many gives its connection up.
    let tail = format!("/api/v1/topics/{}/records/tail", project.name("raw.orders"));
    let open = api.stream(&tail);
    assert_eq!(open.status, 200);
    let refused = http::answer(api.send_head("GET", &tail, &[]));
    assert_eq!(refused.problem(503), "too_many_streams");
    assert_eq!(refused.header("connection"), Some("close"));
    hub.stop();
}
