//! The HTTP API: what it does, and what it refuses.

use std::io::Write as _;

use lineage_hub::codec::arrow_ipc;
use serde_json::{Value, json};

use crate::support::{
    Books, Project,
    http::{self, Api},
    reading::read_all,
    valid_lineage, wait_until,
};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn order(id: &str, currency: &str) -> Value {
    json!({
        "order_id": id, "customer_id": 1, "ts": "2026-01-05T10:00:00Z", "country": "fr",
        "status": "paid", "currency": currency, "email": "m",
        "items": [{ "sku": "a", "qty": 1, "price": 2.5 }],
    })
}

/// Waits until a run is as `state` says; the run.
#[track_caller]
fn wait_for(api: &Api, id: &str, state: &str) -> Value {
    let mut run = Value::Null;
    wait_until(&format!("run {id} is {state}"), || {
        run = api.get(&format!("/api/v1/runs/{id}")).expect(200);
        run["state"] == state
    });
    run
}

fn id_of(started: &Value) -> String {
    started["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_asked_wrongly_is_refused_with_problem_details() {
    let project = Project::with_topics("problems");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    assert_eq!(api.get("/health").expect(200)["status"], "alive");
    assert_eq!(api.get("/nothing").problem(404), "path_unknown");
    let refused = api.delete("/api/v1/topics");
    assert_eq!(refused.problem(405), "method_not_allowed");
    assert!(refused.header("allow").unwrap().contains("GET"));
    assert_eq!(api.get("/api/v1/runs/x").problem(400), "invalid_request");
    assert_eq!(api.get("/api/v1/runs?limit=0").problem(400), "invalid_request");
    assert_eq!(api.get("/api/v1/runs?cursor=x").problem(400), "invalid_request");
    let nobody = "/api/v1/runs/0190d5b2-7c00-7000-8000-000000000001";
    assert_eq!(api.get(nobody).problem(404), "run_not_found");
    assert_eq!(api.get(&format!("{nobody}/events")).problem(404), "run_not_found");
    assert_eq!(api.delete(nobody).problem(404), "run_not_found");
    assert_eq!(api.get("/api/v1/pipelines/x").problem(404), "pipeline_not_found");
    assert_eq!(api.get("/api/v1/topics/no/records").problem(404), "topic_not_found");
    let hidden = api.get("/api/v1/topics/__consumer_offsets/records");
    assert_eq!(hidden.problem(404), "topic_not_found");
    let run = "/api/v1/pipeline/run";
    assert_eq!(api.ask("POST", run, &[], b"{}").problem(415), "unsupported_media_type");
    assert_eq!(api.post(run, &json!({})).problem(400), "invalid_request");
    let unknown = json!({ "pipeline": "x", "records": [] });
    assert_eq!(api.post(run, &unknown).problem(404), "pipeline_not_found");
    let both = json!({ "pipeline": project.pipeline(), "records": [], "sample": 1 });
    assert_eq!(api.post(run, &both).problem(422), "unprocessable");
    let large = vec![b' '; 9 << 20];
    let headers = [("content-type", "application/json")];
    assert_eq!(api.ask("POST", run, &headers, &large).problem(413), "body_too_large");
    let line = vec![b'x'; 2 << 20];
    let upload = format!("{run}?pipeline={}", project.pipeline());
    assert_eq!(api.ask("POST", &upload, &[NDJSON], &line).problem(413), "record_too_large");
    hub.stop();
}

#[test]
fn what_a_page_needs_is_there_and_nothing_comes_from_elsewhere() {
    let project = Project::with_topics("pages");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let document = api.get("/openapi.json").expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/runs"]["get"]["responses"]["default"].is_object());
    let page = api.get("/docs/");
    assert_eq!(page.status, 200);
    for name in ["x-content-type-options", "content-security-policy", "x-frame-options"] {
        assert!(page.header(name).is_some(), "{name}");
    }
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("swagger-ui-bundle.js") && !text.contains("src=\"http"), "{text}");
    assert_eq!(api.get("/docs/swagger-ui-bundle.js").status, 200);

    let pipelines = api.get("/api/v1/pipelines").expect(200);
    assert_eq!(pipelines["pipelines"][0]["name"], project.pipeline());
    let pipeline = api.get(&format!("/api/v1/pipelines/{}", project.pipeline())).expect(200);
    let extract = &pipeline["graph"][0];
    assert_eq!(extract["from"], project.name("raw.orders"));
    assert!(extract["sql"].as_str().unwrap().contains("SELECT"));
    let columns = extract["column_lineage"]["fields"].as_array().unwrap();
    let country = columns.iter().find(|column| column["field"] == "country").unwrap();
    assert_eq!(country["sources"][0]["field"], "country");

    let topics = api.get("/api/v1/topics").expect(200);
    let raw = project.name("raw.orders");
    let topic = topics["topics"].as_array().unwrap().iter().find(|topic| topic["name"] == raw);
    assert_eq!(
        (&topic.unwrap()["exists"], &topic.unwrap()["partitions"]),
        (&true.into(), &4.into())
    );
    wait_until("each stage has a member that holds all partitions", || {
        let stages = api.get("/api/v1/stages").expect(200);
        let holds = |stage: &Value| {
            let members = stage["replicas"].as_array().unwrap();
            members.len() == 1 && !members[0]["partitions"].as_array().unwrap().is_empty()
        };
        stages["stages"].as_array().unwrap().iter().all(holds)
    });
    let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
    assert!(metrics.contains("lineage_hub_kafka_up 1\n"), "{metrics}");
    assert!(metrics.contains("lineage_hub_stage_lag{"), "{metrics}");
    hub.stop();
}

