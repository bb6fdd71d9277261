//! Orders to test with, and batches from and to JSON.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Fields, Schema, TimeUnit},
    json::{LineDelimitedWriter, ReaderBuilder},
};

use super::{Functions, Input, Origin, SqlPlan, Transform, TransformError, apply_isolating};

pub(super) const ORDERS: [&str; 3] = [
    r#"{"order_id":"o1","customer_id":7,"ts":"2026-01-05T10:00:00Z","country":"de","status":"paid","currency":"USD","email":"A@X.ORG","items":[{"sku":"a","qty":2,"price":10.5},{"sku":"b","qty":1,"price":0.1}]}"#,
    r#"{"order_id":"o2","customer_id":8,"ts":"2026-01-05T10:00:01Z","country":"fr","status":"open","currency":"EUR","email":"b@x.org","items":[]}"#,
    r#"{"order_id":"o3","customer_id":9,"ts":"2026-01-05T10:00:02Z","country":null,"status":"paid","currency":"EUR","email":null,"items":[{"sku":"c","qty":3,"price":2.0}]}"#,
];

pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

pub(super) fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

pub(super) fn structure(fields: Vec<(&str, DataType)>) -> DataType {
    let fields = fields.into_iter().map(|(name, kind)| Field::new(name, kind, true));
    DataType::Struct(fields.collect::<Fields>())
}

pub(super) fn orders() -> Schema {
    let items =
        vec![("sku", DataType::Utf8), ("qty", DataType::Int32), ("price", DataType::Float64)];
    Schema::new(vec![
        Field::new("order_id", DataType::Utf8, false),
        Field::new("customer_id", DataType::Int64, true),
        Field::new("ts", instant(), true),
        Field::new("country", DataType::Utf8, true),
        Field::new("status", DataType::Utf8, true),
        Field::new("currency", DataType::Utf8, true),
        Field::new("email", DataType::Utf8, true),
        Field::new("items", list(structure(items)), true),
    ])
}

pub(super) fn batch(schema: &Schema, rows: &[&str]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(Arc::new(schema.clone())).build_decoder().unwrap();
    decoder.decode(rows.join("\n").as_bytes()).unwrap();
    decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(Arc::new(schema.clone())))
}

pub(super) fn json(batch: &RecordBatch) -> Vec<String> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    String::from_utf8(writer.into_inner()).unwrap().lines().map(str::to_owned).collect()
}

pub(super) fn planned(sql: &str, schema: &Schema) -> SqlPlan {
    SqlPlan::plan(sql, schema, &Functions::default())
        .unwrap_or_else(|error| panic!("{sql}\n{error}\nhint: {:?}", error.hint))
}

/// The output's rows as JSON, and their origin.
pub(super) fn run(sql: &str, schema: &Schema, rows: &[&str]) -> (Vec<String>, Origin) {
    let plan = planned(sql, schema);
    let batch = batch(schema, rows);
    let output = plan.transform().apply(&Input { partition: 0, batch: &batch }).unwrap();
    assert_eq!(output.batch.schema_ref(), plan.output_schema(), "{sql}");
    (json(&output.batch), output.origin)
}

/// As [`run`], with the rows that failed.
pub(super) fn run_isolating(
    sql: &str,
    schema: &Schema,
    rows: &[&str],
) -> (Vec<String>, Origin, Vec<(u32, TransformError)>) {
    let batch = batch(schema, rows);
    let mut transform = planned(sql, schema).transform();
    let input = Input { partition: 0, batch: &batch };
    let (output, bad) = apply_isolating(&mut transform, &input).unwrap();
    (json(&output.batch), output.origin, bad)
}
