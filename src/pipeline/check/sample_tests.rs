//! The sample project on the sample's records: what comes out is what the
//! orders workload says of itself.

use std::path::Path;

use arrow::{
    array::{AsArray, RecordBatch},
    compute::take_record_batch,
    datatypes::Float64Type,
};
use proptest::prelude::*;

use super::*;
use crate::{
    codec::json::{DecodeConfig, Decoder, Encoder},
    pipeline::plan::StagePlan,
    record::EncodedRows,
    transform::{Input, apply_isolating},
};

/// Values that a stage writes of `values`, and how many were bad.
fn run(stage: &StagePlan, values: &EncodedRows) -> (EncodedRows, usize) {
    let mut decoder = Decoder::new(&stage.from.schema, DecodeConfig::default()).unwrap();
    let mut bad = values.iter().filter(|value| decoder.decode(value).is_err()).count();
    let batch = decoder.finish();
    let mut transform = stage.plan.transform();
    assert!(transform.metadata_columns().is_empty());
    let input = Input { partition: 0, batch: &batch };
    let (output, failed) = apply_isolating(&mut *transform, &input).unwrap();
    let mut broken: Vec<u32> = Vec::new();
    for verdict in stage.expectations.clone().check(&output).unwrap() {
        broken.extend(verdict.failed);
    }
    broken.sort_unstable();
    broken.dedup();
    bad += failed.len() + broken.len();
    let mut rows = EncodedRows::default();
    let encoder = Encoder::new(&stage.to.schema).unwrap();
    let unencoded = encoder.encode(&without(&output.batch, &broken), &mut rows);
    assert!(unencoded.is_empty());
    (rows, bad)
}

fn without(batch: &RecordBatch, broken: &[u32]) -> RecordBatch {
    let kept = (0..batch.num_rows() as u32).filter(|row| !broken.contains(row));
    take_record_batch(batch, &arrow::array::UInt32Array::from_iter_values(kept)).unwrap()
}

fn records(lines: &str) -> EncodedRows {
    let mut rows = EncodedRows::default();
    for line in lines.lines() {
        rows.buffer().extend_from_slice(line.as_bytes());
        rows.end_row();
    }
    rows
}

fn sample_plan() -> ProjectPlan {
    let project = Project::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let functions = Functions::default();
    let options = Options {
        functions: &functions,
        transforms: &Transforms::default(),
        namespace: "fallback",
    };
    check(&project, options).into_plan().unwrap().0
}

#[test]
fn the_sample_loads_its_paid_orders_and_sets_the_malformed_aside() {
    let plan = sample_plan();
    let mut values = records(include_str!("../../../samples/orders.ndjson"));
    let mut bad = Vec::new();
    for stage in plan.stages() {
        let (written, bad_here) = run(stage, &values);
        values = written;
        bad.push(bad_here);
    }
    // As the workload's own summary has it: `generate orders --summary`.
    assert_eq!((values.len(), bad), (681, vec![3, 0, 0]));
    let loaded = &plan.stage("orders/load").unwrap().to.schema;
    let mut decoder = Decoder::new(loaded, DecodeConfig::default()).unwrap();
    values.iter().for_each(|value| decoder.decode(value).unwrap());
    let batch = decoder.finish();
    let totals = batch.column_by_name("total").unwrap().as_primitive::<Float64Type>();
    let sum: f64 = totals.iter().flatten().sum();
    assert!((sum - 449_025.970_499_999_76).abs() < 1e-6, "{sum}");
    let countries = batch.column_by_name("country").unwrap().as_string::<i32>();
    assert!(countries.iter().flatten().all(|country| country == country.to_uppercase()));
}

proptest! {
    /// Whatever a slip of the finger takes out of a file, there is an answer.
    #[test]
    fn no_piece_cut_out_of_a_file_makes_the_check_panic(
        pipeline in any::<bool>(), start in 0_usize..2000, length in 0_usize..200,
    ) {
        let topic = include_str!("../../../topics/raw.orders.yaml");
        let stages = include_str!("../../../pipelines/orders.yaml");
        let cut = |text: &str| -> String {
            let start = start % text.len();
            text.chars().take(start).chain(text.chars().skip(start + length)).collect()
        };
        let (topic, stages) =
            if pipeline { (topic.to_owned(), cut(stages)) } else { (cut(topic), stages.to_owned()) };
        let project = Project::from_files([
            ("topics/raw.orders.yaml".to_owned(), topic),
            ("pipelines/orders.yaml".to_owned(), stages),
        ]);
        let functions = Functions::default();
        let checked = check(&project, Options { functions: &functions, transforms: &Transforms::default(), namespace: "fallback" });
        for problem in &checked.problems {
            prop_assert!(problem.place.line >= 1 && problem.place.column >= 1);
        }
        let written: usize = project.pipelines.iter().map(|pipeline| pipeline.stages.len()).sum();
        prop_assert!(checked.has_errors() || checked.plan.stages().count() == written);
    }
}

#[test]
fn each_rule_of_extract_sets_its_record_aside_and_no_other() {
    let good = r#"{"order_id":"a","customer_id":7,"ts":"2026-01-05T10:00:00Z","country":"fr","status":"paid","currency":"EUR","items":[{"sku":"s","qty":2,"price":9.5}],"email":"a@b"}"#;
    let broken = [
        (r#""customer_id":7"#, r#""customer_id":null"#),
        (r#""customer_id":7"#, r#""customer_id":"n/a""#),
        (r#""customer_id":7,"#, ""),
        (r#""EUR""#, r#""CHF""#),
        (r#"[{"sku":"s","qty":2,"price":9.5}]"#, "[]"),
        (r#"[{"sku":"s","qty":2,"price":9.5}]"#, "null"),
        (r#""sku":"s""#, r#""sku":null"#),
        (r#""qty":2"#, r#""qty":0"#),
        (r#","price":9.5"#, ""),
        (r#""email":"a@b"}"#, r#""email":"#),
    ];
    let plan = sample_plan();
    let extract = plan.stage("orders/extract").unwrap();
    for (part, other) in broken {
        let bad = good.replacen(part, other, 1);
        assert_ne!(bad, good);
        let (written, count) = run(extract, &records(&format!("{good}\n{bad}\n{good}")));
        assert_eq!((written.len(), count), (2, 1), "{bad}");
    }
}
