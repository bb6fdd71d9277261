//! Lineage that is looked at without a backend: before a stage runs, and out of
//! the lineage topic; and events that a backend refused, back to it.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::support::{
    Project,
    marquez::{Fault, Marquez},
    orders,
    reading::{committed, read_all},
    wait_until,
};

/// A node of the graph by its name.
fn named<'a>(graph: &'a Value, name: &str) -> &'a Value {
    let nodes = graph["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no {name}: {graph}"))
}

#[test]
fn explain_tells_plan_schema_columns_and_graph_without_a_broker() {
    let project = Project::new("explain");
    let explain = |words: &[&str]| {
        let stage = project.stage("transform");
        let args = [&["explain", &stage], words].concat();
        project.run_command(project.bare(&args)).ok()
    };
    let text = explain(&[]);
    for part in [
        "  schema\n    order_id      string not null\n",
        "    filter ",
        "    total         <- currency (conditional), items.price (aggregation), items.qty (aggregation)\n",
        "    email_sha256  <- email (transformation, masked)\n",
        "    *             <- status (filter)\n",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(explain(&["--output", "dot"]).starts_with("digraph lineage {"));
    let mermaid = explain(&["--output", "mermaid", "--columns"]);
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("-.->|\"filter\"|"));
    let json: Value = serde_json::from_str(&explain(&["--output", "json"])).unwrap();
    assert_eq!(json["stages"][0]["stage"], project.stage("transform"));
    assert_eq!(json["graph"]["nodes"].as_array().unwrap().len(), 3);

    // A whole pipeline, and its graph.
    let pipeline = project.pipeline();
    let command = project.bare(&["explain", &pipeline, "--output", "json"]);
    let json: Value = serde_json::from_str(&project.run_command(command).ok()).unwrap();
    assert_eq!(json["stages"].as_array().unwrap().len(), 3);
    assert_eq!(json["graph"]["edges"].as_array().unwrap().len(), 6);
    let wrong = project.run_command(project.bare(&["explain", "none"]));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let drawing = project.run_command(project.bare(&["check", "--output", "dot"]));
    assert_eq!(drawing.code, Some(2), "{drawing:?}");
}

