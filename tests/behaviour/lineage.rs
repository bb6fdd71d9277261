//! Lineage: what it says is what stands in the topics, at every moment.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use jsonschema::Registry;
use lineage_hub::{
    lineage::validate,
    test_driver::{Call, DriverOptions, Failure, TestRecord},
};
use serde_json::Value;

pub(crate) use super::spec::schemas;
use super::{STAGE, TestDriver, driver, project, spec::assert_event_valid};

/// Holds an event and each of its facets against the schemas that they name.
pub(crate) fn assert_valid(registry: &Registry<'_>, event: &Value) {
    assert_event_valid(registry, event);
    validate::check(event.to_string().as_bytes()).unwrap();
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["eventType"].as_str().unwrap()).collect()
}

fn balance(event: &Value) -> &Value {
    &event["run"]["facets"]["lineageHub_balance"]
}

fn run_of(event: &Value) -> &str {
    event["run"]["runId"].as_str().unwrap()
}

#[test]
fn a_run_starts_once_runs_at_each_interval_and_completes_when_it_is_stopped() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    let interval = DriverOptions::default().lineage.running_interval;
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.run_until_idle();
    assert_eq!(kinds(&driver.lineage()), ["START"]);
    driver.advance(interval.saturating_sub(Duration::from_secs(1)));
    assert_eq!(driver.lineage().len(), 1, "not yet due");
    driver.advance(Duration::from_secs(1));
    driver.pipe("in", &[r#"{"id":2}"#, "bad"]);
    driver.run_until_idle();
    driver.advance(interval);
    driver.finish();
    driver.finish();

    let events = driver.lineage();
    assert_eq!(kinds(&events), ["START", "RUNNING", "RUNNING", "COMPLETE"]);
    let runs: BTreeSet<_> = events.iter().map(run_of).collect();
    assert_eq!(runs.len(), 1);
    let read: Vec<_> = events.iter().map(|event| balance(event)["in"].as_u64().unwrap()).collect();
    assert_eq!(read, [0, 1, 3, 3]);
    assert_eq!(balance(&events[3])["deadLettered"], 1);
    assert_eq!(driver.accounts(STAGE)[&0].run, None, "a clean end leaves nothing to close");
}

#[test]
fn a_stage_that_stops_of_an_error_fails_with_its_message_and_what_it_had_committed() {
    let stage = "    sql: SELECT id FROM input\n    expect:\n      small: { that: id < 9, otherwise: stop }";
    let mut driver =
        TestDriver::new(&project("id: bigint", 1, stage), &DriverOptions::default()).unwrap();
    driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#]);
    driver.run_until_idle();
    driver.pipe("in", &[r#"{"id":3}"#, r#"{"id":10}"#]);
    driver.run_until_idle();

    let events = driver.lineage();
    assert_eq!(kinds(&events), ["START", "FAIL"]);
    let message = events[1]["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(message.contains("in/0@3 fails the expectation `small`"), "{message}");
    assert_eq!(balance(&events[1])["in"], 2, "of what was aborted nothing is told");
    assert_eq!(driver.output("out").len(), 2);
    driver.finish();
    assert_eq!(driver.lineage().len(), 2, "nothing follows the end of a run");
}

#[test]
fn a_failure_is_told_also_where_the_abort_fails() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.run_until_idle();
    driver.pipe("in", &[r#"{"id":2}"#]);
    driver.fail_next(STAGE, Call::Commit, Failure::Refused);
    driver.fail_next(STAGE, Call::Abort, Failure::TimedOut);
    driver.run_until_idle();
    assert!(driver.failure(STAGE).is_some());
    assert_eq!(kinds(&driver.lineage_of(STAGE)), ["START", "FAIL"]);
    assert_eq!(balance(&driver.lineage_of(STAGE)[1])["in"], 1);
}

#[test]
fn the_run_of_a_killed_replica_is_closed_by_its_successor_with_its_exact_counts() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    driver.pipe("in", &[r#"{"id":1}"#, "bad"]);
    driver.run_until_idle();
    driver.pipe("in", &[r#"{"id":2}"#]);
    driver.poll(STAGE);
    driver.restart(STAGE);
    driver.run_until_idle();
    driver.finish();

    let events = driver.lineage();
    assert_eq!(kinds(&events), ["START", "FAIL", "START", "COMPLETE"]);
    let [first, closed, second, done] = &events[..] else { panic!("{events:?}") };
    assert_eq!(run_of(first), run_of(closed));
    assert_eq!(run_of(second), run_of(done));
    assert_ne!(run_of(first), run_of(second));
    assert!(closed["run"]["facets"]["errorMessage"]["message"].is_string());
    assert_eq!((&balance(closed)["in"], &balance(closed)["deadLettered"]), (&2.into(), &1.into()));
    assert_eq!((&balance(done)["in"], &balance(done)["out"]), (&1.into(), &1.into()));
    let account = driver.accounts(STAGE)[&0];
    assert_eq!((account.total.read, account.of_run().read), (3, 1));
}

#[test]
fn a_run_that_took_nothing_in_is_closed_too_when_its_replica_is_killed() {
    let mut driver = driver("id: bigint", "SELECT id FROM input");
    driver.run_until_idle();
    driver.restart(STAGE);
    driver.run_until_idle();
    let events = driver.lineage();
    assert_eq!(kinds(&events), ["START", "FAIL", "START"]);
    assert_eq!(run_of(&events[0]), run_of(&events[1]));
    assert_eq!((driver.committed(STAGE)[&0], driver.account(STAGE).read), (0, 0));
}

/// A successor that dies in its turn must not close the run a second time.
#[test]
fn a_killed_run_is_closed_once_whatever_befalls_its_successor() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.run_until_idle();
    driver.restart(STAGE);
    driver.fail_next(STAGE, Call::Commit, Failure::TimedOut);
    driver.run_until_idle();
    driver.restart(STAGE);
    driver.run_until_idle();
    assert_eq!(kinds(&driver.lineage()), ["START", "FAIL", "START", "FAIL", "START"]);
    let failed: Vec<_> = driver
        .lineage()
        .iter()
        .filter(|event| event["eventType"] == "FAIL")
        .map(|event| (run_of(event).to_owned(), balance(event)["in"].clone()))
        .collect();
    assert_ne!(failed[0].0, failed[1].0);
    assert_eq!((&failed[0].1, &failed[1].1), (&1.into(), &0.into()));
}

/// A replica frozen past its session time-out comes back to a run that others
/// have closed: what it does from then on is a run of its own.
#[test]
fn a_replica_that_was_thought_dead_goes_on_as_a_new_run() {
    for taken in [vec![0], vec![0, 1]] {
        let project = project("id: bigint", 2, "    sql: SELECT id FROM input");
        let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
        driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#]);
        driver.run_until_idle();
        let old = run_of(&driver.lineage_of(STAGE)[0]).to_owned();
        driver.pipe("in", &[r#"{"id":3}"#, r#"{"id":4}"#]);
        driver.take_over(STAGE, &taken);
        driver.run_until_idle();
        driver.finish();

        let mut runs: Vec<(String, Vec<String>)> = Vec::new();
        for event in driver.lineage_of(STAGE) {
            let kind = event["eventType"].as_str().unwrap().to_owned();
            match runs.iter_mut().find(|(run, _)| run == run_of(&event)) {
                Some((_, kinds)) => kinds.push(kind),
                None => runs.push((run_of(&event).to_owned(), vec![kind])),
            }
        }
        assert_eq!(runs[0].0, old);
        let (first, rest) = runs[0].1.split_first().unwrap();
        assert_eq!(first, "START");
        // Each of the two who share its partitions closes its part.
        assert!(!rest.is_empty() && rest.iter().all(|kind| kind == "FAIL"), "{taken:?}: {rest:?}");
        for (_, kinds) in &runs[1..] {
            assert_eq!(kinds, &["START", "COMPLETE"], "{taken:?}");
        }
        assert_eq!(runs.len(), if taken.len() == 1 { 3 } else { 2 });
    }
}

/// The other half: who lost nothing goes on as what it was.
#[test]
fn a_replica_that_keeps_its_partitions_keeps_its_run() {
    let project = project("id: bigint", 2, "    sql: SELECT id FROM input");
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#]);
    driver.run_until_idle();
    driver.take_over(STAGE, &[]);
    driver.pipe("in", &[r#"{"id":3}"#]);
    driver.run_until_idle();
    driver.finish();
    assert_eq!(kinds(&driver.lineage_of(STAGE)), ["START", "COMPLETE"]);
    assert_eq!(driver.account(STAGE).read, 3);
}

/// As when the group moves on while a transaction is committed: it is aborted, but
/// what is handed over then is handed over, and nobody has to close the run.
#[test]
fn partitions_are_handed_over_also_where_the_transaction_fails() {
    for failures in [0, 1] {
        let project = project("id: bigint", 2, "    sql: SELECT id FROM input");
        let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
        driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#]);
        driver.run_until_idle();
        driver.pipe("in", &[r#"{"id":3}"#, r#"{"id":4}"#]);
        driver.poll(STAGE);
        (0..failures).for_each(|_| driver.fail_next(STAGE, Call::Commit, Failure::TimedOut));
        driver.hand_over(STAGE, &[0]);
        driver.run_until_idle();
        driver.finish();

        let mut ended = Vec::new();
        for event in driver.lineage_of(STAGE) {
            if !["START", "RUNNING"].contains(&event["eventType"].as_str().unwrap()) {
                ended.push((event["eventType"].clone(), balance(&event)["in"].as_u64().unwrap()));
            }
        }
        // The other works off what the first had not committed.
        let (others, own) = if failures == 0 { (0, 4) } else { (1, 3) };
        assert_eq!(ended, [("COMPLETE".into(), others), ("COMPLETE".into(), own)]);
        assert_eq!(driver.output("out").len(), 4);
        assert_eq!(driver.account(STAGE).read, 4);
    }
}

/// Between a transaction in doubt and the new assignment a stage cannot tell what it did.
#[test]
fn a_run_that_stops_while_it_holds_nothing_is_closed_by_the_successor_alone() {
    let mut driver = driver("id: bigint", "SELECT id FROM input");
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.run_until_idle();
    driver.fail_next(STAGE, Call::Send, Failure::Fenced);
    driver.fail_next(STAGE, Call::Rebuild, Failure::Refused);
    driver.pipe("in", &[r#"{"id":2}"#]);
    driver.run_until_idle();
    assert!(driver.failure(STAGE).is_some());
    driver.restart(STAGE);
    driver.run_until_idle();

    let events = driver.lineage();
    assert_eq!(kinds(&events), ["START", "FAIL", "START"]);
    assert_eq!((run_of(&events[1]), &balance(&events[1])["in"]), (run_of(&events[0]), &1.into()));
    assert_eq!(driver.output("out").len(), 2);
}

#[test]
fn the_statistics_of_every_stage_are_what_stands_in_its_topics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut driver = TestDriver::from_project(root).unwrap();
    let sample = fs::read_to_string(root.join("samples/orders.ndjson")).unwrap();
    driver.pipe("raw.orders", &sample.lines().collect::<Vec<_>>());
    driver.run_until_idle();
    driver.advance(Duration::from_hours(1));
    driver.finish();

    let stages: Vec<_> = driver.stages().map(str::to_owned).collect();
    for stage in &stages {
        let events = driver.lineage_of(stage);
        assert_eq!(kinds(&events), ["START", "RUNNING", "COMPLETE"], "{stage}");
        for event in &events[1..] {
            for (list, facets, facet) in [
                ("inputs", "inputFacets", "inputStatistics"),
                ("outputs", "outputFacets", "outputStatistics"),
            ] {
                let dataset = &event[list][0];
                let records = driver.records(dataset["name"].as_str().unwrap());
                let bytes: usize = records.iter().map(TestRecord::size).sum();
                let told = &dataset[facets][facet];
                assert_eq!(
                    (&told["rowCount"], &told["size"]),
                    (&records.len().into(), &bytes.into()),
                    "{stage} {list}"
                );
            }
        }
    }
}

#[test]
fn every_event_of_every_kind_validates_and_names_its_datasets() {
    let registry = schemas();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut driver = TestDriver::from_project(root).unwrap();
    let sample = fs::read_to_string(root.join("samples/orders.ndjson")).unwrap();
    driver.pipe("raw.orders", &sample.lines().collect::<Vec<_>>());
    driver.run_until_idle();
    driver.advance(Duration::from_mins(2));
    driver.restart("orders/extract");
    driver.fail_next("orders/load", Call::Commit, Failure::Refused);
    driver.pipe("raw.orders", &sample.lines().take(9).collect::<Vec<_>>());
    driver.run_until_idle();
    driver.finish();

    let events = driver.lineage();
    let kinds: BTreeSet<_> = kinds(&events).into_iter().map(str::to_owned).collect();
    let expected = ["COMPLETE", "FAIL", "RUNNING", "START"].map(str::to_owned);
    assert_eq!(kinds, BTreeSet::from(expected));
    for event in &events {
        assert_valid(&registry, event);
        for list in ["inputs", "outputs"] {
            assert_eq!(event[list].as_array().unwrap().len(), 1);
            assert!(event[list][0]["facets"]["schema"]["fields"][0]["name"].is_string());
        }
        assert!(event["outputs"][0]["facets"]["columnLineage"]["fields"]["order_id"].is_object());
        assert_eq!(event["run"]["facets"].get("parent"), None, "nobody tells of its run");
    }
    let keys: Vec<_> = driver.records("lineage").iter().map(TestRecord::key_text).collect();
    let runs: Vec<_> = events.iter().map(|event| Some(run_of(event).to_owned())).collect();
    assert_eq!(keys, runs, "the key of a lineage record is its run");
}

#[test]
fn with_lineage_off_the_accounts_are_kept_all_the_same() {
    let mut options = DriverOptions::default();
    options.lineage.enabled = false;
    let project = project("id: bigint", 1, "    sql: SELECT id FROM input");
    let mut driver = TestDriver::new(&project, &options).unwrap();
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.run_until_idle();
    driver.finish();
    assert_eq!(driver.lineage(), [Value::Null; 0]);
    assert_eq!(driver.account(STAGE).read, 1);
}
