//! Records of many rows between the stages: json -> arrow -> arrow -> json.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{
    Books, Project,
    orders::{self, Workload},
    reading::{Tail, read_all},
};

/// The sample project with Arrow on its inner topics.
fn project(name: &str) -> Project {
    let project = Project::new(name);
    for topic in ["orders.extracted", "orders.transformed"] {
        let file = format!("topics/{}.yaml", project.name(topic));
        let lines = "owner: team:shop\nformat: arrow\n\
                     arrow: { keep: [key, timestamp, headers], dictionary: [currency] }\n";
        project.edit(&file, "owner: team:shop\n", lines);
    }
    project.run(&["topics", "apply"]).ok();
    project
}

/// The rows that `inspect` shows of an inner topic.
fn rows(project: &Project, topic: &str) -> Vec<Value> {
    let said = project.run(&["--output", "json", "inspect", &project.name(topic)]).ok();
    let records = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.flat_map(|record| record["value"].as_array().unwrap().clone()).collect()
}

fn check(project: &Project, workload: &Workload) {
    let ids = |rows: Vec<Value>| {
        let mut ids: Vec<String> =
            rows.iter().map(|row| row["order_id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let well_formed: Vec<String> = workload.well_formed.keys().cloned().collect();
    assert_eq!(ids(rows(project, "orders.extracted")), well_formed);

    let expected = workload.loaded();
    let mut found = BTreeMap::new();
    for record in read_all(&project.cluster, &project.name("orders.loaded")) {
        let row = record.json();
        let id = row["order_id"].as_str().unwrap().to_owned();
        assert_eq!(record.key.as_deref(), Some(id.as_bytes()));
        assert!(record.header("origin").is_some(), "headers are kept");
        assert!(found.insert(id, row["total"].as_f64().unwrap()).is_none(), "an order came twice");
    }
    assert!(found.keys().eq(expected.keys()), "other orders than are paid");
    for (id, total) in found {
        let wanted = expected[id.as_str()];
        assert!((total - wanted).abs() < 1e-9 * wanted, "{id}: {total}, not {wanted}");
    }
}

#[test]
fn rows_in_records_of_many_are_each_once_where_they_belong() {
    let project = project("arrow");
    let hub = project.start(&["up", "--no-forward"]);
    let workload = orders::send(&project, 20_000, 42);
    Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(workload.loaded().len());
    hub.stop();

    check(&project, &workload);
    let records = read_all(&project.cluster, &project.name("orders.extracted")).len();
    assert!(records * 20 < workload.well_formed.len(), "{records} records hold few rows each");
    let books = Books::read(&project);
    for stage in ["extract", "transform", "load"] {
        assert_eq!(books.ended(&project, stage, "COMPLETE"), 1, "{stage}");
    }
}

#[test]
fn a_bounded_run_through_records_of_many_rows_balances() {
    let project = project("arrowrun");
    let hub = project.start(&["up", "--no-forward"]);
    let lines = project.run(&["generate", "orders", "--count", "3000"]).ok();
    project.write("orders.ndjson", &lines);
    let file = project.path("orders.ndjson");
    let words = ["run", &project.pipeline(), "--input", file.to_str().unwrap(), "--wait"];
    let said = project.run(&[&words[..], &["--output", "json"]].concat()).ok();
    let run: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(run["state"], "complete", "{said}");
    assert_eq!(run["balanced"], true, "{said}");

    let transformed = project.name("orders.transformed");
    let refused = project.run(&["produce", &transformed, file.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("`format: arrow`"), "{}", refused.err);
    hub.stop();
}