#[test]
fn the_graph_is_read_back_from_the_topic_by_topic_by_stage_and_by_field() {
    let project = Project::with_topics("graph");
    let hub = project.start(&["up", "--no-forward"]);
    let workload = orders::send(&project, 200, 3);
    orders::wait(&project, &workload);
    hub.stop();

    let [raw, loaded] = ["raw.orders", "orders.loaded"].map(|topic| project.name(topic));
    let show = |words: &[&str]| {
        let args = [&["lineage", "show"], words].concat();
        project.run(&args).ok()
    };
    let tree = show(&[&raw, "--downstream", "--columns"]);
    let (extract, transformed) =
        (project.name("orders.extract"), project.name("orders.transformed"));
    assert!(tree.starts_with(&format!("{raw}\n└─ {extract} [complete]\n")), "{tree}");
    assert!(tree.contains("country <- country (transformation)"), "{tree}");
    assert!(tree.contains(&format!("─ {transformed}\n")) && tree.contains(&loaded), "{tree}");

    let stage = project.stage("load");
    let json: Value =
        serde_json::from_str(&show(&[&stage, "--output", "json", "--depth", "1"])).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(named(&json, &loaded)["fields"][0]["name"], "order_id");
    assert_eq!(json["columns"], serde_json::json!([]));

    let field = format!("{loaded}#total");
    let json: Value =
        serde_json::from_str(&show(&[&field, "--upstream", "--output", "json"])).unwrap();
    let columns = json["columns"].as_array().unwrap();
    let from = |topic: &str, field: &str| {
        let is = |edge: &&Value| {
            edge["from"].as_str().unwrap().ends_with(topic) && edge["fromField"] == field
        };
        columns.iter().filter(is).count()
    };
    assert!(from(&raw, "items") > 0 && from(&raw, "currency") > 0, "{json:#}");
    assert!(from(&raw, "status") > 0, "what the filter reads decides about it, too");
    assert_eq!(from(&raw, "customer_id"), 0, "{json:#}");

    let unknown = project.run(&["lineage", "show", "none"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.err.contains("nothing is told of `none`"), "{unknown:?}");
}

/// Events of another producer: the starts of two runs.
fn send_starts(project: &Project, lineage: &str) {
    let producer: BaseProducer = project.cluster.client().create().unwrap();
    for run in ["run-a", "run-b"] {
        let event = format!(
            "{{\"eventType\":\"START\",\"eventTime\":\"2026-01-02T03:04:05Z\",\"producer\":\"https://spark\",\
             \"run\":{{\"runId\":\"{run}\"}},\"job\":{{\"namespace\":\"n\",\"name\":\"j\"}}}}"
        );
        producer
            .send(BaseRecord::to(lineage).key(run).payload(&event))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(std::time::Duration::from_secs(10)).unwrap();
}

/// Foreign events of two runs, of which a backend refuses one.
#[test]
fn what_waits_is_looked_at_and_a_parked_event_goes_back_to_its_backend_alone() {
    let project = Project::with_topics("parked");
    let [marquez, other] = [(); 2].map(|()| project.cluster.block_on(Marquez::start()));
    let [backend, beside] =
        ["marquez", "beside"].map(|name| format!("{}{name}", project.cluster.prefix));
    let settings = format!(
        "forward:\n  batch_events_max: 1\n  backends:\n    {backend}: {{ type: http, url: \"{}\" }}\n    {beside}: {{ type: http, url: \"{}\" }}\n",
        marquez.url(),
        other.url()
    );
    project.write("hub.yaml", &settings);
    let lineage = project.name("lineage");
    send_starts(&project, &lineage);

    let rows = project.run(&["forward", "--dry-run", "--output", "json"]).json_lines();
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter().all(|row| row["what"] == "send" && row["eventType"] == "START"),
        "{rows:?}"
    );
    assert_eq!(rows[0]["event"]["producer"], "https://spark");
    let status = || project.run(&["forward", "--status", "--output", "json"]).json_lines();
    let before = status();
    assert!(before.iter().all(|row| row["backlog"] == 2), "{before:?}");
    assert!(before[0]["oldestSeconds"].as_f64().unwrap() < 600.0, "{before:?}");
    assert_eq!((marquez.arrivals().len(), other.arrivals().len()), (0, 0), "nothing was sent");

    marquez.inject(Fault::Answer { status: 422, body: "no".to_owned() });
    let forwarder = project.start(&["forward"]);
    let caught_up = |backend: &str| {
        let offsets =
            committed(&project.cluster, &format!("lineage-hub-forward-{backend}"), &lineage);
        let topic = read_all(&project.cluster, &lineage);
        // Of a partition that nothing was committed of yet, nothing is there.
        let next = |partition: i32| offsets.get(&partition).map_or(0, |(offset, _)| *offset);
        topic.iter().all(|record| next(record.partition) > record.offset)
    };
    wait_until("both have all", || caught_up(&backend) && caught_up(&beside));
    assert_eq!((marquez.taken().len(), other.taken().len()), (1, 2));
    let parked = status();
    let of = |name: &str| parked.iter().find(|row| row["backend"] == name).unwrap();
    assert_eq!((&of(&backend)["parked"], &of(&backend)["backlog"]), (&1.into(), &0.into()));
    assert_eq!((&of(&beside)["parked"], &of(&beside)["delivered"]), (&0.into(), &2.into()));

    let stage = format!("lineage/{backend}");
    let letters = project.run(&["dlq", "list", "--stage", &stage, "--output", "json"]).json_lines();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["step"], &letters[0]["stage"]),
        (&"forward".into(), &stage.as_str().into())
    );
    let replay = |words: &[&str]| {
        let args = [&["dlq", "replay", "--stage", &stage, "--output", "json"], words].concat();
        project.run(&args).json_lines()
    };
    assert_eq!(replay(&["--dry-run"])[0]["letters"], 1);
    assert_eq!(marquez.taken().len(), 1);
    assert_eq!(replay(&[])[0]["letters"], 1);
    wait_until("it was replayed", || marquez.taken().len() == 2);
    wait_until("both have passed it", || caught_up(&backend) && caught_up(&beside));
    assert_eq!(other.arrivals().len(), 2, "it was not for the other backend");
    assert_eq!(replay(&[]), Vec::<Value>::new(), "each once");
    forwarder.stop();
    let refused = marquez.arrivals().iter().find(|one| !one.taken()).unwrap().bytes.clone();
    assert_eq!(marquez.arrivals().last().unwrap().bytes, refused, "byte for byte");
}
