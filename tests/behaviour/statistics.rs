//! Column statistics in lineage: of the topics that ask for them, and of what is
//! committed alone.

use lineage_hub::test_driver::{Call, Failure};
use serde_json::{Value, json};

use super::{
    STAGE, TestDriver,
    lineage::{assert_valid, schemas},
};

fn driver(input: &str, output: &str) -> TestDriver {
    let topic = |name: &str, fields: &str, lineage: &str| {
        let text = format!("topic: {name}\nfields: {{{fields}}}\n{lineage}\n");
        (format!("topics/{name}.yaml"), text)
    };
    let pipeline = "pipeline: p\nstages:\n  s: {from: in, to: out, sql: 'SELECT id, name AS _key, length(name) AS n FROM input WHERE id > 0'}";
    TestDriver::from_files([
        topic("in", "id: bigint not null, name: string", input),
        topic("out", "id: bigint not null, n: int", output),
        ("pipelines/p.yaml".to_owned(), pipeline.to_owned()),
    ])
    .unwrap()
}

const ASKED: &str = "lineage: { column_statistics: true }";
const ROWS: [&str; 4] =
    [r#"{"id":0,"name":"x"}"#, r#"{"id":1,"name":"abc"}"#, r#"{"id":2,"name":"a"}"#, r#"{"id":3}"#];

fn told<'a>(event: &'a Value, place: &str) -> &'a Value {
    event.pointer(&format!("/{place}/dataQualityMetrics")).unwrap_or(&Value::Null)
}

const OF_INPUT: &str = "inputs/0/inputFacets";
const OF_OUTPUT: &str = "outputs/0/facets";

#[test]
fn nulls_bounds_and_distinct_values_are_told_of_the_topics_that_ask() {
    let mut driver = driver(ASKED, ASKED);
    driver.pipe("in", &ROWS);
    driver.pipe("in", &["bad"]);
    driver.run_until_idle();
    driver.pipe("in", &[r#"{"id":9,"name":"abc"}"#]);
    driver.run_until_idle();
    driver.finish();

    let events = driver.lineage_of(STAGE);
    let registry = schemas();
    for event in &events {
        assert_valid(&registry, event);
    }
    let complete = events.last().unwrap();
    let input = told(complete, OF_INPUT);
    assert_eq!(input["rowCount"], 5);
    let id = json!({"nullCount": 0, "distinctCount": 5, "count": 5, "min": 0.0, "max": 9.0, "sum": 15.0});
    assert_eq!(input["columnMetrics"]["id"], id);
    let name = json!({"nullCount": 1, "distinctCount": 3, "count": 4});
    assert_eq!(input["columnMetrics"]["name"], name);
    let output = told(complete, OF_OUTPUT);
    assert_eq!(output["rowCount"], 4);
    let columns: Vec<_> = output["columnMetrics"].as_object().unwrap().keys().collect();
    assert_eq!(columns, ["id", "n"], "what sets the key is no column of the topic");
    assert_eq!(output["columnMetrics"]["n"]["max"], 3.0);
}

#[test]
fn nobody_is_counted_unasked() {
    let mut driver = driver("", ASKED);
    driver.pipe("in", &ROWS);
    driver.run_until_idle();
    driver.finish();
    let complete = driver.lineage_of(STAGE).pop().unwrap();
    assert_eq!(told(&complete, OF_INPUT), &Value::Null);
    assert_eq!(told(&complete, OF_OUTPUT)["rowCount"], 3);
}

#[test]
fn what_is_aborted_is_counted_once_when_it_comes_again() {
    for failure in [Failure::TimedOut, Failure::AnswerLost, Failure::Fenced] {
        let mut driver = driver(ASKED, "");
        driver.pipe("in", &ROWS);
        driver.fail_next(STAGE, Call::Commit, failure);
        driver.run_until_idle();
        driver.pipe("in", &ROWS);
        driver.run_until_idle();
        driver.finish();
        let complete = driver.lineage_of(STAGE).pop().unwrap();
        let rows = &told(&complete, OF_INPUT)["rowCount"];
        // Where the answer was lost the rows were counted in a transaction that
        // nobody knows to be committed: fewer may be told, and never more.
        let expected = if matches!(failure, Failure::AnswerLost) { 4..=8 } else { 8..=8 };
        assert!(expected.contains(&rows.as_u64().unwrap()), "{failure:?}: {rows}");
    }
}
