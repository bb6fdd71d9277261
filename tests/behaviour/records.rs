//! What of a record passes through a stage beside its value.

use lineage_hub::{
    pipeline::Project,
    test_driver::{DriverOptions, NewRecord, TestRecord},
};

use super::{STAGE, TestDriver, driver, project, value};

#[test]
fn a_tombstone_passes_as_a_tombstone_in_its_place() {
    let mut driver = driver("id: bigint not null", "SELECT id FROM input WHERE id < 9");
    driver.pipe("in", &[r#"{"id":1}"#]);
    let tombstone = NewRecord { key: Some(b"k"), timestamp: Some(5), ..NewRecord::default() };
    driver.pipe_record("in", tombstone);
    driver.pipe("in", &[r#"{"id":9}"#, r#"{"id":2}"#]);
    driver.run_until_idle();

    let records = driver.records("out");
    let texts: Vec<_> = records.iter().map(TestRecord::text).collect();
    assert_eq!(texts, [r#"{"id":1}"#, "null", r#"{"id":2}"#]);
    assert_eq!((records[1].value.as_ref(), records[1].timestamp), (None, 5));
    assert_eq!(records[1].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(driver.output("in.dlq"), [""; 0]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.filtered, counts.out), (4, 3, 1, 3));
}

#[test]
fn a_record_keeps_its_key_timestamp_and_headers() {
    let mut driver = driver("id: bigint", "SELECT id + 1 AS id FROM input");
    let headers: [(&str, Option<&[u8]>); 3] =
        [("traceparent", Some(b"00-1")), ("none", None), ("traceparent", Some(b"00-2"))];
    let key = Some(&b"\x00key"[..]);
    let record = NewRecord { key, headers: &headers, timestamp: Some(7), ..value(r#"{"id":1}"#) };
    driver.pipe_record("in", record);
    driver.pipe("in", &[r#"{"id":5}"#]);
    driver.run_until_idle();

    let out = driver.records("out");
    let given = driver.records("in");
    assert_eq!(out.len(), 2);
    for (out, given) in out.iter().zip(&given) {
        assert_eq!(
            (&out.key, out.timestamp, &out.headers),
            (&given.key, given.timestamp, &given.headers)
        );
        assert_ne!(out.value, given.value);
    }
    assert_eq!((out[0].headers.len(), &out[1].key), (3, &None));
}

#[test]
fn the_key_field_of_a_topic_becomes_the_key_and_decides_the_partition() {
    let topic = "topic: out\npartitions: 8\nkey: country\n";
    let pipeline = "pipeline: p\nstages: {s: {from: in, to: out, sql: 'SELECT * FROM input'}}\n";
    let project = Project::from_files(
        [
            ("topics/in.yaml", "topic: in\npartitions: 2\nfields: {id: bigint, country: string}"),
            ("topics/out.yaml", topic),
            ("pipelines/p.yaml", pipeline),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    for (id, country) in ["FR", "DE", "FR", "US", "DE", "FR"].into_iter().enumerate() {
        let text = format!(r#"{{"id":{id},"country":"{country}"}}"#);
        driver.pipe_record("in", NewRecord { key: Some(b"other"), ..value(&text) });
    }
    driver.run_until_idle();

    let records = driver.records("out");
    assert_eq!(records.len(), 6);
    for country in ["FR", "DE", "US"] {
        let of = records.iter().filter(|record| record.text().contains(country));
        let places: Vec<_> = of.map(|record| (record.key_text(), record.partition)).collect();
        assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "{places:?}");
        assert_eq!(places[0].0.as_deref(), Some(country));
    }
    let bytes: usize = records.iter().map(TestRecord::size).sum();
    assert_eq!(driver.account(STAGE).bytes_out, bytes as u64);
}

#[test]
fn metadata_columns_tell_where_a_record_stands() {
    let sql = "SELECT id, _topic AS t, _partition AS p, _offset AS o, _key AS k FROM input";
    let project = project("id: bigint", 3, &format!("    sql: {sql}"));
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    for id in 0..2 {
        let text = format!(r#"{{"id":{id}}}"#);
        let record = NewRecord { partition: Some(2), key: Some(b"k"), ..value(&text) };
        driver.pipe_record("in", record);
    }
    driver.run_until_idle();
    let expected =
        [r#"{"id":0,"t":"in","p":2,"o":0,"k":"k"}"#, r#"{"id":1,"t":"in","p":2,"o":1,"k":"k"}"#];
    assert_eq!(driver.output("out"), expected);
}

#[test]
fn unnest_sends_a_row_an_item_and_the_books_count_records_and_rows_apart() {
    let sql = "SELECT id, unnest(items) AS item FROM input WHERE id > 0";
    let mut driver = driver("id: bigint, items: list<string>", sql);
    driver.pipe_record(
        "in",
        NewRecord { key: Some(b"k"), ..value(r#"{"id":1,"items":["a","b","c"]}"#) },
    );
    driver.pipe(
        "in",
        &[
            r#"{"id":2,"items":[]}"#,
            r#"{"id":-1,"items":["x"]}"#,
            r#"{"id":3,"items":["d"]}"#,
            r#"{"id":4}"#,
        ],
    );
    driver.run_until_idle();

    let items = [("1", "a"), ("1", "b"), ("1", "c"), ("3", "d")];
    let expected = items.map(|(id, item)| format!(r#"{{"id":{id},"item":"{item}"}}"#));
    assert_eq!(driver.output("out"), expected);
    let keys: Vec<_> = driver.records("out").iter().map(|record| record.key.is_some()).collect();
    assert_eq!(keys, [true, true, true, false]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.out, counts.filtered), (5, 2, 4, 3));
    assert!(counts.balances());
}

/// A plan is made once and runs for months.
#[test]
fn now_is_the_time_of_each_batch_not_of_the_plan() {
    let mut driver = driver("id: bigint", "SELECT now() AS at FROM input");
    for _ in 0..2 {
        driver.pipe("in", &[r#"{"id":1}"#, r#"{"id":2}"#]);
        driver.run_until_idle();
        let before = std::time::Instant::now();
        while before.elapsed() < std::time::Duration::from_micros(10) {
            std::hint::spin_loop();
        }
    }
    let times = driver.output("out");
    assert_eq!(times[0], times[1], "one batch, one time");
    assert!(times[1] < times[2], "{times:?}");
}
