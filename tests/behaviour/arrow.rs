//! Topics of `format: arrow`: records of many rows, and each row accounted for.

use std::collections::BTreeMap;

use lineage_hub::{
    codec::arrow_ipc::{is_stream, rows_as_json},
    pipeline::Project,
    record::{RUN_HEADER, partition_of},
    test_driver::{DriverOptions, NewRecord, TestRecord},
};

use super::{TestDriver, value};

const RUN: &str = "0190d5b2-7c00-7000-8000-000000000001";

/// json -> arrow -> arrow -> json; `arrow` stands in the files of both inner topics.
fn chain(arrow: &str) -> TestDriver {
    let topic = |name: &str, rest: &str| {
        (format!("topics/{name}.yaml"), format!("topic: {name}\npartitions: 4\n{rest}\n"))
    };
    let inner = format!("format: arrow\narrow: {{{arrow}}}");
    let project = Project::from_files([
        topic("in", "fields: {id: bigint not null, n: bigint}"),
        topic("mid", &inner),
        topic("late", &inner),
        (
            "pipelines/p.yaml".to_owned(),
            concat!(
                "pipeline: p\nnamespace: shop\nstages:\n",
                "  a: {from: in, to: mid, sql: 'SELECT id, n FROM input'}\n",
                "  b: {from: mid, to: late, sql: 'SELECT id, 100 / n AS q FROM input WHERE id < 90'}\n",
                "  c: {from: late, to: out, sql: 'SELECT id, q FROM input'}\n",
            )
            .to_owned(),
        ),
    ]);
    TestDriver::new(&project, &DriverOptions::default()).unwrap()
}

fn send(driver: &mut TestDriver, key: &str, text: Option<&str>, run: Option<&str>) {
    let run = run.map(|run| (RUN_HEADER, Some(run.as_bytes())));
    let headers: Vec<_> = [("h", Some(key.as_bytes()))].into_iter().chain(run).collect();
    driver.pipe_record(
        "in",
        NewRecord {
            key: Some(key.as_bytes()),
            value: text.map(str::as_bytes),
            headers: &headers,
            timestamp: Some(1_000 + key.len() as i64),
            partition: None,
        },
    );
}

fn rows(records: &[TestRecord]) -> usize {
    let packed = records.iter().filter_map(|record| record.value.as_deref());
    packed.map(|value| rows_as_json(value).unwrap().len()).sum()
}