#[test]
fn a_run_is_the_same_for_the_same_key_also_after_a_restart() {
    let project = Project::with_topics("keyed");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let records = [order("o-1", "EUR"), order("o-2", "XXX"), json!("no order")];
    let body = json!({ "pipeline": project.pipeline(), "records": records });
    let begin = |api: &Api, key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        api.ask("POST", "/api/v1/pipeline/run", &headers, body.to_string().as_bytes())
    };
    let first = begin(&api, "k-1");
    let id = id_of(&first.expect(202));
    assert_eq!(first.header("location"), Some(format!("/api/v1/runs/{id}").as_str()));
    assert_eq!(first.json()["records"], 3);
    assert_eq!(id_of(&begin(&api, "k-1").expect(202)), id);
    let other = id_of(&begin(&api, "k-2").expect(202));
    assert_ne!(other, id);
    let run = wait_for(&api, &id, "complete");
    assert_eq!((&run["balanced"], &run["total"]["records"]), (&true.into(), &3.into()));
    assert_eq!((&run["books"]["in"], &run["books"]["dead_lettered"]), (&3.into(), &2.into()));
    wait_for(&api, &other, "complete");
    hub.stop();

    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    assert_eq!(id_of(&begin(&api, "k-1").expect(202)), id);
    let runs = api.get("/api/v1/runs?kind=bounded").expect(200);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);

    // A page at a time they are the same.
    let page = api.get("/api/v1/runs?kind=bounded&limit=1").expect(200);
    let next = page["next"].as_str().unwrap();
    let second = api.get(&format!("/api/v1/runs?kind=bounded&limit=1&cursor={next}")).expect(200);
    assert_eq!(page["runs"][0]["id"], other);
    assert_eq!((&second["runs"][0]["id"], &second["next"]), (&id.into(), &Value::Null));
    let loaded = project.name("orders.loaded");
    let graph = format!("/api/v1/lineage?node={loaded}&direction=upstream&depth=2");
    let graph = api.get(&graph).expect(200);
    let names: Vec<&str> = graph["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    assert_eq!(graph["edges"].as_array().unwrap().len(), 2, "{graph:#}");
    assert!(names.contains(&project.name("orders.transformed").as_str()), "{names:?}");
    let columns = format!("/api/v1/column-lineage?node={loaded}&field=country&direction=upstream");
    let columns = api.get(&columns).expect(200);
    let is_from_raw = |column: &Value| {
        let from = column["from"].as_str().unwrap();
        from.ends_with(&project.name("raw.orders")) && column["from_field"] == "country"
    };
    assert!(columns["columns"].as_array().unwrap().iter().any(is_from_raw), "{columns:#}");
    assert_eq!(api.get("/api/v1/lineage?node=nowhere").problem(404), "node_not_found");
    hub.stop();
    let raw = read_all(&project.cluster, &project.name("raw.orders"));
    assert_eq!(raw.len(), 6, "two runs of three records, whatever was repeated");
    Books::check(&project);
}

#[test]
fn an_upload_is_followed_to_its_end_and_topics_are_read_page_by_page() {
    let project = Project::with_topics("upload");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let sample = std::fs::read("samples/orders.ndjson").unwrap();
    let id = id_of(&api.ask("POST", &upload, &[NDJSON], &sample).expect(202));
    let mut events = api.stream(&format!("/api/v1/runs/{id}/events"));
    assert_eq!(events.status, 200);
    let mut last = None;
    while let Some((name, run)) = events.next() {
        assert_eq!(run["id"], id);
        last = Some((name, run));
    }
    let (name, run) = last.unwrap();
    assert_eq!(
        (name.as_str(), &run["state"], &run["balanced"]),
        ("end", &json!("complete"), &true.into())
    );
    assert_eq!((&run["books"]["in"], &run["books"]["out"]), (&1000.into(), &681.into()));
    for stage in run["stages"].as_array().unwrap() {
        assert!(stage["started"].is_string() && stage["ended"].is_string(), "{stage:#}");
        assert!(stage["seconds"].as_f64().unwrap() >= 0.0, "{stage:#}");
    }

    let records = format!("/api/v1/topics/{}/records", project.name("orders.loaded"));
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let page = api.get(&format!("{records}?limit=300{cursor}")).expect(200);
        let found = page["records"].as_array().unwrap();
        seen += found.len();
        assert!(found.iter().all(|record| record["value"]["order_id"] == record["key"]));
        if page["at_end"] == true {
            break;
        }
        cursor = format!("&cursor={}", page["next"].as_str().unwrap());
    }
    assert_eq!(seen, 681);

    let accept = [("accept", "application/vnd.apache.arrow.stream")];
    let table = api.ask("GET", &format!("{records}?limit=1000"), &accept, b"");
    assert_eq!((table.status, table.header("content-type")), (200, Some(accept[0].1)));
    let rows = arrow_ipc::rows_as_json(&table.body).unwrap();
    let headers = ["x-at-end", "x-unreadable"].map(|name| table.header(name));
    assert_eq!((rows.len(), headers), (681, [Some("true"), Some("0")]));
    let letters = format!("/api/v1/topics/{}/records", project.name("raw.orders.dlq"));
    assert_eq!(api.ask("GET", &letters, &accept, b"").problem(406), "no_fields");

    // A live tail has what comes after it was opened.
    let mut tail = api.stream(&format!("{records}/tail"));
    let body = json!({ "pipeline": project.pipeline(), "records": [order("late", "EUR")] });
    api.post("/api/v1/pipeline/run", &body).expect(202);
    let (name, record) = tail.next().unwrap();
    assert_eq!((name.as_str(), &record["key"]), ("record", &json!("late")));
    let sample = json!({ "pipeline": project.pipeline(), "sample": 20 });
    let id = id_of(&api.post("/api/v1/pipeline/run", &sample).expect(202));
    assert_eq!(wait_for(&api, &id, "complete")["books"]["in"], 20);
    hub.stop();
}

