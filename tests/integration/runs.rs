//! Bounded runs: complete when their books balance, and only then.

use std::{fmt::Write, fs, path::Path, thread};

use lineage_hub::cli::generate::orders::Orders;
use serde_json::Value;

use crate::support::{
    Books, Project,
    orders::{self, Sender},
    process::Done,
    reading::read_all,
    valid_lineage,
};

/// Runs a file through the pipeline and waits for its books.
fn run(project: &Project, file: &Path) -> Done {
    let file = file.to_str().unwrap();
    project.run(&["run", &project.pipeline(), "--input", file, "--wait", "--output", "json"])
}

fn sample() -> &'static Path {
    concat!(env!("CARGO_MANIFEST_DIR"), "/samples/orders.ndjson").as_ref()
}

/// In, out, filtered and dead-lettered of each stage, in the order of the graph.
fn books(run: &Value) -> Vec<[u64; 4]> {
    let parts = &run["parts"];
    let stages = run["graph"].as_array().unwrap().iter();
    let counts = stages.map(|stage| {
        let counts = &parts[stage["job"].as_str().unwrap()]["counts"];
        ["in", "out", "filtered", "deadLettered"].map(|name| counts[name].as_u64().unwrap_or(0))
    });
    counts.collect()
}

#[track_caller]
fn assert_complete(run: &Value) {
    assert_eq!(run["state"], "complete", "{run:#}");
    assert_eq!(run["balanced"], true, "{run:#}");
}

const SAMPLE_BOOKS: [[u64; 4]; 3] = [[1000, 997, 0, 3], [997, 681, 316, 0], [681, 681, 0, 0]];

#[test]
fn a_run_ends_with_its_books_balanced_and_is_told_once() {
    let project = Project::with_topics("bounded");
    let hub = project.start(&["up", "--no-forward"]);
    let done = run(&project, sample()).json_lines().remove(0);
    assert_complete(&done);
    assert_eq!(books(&done), SAMPLE_BOOKS);
    let id = done["id"].as_str().unwrap();

    let shown = project.run(&["runs", "show", &id[..20], "--output", "json"]).json_lines();
    assert_eq!(books(&shown[0]), SAMPLE_BOOKS);
    let listed = project.run(&["runs", "list", "--bounded", "--output", "json"]).json_lines();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["id"], &listed[0]["balanced"]), (&done["id"], &true.into()));
    assert_eq!((&listed[0]["in"], &listed[0]["out"]), (&1000.into(), &681.into()));
    let text = project.run(&["runs", "show", id]).ok();
    assert!(text.contains("complete, books balanced"), "{text}");
    hub.stop();

    // Two trackers follow it, `up` and `run`: each end is there once.
    let events = valid_lineage(&project);
    let of_run = |event: &&Value| {
        event["run"]["runId"] == id || event["run"]["facets"]["parent"]["run"]["runId"] == id
    };
    let count = |kind: &str| {
        events.iter().filter(of_run).filter(|event| event["eventType"] == kind).count()
    };
    assert_eq!((count("START"), count("COMPLETE"), count("FAIL")), (4, 4, 0));
    for event in events.iter().filter(of_run).filter(|event| event["run"]["runId"] != id) {
        let edges = (&event["inputs"][0]["name"], &event["outputs"][0]["name"]);
        assert!(edges.0.is_string() && edges.1.is_string(), "{event:#}");
    }
    Books::check(&project);
}

