use std::sync::Arc;

use super::*;
use crate::{
    pipeline::{self, Project},
    transform::{Functions, Transforms},
};

fn topic(rest: &str) -> Arc<TopicPlan> {
    let topic = format!("topic: t\n{rest}\n");
    let pipeline =
        "pipeline: p\nstages: {s: {from: t, to: u, sql: 'SELECT id FROM input'}}\n".to_owned();
    let files = [("topics/t.yaml".to_owned(), topic), ("pipelines/p.yaml".to_owned(), pipeline)];
    let functions = Functions::default();
    let options = pipeline::Options {
        functions: &functions,
        transforms: &Transforms::default(),
        namespace: "test",
    };
    let checked = pipeline::check(&Project::from_files(files), options);
    Arc::clone(&checked.into_plan().unwrap().0.topics["t"])
}

type Read = (Vec<(Option<String>, String)>, Option<String>);

fn read(text: &[u8], path: &str, with_keys: bool, topic: &TopicPlan) -> Result<Read, CliError> {
    let mut rows = Rows::read(text, Path::new(path), with_keys, &CsvArgs::default(), Some(topic))?;
    let (mut row, mut found) = (Row::default(), Vec::new());
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while rows.next(&mut row)? {
        found.push((row.key.as_deref().map(string), string(&row.value)));
    }
    Ok((found, rows.warning()))
}

fn pair(key: Option<&str>, value: &str) -> (Option<String>, String) {
    (key.map(str::to_owned), value.to_owned())
}

#[test]
fn a_line_gives_its_key_by_tab_or_by_field_and_one_that_is_not_json_gives_none() {
    let topic = topic("key: id\nfields: {id: 'decimal(12,2)'}");
    let (rows, _) = read(b"k\t{}\nnone", "a", true, &topic).unwrap();
    assert_eq!(rows, [pair(Some("k"), "{}"), pair(None, "none")]);
    let lines = "{\"id\":1.5}\n{\"id\":\n{\"id\":null}\n{\"id\":10}";
    let (rows, _) = read(lines.as_bytes(), "a.ndjson", false, &topic).unwrap();
    let keys: Vec<_> = rows.iter().map(|(key, _)| key.as_deref()).collect();
    assert_eq!(keys, [Some("1.50"), None, None, Some("10.00")]);
}

#[test]
fn a_byte_order_mark_is_of_the_file_and_blank_lines_are_no_records() {
    let topic = topic("fields: {id: bigint}");
    let text = b"\xEF\xBB\xBF{\"id\":1}\r\n\n  \r\n{\"id\":2}";
    let (rows, _) = read(text, "a.ndjson", false, &topic).unwrap();
    assert_eq!(rows, [pair(None, "{\"id\":1}"), pair(None, "{\"id\":2}")]);
    for path in ["a.ndjson", "a.csv"] {
        let error = read(b"\xFF\xFE{\0", path, false, &topic).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
    }
}

#[test]
fn a_row_of_csv_has_the_key_of_its_typed_field_and_a_bad_one_is_sent_as_it_is() {
    let topic = topic("key: id\nfields: {id: 'decimal(12,2) not null', name: string}");
    let text = b"id,name\r\n1.5,a\r\n2,b,c\r\n3,\xff\r\n4,\"x\r\n5,d\r\n";
    let (rows, warning) = read(text, "a.CSV", false, &topic).unwrap();
    assert_eq!(
        rows,
        [
            pair(Some("1.50"), r#"{"id":1.5,"name":"a"}"#),
            pair(None, "2,b,c"),
            pair(None, "3,\u{fffd}"),
            pair(None, "4,\"x"),
            pair(Some("5.00"), r#"{"id":5,"name":"d"}"#),
        ]
    );
    let warning = warning.unwrap();
    assert!(warning.contains("3 rows are not records (line 3: 3 columns"), "{warning}");
}

#[test]
fn nothing_is_read_of_a_file_whose_header_does_not_fit() {
    let topic = topic("fields: {id: string, name: string}");
    let error = read(b"id;name\n1;a\n", "a.csv", false, &topic).unwrap_err().to_string();
    assert!(error.contains("--delimiter ';'") && error.contains("nothing was sent"), "{error}");
    let (rows, _) = read(b"id\tname\n1\ta\n", "a.tsv", false, &topic).unwrap();
    assert_eq!(rows, [pair(None, r#"{"id":"1","name":"a"}"#)]);
}
