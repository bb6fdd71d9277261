//! The commands that a person tries first, and what programs read of them.

use serde_json::Value;

use crate::support::{Project, orders, project::STAGES, reading::read_all};

fn with_lineage_file(test: &str) -> Project {
    let project = Project::new(test);
    project.lineage_to_file();
    project
}

#[test]
fn the_demo_ends_well_with_balanced_books_and_leaves_its_lineage_in_a_file() {
    let project = with_lineage_file("demo");
    let rows = project.run(&["demo", "--output", "json"]).json_lines();
    let stages: Vec<String> = STAGES.map(|stage| project.stage(stage)).to_vec();
    let named: Vec<&str> = rows.iter().map(|row| row["stage"].as_str().unwrap()).collect();
    assert_eq!(named, stages);
    for row in &rows {
        assert_eq!(row["balanced"], true, "{row}");
        let count = |name: &str| row["books"][name].as_u64().unwrap();
        assert_eq!(count("in"), count("mapped") + count("filtered") + count("deadLettered"));
    }
    assert_eq!(rows[0]["books"]["in"], 1000);
    for pair in rows.windows(2) {
        assert_eq!(pair[0]["books"]["out"], pair[1]["books"]["in"]);
    }
    let loaded = read_all(&project.cluster, &project.name("orders.loaded"));
    assert_eq!(rows[2]["books"]["out"], loaded.len());

    let file = std::fs::read_to_string(project.path("lineage.ndjson")).unwrap();
    let events: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let complete = events.iter().filter(|event| event["eventType"] == "COMPLETE").count();
    assert_eq!(complete, STAGES.len() + 1, "the stages and their pipeline");
}

#[test]
fn the_demo_for_people_shows_books_records_dead_letters_and_the_graph() {
    let project = with_lineage_file("demotext");
    let out = project.run(&["demo"]).ok();
    let balanced = out.lines().filter(|line| line.ends_with("balanced")).count();
    assert_eq!(balanced, STAGES.len(), "{out}");
    for part in ["Books: ", "Three of ", "Two of ", "Lineage"] {
        assert!(out.contains(part), "no `{part}` in {out}");
    }
    assert!(!out.contains("OPEN"), "{out}");
    assert!(!out.contains('\u{1b}'), "colour codes for a reader that is no terminal");

    // Once more on the same topics: what is there does not disturb the books.
    let again = project.run(&["demo"]).ok();
    assert_eq!(again.lines().filter(|line| line.ends_with("balanced")).count(), STAGES.len());
}

#[test]
fn inspect_shows_every_record_as_it_is() {
    let project = Project::with_topics("inspect");
    let workload = orders::send(&project, 500, 11);
    let topic = project.name("raw.orders");
    let shown = project.run(&["inspect", &topic, "--output", "json"]).json_lines();
    assert_eq!(shown.len(), workload.records());
    let records = read_all(&project.cluster, &topic);
    for record in records {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = shown
            .iter()
            .find(|row| row["partition"] == record.partition && row["offset"] == record.offset);
        let row = found.unwrap();
        assert_eq!(row["topic"], topic);
        assert_eq!(row["timestamp"], record.timestamp.unwrap());
        assert_eq!(row["key"], text(record.key.as_deref().unwrap()));
        let value = record.value.as_deref().unwrap();
        let json = serde_json::from_slice(value).unwrap_or_else(|_| Value::from(text(value)));
        assert_eq!(row["value"], json);
        let headers: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = row["headers"].as_array().unwrap().iter();
        assert!(names.map(|header| header["key"].as_str().unwrap()).eq(headers));
    }
    let limited = project.run(&["inspect", &topic, "--limit", "3", "--output", "json"]);
    assert_eq!(limited.json_lines().len(), 3);
    let tail = project.run(&["inspect", &topic, "--from", "-2", "--output", "json"]);
    assert_eq!(tail.json_lines().len(), 2 * 4, "the last two of each partition");
    assert_eq!(project.run(&["inspect", &topic, "--from", "end"]).ok(), "");
    let text = project.run(&["inspect", &topic, "--limit", "1"]).ok();
    assert!(text.starts_with(&format!("{topic}/")), "{text}");
}

#[test]
fn what_generate_writes_produce_sends_with_the_key_that_the_topic_names() {
    let project = Project::with_topics("produce");
    let topic = project.name("raw.orders");
    let send = |generated: &str, flags: &[&str]| {
        project.write("orders", generated);
        let file = project.path("orders");
        let args = [&["produce", &topic, file.to_str().unwrap()], flags].concat();
        project.run(&args)
    };
    let plain = project.run(&["generate", "orders", "--count", "300", "--seed", "12"]).ok();
    let said = send(&plain, &["--output", "json"]).json_lines();
    assert_eq!(said, [serde_json::json!({ "topic": topic, "records": 300 })]);
    let by_field = read_all(&project.cluster, &topic);
    assert_eq!(by_field.len(), 300);
    for record in &by_field {
        let order: Option<Value> = serde_json::from_slice(record.value.as_ref().unwrap()).ok();
        // A record that is cut has no key to be found.
        let key = order.map(|order| order["order_id"].as_str().unwrap().as_bytes().to_vec());
        assert_eq!(record.key, key);
    }
    let keyed = ["generate", "orders", "--count", "300", "--seed", "12", "--with-keys"];
    send(&project.run(&keyed).ok(), &["--with-keys"]).ok();
    let all = read_all(&project.cluster, &topic);
    assert_eq!(all.len(), 600);
    assert!(all.iter().filter(|record| record.key.is_some()).count() >= 599 - 2);
    let mut values: Vec<_> = all.iter().map(|record| record.value.clone().unwrap()).collect();
    values.sort_unstable();
    let twice = values.as_chunks::<2>().0;
    assert!(twice.iter().all(|[left, right]| left == right), "a key before a tab is no value");
}

#[test]
fn with_output_json_every_listing_is_an_object_a_line() {
    let project = Project::with_topics("json");
    let topic = project.name("orders.loaded");
    for listing in [
        &["topics", "list"][..],
        &["topics", "diff"],
        &["topics", "apply"],
        &["topics", "describe", &topic],
        &["config", "show"],
        &["check"],
        &["generate", "orders", "--summary"],
    ] {
        let done = project.run(&[listing, &["--output", "json"]].concat());
        assert_eq!(done.err, "", "{listing:?}");
        let rows = done.json_lines();
        assert!(rows.iter().all(Value::is_object), "{listing:?}: {rows:?}");
        let empty = ["diff", "apply", "check"].iter().any(|quiet| listing.contains(quiet));
        assert_eq!(rows.is_empty(), empty, "{listing:?}: {rows:?}");
    }
}
