//! Dead letters: listed, shown, and replayed once.

use serde_json::Value;

use crate::support::{
    Books, Project,
    reading::{Tail, read_all},
};

/// An order of a currency that nobody knows, or one that is known.
fn order(id: &str, currency: &str) -> String {
    format!(
        "{{\"order_id\":\"{id}\",\"customer_id\":1,\"ts\":\"2026-01-05T10:00:00Z\",\"country\":\"fr\",\
         \"status\":\"paid\",\"currency\":\"{currency}\",\"email\":\"m\",\
         \"items\":[{{\"sku\":\"a\",\"qty\":1,\"price\":2.5}}]}}\n"
    )
}

fn replay(project: &Project, words: &[&str]) -> Vec<Value> {
    let mut args = vec!["dlq", "replay", "--output", "json"];
    args.extend(words);
    project.run(&args).json_lines()
}

fn letters(rows: &[Value], stage: &str) -> u64 {
    let of_stage = rows.iter().filter(|row| row["stage"] == stage);
    of_stage.map(|row| row["letters"].as_u64().unwrap()).sum()
}

#[test]
fn a_letter_is_replayed_once_as_a_run_of_its_own() {
    let project = Project::with_topics("replay");
    let stage = project.stage("extract");
    let hub = project.start(&["up", "--no-forward"]);
    let lines: String = (0..20)
        .map(|number| order(&format!("o-{number}"), if number < 5 { "XXX" } else { "EUR" }))
        .collect();
    project.write("orders", &(lines + "no json\n"));
    let path = project.path("orders");
    project.run(&["produce", &project.name("raw.orders"), path.to_str().unwrap()]).ok();
    let mut loaded = Tail::open(&project.cluster, &project.name("orders.loaded"));
    loaded.wait_for(15);
    let mut dead = Tail::open(&project.cluster, &project.name("raw.orders.dlq"));
    dead.wait_for(6);
    hub.stop();

    let listed = project.run(&["dlq", "list", "--output", "json"]).json_lines();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|row| row["stage"] == stage.as_str()));
    let unknown: Vec<&Value> = listed.iter().filter(|row| row["step"] == "expect").collect();
    assert_eq!(unknown.len(), 5);
    let position = unknown[0]["position"].as_str().unwrap();
    let shown = project.run(&["dlq", "show", position]).ok();
    assert!(shown.contains("fails the expectation `known currency`"), "{shown}");
    assert!(shown.contains("\"currency\":\"XXX\""), "{shown}");
    let hex = project.run(&["dlq", "show", position, "--hex"]).ok();
    assert!(hex.contains("7b 22 6f 72 64 65 72"), "{hex}");

    // The currency is known by now; only what does not parse dies again.
    project.edit("pipelines/orders.yaml", "'GBP')", "'GBP', 'XXX')");
    let hub = project.start(&["up", "--no-forward"]);
    assert_eq!(letters(&replay(&project, &["--all", "--dry-run"]), &stage), 6);
    let one = replay(&project, &["--position", position, "--wait"]);
    assert_eq!(one[0]["letters"], 1);
    let rest = replay(&project, &["--stage", &stage, "--wait"]);
    assert_eq!(rest[0]["letters"], 5);
    let books = &rest.last().unwrap()["books"];
    assert_eq!(
        (&books["in"], &books["out"], &books["deadLettered"]),
        (&5.into(), &4.into(), &1.into())
    );
    loaded.wait_for(20);
    dead.wait_for(6 + 6 + 1);

    // What came back dead is a new letter; what was replayed is no letter any more.
    let listed = project.run(&["dlq", "list", "--output", "json"]).json_lines();
    assert_eq!(listed.len(), 1);
    let all = project.run(&["dlq", "list", "--replayed", "--output", "json"]).json_lines();
    assert_eq!(all.iter().filter(|row| row["replayed"].is_string()).count(), 6);
    assert_eq!(letters(&replay(&project, &["--all"]), &stage), 1);
    assert_eq!(letters(&replay(&project, &["--position", position]), &stage), 0);
    dead.wait_for(6 + 6 + 1 + 2);
    hub.stop();

    assert_eq!(loaded.count(), 20, "each once");
    let mut ids: Vec<_> = loaded.records.iter().filter_map(|record| record.key.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    let runs = project.run(&["runs", "list", "--bounded", "--output", "json"]).json_lines();
    assert_eq!(runs.len(), 3);
    assert!(
        runs.iter().all(|run| run["state"] == "complete" && run["balanced"] == true),
        "{runs:#?}"
    );
    let marks = read_all(&project.cluster, &project.name("raw.orders.dlq"));
    assert_eq!(marks.iter().filter(|record| record.value.is_none()).count(), 7);
    assert_eq!(Books::read(&project).ended(&project, "extract", "FAIL"), 0);
}

#[test]
fn mistakes_are_told_with_what_to_write() {
    let project = Project::with_topics("dlq-mistakes");
    let none = project.run(&["dlq", "replay"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.err.contains("--all"), "{none:?}");
    let position = project.run(&["dlq", "show", "raw.orders.dlq"]);
    assert_eq!(position.code, Some(2), "{position:?}");
    assert!(position.err.contains("TOPIC/PARTITION@OFFSET"), "{position:?}");
    let topic = project.name("raw.orders.dlq");
    let nothing = project.run(&["dlq", "show", &format!("{topic}/0@7")]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(nothing.err.contains("nothing stands at"), "{nothing:?}");
    assert_eq!(project.run(&["dlq", "list"]).ok().lines().count(), 1);
}