/// The end of a part adds up what its replicas counted, however the records were
/// spread over them.
#[test]
fn the_end_of_a_run_says_how_many_rows_failed_each_expectation() {
    let project = Project::with_topics("unmet");
    let hub = project.start(&["up", "--no-forward", "--replicas", "extract=2"]);
    let orders = fs::read_to_string(sample()).unwrap();
    let sound =
        orders.lines().filter(|order| order.contains("\"items\":[{") && !order.contains("\"n/a\""));
    let euros = sound.filter(|order| order.contains("\"currency\":\"EUR\"")).take(60);
    let broken = euros.enumerate().map(|(index, order)| match index % 3 {
        0 => order.replace("\"currency\":\"EUR\"", "\"currency\":\"XXX\""),
        _ => order.to_owned(),
    });
    project.write("broken.ndjson", &broken.collect::<Vec<_>>().join("\n"));
    let done = run(&project, &project.path("broken.ndjson")).json_lines().remove(0);
    assert_complete(&done);
    hub.stop();

    let job = done["graph"][0]["job"].as_str().unwrap();
    let events = valid_lineage(&project);
    let is_end = |event: &&Value| event["job"]["name"] == job && event["eventType"] == "COMPLETE";
    let of_run = |event: &&Value| event["run"]["facets"]["parent"]["run"]["runId"] == done["id"];
    let end = events.iter().filter(is_end).find(of_run).unwrap();
    let said = &end["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"];
    let said: Vec<_> = said.as_array().unwrap().iter().map(|one| &one["actual"]).collect();
    assert_eq!(said, ["20", "0", "0"]);
    assert_eq!(done["parts"][job]["unmet"]["known currency"], 20);
    assert_eq!(done["parts"][job]["counts"]["deadLettered"], 20);
}

