//! Bounded runs: what is said of them is what stands in the topics, whatever fails.

use std::collections::BTreeMap;

use lineage_hub::{
    record::{REPLAY_HEADER, RUN_HEADER},
    test_driver::{Call, Failure, NewRecord},
};
use serde_json::Value;

use super::{STAGE, TestDriver, driver, lineage, project};

const RUN: &str = "0190d5b2-7c00-7000-8000-000000000001";
const OTHER: &str = "0190d5b2-7c00-7000-8000-000000000002";

fn pipe(driver: &mut TestDriver, run: &str, values: &[&str]) {
    for value in values {
        let headers = [(RUN_HEADER, Some(run.as_bytes()))];
        let value = Some(value.as_bytes());
        driver.pipe_record("in", NewRecord { value, headers: &headers, ..NewRecord::default() });
    }
}

/// The deltas of each bounded run added up: in, mapped, out, filtered, dead-lettered.
fn books(driver: &TestDriver) -> BTreeMap<String, [u64; 5]> {
    let mut books: BTreeMap<String, [u64; 5]> = BTreeMap::new();
    for event in driver.lineage() {
        let delta = &event["run"]["facets"]["lineageHub_delta"];
        if delta.is_object() {
            let sums = books.entry(delta["run"].as_str().unwrap().to_owned()).or_default();
            let names = ["in", "mapped", "out", "filtered", "deadLettered"];
            for (sum, name) in sums.iter_mut().zip(names) {
                *sum += delta[name].as_u64().unwrap();
            }
        }
    }
    books
}

