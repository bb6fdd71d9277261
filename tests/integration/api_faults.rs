//! The HTTP API under clients that ask too much, and without its Kafka.

use std::{
    io::Read as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    Hub, Project,
    broker::BrokerControl,
    http::{self, Api},
    wait_until,
};

/// `up` with settings of the API.
fn up(project: &Project, settings: &[(&str, &str)]) -> Hub {
    let mut command = project.command(&["up", "--no-forward"]);
    for (name, value) in settings {
        command.env(format!("LINEAGE_HUB__API__{name}"), value);
    }
    project.start_command(command)
}

fn streams_open(api: &Api) -> u64 {
    let metrics = String::from_utf8(api.get("/metrics").body).unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("lineage_hub_api_streams "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_stream_too_many_is_refused_and_one_that_ends_makes_room() {
    let project = Project::with_topics("streams");
    let mut hub = up(&project, &[("STREAMS_MAX", "3")]);
    let api = hub.api();
    let tail = format!("/api/v1/topics/{}/records/tail", project.name("raw.orders"));
    let open: Vec<_> = (0..3).map(|_| api.stream(&tail)).collect();
    assert!(open.iter().all(|stream| stream.status == 200));
    for _ in 0..50 {
        let refused = api.get(&tail);
        assert_eq!(refused.problem(503), "too_many_streams");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    drop(open);
    wait_until("there is room again", || streams_open(&api) == 0);
    assert_eq!(api.stream(&tail).status, 200);
    hub.stop();
}

/// Clients that never read what they are sent, each of more than all buffers take.
#[test]
fn a_slow_reader_is_cut_off() {
    let project = Project::with_topics("slow");
    let mut hub = up(&project, &[("STALL_TIMEOUT", "1s")]);
    let api = hub.api();
    let line = json!({ "order_id": "x".repeat(100_000) }).to_string() + "\n";
    let body = line.repeat(200);
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let headers = [("content-type", "application/x-ndjson")];
    api.ask("POST", &upload, &headers, body.as_bytes()).expect(202);

    let topic = project.name("raw.orders");
    let tail = format!("/api/v1/topics/{topic}/records/tail?from=beginning");
    let mut slow: Vec<TcpStream> = (0..3).map(|_| api.send_head("GET", &tail, &[])).collect();
    wait_until("the streams are open", || streams_open(&api) == 3);
    wait_until("they are cut off", || streams_open(&api) == 0);
    for stream in &mut slow {
        // What stands in the buffers, and then the end; nothing that goes on.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < body.len());
    }
    assert_eq!(api.get("/health").status, 200);
    hub.stop();
}

#[test]
fn an_upload_that_stalls_is_given_up_and_its_run_is_aborted() {
    let project = Project::with_topics("stalls");
    let mut hub = up(&project, &[("STALL_TIMEOUT", "1s")]);
    let api = hub.api();
    let upload = format!("/api/v1/pipeline/run?pipeline={}", project.pipeline());
    let headers = [("content-type", "application/x-ndjson"), ("content-length", "100")];
    let stream = api.send_head("POST", &upload, &headers);
    assert_eq!(http::answer(stream).problem(408), "client_stalled");
    wait_until("its run is aborted", || {
        let runs = api.get("/api/v1/runs?kind=bounded").expect(200);
        runs["runs"][0]["state"] == "aborted"
    });
    hub.stop();
}

#[test]
fn without_kafka_reads_are_refused_within_two_seconds_and_it_mends_by_itself() {
    let control = BrokerControl::start();
    let project = Project::on("away", &control);
    project.run(&["topics", "apply"]).ok();
    let mut hub = up(&project, &[]);
    let api = hub.api();
    let paths = [
        "/api/v1/runs".to_owned(),
        "/api/v1/stages".to_owned(),
        "/api/v1/topics".to_owned(),
        format!("/api/v1/topics/{}/records", project.name("raw.orders")),
        "/api/v1/dead-letters".to_owned(),
    ];
    for path in &paths {
        api.get(path).expect(200);
    }
    control.stop("KILL");
    // From the first moment on: refused, and in time.
    let until = Instant::now() + Duration::from_secs(6);
    let mut refused = 0;
    while Instant::now() < until {
        for path in &paths {
            let begun = Instant::now();
            let answer = api.get(path);
            assert!(begun.elapsed() < Duration::from_secs(2), "{path}: {:?}", begun.elapsed());
            if answer.status == 503 {
                assert_eq!(answer.problem(503), "broker_unavailable");
                assert!(answer.json()["detail"].as_str().unwrap().len() > 20);
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    let ready = api.get("/ready").expect(503);
    assert_eq!((&ready["ready"], &ready["checks"][0]["check"]), (&false.into(), &json!("broker")));
    assert_eq!(api.get("/health").status, 200);
    assert!(
        String::from_utf8(api.get("/metrics").body).unwrap().contains("lineage_hub_kafka_up 0\n")
    );
    let body = json!({ "pipeline": project.pipeline(), "sample": 5 });
    assert_eq!(api.post("/api/v1/pipeline/run", &body).problem(503), "broker_unavailable");

    control.restart();
    for path in &paths {
        wait_until(&format!("{path} answers again"), || api.get(path).status == 200);
    }
    let started = api.post("/api/v1/pipeline/run", &body).expect(202);
    let run = format!("/api/v1/runs/{}", started["run_id"].as_str().unwrap());
    let mut state = Value::Null;
    wait_until("a run goes through", || {
        state = api.get(&run).json();
        state["state"] == "complete"
    });
    hub.stop();
}

#[test]
fn with_a_token_nothing_of_the_api_is_given_without_it() {
    let project = Project::with_topics("token");
    project.write("token", "s3cret\n");
    let file = project.path("token");
    let mut hub = up(&project, &[("TOKEN_FILE", file.to_str().unwrap())]);
    let mut api = hub.api();
    assert_eq!(api.get("/health").status, 200);
    for path in ["/api/v1/runs", "/api/v1/pipelines", "/api/v1/topics/x/records/tail"] {
        let refused = api.get(path);
        assert_eq!(refused.problem(401), "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    api.token = Some("s3cre".to_owned());
    assert_eq!(api.get("/api/v1/runs").status, 401);
    api.token = Some("s3cret".to_owned());
    assert_eq!(api.get("/api/v1/runs").status, 200);
    let security = &api.get("/openapi.json").json()["paths"]["/api/v1/runs"]["get"]["security"];
    assert_eq!(security, &json!([{ "bearer": [] }]));
    hub.stop();

    let mut open = project.command(&["api", "--listen", "0.0.0.0:0"]);
    open.env_remove("LINEAGE_HUB__API__TOKEN_FILE");
    let refused = project.run_command(open);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("set `api.token`"), "{refused:?}");
}

#[test]
fn only_pages_of_origins_that_are_listed_may_use_it() {
    let project = Project::with_topics("cors");
    let mut hub = up(&project, &[("CORS", "https://console.example.com")]);
    let api = hub.api();
    let ask = |method: &str, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        api.ask(method, "/api/v1/runs", &headers, b"")
    };
    let allowed = ask("OPTIONS", "https://console.example.com");
    assert_eq!(allowed.status, 204);
    let origin = allowed.header("access-control-allow-origin");
    assert_eq!(origin, Some("https://console.example.com"));
    let other = ask("GET", "https://elsewhere.example.com");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
    hub.stop();
}
