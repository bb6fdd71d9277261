//! Runs folded from events in every order that a topic of partitions may give.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{RunState, RunView, Runs, bounded::End, close};
use crate::lineage::{EventType, PRODUCER, ids};

pub(super) const RUN: Uuid = Uuid::from_u128(0x0190_d5b2_7c00_7000_8000_0000_0000_0001);

pub(super) fn event(kind: &str, run: Uuid, job: &str, facets: Value) -> Vec<u8> {
    let mut event = json!({
        "eventType": kind,
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": run, "facets": facets },
        "job": { "namespace": "shop", "name": job },
        "inputs": [],
        "outputs": [],
    });
    // A pipeline's own events have no datasets.
    if job != "orders" {
        event["inputs"] = json!([{ "namespace": "kafka://k:9092", "name": "in" }]);
        event["outputs"] = json!([{ "namespace": "kafka://k:9092", "name": "out" }]);
    }
    serde_json::to_vec(&event).unwrap()
}

pub(super) fn start(stages: &[(&str, &str, &str)]) -> Vec<u8> {
    let stage = |(job, from, to): &(&str, &str, &str)| json!({"job": job, "from": from, "to": to});
    let stages: Vec<Value> = stages.iter().map(stage).collect();
    event("START", RUN, "orders", json!({ "lineageHub_graph": { "stages": stages } }))
}

pub(super) fn total(records: u64) -> Vec<u8> {
    let total = json!({ "topic": "a", "records": records, "bytes": 0 });
    event("RUNNING", RUN, "orders", json!({ "lineageHub_total": total }))
}

/// START of a stage's part.
pub(super) fn begin(job: &str) -> Vec<u8> {
    let parent =
        json!({ "run": { "runId": RUN }, "job": { "namespace": "shop", "name": "orders" } });
    event("START", ids::stage_run(RUN, job), job, json!({ "parent": parent }))
}

/// What a transaction of a replica of the stage adds to the books.
fn delta(job: &str, [read, mapped, out, filtered, dead]: [u64; 5]) -> Value {
    let counts = json!({
        "replica": "0", "in": read, "mapped": mapped, "out": out, "filtered": filtered,
        "deadLettered": dead, "bytesIn": 0, "bytesOut": 0, "byPartition": [],
    });
    let mut delta = counts.clone();
    delta["run"] = json!(RUN);
    let facets = json!({ "lineageHub_delta": delta, "lineageHub_balance": counts });
    let replica = Uuid::new_v5(&Uuid::NAMESPACE_URL, job.as_bytes());
    serde_json::from_slice(&event("RUNNING", replica, job, facets)).unwrap()
}

pub(super) fn part(job: &str, counts: [u64; 5]) -> Vec<u8> {
    serde_json::to_vec(&delta(job, counts)).unwrap()
}

/// The stage stopped at a record of the run.
pub(super) fn stopped(job: &str) -> Vec<u8> {
    let mut delta = delta(job, [0; 5]);
    delta["run"]["facets"]["lineageHub_delta"]["failure"] = "a bad record".into();
    serde_json::to_vec(&delta).unwrap()
}

pub(super) fn fold(events: &[Vec<u8>]) -> Runs {
    let mut runs = Runs::default();
    for event in events {
        runs.fold(event);
    }
    runs
}

pub(super) fn ends(runs: &Runs) -> Vec<(Option<String>, EventType)> {
    let ends = runs.run(RUN).unwrap().ends();
    ends.into_iter().map(|end| (end.job, end.kind)).collect()
}

pub(super) const CHAIN: [(&str, &str, &str); 2] =
    [("orders.one", "a", "b"), ("orders.two", "b", "c")];

#[test]
fn a_chain_is_complete_when_its_books_balance_from_end_to_end_and_not_before() {
    let mut events = vec![
        part("orders.two", [3, 2, 2, 1, 0]),
        start(&CHAIN),
        part("orders.one", [4, 3, 3, 0, 1]),
        part("orders.two", [2, 2, 2, 0, 0]),
        part("orders.one", [2, 2, 2, 0, 0]),
    ];
    assert_eq!(ends(&fold(&events)), [], "the total is not known");
    events.push(total(6));
    let runs = fold(&events);
    let complete = |job: &str| (Some(job.to_owned()), EventType::Complete);
    assert_eq!(
        ends(&runs),
        [complete("orders.one"), complete("orders.two"), (None, EventType::Complete)]
    );
    let run = runs.run(RUN).unwrap();
    assert!(run.is_balanced());
    let counts = run.counts();
    assert_eq!((counts.read, counts.out, counts.filtered, counts.dead_lettered), (6, 4, 1, 1));

    events.pop();
    events.push(total(7));
    assert_eq!(ends(&fold(&events)), []);
    events.pop();
    events.push(total(6));
    events.remove(3);
    assert_eq!(ends(&fold(&events)), [complete("orders.one")]);
}

#[test]
fn a_run_of_no_records_is_complete_at_once() {
    let runs = fold(&[start(&CHAIN), total(0)]);
    assert_eq!(ends(&runs).len(), 3);
}

