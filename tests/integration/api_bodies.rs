//! The HTTP API given compressed bodies, events of every kind, and large ones.

use std::{fs, io::Write, time::Duration};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::support::{
    Hub, Project,
    http::{Answer, Api},
    reading::read_all,
    wait_until,
};

const LINEAGE: &str = "/api/v1/lineage";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn post(api: &Api, path: &str, encoding: &str, body: &[u8]) -> Answer {
    let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
    api.ask("POST", path, &headers, body)
}

fn event(run: &str) -> Value {
    json!({
        "eventType": "COMPLETE", "eventTime": "2026-01-05T10:00:00Z", "producer": "https://p/x",
        "run": { "runId": run }, "job": { "namespace": "s", "name": "packed" },
    })
}

/// Starts an API of which the lineage topic takes records of so many bytes.
fn api_with_limit(project: &Project, limit: usize) -> Hub {
    limit_events(project, limit);
    project.start(&["api"])
}

fn limit_events(project: &Project, limit: usize) {
    let lineage = project.name("lineage");
    let text = format!(
        "topic: {lineage}\npartitions: 4\nconfig: {{ max.message.bytes: {limit} }}\nfields: {{ a: string }}\n"
    );
    project.write("topics/lineage.yaml", &text);
    project.run(&["topics", "apply"]).ok();
}

#[test]
fn a_compressed_event_is_taken_as_a_plain_one() {
    let project = Project::with_topics("packedevents");
    let mut hub = api_with_limit(&project, 1_048_588);
    let api = hub.api();
    let events: Vec<Vec<u8>> =
        (0..5).map(|number| event(&format!("r-{number}")).to_string().into_bytes()).collect();
    let both = zstd(&gzip(&events[3]));
    for (encoding, body) in [
        ("gzip", gzip(&events[0])),
        ("deflate", deflate(&events[1])),
        ("zstd", zstd(&events[2])),
        ("gzip, zstd", both),
        ("identity", events[4].clone()),
    ] {
        assert_eq!(post(&api, LINEAGE, encoding, &body).status, 201, "{encoding}");
    }
    let batch = gzip(json!([event("b-1"), {}]).to_string().as_bytes());
    let outcome = post(&api, "/api/v1/lineage/batch", "gzip", &batch).expect(200);
    assert_eq!(outcome["summary"], json!({ "received": 2, "successful": 1, "failed": 1 }));

    let refused = post(&api, LINEAGE, "br", &events[0]);
    assert_eq!(refused.problem(415), "unsupported_encoding");
    assert_eq!(refused.header("accept-encoding"), Some("gzip, deflate, zstd"));
    let whole = gzip(&events[0]);
    let refused = post(&api, LINEAGE, "gzip", &whole[..whole.len() - 3]);
    assert_eq!(refused.problem(400), "invalid_request");
    assert!(refused.json()["detail"].as_str().unwrap().contains("incomplete"), "{refused:?}");
    assert_eq!(post(&api, LINEAGE, "gzip", &events[0]).problem(400), "invalid_request");
    let bomb = zstd(&gzip(&vec![b' '; 64 << 20]));
    assert_eq!(post(&api, LINEAGE, "gzip, zstd", &bomb).problem(413), "body_too_large");
    hub.stop();

    let mut sent = events;
    sent.push(event("b-1").to_string().into_bytes());
    let mut found: Vec<Vec<u8>> = read_all(&project.cluster, &project.name("lineage"))
        .into_iter()
        .map(|record| record.value.unwrap())
        .collect();
    sent.sort();
    found.sort();
    assert_eq!(found, sent);
}

#[test]
fn a_compressed_upload_is_sent_record_by_record() {
    let project = Project::with_topics("packedupload");
    project.leaves_runs_open();
    let mut hub = project.start(&["api"]);
    let api = hub.api();
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let post = |encoding: &str, body: &[u8]| {
        api.ask("POST", &upload, &[NDJSON, ("content-encoding", encoding)], body)
    };
    let lines: Vec<String> =
        (0..20_000).map(|id| format!("{{\"order_id\":\"o-{id}\"}}\n")).collect();
    let lines = lines.concat();
    for (encoding, body) in [
        ("gzip", gzip(lines.as_bytes())),
        ("deflate", deflate(lines.as_bytes())),
        ("zstd, gzip", gzip(&zstd(lines.as_bytes()))),
    ] {
        assert_eq!(post(encoding, &body).expect(202)["records"], 20_000, "{encoding}");
    }
    assert_eq!(post("lzma", b"").problem(415), "unsupported_encoding");
    let whole = zstd(lines.as_bytes());
    let cut = post("zstd", &whole[..whole.len() / 2]);
    assert_eq!(cut.problem(400), "invalid_request");
    assert!(cut.json()["detail"].as_str().unwrap().contains("incomplete"), "{cut:?}");
    // One endless record is refused long before it is unpacked.
    let bomb = post("gzip", &gzip(&vec![b'x'; 256 << 20]));
    assert_eq!(bomb.problem(413), "record_too_large");
    let runs = api.get("/api/v1/runs").expect(200);
    let aborted = runs["runs"].as_array().unwrap().iter().filter(|run| run["state"] == "aborted");
    assert_eq!(aborted.count(), 2, "{runs:#}");
    hub.stop();
    assert_eq!(read_all(&project.cluster, &project.name("raw.orders")).len(), 60_000);
}