#[test]
fn a_cancelled_run_is_aborted_at_once_and_its_records_are_dropped_and_accounted_for() {
    let project = Project::with_topics("cancel");
    // Nobody works on them yet.
    let mut alone = project.start(&["api"]);
    let api = alone.api();
    let records: Vec<Value> = (0..50).map(|number| order(&format!("o-{number}"), "EUR")).collect();
    let body = json!({ "pipeline": project.pipeline(), "records": records });
    let id = id_of(&api.post("/api/v1/pipeline/run", &body).expect(202));
    let run = api.delete(&format!("/api/v1/runs/{id}")).expect(202);
    assert_eq!((&run["state"], &run["cancelled"]), (&json!("aborted"), &true.into()));
    assert_eq!(api.delete(&format!("/api/v1/runs/{id}")).problem(409), "run_ended");
    let body = json!({ "pipeline": project.pipeline(), "records": [order("kept", "EUR")] });
    let kept = id_of(&api.post("/api/v1/pipeline/run", &body).expect(202));
    alone.stop();

    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    wait_for(&api, &kept, "complete");
    let mut events = api.stream(&format!("/api/v1/runs/{id}/events"));
    let mut last = Value::Null;
    while let Some((_, run)) = events.next() {
        last = run;
    }
    assert_eq!((&last["state"], &last["balanced"]), (&json!("aborted"), &true.into()), "{last:#}");
    let extract = &last["stages"][0];
    assert_eq!((&extract["state"], &extract["sent"]), (&json!("aborted"), &50.into()));
    // What was read before the stage heard of the cancelling went its way.
    let books = &last["books"];
    let count = |name: &str| books[name].as_u64().unwrap();
    assert_eq!(count("in"), 50);
    assert_eq!(count("out") + count("filtered") + count("dead_lettered"), 50);
    hub.stop();
    let of_run = |event: &Value| event["run"]["runId"] == id.as_str();
    let kinds: Vec<Value> = valid_lineage(&project)
        .into_iter()
        .filter(of_run)
        .map(|event| event["eventType"].clone())
        .collect();
    assert_eq!(kinds.first(), Some(&json!("START")));
    assert_eq!(kinds.last(), Some(&json!("ABORT")), "nothing comes after the end: {kinds:?}");
    Books::check(&project);
}

