//! SELECTs planned and run, by what they promise.

mod arithmetic;
mod bounds;
mod corrected;
mod decimals;
mod intervals;
mod limits;
mod messages;
mod nanoseconds;
mod order;
mod patterns;
mod planning;
mod rows;
mod subqueries;
mod time_parts;
mod times;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

use super::*;
use crate::transform::{
    Origin,
    testing::{ORDERS, batch, json, orders, planned, run},
};

const EXTRACT: &str = "SELECT order_id, customer_id, ts, upper(country) AS country, status,
  currency, lower(email) AS email, items FROM input";
const TRANSFORM: &str = "SELECT order_id, customer_id, ts, country, currency,
  array_sum(array_transform(items, i -> i['qty'] * i['price']))
    * CASE currency WHEN 'USD' THEN 0.92 WHEN 'GBP' THEN 1.17 ELSE 1.0 END AS total,
  sha256_hex(email) AS email_sha256
FROM input WHERE status = 'paid'";
const LOAD: &str = "SELECT order_id, customer_id, ts, country, total FROM input";

#[test]
fn the_three_stages_of_the_orders_pipeline_fit_together() {
    let extract = planned(EXTRACT, &orders());
    let transform = planned(TRANSFORM, extract.output_schema());
    let load = planned(LOAD, transform.output_schema());

    let batch = batch(&orders(), &ORDERS);
    let extracted = extract.transform().apply(&Input { partition: 0, batch: &batch }).unwrap();
    assert_eq!(extracted.origin, Origin::Identity);
    let input = Input { partition: 0, batch: &extracted.batch };
    let transformed = transform.transform().apply(&input).unwrap();
    assert_eq!(transformed.origin, Origin::Rows(vec![0, 2]));
    let input = Input { partition: 0, batch: &transformed.batch };
    let loaded = load.transform().apply(&input).unwrap();
    assert_eq!(
        json(&loaded.batch),
        [
            r#"{"order_id":"o1","customer_id":7,"ts":"2026-01-05T10:00:00Z","country":"DE","total":19.412000000000003}"#,
            r#"{"order_id":"o3","customer_id":9,"ts":"2026-01-05T10:00:02Z","total":6.0}"#,
        ]
    );
}

#[test]
fn the_output_of_the_sample_keeps_types_and_what_is_not_null() {
    let plan = planned(TRANSFORM, &orders());
    let fields: Vec<_> =
        plan.output_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    assert_eq!(
        fields,
        [
            Field::new("order_id", DataType::Utf8, false),
            Field::new("customer_id", DataType::Int64, true),
            Field::new("ts", crate::transform::testing::instant(), true),
            Field::new("country", DataType::Utf8, true),
            Field::new("currency", DataType::Utf8, true),
            Field::new("total", DataType::Float64, true),
            Field::new("email_sha256", DataType::Utf8, true),
        ]
    );
}

#[test]
fn every_output_type_is_one_that_a_topic_holds() {
    let sql = "SELECT now() AS now, cardinality(items) AS n, substr(country, 1, 1) AS s,
      arrow_cast(country, 'Utf8View') AS v, arrow_cast(customer_id, 'UInt8') AS u, NULL AS x,
      [arrow_cast(country, 'LargeUtf8')] AS l, to_timestamp('2026-01-01') AS t, sha256(email) AS h
      FROM input";
    let plan = planned(sql, &orders());
    let types: Vec<_> =
        plan.output_schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(
        types,
        [
            "Timestamp(µs, \"+00:00\")",
            "Int64",
            "Utf8",
            "Utf8",
            "Int16",
            "Utf8",
            "List(Utf8)",
            "Timestamp(µs, \"+00:00\")",
            "Binary",
        ]
    );
    run(sql, &orders(), &ORDERS);
}

#[test]
fn metadata_columns_are_asked_for_only_where_they_are_read() {
    let cases: [(&str, &[MetadataColumn]); 6] = [
        ("SELECT order_id FROM input", &[]),
        ("SELECT _key AS k, order_id FROM input", &[MetadataColumn::Key]),
        ("SELECT order_id FROM input WHERE _offset > 5", &[MetadataColumn::Offset]),
        (
            "SELECT _Run AS r, _HEADERS['a'] AS h, _topic AS t FROM input",
            &[MetadataColumn::Topic, MetadataColumn::Headers, MetadataColumn::Run],
        ),
        ("SELECT ts, order_id AS _key FROM input", &[]),
        ("SELECT order_id FROM (SELECT *, _partition FROM input)", &[]),
    ];
    for (sql, expected) in cases {
        assert_eq!(planned(sql, &orders()).metadata_columns(), expected, "{sql}");
    }
}

