//! Stages in Rust: the example's own project, and what lineage says of one that
//! does not tell what it does.

use std::path::Path;

use lineage_hub::{
    pipeline::Project,
    record::RUN_HEADER,
    test_driver::{DriverOptions, NewRecord},
    transform::{
        Input, Origin, Output, SchemaRef, Transform, TransformError,
        arrow::{array::UInt32Array, compute::take_record_batch},
    },
};
use serde_json::Value;

use super::{STAGE, TestDriver, lineage, project};

#[path = "../../examples/fraud_score/score.rs"]
mod score;

fn example() -> TestDriver {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fraud_score");
    let mut options = DriverOptions::default();
    options.transforms.register("fraud_score", score::FraudScore::over);
    options.functions.register(score::percent());
    TestDriver::new(&Project::load(&root).unwrap(), &options).unwrap()
}

#[test]
fn the_example_scores_payments_and_a_bad_one_is_a_dead_letter_alone() {
    let mut driver = example();
    for (id, amount, country) in
        [(1, 100.0, "\"fr\""), (2, -5.0, "\"fr\""), (3, 7000.0, "\"fr\""), (4, 1.0, "null")]
    {
        let value = format!(r#"{{"payment_id":{id},"amount":{amount},"country":{country}}}"#);
        let (key, value) = (format!("k{id}"), Some(value.as_bytes()));
        let key = Some(key.as_bytes());
        driver.pipe_record("payments", NewRecord { key, value, ..NewRecord::default() });
    }
    driver.run_until_idle();
    assert_eq!(
        driver.output("payments.scored"),
        [
            r#"{"payment_id":1,"score":0.01}"#,
            r#"{"payment_id":3,"score":0.7}"#,
            r#"{"payment_id":4,"score":0.5}"#,
        ]
    );
    assert_eq!(
        driver.output("payments.suspicious"),
        [r#"{"payment_id":3,"percent":70}"#, r#"{"payment_id":4,"percent":50}"#]
    );
    assert_eq!(driver.dead_letters("payments.dlq"), ["payments/0@1 transform"]);
    let letter = driver.records("payments.dlq")[0].dead_letter().unwrap();
    assert_eq!(letter.error, "cannot compute score: -5 is no amount");
    let keys: Vec<_> = driver.records("payments.scored").into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["k1", "k3", "k4"].map(|key| Some(key.as_bytes().to_vec())));
    let counts = driver.account("fraud/score");
    assert_eq!((counts.read, counts.mapped, counts.dead_lettered), (4, 3, 1));
}

#[test]
fn lineage_has_the_columns_that_a_transform_declares_and_no_sql() {
    let mut driver = example();
    driver.pipe("payments", &[r#"{"payment_id":1,"amount":1.0}"#]);
    driver.run_until_idle();
    let event = driver.lineage_of("fraud/score").pop().unwrap();
    lineage::assert_valid(&lineage::schemas(), &event);
    let job = &event["job"]["facets"];
    assert!(job["sql"].is_null());
    assert_eq!(job["jobType"]["jobType"], "STAGE");
    let fields = &event["outputs"][0]["facets"]["columnLineage"]["fields"];
    let sources = fields["score"]["inputFields"].as_array().unwrap();
    let names: Vec<&Value> = sources.iter().map(|source| &source["field"]).collect();
    assert_eq!(names, ["amount", "country"]);
    assert_eq!(sources[1]["transformations"][0]["subtype"], "CONDITIONAL");
    let identity = &fields["payment_id"]["inputFields"][0]["transformations"][0];
    assert_eq!(identity["subtype"], "IDENTITY");
}

/// Each row twice, and none of the odd ones.
#[derive(Clone)]
struct Twice(SchemaRef);

impl Transform for Twice {
    fn output_schema(&self) -> SchemaRef {
        self.0.clone()
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
        let rows = (0..input.batch.num_rows() as u32).filter(|row| row % 2 == 0);
        let rows: Vec<u32> = rows.flat_map(|row| [row, row]).collect();
        let taken = UInt32Array::from(rows.clone());
        let batch = take_record_batch(input.batch, &taken)
            .map_err(|error| TransformError::Input { message: error.to_string() })?;
        Ok(Output { batch, origin: Origin::Rows(rows) })
    }
}

#[test]
fn a_transform_that_tells_nothing_is_opaque_in_lineage_and_its_books_balance() {
    let mut options = DriverOptions::default();
    options.transforms.register("twice", |input| Ok(Twice(input.clone())));
    let project = project("id: bigint, name: string", 1, "    rust: twice");
    let mut driver = TestDriver::new(&project, &options).unwrap();
    for id in 0..3 {
        let run = b"0190d5b2-7c00-7000-8000-000000000001";
        let (value, headers) = (format!("{{\"id\":{id}}}"), [(RUN_HEADER, Some(&run[..]))]);
        let value = Some(value.as_bytes());
        driver.pipe_record("in", NewRecord { value, headers: &headers, ..NewRecord::default() });
    }
    driver.run_until_idle();
    let out = driver.output("out");
    assert_eq!(out.len(), 4);
    assert!(
        out[0].contains("\"id\":0") && out[1].contains("\"id\":0") && out[2].contains("\"id\":2")
    );
    assert!(driver.records("out").iter().all(|row| row.header(RUN_HEADER).is_some()));
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.out, counts.filtered), (3, 2, 4, 1));

    for event in driver.lineage_of(STAGE) {
        lineage::assert_valid(&lineage::schemas(), &event);
        let fields = &event["outputs"][0]["facets"]["columnLineage"]["fields"];
        for field in ["id", "name"] {
            let sources = fields[field]["inputFields"].as_array().unwrap();
            let names: Vec<&Value> = sources.iter().map(|source| &source["field"]).collect();
            assert_eq!(names, ["id", "name"]);
            let how = &sources[0]["transformations"][0];
            assert_eq!(
                (&how["type"], &how["subtype"]),
                (&"DIRECT".into(), &"TRANSFORMATION".into())
            );
            assert!(how["description"].as_str().unwrap().starts_with("opaque"));
        }
    }
}
