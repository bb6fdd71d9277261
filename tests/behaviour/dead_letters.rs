//! Bad records: alone, whole, with the reason, in the same transaction.

use lineage_hub::test_driver::{DriverOptions, NewRecord};

use super::{STAGE, TestDriver, driver, project};

const FIELDS: &str = "id: bigint not null, n: bigint, text: string";

#[test]
fn an_undecodable_record_is_dead_lettered_alone_with_all_it_had() {
    let mut driver = driver(FIELDS, "SELECT id FROM input");
    driver.pipe("in", &[r#"{"id":1}"#]);
    driver.pipe_record(
        "in",
        NewRecord {
            key: Some(b"\xff\x00k"),
            value: Some(b"{\"id\":\"one\" \xff"),
            headers: &[("trace", Some(b"7")), ("empty", None), ("trace", Some(b"8"))],
            timestamp: Some(1_234),
            partition: None,
        },
    );
    driver.pipe("in", &[r#"{"id":2}"#]);
    driver.run_until_idle();

    assert_eq!(driver.output("out"), [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 decode"]);
    let letter = &driver.records("in.dlq")[0];
    assert_eq!(letter.key.as_deref(), Some(&b"\xff\x00k"[..]));
    assert_eq!(letter.value.as_deref(), Some(&b"{\"id\":\"one\" \xff"[..]));
    assert_eq!(letter.timestamp, 1_234);
    let own = [("trace", Some("7")), ("empty", None), ("trace", Some("8"))];
    let own = own.map(|(name, value)| (name.to_owned(), value.map(|v| v.as_bytes().to_vec())));
    assert_eq!(letter.headers[..3], own);
    let told = letter.dead_letter().unwrap();
    assert_eq!((told.pipeline.as_str(), told.stage.as_str()), ("p", "s"));
    assert_eq!(told.position.to_string(), "in/0@1");
    assert!(!told.error.is_empty());
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.dead_lettered), (3, 2, 1));
}

#[test]
fn a_row_that_cannot_be_computed_dies_alone() {
    for (sql, bad) in [
        ("SELECT id, 10 / n AS x FROM input", r#"{"id":2,"n":0}"#),
        ("SELECT id, n + 1 AS x FROM input", r#"{"id":2,"n":9223372036854775807}"#),
        ("SELECT id, CAST(text AS bigint) AS x FROM input", r#"{"id":2,"text":"two"}"#),
    ] {
        let mut driver = driver(FIELDS, sql);
        let good = |id: u32| format!(r#"{{"id":{id},"n":5,"text":"7"}}"#);
        driver.pipe("in", &[good(1), bad.to_owned(), good(3), good(4)]);
        driver.run_until_idle();

        let ids: Vec<_> = driver.output("out").iter().map(|row| row[..7].to_owned()).collect();
        assert_eq!(ids, [r#"{"id":1"#, r#"{"id":3"#, r#"{"id":4"#], "{sql}");
        assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 transform"], "{sql}");
        assert_eq!(driver.output("in.dlq"), [bad]);
        let letter = driver.records("in.dlq")[0].dead_letter().unwrap();
        assert!(letter.error.contains("cannot compute"), "{}", letter.error);
        assert!(driver.account(STAGE).balances());
        assert!(driver.failure(STAGE).is_none());
    }
}

#[test]
fn a_row_too_large_to_write_dies_alone_at_the_encoding() {
    let mut driver = driver(FIELDS, "SELECT id, repeat(text, n) AS x FROM input");
    let row = |id: u32, n: u32| format!(r#"{{"id":{id},"n":{n},"text":"abcde"}}"#);
    driver.pipe("in", &[row(1, 1), row(2, 300_000), row(3, 2)]);
    driver.run_until_idle();

    assert_eq!(driver.output("out"), [r#"{"id":1,"x":"abcde"}"#, r#"{"id":3,"x":"abcdeabcde"}"#]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 encode"]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.out, counts.dead_lettered), (3, 2, 2, 1));
}

/// A wrong schema must not empty a topic into its dead letters.
#[test]
fn a_stage_with_too_large_a_share_of_dead_letters_stops_and_commits_none_of_the_window() {
    let project =
        project(FIELDS, 1, "    sql: SELECT id FROM input\n    dead_letter: { share_max: 0.25 }");
    let mut options = DriverOptions::default();
    options.stage.dead_letter.window = 4;
    let mut driver = TestDriver::new(&project, &options).unwrap();
    driver.pipe("in", &[r#"{"id":1}"#, "bad", r#"{"id":2}"#, r#"{"id":3}"#]);
    driver.run_until_idle();
    assert!(driver.failure(STAGE).is_none(), "a quarter is allowed");
    assert_eq!(driver.dead_letters("in.dlq").len(), 1);

    driver.pipe("in", &["bad", "worse", r#"{"id":4}"#, r#"{"id":5}"#]);
    driver.run_until_idle();
    let error = driver.failure(STAGE).unwrap().to_string();
    assert!(error.contains("dead_letter.share_max"), "{error}");
    assert_eq!(driver.dead_letters("in.dlq").len(), 1);
    assert_eq!(driver.output("out").len(), 3);
    assert_eq!(driver.committed(STAGE)[&0], 4);
}

/// With nowhere to put the bad record, its offset is held, and so is what
/// stands in its transaction.
#[test]
fn an_unwritable_dead_letter_topic_holds_the_offset_until_it_can_be_written() {
    let mut driver = driver(FIELDS, "SELECT id FROM input");
    driver.refuse_writes_to("in.dlq");
    driver.pipe("in", &[r#"{"id":1}"#, "bad", r#"{"id":2}"#]);
    driver.run_until_idle();
    assert_eq!(driver.output("out"), [""; 0]);
    assert_eq!((driver.committed(STAGE)[&0], driver.account(STAGE).read), (0, 0));
    assert!(driver.failure(STAGE).is_none(), "it is to go on trying");

    driver.accept_writes_to("in.dlq");
    driver.run_until_idle();
    assert_eq!(driver.output("out"), [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 decode"]);
    assert_eq!(driver.committed(STAGE)[&0], 3);
}
