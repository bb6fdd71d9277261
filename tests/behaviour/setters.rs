//! What a SELECT or a topic sets of a record beside its value.

use lineage_hub::{
    pipeline::Project,
    record::RUN_HEADER,
    test_driver::{DriverOptions, NewRecord, TestRecord},
};

use super::{STAGE, TestDriver, driver, value};

const FIELDS: &str = "id: bigint, name: string, at: timestamp";

fn assert_books_match(driver: &TestDriver, records: &[TestRecord]) {
    let counts = driver.account(STAGE);
    let bytes: usize = records.iter().map(TestRecord::size).sum();
    assert_eq!((counts.out, counts.bytes_out), (records.len() as u64, bytes as u64));
    assert!(counts.balances());
}

#[test]
fn a_select_sets_the_key_and_a_null_sets_none() {
    let mut driver = driver(FIELDS, "SELECT id, name AS _key FROM input");
    let texts = [r#"{"id":1,"name":"a"}"#, r#"{"id":2,"name":""}"#, r#"{"id":3}"#];
    for text in texts {
        driver.pipe_record("in", NewRecord { key: Some(b"k"), timestamp: Some(5), ..value(text) });
    }
    let tombstone = NewRecord { key: Some(b"gone"), ..NewRecord::default() };
    driver.pipe_record("in", tombstone);
    driver.run_until_idle();

    let records = driver.records("out");
    let sent: Vec<_> = records.iter().map(|record| (record.text(), record.key_text())).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        sent,
        [
            (text(r#"{"id":1}"#), Some(text("a"))),
            (text(r#"{"id":2}"#), Some(text(""))),
            (text(r#"{"id":3}"#), None),
            (text("null"), Some(text("gone"))),
        ]
    );
    assert!(records[..3].iter().all(|record| record.timestamp == 5), "kept");
    assert_books_match(&driver, &records);
}

#[test]
fn a_null_in_the_key_field_of_a_topic_sets_no_key() {
    let files = [
        ("topics/in.yaml", "topic: in\nfields: {id: bigint, name: string}\n"),
        ("topics/out.yaml", "topic: out\nkey: name\n"),
        (
            "pipelines/p.yaml",
            "pipeline: p\nstages: {s: {from: in, to: out, sql: 'SELECT * FROM input'}}\n",
        ),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let project = Project::from_files(files);
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    for text in [r#"{"id":1}"#, r#"{"id":2,"name":"b"}"#, r#"{"id":3,"name":""}"#] {
        driver.pipe_record("in", NewRecord { key: Some(b"other"), ..value(text) });
    }
    driver.run_until_idle();

    let records = driver.records("out");
    let keys: Vec<_> = records.iter().map(TestRecord::key_text).collect();
    assert_eq!(keys, [None, Some("b".to_owned()), Some(String::new())]);
    assert_books_match(&driver, &records);
}

#[test]
fn a_select_sets_the_timestamp_and_what_is_no_time_keeps_the_records() {
    let mut driver = driver(FIELDS, "SELECT id, at AS _timestamp FROM input");
    for text in [
        r#"{"id":1,"at":"1970-01-01T00:00:02.0035Z"}"#,
        r#"{"id":2,"at":"1969-12-31T23:59:58Z"}"#,
        r#"{"id":3,"at":null}"#,
    ] {
        driver.pipe_record("in", NewRecord { timestamp: Some(7), ..value(text) });
    }
    driver.run_until_idle();

    let records = driver.records("out");
    assert_eq!(driver.output("out"), [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
    let times: Vec<_> = records.iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [2003, 7, 7]);
    assert_books_match(&driver, &records);
}

#[test]
fn a_select_sets_the_headers_and_the_record_stays_in_its_run() {
    let sql = "SELECT id, CASE WHEN id < 3 THEN MAP {'name': name, 'by': 'shop'} END AS _headers FROM input";
    let mut driver = driver(FIELDS, sql);
    let headers: [(&str, Option<&[u8]>); 2] = [("h", Some(b"old")), (RUN_HEADER, Some(b"r"))];
    for text in [r#"{"id":1,"name":"a"}"#, r#"{"id":2}"#, r#"{"id":3}"#] {
        driver.pipe_record("in", NewRecord { headers: &headers, ..value(text) });
    }
    driver.pipe("in", &[r#"{"id":4}"#]);
    driver.run_until_idle();

    let records = driver.records("out");
    let header = |name: &str, value: Option<&str>| {
        (name.to_owned(), value.map(|value| value.as_bytes().to_vec()))
    };
    let run = header(RUN_HEADER, Some("r"));
    let by = header("by", Some("shop"));
    let expected = [
        vec![header("name", Some("a")), by.clone(), run.clone()],
        vec![header("name", None), by, run.clone()],
        vec![run],
        vec![],
    ];
    let sent: Vec<_> = records.iter().map(|record| record.headers.clone()).collect();
    assert_eq!(sent, expected);
    assert_books_match(&driver, &records);
}

/// It would be refused by the broker, and the whole transaction with it.
#[test]
fn a_row_too_large_by_its_key_is_dead_lettered_alone() {
    let mut driver = driver(FIELDS, "SELECT id, repeat(name, 200000) AS _key FROM input");
    let names = ["a", "abcdef", "b"];
    let texts = names.map(|name| format!(r#"{{"id":1,"name":"{name}"}}"#));
    driver.pipe("in", &texts);
    driver.run_until_idle();

    let records = driver.records("out");
    let keys: Vec<_> = records.iter().map(|record| record.key.as_ref().map(Vec::len)).collect();
    assert_eq!(keys, [Some(200_000), Some(200_000)]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 encode"]);
    assert_books_match(&driver, &records);
}

#[test]
fn lineage_tells_of_the_value_alone() {
    let sql = "SELECT id, name AS _key, at AS _timestamp FROM input";
    let mut driver = driver(FIELDS, sql);
    driver.pipe("in", &[r#"{"id":1,"name":"a"}"#]);
    driver.run_until_idle();

    let events = driver.output("lineage");
    assert!(!events.is_empty());
    for event in events {
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let Some(output) = event["outputs"].get(0) else { continue };
        let fields = output["facets"]["schema"]["fields"].as_array().unwrap();
        let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["id"]);
        let columns = output["facets"]["columnLineage"]["fields"].as_object().unwrap();
        assert_eq!(columns.keys().collect::<Vec<_>>(), ["id"]);
    }
}