#[test]
fn a_star_is_the_declared_fields_and_not_the_metadata() {
    let names = |sql: &str| -> Vec<String> {
        let plan = planned(sql, &orders());
        plan.output_schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    let declared: Vec<String> =
        orders().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names("SELECT * FROM input WHERE _offset > 1"), declared);
    assert_eq!(names("SELECT input.* FROM input WHERE _offset > 1"), declared);
    let with_offset = [declared.clone(), vec!["at".to_owned()]].concat();
    assert_eq!(names("SELECT *, _offset AS at FROM input"), with_offset);
    assert_eq!(
        names("WITH t AS (SELECT *, _offset AS at FROM input) SELECT * FROM t"),
        with_offset
    );
    let inner =
        "WITH t AS (SELECT *, _offset FROM input) SELECT * EXCLUDE (_offset), _offset AS at FROM t";
    assert_eq!(names(inner), with_offset);
    let fewer = names("SELECT * EXCLUDE (items) FROM input WHERE _key IS NULL");
    assert_eq!(fewer, declared[..7]);
}

#[test]
fn an_output_column_may_set_the_key_and_an_expectation_may_look_at_it() {
    use crate::transform::{Expectation, Expectations, Otherwise};
    let sql = "SELECT lower(order_id) AS _key, _timestamp, _headers, country FROM input";
    let plan = planned(sql, &orders());
    let names: Vec<_> = plan.output_schema().fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["_key", "_timestamp", "_headers", "country"]);
    let setters = Setters { key: Some(0), timestamp: Some(1), headers: Some(2) };
    assert_eq!(plan.setters(), setters);
    // What a topic holds, and what lineage is told of, is the value alone.
    let value: Vec<_> = plan.value_schema().fields().iter().map(|field| field.name()).collect();
    assert_eq!(value, ["country"]);
    let lineage: Vec<_> = plan.column_lineage().fields.iter().map(|(name, _)| name).collect();
    assert_eq!(lineage, ["country"]);
    let expectation = Expectation {
        name: "keyed".to_owned(),
        that: "_key IS NOT NULL".to_owned(),
        otherwise: Otherwise::DeadLetter,
    };
    Expectations::plan(vec![expectation], plan.output_schema(), &Functions::default()).unwrap();
}

#[test]
fn a_key_is_of_any_plain_type_and_headers_are_text_to_text() {
    for (key, kind) in
        [("customer_id", "Int64"), ("CAST(status AS bytea)", "Binary"), ("NULL", "Utf8")]
    {
        let plan = planned(&format!("SELECT {key} AS _key, ts FROM input"), &orders());
        assert_eq!(plan.setters().key, Some(0));
        assert_eq!(plan.output_schema().field(0).data_type().to_string(), kind);
    }
    let sql = "SELECT ts, MAP {'country': country, 'by': 'shop'} AS _headers, ts AS _timestamp FROM input";
    let plan = planned(sql, &orders());
    assert_eq!(plan.setters(), Setters { key: None, timestamp: Some(2), headers: Some(1) });
    run(sql, &orders(), &ORDERS);
}