#[test]
fn a_run_is_cancelled_while_its_records_come_in() {
    let project = Project::with_topics("cancel-upload");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let headers = [NDJSON, ("content-length", "1000000"), ("idempotency-key", "slow")];
    let mut stream = api.send_head("POST", &upload, &headers);
    for number in 0..10 {
        writeln!(stream, "{}", order(&format!("o-{number}"), "EUR")).unwrap();
    }
    let mut id = String::new();
    wait_until("the run is there while it comes in", || {
        let runs = api.get("/api/v1/runs?kind=bounded&state=running").expect(200);
        id = runs["runs"][0]["id"].as_str().unwrap_or_default().to_owned();
        !id.is_empty()
    });
    assert_eq!(api.delete(&format!("/api/v1/runs/{id}")).expect(202)["cancelled"], true);
    assert_eq!(id_of(&http::answer(stream).expect(202)), id);
    let mut events = api.stream(&format!("/api/v1/runs/{id}/events"));
    let mut last = Value::Null;
    while let Some((_, run)) = events.next() {
        last = run;
    }
    assert_eq!((&last["state"], &last["balanced"]), (&json!("aborted"), &true.into()), "{last:#}");
    hub.stop();
    Books::check(&project);
}

#[test]
fn dead_letters_are_listed_and_sent_back_once() {
    let project = Project::with_topics("letters");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let records = [order("a", "EUR"), order("b", "XXX"), order("c", "YYY")];
    let body = json!({ "pipeline": project.pipeline(), "records": records });
    let id = id_of(&api.post("/api/v1/pipeline/run", &body).expect(202));
    wait_for(&api, &id, "complete");
    let listed = api.get("/api/v1/dead-letters?limit=1").expect(200);
    let letter = &listed["dead_letters"][0];
    assert_eq!(
        (&letter["step"], &letter["stage"]),
        (&json!("expect"), &project.stage("extract").into())
    );
    let next = listed["next"].as_str().unwrap();
    let second = api.get(&format!("/api/v1/dead-letters?limit=1&cursor={next}")).expect(200);
    assert_ne!(second["dead_letters"][0]["position"], letter["position"]);
    assert_eq!(second["next"], Value::Null);
    assert!(letter["timestamp"].as_i64() >= second["dead_letters"][0]["timestamp"].as_i64());

    let replay = "/api/v1/dead-letters/replay";
    assert_eq!(api.post(replay, &json!({})).problem(422), "unprocessable");
    let dry = api.post(replay, &json!({ "all": true, "dry_run": true })).expect(200);
    assert_eq!(dry["replayed"][0]["letters"], 2);
    let one = json!({ "positions": [letter["position"]] });
    let done = api.post(replay, &one).expect(200);
    assert_eq!(done["replayed"][0]["letters"], 1);
    let run = done["replayed"][0]["run_id"].as_str().unwrap();
    // The currency is as unknown as before: it is a new letter.
    assert_eq!(wait_for(&api, run, "complete")["books"]["dead_lettered"], 1);
    assert_eq!(api.post(replay, &one).expect(200)["replayed"], json!([]));
    hub.stop();
    // Three letters, and the mark beside the one that was replayed.
    let dead = read_all(&project.cluster, &project.name("raw.orders.dlq"));
    let marks = dead.iter().filter(|record| record.value.is_none()).count();
    assert_eq!((dead.len(), marks), (4, 1));
}

#[test]
fn lineage_of_others_is_in_kafka_when_it_is_answered() {
    let project = Project::with_topics("others");
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let event = |run: &str| {
        json!({
            "eventType": "START", "eventTime": "2026-01-05T10:00:00Z", "producer": "https://spark",
            "run": { "runId": run }, "job": { "namespace": "s", "name": "j" },
        })
    };
    assert_eq!(api.post("/api/v1/lineage", &event("r-1")).status, 201);
    assert_eq!(api.post("/api/v1/lineage", &json!({})).problem(422), "unprocessable");
    let batch = api.post("/api/v1/lineage/batch", &json!([event("r-2"), {}, event("r-3")]));
    let outcome = batch.expect(200);
    assert_eq!(
        (&outcome["status"], &outcome["summary"]["successful"]),
        (&json!("partial_success"), &2.into())
    );
    assert_eq!(outcome["failed_events"][0]["index"], 1);
    let lineage = read_all(&project.cluster, &project.name("lineage"));
    let others: Vec<_> =
        lineage.iter().filter(|record| record.json()["producer"] == "https://spark").collect();
    assert_eq!(others.len(), 3);
    let sent = event("r-1").to_string();
    assert!(others.iter().any(|record| record.value.as_deref() == Some(sent.as_bytes())));
    hub.stop();
}
