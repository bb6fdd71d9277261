//! `lineage-hub status`: what is well, what is wrong, and what to do.

use std::{net::TcpListener, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, Producer},
};
use serde_json::Value;

use crate::support::{Project, orders, process::Done, wait_until};

/// Lineage goes over HTTP to this port; a collector listens at that one.
fn status(project: &Project, words: &[&str], collector: u16) -> Done {
    let mut command = project.command(&[&["status"], words].concat());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://localhost:{collector}"));
    project.run_command(command)
}

fn with_backend(test: &str, port: u16) -> Project {
    let project = Project::with_topics(test);
    let backend = project.name("marquez");
    let settings = format!(
        "forward:\n  backends:\n    {backend}: {{ type: http, url: \"http://localhost:{port}\" }}\n"
    );
    project.write("hub.yaml", &settings);
    project
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn rows(done: &Done) -> Vec<Value> {
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Part and state of each row.
fn states(rows: &[Value]) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "part"), text(row, "state"))).collect()
}

#[test]
fn where_all_is_well_it_says_so() {
    let ((marquez, port), (_collector, collector)) = (listen(), listen());
    let project = with_backend("statusok", port);
    let hub = project.start(&["up"]);
    let mut done = status(&project, &[], collector);
    wait_until("all is well", || {
        done = status(&project, &[], collector);
        done.code == Some(0)
    });
    for part in ["broker", "topics", "stages", "forwarder", "backends", "collector"] {
        assert!(done.out.lines().any(|line| line.starts_with(part)), "{part}: {}", done.out);
    }
    assert!(!done.out.contains("WRONG") && !done.err.contains("hint"), "{done:#?}");
    let json = status(&project, &["--output", "json"], collector);
    assert_eq!(json.code, Some(0));
    let rows = rows(&json);
    assert_eq!(rows.len(), 1 + 1 + 3 + 1 + 1 + 3, "{rows:#?}");
    assert!(states(&rows).iter().all(|(_, state)| state == "ok"), "{rows:#?}");
    let extract = rows.iter().find(|row| row["name"] == project.stage("extract").as_str());
    assert_eq!(extract.unwrap()["members"], 1);
    assert!(extract.unwrap()["lag"].is_u64() && extract.unwrap()["remedy"].is_null());
    // Or the stop would hear out the request that nobody answers.
    drop(marquez);
    hub.stop();
}

#[test]
fn what_is_wrong_is_told_with_what_to_do_and_the_rest_is_looked_at_all_the_same() {
    let ((marquez, marquez_port), (_collector, collector)) = (listen(), listen());
    let project = with_backend("statuswrong", marquez_port);
    drop(marquez);
    project.cluster.delete_topic(&project.name("orders.loaded"));
    let done = status(&project, &[], collector);
    assert_eq!(done.code, Some(1), "{done:#?}");
    for hint in [
        "hint: topics: `lineage-hub topics apply`".to_owned(),
        format!("hint: {0}: `lineage-hub stage {0}`, or", project.stage("load")),
        format!("hint: {}: start it, or look at MARQUEZ_URL", project.name("marquez")),
    ] {
        assert_eq!(done.err.matches(&hint).count(), 1, "{hint} in {}", done.err);
        assert!(!done.out.contains(&hint[5..]), "{}", done.out);
    }
    let json = status(&project, &["--output", "json"], collector);
    assert_eq!(json.code, Some(1));
    let rows = rows(&json);
    for row in &rows {
        assert_eq!(row["state"] == "wrong", row["remedy"].is_string(), "{row:#}");
    }
    let of = |part: &str| states(&rows).into_iter().filter(|(its, _)| its == part).collect();
    let ok = |part: &str| vec![(part.to_owned(), "ok".to_owned())];
    let broker: Vec<_> = of("broker");
    assert_eq!(broker, ok("broker"));
    let collector: Vec<_> = of("collector");
    assert!(collector.iter().all(|(_, state)| state == "ok"), "{rows:#?}");
}

#[test]
fn a_project_that_is_wrong_and_a_broker_that_is_away_hide_nothing_else() {
    let ((_marquez, marquez), (collector, collector_port)) = (listen(), listen());
    let project = with_backend("statushidden", marquez);
    drop(collector);
    project.write("pipelines/orders.yaml", "pipeline: [");
    let done = status(&project, &["--output", "json"], collector_port);
    assert_eq!(done.code, Some(1));
    let found = states(&rows(&done));
    for (part, state) in
        [("broker", "ok"), ("topics", "wrong"), ("backends", "ok"), ("collector", "wrong")]
    {
        assert!(found.contains(&(part.to_owned(), state.to_owned())), "{part}: {found:?}");
    }

    let (nobody, port) = listen();
    drop(nobody);
    let mut away = project.bare(&["status", "--bootstrap", &format!("127.0.0.1:{port}")]);
    away.env("OTEL_SDK_DISABLED", "true");
    let done = project.run_command(away);
    assert_eq!(done.code, Some(1));
    assert!(done.out.lines().any(|line| line.starts_with("backends")), "{done:#?}");
    assert_eq!(done.err.matches("hint: broker: start it").count(), 1, "{done:#?}");
    assert!(!done.out.contains("start one"), "{}", done.out);

    let done = project.run_command(project.bare(&["status", "broker"]));
    assert_eq!((done.code, done.err.matches("--bootstrap").count()), (Some(1), 1), "{done:#?}");
    assert!(!done.out.contains("--bootstrap"), "{}", done.out);
}

/// As a stage that is killed in the midst of a commit leaves it, for a minute.
fn leave_a_transaction_open(project: &Project, group: &str, topic: &str) -> BaseProducer {
    let timeout = Duration::from_secs(30);
    let mut client = project.cluster.client();
    let producer: BaseProducer = client.clone().set("transactional.id", group).create().unwrap();
    producer.init_transactions(timeout).unwrap();
    producer.begin_transaction().unwrap();
    let consumer: BaseConsumer = client.set("group.id", group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
    let member = consumer.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&offsets, &member, timeout).unwrap();
    producer
}

#[test]
fn a_transaction_that_is_open_keeps_nobody_from_looking_at_the_lag() {
    let project = Project::with_topics("statusopen");
    let sent = orders::send(&project, 100, 7);
    let (group, raw) = (project.group("extract"), project.name("raw.orders"));
    let open = leave_a_transaction_open(&project, &group, &raw);
    let done = status(&project, &["stages", "--output", "json"], 1);
    let rows = rows(&done);
    let extract = rows.iter().find(|row| row["name"] == project.stage("extract").as_str());
    assert_eq!(extract.unwrap()["lag"], sent.records(), "{done:#?}");
    drop(open);
}