#[test]
fn each_run_has_its_own_books_and_plain_records_are_in_none() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input WHERE id < 5");
    pipe(&mut driver, RUN, &[r#"{"id":1}"#, r#"{"id":9}"#, "bad"]);
    driver.pipe("in", &[r#"{"id":1}"#, "bad"]);
    pipe(&mut driver, OTHER, &[r#"{"id":2}"#]);
    driver.run_until_idle();
    pipe(&mut driver, RUN, &[r#"{"id":3}"#]);
    driver.run_until_idle();

    let books = books(&driver);
    assert_eq!(books[RUN], [4, 2, 2, 1, 1]);
    assert_eq!(books[OTHER], [1, 1, 1, 0, 0]);
    assert_eq!(books.len(), 2);
    let out: Vec<_> = driver.records("out").iter().map(|row| row.header(RUN_HEADER)).collect();
    let [run, other] = [RUN, OTHER].map(|run| Some(run.to_owned()));
    assert_eq!(out, [run.clone(), None, other, run], "the run goes on with its records");

    let registry = lineage::schemas();
    let events = driver.lineage();
    let of_run = |event: &&Value| event["run"]["facets"]["lineageHub_delta"]["run"] == RUN;
    let deltas: Vec<&Value> = events.iter().filter(of_run).collect();
    assert_eq!(deltas.len(), 2, "one in each transaction that holds records of the run");
    for event in deltas {
        lineage::assert_valid(&registry, event);
        assert_eq!(event["eventType"], "RUNNING");
        assert_eq!(event["run"]["runId"], events[0]["run"]["runId"], "it is of the replica's run");
        assert_eq!(event["outputs"][0]["name"], "out");
    }
}

#[test]
fn what_is_aborted_is_in_no_book_and_what_is_committed_is_in_one() {
    for failure in [Failure::TimedOut, Failure::AnswerLost, Failure::Fenced] {
        let mut driver = driver("id: bigint not null", "SELECT id FROM input");
        pipe(&mut driver, RUN, &[r#"{"id":1}"#, "bad"]);
        driver.fail_next(STAGE, Call::Commit, failure);
        driver.run_until_idle();
        pipe(&mut driver, RUN, &[r#"{"id":2}"#]);
        driver.run_until_idle();
        assert_eq!(books(&driver)[RUN], [3, 2, 2, 0, 1], "{failure:?}");
        assert_eq!(driver.output("out").len(), 2, "{failure:?}");
    }
}

#[test]
fn a_killed_replica_and_its_successor_make_one_book() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    pipe(&mut driver, RUN, &[r#"{"id":1}"#]);
    driver.run_until_idle();
    pipe(&mut driver, RUN, &[r#"{"id":2}"#]);
    driver.poll(STAGE);
    driver.restart(STAGE);
    driver.run_until_idle();
    assert_eq!(books(&driver)[RUN], [2, 2, 2, 0, 0]);
}

#[test]
fn a_stage_that_stops_of_a_record_fails_the_run_of_that_record_alone() {
    let stage = "    sql: SELECT id FROM input\n    expect:\n      small: { that: id < 9, otherwise: stop }";
    let options = lineage_hub::test_driver::DriverOptions::default();
    let mut driver = TestDriver::new(&project("id: bigint", 1, stage), &options).unwrap();
    pipe(&mut driver, OTHER, &[r#"{"id":1}"#]);
    driver.run_until_idle();
    pipe(&mut driver, RUN, &[r#"{"id":10}"#]);
    driver.run_until_idle();
    let events = driver.lineage();
    let failed: Vec<&Value> = events
        .iter()
        .map(|event| &event["run"]["facets"]["lineageHub_delta"])
        .filter(|delta| delta["failure"].is_string())
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["run"], &failed[0]["in"]), (&RUN.into(), &0.into()));
    let message = failed[0]["failure"].as_str().unwrap();
    assert!(message.contains("fails the expectation `small`"), "{message}");
}

/// Its own run has not started by then, and the bounded run is to hear of it all the
/// same.
#[test]
fn a_stage_whose_first_commit_is_refused_fails_the_run_of_its_records() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    pipe(&mut driver, RUN, &[r#"{"id":1}"#]);
    driver.fail_next(STAGE, Call::Commit, Failure::Refused);
    driver.run_until_idle();
    assert!(driver.failure(STAGE).is_some());
    let kinds: Vec<_> = driver.lineage().iter().map(|event| event["eventType"].clone()).collect();
    assert_eq!(kinds, ["START", "RUNNING", "FAIL"]);
    assert!(driver.lineage()[1]["run"]["facets"]["lineageHub_delta"]["failure"].is_string());
    driver.restart(STAGE);
    driver.run_until_idle();
    assert_eq!(books(&driver)[RUN], [1, 1, 1, 0, 0]);
}

/// The end of the replica's run comes behind what it adds to the books of others.
#[test]
fn a_clean_stop_with_records_under_way_tells_of_them_before_the_end() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    pipe(&mut driver, RUN, &[r#"{"id":1}"#]);
    driver.poll(STAGE);
    driver.finish();
    let kinds: Vec<_> = driver.lineage().iter().map(|event| event["eventType"].clone()).collect();
    assert_eq!(kinds, ["START", "RUNNING", "COMPLETE"]);
    assert_eq!(books(&driver)[RUN], [1, 1, 1, 0, 0]);
}

/// The rows that failed an expectation by run, as the deltas add them up.
fn unmet(driver: &TestDriver) -> BTreeMap<(String, String), u64> {
    let mut sums = BTreeMap::new();
    for event in driver.lineage() {
        let facets = &event["run"]["facets"];
        let run = facets["lineageHub_delta"]["run"].as_str().unwrap_or_default();
        for (name, unmet) in facets["lineageHub_delta"]["unmet"].as_object().into_iter().flatten() {
            *sums.entry((run.to_owned(), name.clone())).or_default() += unmet.as_u64().unwrap();
        }
    }
    sums
}

/// Whatever fails under way, a row that fails an expectation is counted once, for
/// the run that it is of.
#[test]
fn what_failed_an_expectation_is_in_the_books_of_its_run_once() {
    let stage = "    sql: SELECT id, unnest(ns) AS n FROM input\n    expect:\n      small: { that: n < 9, otherwise: warn }\n      odd: { that: n % 2 = 1, otherwise: drop }";
    let project = project("id: bigint, ns: list<bigint>", 1, stage);
    let options = lineage_hub::test_driver::DriverOptions::default();
    for failure in [Failure::TimedOut, Failure::AnswerLost, Failure::Fenced] {
        let mut driver = TestDriver::new(&project, &options).unwrap();
        pipe(&mut driver, RUN, &[r#"{"id":1,"ns":[1,10,11]}"#, r#"{"id":2,"ns":[3]}"#]);
        driver.pipe("in", &[r#"{"id":3,"ns":[12]}"#]);
        pipe(&mut driver, OTHER, &[r#"{"id":4,"ns":[2]}"#]);
        driver.fail_next(STAGE, Call::Commit, failure);
        driver.run_until_idle();
        pipe(&mut driver, RUN, &[r#"{"id":5,"ns":[13]}"#]);
        driver.poll(STAGE);
        driver.restart(STAGE);
        driver.run_until_idle();

        let unmet = unmet(&driver);
        let of = |run: &str, name: &str| unmet.get(&(run.to_owned(), name.to_owned())).copied();
        assert_eq!((of(RUN, "small"), of(RUN, "odd")), (Some(3), Some(1)), "{failure:?}");
        assert_eq!((of(OTHER, "small"), of(OTHER, "odd")), (None, Some(1)), "{failure:?}");
        assert_eq!(unmet.len(), 3, "plain records are in no run's books");
    }
}

#[test]
fn a_replayed_record_is_for_the_stage_that_it_died_in() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    for (target, id) in [("in p/s", "1"), ("in p/other", "2"), ("elsewhere p/other", "3")] {
        let value = format!("{{\"id\":{id}}}");
        let headers =
            [(RUN_HEADER, Some(RUN.as_bytes())), (REPLAY_HEADER, Some(target.as_bytes()))];
        let value = Some(value.as_bytes());
        driver.pipe_record("in", NewRecord { value, headers: &headers, ..NewRecord::default() });
    }
    driver.run_until_idle();
    assert_eq!(driver.output("out"), [r#"{"id":1}"#, r#"{"id":3}"#]);
    assert_eq!(books(&driver)[RUN], [3, 2, 2, 1, 0], "what is for others is filtered");
}