#[test]
fn rows_pass_a_mixed_chain_with_keys_times_and_headers_and_every_book_balances() {
    let mut driver = chain("compression: lz4, keep: [key, timestamp, headers]");
    for id in 0..100 {
        let text = format!(r#"{{"id":{id},"n":{}}}"#, id % 50);
        send(&mut driver, &format!("k{}", id % 10), Some(&text), None);
    }
    driver.run_until_idle();

    let mid = driver.records("mid");
    assert!(mid.iter().all(|record| is_stream(record.value.as_deref().unwrap())));
    assert!(mid.len() < 100 && rows(&mid) == 100);
    // Of 90 rows two are divided by zero.
    assert_eq!(rows(&driver.records("late")), 88);
    assert_eq!(driver.dead_letters("mid.dlq").len(), 2);

    let out = driver.records("out");
    let mut seen = BTreeMap::new();
    for record in &out {
        let key = record.key.clone().unwrap();
        assert_eq!(record.partition as usize, partition_of(&key, 4));
        assert_eq!(record.timestamp, 1_002);
        assert_eq!(record.header("h").unwrap().into_bytes(), key);
        let row: serde_json::Value =
            serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        let id = row["id"].as_i64().unwrap();
        assert_eq!(key, format!("k{}", id % 10).into_bytes());
        assert!(seen.insert(id, row["q"].as_i64().unwrap()).is_none(), "{id} came twice");
    }
    let expected = (0..90).filter(|id| id % 50 != 0).map(|id| (id, 100 / (id % 50)));
    assert_eq!(seen, expected.collect());

    let counts = ["p/a", "p/b", "p/c"].map(|stage| driver.account(stage));
    let told = counts.map(|c| (c.read, c.mapped, c.out, c.filtered, c.dead_lettered));
    assert_eq!(told, [(100, 100, 100, 0, 0), (100, 88, 88, 10, 2), (88, 88, 88, 0, 0)]);
    assert_eq!(counts[0].bytes_out, counts[1].bytes_in);
    assert_eq!(counts[1].bytes_out, counts[2].bytes_in);
}

/// Its own bytes are a record of the one row, and go back to where they came from.
#[test]
fn a_bad_row_is_dead_lettered_alone_and_can_be_sent_again() {
    let mut driver = chain("");
    for id in 0..10 {
        let n = i32::from(id != 7);
        send(&mut driver, "k", Some(&format!(r#"{{"id":{id},"n":{n}}}"#)), None);
    }
    driver.run_until_idle();
    let letters = driver.records("mid.dlq");
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(rows_as_json(letter.value.as_deref().unwrap()).unwrap(), [r#"{"id":7,"n":0}"#]);
    assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
    let told = letter.dead_letter().unwrap();
    assert_eq!((told.stage.as_str(), told.step.as_str()), ("b", "transform"));
    assert_eq!(driver.output("out").len(), 9);

    let bytes = letter.value.clone().unwrap();
    driver.pipe_record("mid", NewRecord { value: Some(&bytes), ..NewRecord::default() });
    driver.run_until_idle();
    assert_eq!(driver.dead_letters("mid.dlq").len(), 2, "it is as bad as before");
}

#[test]
fn bytes_that_are_no_arrow_are_dead_lettered_whole() {
    let mut driver = chain("");
    driver.pipe_record("mid", value(r#"{"id":1,"n":1}"#));
    send(&mut driver, "k", Some(r#"{"id":2,"n":1}"#), None);
    driver.run_until_idle();
    assert_eq!(driver.dead_letters("mid.dlq"), ["mid/0@0 decode"]);
    assert_eq!(driver.output("mid.dlq"), [r#"{"id":1,"n":1}"#]);
    assert_eq!(driver.output("out").len(), 1);
    assert!(driver.account("p/b").balances());
}

#[test]
fn a_tombstone_stays_between_the_rows_of_its_key() {
    let mut driver = chain("");
    send(&mut driver, "k", Some(r#"{"id":1,"n":1}"#), None);
    send(&mut driver, "k", None, None);
    send(&mut driver, "k", Some(r#"{"id":2,"n":1}"#), None);
    driver.run_until_idle();
    let values: Vec<_> = driver.records("out").into_iter().map(|record| record.value).collect();
    let row = |id: i32| Some(format!(r#"{{"id":{id},"q":100}}"#).into_bytes());
    assert_eq!(values, [row(1), None, row(2)]);
    let counts = driver.account("p/b");
    assert_eq!((counts.read, counts.mapped, counts.out), (3, 3, 3));
}

#[test]
fn rows_of_a_run_and_others_never_share_a_record() {
    let mut driver = chain("keep: []");
    for id in 0..20 {
        let run = (id % 2 == 0).then_some(RUN);
        send(&mut driver, "k", Some(&format!(r#"{{"id":{id},"n":1}}"#)), run);
    }
    driver.run_until_idle();
    let mid = driver.records("mid");
    let of_run = |record: &&TestRecord| record.header(RUN_HEADER).as_deref() == Some(RUN);
    let (runs, others): (Vec<_>, Vec<_>) = mid.iter().partition(of_run);
    assert_eq!((rows(&runs.into_iter().cloned().collect::<Vec<_>>()), others.len()), (10, 1));

    let out = driver.records("out");
    assert_eq!(out.iter().filter(of_run).count(), 10);
    assert!(out.iter().all(|record| record.key.is_none()), "no topic between keeps keys");
    let deltas = driver
        .lineage()
        .into_iter()
        .filter(|event| event["run"]["facets"]["lineageHub_delta"]["in"].is_u64());
    let read: u64 = deltas
        .map(|event| event["run"]["facets"]["lineageHub_delta"]["in"].as_u64().unwrap())
        .sum();
    assert_eq!(read, 30, "ten in each of three stages");
}

#[test]
fn what_is_too_large_for_one_record_becomes_several_and_one_row_that_is_dies() {
    let mut driver = chain_of_texts();
    let row = |id: u32, n: u32| format!(r#"{{"id":{id},"n":{n}}}"#);
    let texts: Vec<_> = (0..8).map(|id| row(id, 300_000)).chain([row(8, 1_200_000)]).collect();
    driver.pipe("in", &texts);
    driver.run_until_idle();
    let out = driver.records("out");
    assert!(out.len() >= 3, "{}", out.len());
    assert_eq!(rows(&out), 8);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@8 encode"]);
    assert!(driver.account("p/s").balances());
}

/// One stage that writes rows of as many letters as `n` says to an arrow topic.
fn chain_of_texts() -> TestDriver {
    let project = Project::from_files([
        ("topics/in.yaml".to_owned(), "topic: in\nfields: {id: bigint, n: bigint}\n".to_owned()),
        ("topics/out.yaml".to_owned(), "topic: out\nformat: arrow\n".to_owned()),
        (
            "pipelines/p.yaml".to_owned(),
            "pipeline: p\nstages:\n  s: {from: in, to: out, sql: \"SELECT id, repeat('x', n) AS x FROM input\"}\n"
                .to_owned(),
        ),
    ]);
    TestDriver::new(&project, &DriverOptions::default()).unwrap()
}