#[test]
fn stages_that_read_one_topic_each_take_in_all_of_it() {
    let both = [("orders.one", "a", "b"), ("orders.two", "b", "c"), ("orders.three", "b", "d")];
    let mut events = vec![
        start(&both),
        total(2),
        part("orders.one", [2, 2, 5, 0, 0]),
        part("orders.two", [5, 5, 5, 0, 0]),
    ];
    assert_eq!(ends(&fold(&events)).len(), 2);
    events.push(part("orders.three", [5, 0, 0, 5, 0]));
    let runs = fold(&events);
    assert_eq!(ends(&runs).last(), Some(&(None, EventType::Complete)));
}

#[test]
fn a_stage_that_took_in_too_much_fails_the_run() {
    let twice = part("orders.one", [3, 3, 3, 0, 0]);
    let runs = fold(&[start(&CHAIN), total(2), twice]);
    let ends = runs.run(RUN).unwrap().ends();
    assert_eq!(ends[0].error.as_deref(), Some("orders.one took in 3 records of 2"));
    assert_eq!(ends.last().unwrap().kind, EventType::Fail);
    assert!(!runs.run(RUN).unwrap().is_balanced());
}

#[test]
fn ends_repeat_the_start_and_once_told_they_are_not_due_again() {
    let mut events = vec![
        start(&CHAIN),
        total(1),
        begin("orders.one"),
        begin("orders.two"),
        part("orders.one", [1, 1, 1, 0, 0]),
        part("orders.two", [1, 0, 0, 1, 0]),
    ];
    let runs = fold(&events);
    let run = runs.run(RUN).unwrap();
    let due: Vec<End> = run.ends();
    for end in &due {
        let (key, value) = close::event(run, end).unwrap();
        let json: Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(json["run"]["runId"], key);
        assert_eq!(json["eventType"], "COMPLETE");
        if end.job.is_some() {
            assert_eq!(json["inputs"][0]["name"], "in");
            assert_eq!(json["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"], 1);
        }
        assert_eq!(json["run"]["facets"]["lineageHub_balance"]["in"], 1);
        events.push(value);
    }
    let mut runs = fold(&events);
    assert_eq!(runs.run(RUN).unwrap().state, RunState::Complete);
    assert!(runs.take_due().is_empty());
}

#[test]
fn a_streaming_run_counts_by_partition_and_its_end_may_come_in_parts() {
    let balance = |partition: u64, read: u64| {
        let counts = json!({ "topic": "a", "partition": partition, "in": read, "mapped": read,
            "out": read, "filtered": 0, "deadLettered": 0, "bytesIn": 0, "bytesOut": 0 });
        let mut all = counts.clone();
        all["byPartition"] = json!([counts]);
        all["replica"] = json!("0");
        json!({ "lineageHub_balance": all })
    };
    let id = Uuid::from_u128(9);
    let runs = fold(&[
        event("START", id, "orders.one", balance(0, 0)),
        event("RUNNING", id, "orders.one", balance(0, 3)),
        event("FAIL", id, "orders.one", balance(0, 4)),
        event("FAIL", id, "orders.one", balance(1, 5)),
    ]);
    let [RunView::Streaming(run)] = runs.all()[..] else { panic!() };
    assert_eq!((run.state, run.counts.read), (RunState::Failed, 9));
    assert_eq!(runs.find("00000000-").len(), 1);
}

#[test]
fn events_of_others_and_bytes_that_are_no_event_are_left_alone() {
    let other = String::from_utf8(total(1)).unwrap().replace(PRODUCER, "https://spark");
    let runs = fold(&[b"no json".to_vec(), other.into_bytes()]);
    assert_eq!(runs.all().len(), 0);
}

/// The replicas' deltas add up, and the end says so of each expectation that the
/// start named; events of a version that had no such counts are read as before.
#[test]
fn the_end_of_a_part_says_how_many_rows_failed_each_expectation() {
    let mut begin: Value = serde_json::from_slice(&begin("orders.one")).unwrap();
    let assertion = |name: &str| json!({ "assertion": "expression", "name": name, "success": true, "actual": "0" });
    begin["outputs"][0]["facets"]["dataQualityAssertions"] =
        json!({ "assertions": [assertion("known"), assertion("small")] });
    let mut events = vec![
        start(&[("orders.one", "a", "b")]),
        total(9),
        serde_json::to_vec(&begin).unwrap(),
        part("orders.one", [2, 2, 2, 0, 0]),
    ];
    for (replica, unmet) in [("0", 2), ("1", 3)] {
        let mut delta = delta("orders.one", [unmet, unmet, unmet, 0, 0]);
        delta["run"]["facets"]["lineageHub_delta"]["replica"] = replica.into();
        delta["run"]["facets"]["lineageHub_delta"]["unmet"] = json!({ "small": unmet });
        events.push(serde_json::to_vec(&delta).unwrap());
    }
    events.push(part("orders.one", [2, 2, 2, 0, 0]));
    let runs = fold(&events);
    let run = runs.run(RUN).unwrap();
    let end = run.ends().remove(0);
    assert_eq!(end.kind, EventType::Complete);
    let (_, end) = close::event(run, &end).unwrap();
    let end: Value = serde_json::from_slice(&end).unwrap();
    let said = &end["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"];
    assert_eq!((&said[0]["success"], &said[0]["actual"]), (&true.into(), &"0".into()));
    assert_eq!((&said[1]["success"], &said[1]["actual"]), (&false.into(), &"5".into()));
}