/// Job events with an event type (Marquez's own tests send them, datahub issue 15196), and
/// run events without one.
#[test]
fn all_events_of_the_specification_reach_the_backend_over_http_and_from_the_topic() {
    let project = Project::with_topics("allevents");
    project.lineage_to_file();
    let with = |field: &str, value: Option<Value>| {
        let mut event = event("r");
        match value {
            Some(value) => event[field] = value,
            None => drop(event.as_object_mut().unwrap().remove(field)),
        }
        event
    };
    let dataset = json!({
        "eventType": "OTHER", "eventTime": "2026-01-05T10:00:00.0123456789Z",
        "producer": "https://p/x", "dataset": { "namespace": "n", "name": "d" },
    });
    let mut events = vec![
        with("run", None),
        with("eventType", None),
        with("eventType", Some("complete".into())),
        with("inputs", Some(json!([]))),
        dataset,
    ];
    for (number, event) in events.iter_mut().enumerate() {
        event["number"] = number.into();
    }
    let mut hub = project.start(&["up"]);
    let api = hub.api();
    for event in &events {
        assert_eq!(api.post(LINEAGE, event).status, 201, "{event:#}");
    }
    let producer: BaseProducer = project.cluster.client().create().unwrap();
    let lineage = project.name("lineage");
    for event in &events {
        let text = event.to_string();
        producer.send(BaseRecord::<[u8], _>::to(&lineage).payload(&text)).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    let mut missing = events.clone();
    wait_until("all events are delivered twice", || {
        let text = fs::read_to_string(project.path("lineage.ndjson")).unwrap_or_default();
        let delivered: Vec<Value> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        missing = events.clone();
        missing.retain(|event| delivered.iter().filter(|found| *found == event).count() < 2);
        missing.is_empty()
    });
    hub.stop();
    assert_eq!(read_all(&project.cluster, &project.name("lineage.dlq")).len(), 0);
}

/// An event whose JSON is of so many bytes.
fn event_of(run: &str, bytes: usize) -> Vec<u8> {
    let mut event = event(run);
    event["padding"] = "".into();
    let padding = bytes - event.to_string().len();
    // Not to be compressed to nothing.
    let numbers = (0_u64..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: Vec<String> =
        numbers.take(padding / 16 + 1).map(|number| format!("{number:016x}")).collect();
    event["padding"] = text.concat()[..padding].into();
    let event = event.to_string().into_bytes();
    assert_eq!(event.len(), bytes);
    event
}

#[test]
fn the_limit_of_events_is_the_topics_as_it_is_now() {
    let project = Project::with_topics("eventlimit");
    let limit = 1_048_588;
    let mut hub = api_with_limit(&project, limit);
    let api = hub.api();
    let json = [("content-type", "application/json")];
    let post = |bytes: &[u8]| api.ask("POST", LINEAGE, &json, bytes);
    for bytes in [limit - 60_000, limit - 200, limit - 20, limit] {
        assert_eq!(post(&event_of("fits", bytes)).status, 201, "{bytes}");
    }
    let refused = post(&event_of("large", limit + 1));
    assert_eq!(refused.problem(413), "record_too_large");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1048588") && detail.contains("1048589"), "{detail}");

    limit_events(&project, 20_000_000);
    for bytes in [limit + 1, 10_000_000, 19_000_000] {
        assert_eq!(post(&event_of("raised", bytes)).status, 201, "{bytes}");
    }
    let packed = gzip(&event_of("packed", 18_000_000));
    let headers = [json[0], ("content-encoding", "gzip")];
    assert_eq!(api.ask("POST", LINEAGE, &headers, &packed).status, 201);

    limit_events(&project, 500_000);
    wait_until("the lower limit is known", || post(&event_of("low", 600_000)).status == 413);
    // Together they are more than the topic takes in one batch.
    let batch: Vec<Value> = (0..4)
        .map(|number| serde_json::from_slice(&event_of(&format!("b-{number}"), 400_000)).unwrap())
        .collect();
    let outcome = api.post("/api/v1/lineage/batch", &batch.into()).expect(200);
    assert_eq!(outcome["status"], "success", "{outcome:#}");
    hub.stop();
}

#[test]
fn an_event_of_ten_megabytes_passes_the_default_limit_to_the_backend_and_into_the_graph() {
    let project = Project::with_topics("tenmegabytes");
    project.lineage_to_file();
    let mut hub = project.start(&["up"]);
    let api = hub.api();
    let fields: Vec<Value> = (0..90_000)
        .map(|number| {
            json!({ "name": format!("column_number_{number:06}"), "type": "VARCHAR(255)",
                "description": "d".repeat(50) })
        })
        .collect();
    let mut event = event("wide");
    event["outputs"] =
        json!([{ "namespace": "s", "name": "wide", "facets": { "schema": { "fields": fields } } }]);
    let text = event.to_string();
    assert!(text.len() > 10_000_000, "{}", text.len());
    let json = [("content-type", "application/json")];
    assert_eq!(api.ask("POST", LINEAGE, &json, text.as_bytes()).status, 201);
    wait_until("the event is delivered", || {
        let delivered = fs::read_to_string(project.path("lineage.ndjson")).unwrap_or_default();
        delivered.lines().any(|line| line == text)
    });
    let path = format!("{LINEAGE}?node=dataset:s:wide");
    wait_until("the graph has it", || api.get(&path).status == 200);
    hub.stop();
    let shown = project.run(&["lineage", "show", "dataset:s:wide", "--upstream"]).ok();
    assert!(shown.contains("packed"), "{shown}");
}
