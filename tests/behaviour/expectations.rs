//! Expectations: what becomes of a row that fails one.

use lineage_hub::test_driver::DriverOptions;

use super::{STAGE, TestDriver, project};

const VALUES: [&str; 4] = [r#"{"n":1}"#, r#"{"n":-2}"#, r#"{"n":3}"#, r#"{"n":null}"#];

/// The values through a stage that expects `n > 0`.
fn driven(otherwise: &str) -> TestDriver {
    let stage = format!(
        "    sql: SELECT n FROM input\n    expect:\n      positive: {{ that: n > 0, otherwise: {otherwise} }}"
    );
    let project = project("n: bigint", 1, &stage);
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    driver.pipe("in", &VALUES);
    driver.run_until_idle();
    driver
}

fn assertion(driver: &TestDriver) -> serde_json::Value {
    let event = driver.lineage_of(STAGE).pop().unwrap();
    event["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"][0].clone()
}

#[test]
fn a_row_that_fails_is_dropped_and_counted_as_filtered() {
    let mut driver = driven("drop");
    assert_eq!(driver.output("out"), [VALUES[0], VALUES[2]]);
    assert_eq!(driver.output("in.dlq"), [""; 0]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.filtered), (4, 2, 2));
    driver.finish();
    assert_eq!(assertion(&driver)["success"], false);
}

#[test]
fn a_row_that_fails_goes_on_with_a_warning_in_lineage() {
    let mut driver = driven("warn");
    assert_eq!(driver.output("out"), VALUES);
    assert_eq!(driver.output("in.dlq"), [""; 0]);
    driver.finish();
    assert_eq!(assertion(&driver)["success"], false);
    assert_eq!(
        (&assertion(&driver)["name"], &assertion(&driver)["actual"]),
        (&"positive".into(), &"2".into())
    );
}

#[test]
fn a_row_that_fails_is_dead_lettered_with_the_expectations_name() {
    let driver = driven("dead_letter");
    assert_eq!(driver.output("out"), [VALUES[0], VALUES[2]]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 expect", "in/0@3 expect"]);
    let letter = driver.records("in.dlq")[0].dead_letter().unwrap();
    assert_eq!(letter.error, "fails the expectation `positive`");
    let counts = driver.account(STAGE);
    assert_eq!((counts.mapped, counts.filtered, counts.dead_lettered), (2, 0, 2));
}

#[test]
fn a_row_that_fails_stops_the_stage_at_its_position_with_nothing_written() {
    let driver = driven("stop");
    let error = driver.failure(STAGE).unwrap().to_string();
    assert!(error.starts_with("in/0@1 fails the expectation `positive`"), "{error}");
    assert_eq!(driver.output("out"), [""; 0]);
    assert_eq!(driver.output("in.dlq"), [""; 0]);
    assert!(driver.committed(STAGE).is_empty());
}

/// One of several rows of a record fails: none of them may go out.
#[test]
fn a_record_that_dies_of_one_row_sends_none() {
    let stage = "    sql: SELECT id, unnest(ns) AS n FROM input\n    expect:\n      positive: { that: n > 0, otherwise: dead_letter }";
    let project = project("id: bigint, ns: list<bigint>", 1, stage);
    let mut driver = TestDriver::new(&project, &DriverOptions::default()).unwrap();
    driver.pipe("in", &[r#"{"id":1,"ns":[1,2]}"#, r#"{"id":2,"ns":[3,-4,-5]}"#]);
    driver.run_until_idle();
    assert_eq!(driver.output("out"), [r#"{"id":1,"n":1}"#, r#"{"id":1,"n":2}"#]);
    assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 expect"]);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.out, counts.dead_lettered), (2, 1, 2, 1));
}