#[test]
fn runs_at_once_and_plain_records_between_them_each_have_books_of_their_own() {
    let project = Project::with_topics("between");
    let hub = project.start(&["up", "--no-forward", "--replicas", "transform=2"]);
    let sender = Sender::start(&project, 3_000, 21, 2_000);
    let runs: Vec<Value> = thread::scope(|scope| {
        let each = (0..3).map(|_| scope.spawn(|| run(&project, sample()).json_lines().remove(0)));
        let each: Vec<_> = each.collect();
        each.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let workload = sender.stop();
    let [extract, .., load] = SAMPLE_BOOKS;
    let of_runs = |count: u64| count as usize * runs.len();
    orders::wait_beside(&project, &workload, of_runs(load[1]), of_runs(extract[3]));
    hub.stop();
    for run in &runs {
        assert_complete(run);
        assert_eq!(books(run), SAMPLE_BOOKS);
    }
    Books::check(&project);
}

#[test]
fn a_run_of_no_records_and_one_of_malformed_records_end_too() {
    let project = Project::with_topics("none");
    let hub = project.start(&["up", "--no-forward"]);
    project.write("none.ndjson", "\n");
    project.write("bad.ndjson", "no json\n{\n[]\n{\"order_id\":1}\n");
    let none = run(&project, &project.path("none.ndjson")).json_lines().remove(0);
    assert_complete(&none);
    assert_eq!(books(&none), [[0; 4]; 3]);
    let bad = run(&project, &project.path("bad.ndjson")).json_lines().remove(0);
    assert_complete(&bad);
    assert_eq!(books(&bad), [[4, 0, 0, 4], [0; 4], [0; 4]]);
    hub.stop();
    Books::check(&project);
}

#[test]
fn a_topic_that_two_stages_read_and_one_that_fans_out_balance() {
    let project = Project::new("dag");
    let stage = format!(
        "\n  items:\n    from: {}\n    to: {}\n    sql: SELECT order_id, unnest(items) AS item FROM input\n",
        project.name("orders.extracted"),
        project.name("orders.items"),
    );
    let file = "pipelines/orders.yaml";
    let text = fs::read_to_string(project.path(file)).unwrap();
    project.write(file, &(text + &stage));
    project.run(&["topics", "apply"]).ok();
    let mut lines = String::new();
    let (mut orders, mut line, mut items) = (Orders::new(5), Vec::new(), 0);
    for _ in 0..500 {
        let order = orders.write_next(&mut line);
        let text = std::str::from_utf8(&line).unwrap();
        writeln!(lines, "{text}").unwrap();
        if !order.malformed {
            let json: Value = serde_json::from_str(text).unwrap();
            items += json["items"].as_array().unwrap().len() as u64;
        }
    }
    project.write("orders.ndjson", &lines);

    let hub = project.start(&["up", "--no-forward"]);
    let done = run(&project, &project.path("orders.ndjson")).json_lines().remove(0);
    hub.stop();
    assert_complete(&done);
    let part = |stage: &str| &done["parts"][format!("{}.{stage}", project.pipeline())]["counts"];
    assert_eq!(part("items")["in"], part("extract")["out"]);
    assert_eq!(part("transform")["in"], part("extract")["out"]);
    assert_eq!(part("items")["out"], items);
}

#[test]
fn a_csv_file_is_a_run_too() {
    let project = Project::with_topics("csv");
    let hub = project.start(&["up", "--no-forward"]);
    project.write(
        "orders.csv",
        "order_id,customer_id,ts,country,status,currency,email,items\n\
         o-1,7,2026-01-05T10:00:00Z,fr,paid,EUR,a@b.c,\"[{\"\"sku\"\":\"\"a\"\",\"\"qty\"\":2,\"\"price\"\":1.5}]\"\n\
         o-2,x,2026-01-05T10:00:00Z,fr,paid,EUR,a@b.c,[]\n",
    );
    let done = run(&project, &project.path("orders.csv")).json_lines().remove(0);
    hub.stop();
    assert_complete(&done);
    assert_eq!(books(&done), [[2, 1, 0, 1], [1, 1, 0, 0], [1, 1, 0, 0]]);
    let loaded = read_all(&project.cluster, &project.name("orders.loaded"));
    assert_eq!(loaded[0].key.as_deref(), Some(&b"o-1"[..]));
    assert_eq!(loaded[0].json()["total"], 3.0);
}

#[test]
fn a_run_that_nobody_works_on_times_out_and_one_whose_stage_fails_has_failed() {
    let project = Project::with_topics("unended");
    let pipeline = project.pipeline();
    let input = sample().to_str().unwrap();
    let words = ["run", &pipeline, "--input", input, "--wait", "--timeout", "2"];
    let waited = project.run(&words);
    assert_eq!(waited.code, Some(3), "{waited:?}");
    assert!(waited.err.contains("took in 0 of 1000 records"), "{waited:?}");
    assert!(waited.out.contains("books open"), "{waited:?}");

    // Where the stages come later, the run ends all the same.
    let hub = project.start(&["up", "--no-forward"]);
    let id = waited.out.split(' ').nth(1).unwrap();
    crate::support::wait_until("the run is complete", || {
        project.run(&["runs", "show", id]).ok().contains("complete, books balanced")
    });
    hub.stop();

    let file = "pipelines/orders.yaml";
    project.edit(file, "otherwise: dead_letter", "otherwise: stop");
    let _stage = project.start(&["stage", &project.stage("extract")]);
    let line = "{\"order_id\":\"o\",\"customer_id\":1,\"ts\":\"2026-01-05T10:00:00Z\",\"country\":\"fr\",\
                \"status\":\"paid\",\"currency\":\"XXX\",\"email\":\"m\",\"items\":[{\"sku\":\"a\",\"qty\":1,\"price\":2.5}]}\n";
    project.write("bad.ndjson", line);
    let failed = run(&project, &project.path("bad.ndjson"));
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("known currency"), "{failed:?}");
    let ends = valid_lineage(&project).into_iter().filter(|event| event["eventType"] == "FAIL");
    let jobs: Vec<Value> = ends.map(|event| event["job"]["name"].clone()).collect();
    assert!(jobs.iter().any(|job| *job == pipeline.as_str()), "{jobs:?}");
}

#[test]
fn a_run_of_what_is_not_there_is_told_with_what_is() {
    let project = Project::with_topics("mistakes");
    let input = sample().to_str().unwrap();
    let other = project.run(&["run", "nothing", "--input", input]);
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.err.contains(&format!("there are {}", project.pipeline())), "{other:?}");
    let file = project.run(&["run", &project.pipeline(), "--input", "/no/such/file"]);
    assert_eq!(file.code, Some(1), "{file:?}");
    assert!(file.err.contains("/no/such/file"), "{file:?}");
    let run = project.run(&["runs", "show", "0190"]);
    assert!(run.err.contains("no run `0190`"), "{run:?}");
}