#[test]
fn metadata_columns_follow_the_declared_fields_in_the_input() {
    let declared = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
    let sql = "SELECT a, _timestamp AS at FROM input WHERE _partition = 3";
    let plan = planned(sql, &declared);
    let asked = plan.metadata_columns().to_vec();
    assert_eq!(asked, [MetadataColumn::Partition, MetadataColumn::Timestamp]);
    let fields = asked.iter().map(|column| Arc::new(column.field()));
    let fields: Vec<_> = declared.fields().iter().cloned().chain(fields).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(arrow::array::Int64Array::from(vec![1, 2])),
        Arc::new(arrow::array::Int32Array::from(vec![3, 4])),
        Arc::new(TimestampMillisecondArray::from(vec![1500, 2500]).with_timezone("+00:00")),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let output = plan.transform().apply(&Input { partition: 3, batch: &batch }).unwrap();
    assert_eq!(json(&output.batch), [r#"{"a":1,"at":"1970-01-01T00:00:01.500Z"}"#]);
}

#[test]
fn the_clock_is_read_for_each_batch_and_stands_still_within_one() {
    let sql = "SELECT now() AS a, current_timestamp AS b, current_date = CAST(now() AS DATE) AS d FROM input";
    let plan = planned(sql, &orders());
    let batch = batch(&orders(), &ORDERS);
    let mut transform = plan.transform();
    let first = transform.apply(&Input { partition: 0, batch: &batch }).unwrap().batch;
    std::thread::sleep(std::time::Duration::from_millis(2));
    let second = transform.apply(&Input { partition: 0, batch: &batch }).unwrap().batch;
    assert_eq!(first.column(0), first.column(1));
    assert_eq!(first.column(0).slice(0, 1).as_ref(), &first.column(0).slice(2, 1));
    assert_ne!(first.column(0), second.column(0));
}

#[test]
fn random_values_differ_from_row_to_row() {
    let (rows, _) = run("SELECT uuid() AS id FROM input", &orders(), &ORDERS);
    let mut distinct = rows.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), rows.len());
}

#[test]
fn a_batch_of_another_schema_stops_the_stage() {
    let mut transform = planned("SELECT customer_id FROM input", &orders()).transform();
    let other = Schema::new(vec![
        Field::new("order_id", DataType::Utf8, false),
        Field::new("customer_id", DataType::Utf8, true),
    ]);
    let batch = batch(&other, &[r#"{"order_id":"o1","customer_id":"7"}"#]);
    let error = transform.apply(&Input { partition: 0, batch: &batch }).unwrap_err();
    assert_eq!(error.recovery(), crate::record::Recovery::Stop);
    assert!(error.to_string().contains("`customer_id` of type Int64"), "{error}");
}

#[test]
fn an_empty_batch_gives_an_empty_batch() {
    let (rows, _) = run(TRANSFORM, &orders(), &[]);
    assert_eq!(rows, Vec::<String>::new());
}

#[test]
fn a_function_that_panics_fails_its_rows_only() {
    use datafusion_expr::{ColumnarValue, Volatility, create_udf};
    let explode = create_udf(
        "explode",
        vec![DataType::Utf8],
        DataType::Utf8,
        Volatility::Immutable,
        Arc::new(|args: &[ColumnarValue]| {
            let text = ColumnarValue::values_to_arrays(args)?;
            let text = datafusion_common::cast::as_string_array(&text[0])?;
            assert!(text.iter().flatten().all(|text| text != "fr"), "boom");
            Ok(args[0].clone())
        }),
    );
    let mut functions = Functions::default();
    functions.register(explode);
    let sql = "SELECT order_id, explode(country) AS c FROM input";
    let mut transform = SqlPlan::plan(sql, &orders(), &functions).unwrap().transform();
    let batch = batch(&orders(), &ORDERS);
    let input = Input { partition: 0, batch: &batch };
    let (output, bad) = crate::transform::apply_isolating(&mut transform, &input).unwrap();
    assert_eq!(output.origin, Origin::Rows(vec![0, 2]));
    let bad: Vec<_> = bad.iter().map(|(row, error)| format!("{row}: {error}")).collect();
    assert_eq!(bad, ["1: cannot compute the row: boom"]);
}

#[test]
fn steps_are_told_in_the_order_they_are_run() {
    assert_eq!(planned("SELECT * FROM input", &orders()).steps(), Vec::<String>::new());
    let sql = "SELECT order_id, upper(item) AS item
      FROM (SELECT order_id, unnest([country, currency]) AS item, status FROM input)
      WHERE status = 'paid'";
    let steps = planned(sql, &orders()).steps();
    let verbs: Vec<_> = steps.iter().filter_map(|step| step.split(' ').next()).collect();
    assert_eq!(verbs, ["filter", "project", "unnest", "project"], "{steps:#?}");
    assert_eq!(steps[0], "filter status = paid");
    assert!(steps[3].starts_with("project order_id, upper("), "{steps:#?}");
    assert!(steps[3].ends_with(" AS item"), "{steps:#?}");
}
