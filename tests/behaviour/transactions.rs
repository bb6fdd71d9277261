//! Transactions: all or nothing, and nothing twice.

use lineage_hub::{
    lineage::Counts,
    test_driver::{Call, DriverOptions, Failure, NewRecord},
};
use serde_json::Value;

use super::{STAGE, TestDriver, driver, project, value};

const GOOD: [&str; 2] = [r#"{"id":1}"#, r#"{"id":2}"#];
const INPUT: [&str; 3] = [GOOD[0], "bad", GOOD[1]];

fn piped() -> TestDriver {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input");
    driver.pipe("in", &INPUT);
    driver
}

fn assert_all_once(driver: &TestDriver) {
    assert_eq!(driver.output("out"), GOOD);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 decode"]);
    assert_eq!(driver.committed(STAGE)[&0], 3);
    let Counts { read, mapped, out, dead_lettered, .. } = driver.account(STAGE);
    assert_eq!((read, mapped, out, dead_lettered), (3, 2, 2, 1));
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["eventType"].as_str().unwrap()).collect()
}

#[test]
fn before_the_commit_nothing_is_seen_and_after_it_all() {
    let mut driver = piped();
    assert!(driver.poll(STAGE));
    assert!(driver.output("out").is_empty() && driver.output("in.dlq").is_empty());
    assert!(driver.lineage().is_empty() && driver.committed(STAGE).is_empty());
    driver.advance(DriverOptions::default().stage.commit.interval);
    assert_all_once(&driver);
    assert_eq!(kinds(&driver.lineage()), ["START"]);
}

#[test]
fn an_aborted_transaction_leaves_nothing_and_the_retry_repeats_nothing() {
    for call in [Call::Begin, Call::Send, Call::Commit] {
        let mut driver = piped();
        driver.poll(STAGE);
        // The first of each call that the open transaction has not made yet.
        driver.fail_next(STAGE, call, Failure::TimedOut);
        driver.advance(DriverOptions::default().stage.commit.interval);
        if call == Call::Commit {
            assert!(driver.output("out").is_empty() && driver.output("in.dlq").is_empty());
            assert!(driver.lineage().is_empty() && driver.committed(STAGE).is_empty());
        }
        driver.pipe("in", &[r#"{"id":3}"#]);
        driver.run_until_idle();
        assert_eq!(driver.output("out"), [GOOD[0], GOOD[1], r#"{"id":3}"#], "{call:?}");
        assert_eq!(driver.dead_letters("in.dlq").len(), 1);
        assert_eq!(driver.account(STAGE).read, 4);
        assert_eq!(kinds(&driver.lineage()), ["START"], "{call:?}");
    }
}

#[test]
fn a_fenced_producer_is_rebuilt_and_goes_on() {
    for call in [Call::Send, Call::Commit] {
        let mut driver = piped();
        driver.fail_next(STAGE, call, Failure::Fenced);
        driver.run_until_idle();
        assert_all_once(&driver);
        assert!(driver.failure(STAGE).is_none());
        assert_eq!(kinds(&driver.lineage()), ["START"]);
    }
}

#[test]
fn an_abort_that_fails_is_settled_by_a_fresh_producer() {
    let mut driver = piped();
    driver.fail_next(STAGE, Call::Commit, Failure::TimedOut);
    driver.fail_next(STAGE, Call::Abort, Failure::TimedOut);
    driver.fail_next(STAGE, Call::Rebuild, Failure::TimedOut);
    driver.run_until_idle();
    assert_all_once(&driver);
}

/// The worst of failures: it is committed, and nobody heard of it.
#[test]
fn a_commit_whose_answer_is_lost_is_not_done_again() {
    let mut driver = piped();
    driver.fail_next(STAGE, Call::Commit, Failure::AnswerLost);
    driver.run_until_idle();
    assert_all_once(&driver);
    driver.pipe("in", &[r#"{"id":3}"#]);
    driver.run_until_idle();
    assert_eq!(driver.output("out").len(), 3);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.balances()), (4, true));
    assert_eq!(kinds(&driver.lineage()), ["START"]);
}

#[test]
fn a_refusal_ends_the_stage_with_nothing_of_the_transaction() {
    let mut driver = piped();
    driver.fail_next(STAGE, Call::Commit, Failure::Refused);
    driver.run_until_idle();
    assert!(driver.failure(STAGE).is_some());
    assert!(driver.output("out").is_empty() && driver.committed(STAGE).is_empty());
    driver.restart(STAGE);
    driver.run_until_idle();
    assert_all_once(&driver);
}

#[test]
fn a_killed_stage_loses_its_open_transaction_and_its_successor_repeats_nothing() {
    let mut driver = piped();
    driver.run_until_idle();
    driver.pipe("in", &[r#"{"id":3}"#]);
    driver.poll(STAGE);
    driver.restart(STAGE);
    assert_eq!(driver.output("out"), GOOD, "the open transaction died with the stage");
    driver.run_until_idle();
    assert_eq!(driver.output("out"), [GOOD[0], GOOD[1], r#"{"id":3}"#]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.balances()), (4, true));
}

#[test]
fn records_of_a_partition_keep_their_order_over_small_batches_and_failures() {
    let project = project("id: bigint", 2, "    sql: SELECT id FROM input WHERE id % 10 <> 3");
    let mut options = DriverOptions::default();
    options.stage.batch.records_max = 7;
    let mut driver = TestDriver::new(&project, &options).unwrap();
    for id in 0..200 {
        let (text, key) = (format!(r#"{{"id":{id}}}"#), (id % 2).to_string());
        driver.pipe_record("in", NewRecord { key: Some(key.as_bytes()), ..value(&text) });
    }
    for _ in 0..3 {
        driver.fail_next(STAGE, Call::Commit, Failure::TimedOut);
        driver.poll(STAGE);
        driver.run_until_idle();
    }
    let ids: Vec<i64> = driver
        .output("out")
        .iter()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["id"].as_i64().unwrap())
        .collect();
    for parity in 0..2 {
        let of: Vec<_> = ids.iter().copied().filter(|id| id % 2 == parity).collect();
        let expected: Vec<_> = (0..200).filter(|id| id % 2 == parity && id % 10 != 3).collect();
        assert_eq!(of, expected);
    }
}
