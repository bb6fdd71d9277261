//! Which rows come out, and from which they came.

use arrow::{
    array::{Int32Array, ListArray},
    datatypes::Int32Type,
};
use proptest::prelude::*;

use super::*;
use crate::transform::testing::{list, run_isolating};

#[test]
fn unnest_gives_a_row_for_each_element_and_none_for_an_empty_list() {
    let sql = "SELECT order_id, unnest(items) AS item FROM input";
    let (rows, origin) = run(sql, &orders(), &ORDERS);
    assert_eq!(
        rows,
        [
            r#"{"order_id":"o1","item":{"sku":"a","qty":2,"price":10.5}}"#,
            r#"{"order_id":"o1","item":{"sku":"b","qty":1,"price":0.1}}"#,
            r#"{"order_id":"o3","item":{"sku":"c","qty":3,"price":2.0}}"#,
        ]
    );
    assert_eq!(origin, Origin::Rows(vec![0, 0, 2]));
}

#[test]
fn fields_of_an_unnested_struct_are_taken_through_a_subquery() {
    let (rows, origin) = run(
        "SELECT order_id, item['sku'] AS sku, item['qty'] * item['price'] AS amount
         FROM (SELECT order_id, unnest(items) AS item FROM input WHERE status = 'paid')
         WHERE item['qty'] >= 2",
        &orders(),
        &ORDERS,
    );
    let expected = [
        r#"{"order_id":"o1","sku":"a","amount":21.0}"#,
        r#"{"order_id":"o3","sku":"c","amount":6.0}"#,
    ];
    assert_eq!(rows, expected);
    assert_eq!(origin, Origin::Rows(vec![0, 2]));
}

#[test]
fn subqueries_and_ctes_over_the_input_are_one_pass() {
    let sql = "WITH paid AS (SELECT *, _offset FROM input WHERE status = 'paid'),
           named AS (SELECT order_id, upper(country) AS c FROM paid)
         SELECT n.c AS country, order_id FROM named AS n WHERE c IS NOT NULL";
    assert_eq!(planned(sql, &orders()).metadata_columns(), []);
    let (rows, origin) = run(sql, &orders(), &ORDERS);
    assert_eq!(rows, [r#"{"country":"DE","order_id":"o1"}"#]);
    assert_eq!(origin, Origin::Rows(vec![0]));
}

#[test]
fn a_filter_keeps_the_origin_and_null_is_not_true() {
    let cases: [(&str, &[u32]); 5] = [
        ("country = 'de'", &[0]),
        ("country <> 'de'", &[1]),
        ("country IS NULL OR status = 'open'", &[1, 2]),
        ("false", &[]),
        ("length(country) > 5", &[]),
    ];
    for (condition, expected) in cases {
        let sql = format!("SELECT order_id FROM input WHERE {condition}");
        let (rows, origin) = run(&sql, &orders(), &ORDERS);
        assert_eq!(origin, Origin::Rows(expected.to_vec()), "{condition}");
        assert_eq!(rows.len(), expected.len(), "{condition}");
    }
    let (_, origin) = run("SELECT ts FROM input WHERE order_id LIKE 'o%'", &orders(), &ORDERS);
    assert_eq!(origin, Origin::Identity);
}

#[test]
fn a_row_that_fails_below_an_unnest_is_named_by_its_input_row() {
    let sql = "SELECT 10 / (item['qty'] - 3) AS x
         FROM (SELECT unnest(items) AS item FROM input)";
    let (rows, origin, bad) = run_isolating(sql, &orders(), &ORDERS);
    assert_eq!(rows, [r#"{"x":-10}"#, r#"{"x":-5}"#]);
    assert_eq!(origin, Origin::Rows(vec![0, 0]));
    assert_eq!(bad.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2]);
}

#[test]
fn sha256_hex_and_redact_hide_and_keep_null() {
    let sql = "SELECT sha256_hex(lower(email)) AS h, redact(email) AS r FROM input";
    let (rows, _) = run(sql, &orders(), &ORDERS);
    let hash = "907d7bf93d60cbe6565458bb0fe7e8fac60dffe3561e27cce320947f1a13ef8b";
    assert_eq!(rows[0], format!(r#"{{"h":"{hash}","r":"***"}}"#));
    assert_eq!(rows[2], "{}");
}

#[test]
fn what_is_not_null_inside_of_a_list_may_pass_through_any_function() {
    let strict = |name: &str, kind| Field::new(name, kind, false);
    let fields = vec![strict("sku", DataType::Utf8), strict("qty", DataType::Int32)];
    let item = Arc::new(strict("item", DataType::Struct(fields.into())));
    let tag = Arc::new(strict("item", DataType::Utf8));
    let schema = Schema::new(vec![
        strict("items", DataType::List(item)),
        strict("tags", DataType::List(tag)),
        strict("city", DataType::Struct(vec![strict("name", DataType::Utf8)].into())),
        Field::new("n", DataType::Int64, true),
    ]);
    let rows = [
        r#"{"items":[{"sku":"a","qty":1},{"sku":"b","qty":2}],"tags":["x"],"city":{"name":"c"},"n":1}"#,
        r#"{"items":[],"tags":[],"city":{"name":"d"},"n":null}"#,
    ];
    for expression in [
        "items",
        "items[1]",
        "items[1]['sku']",
        "unnest(items)",
        "unnest(tags)",
        "city.name",
        "array_transform(items, i -> i['qty'])",
        "array_transform(items, i -> i)",
        "array_filter(items, i -> i['qty'] > 1)",
        "array_slice(items, 1, 1)",
        "items[1:1]",
        "array_concat(tags, tags)",
        "array_append(tags, 'y')",
        "array_append(tags, NULL)",
        "[items, items]",
        "[city]",
        "[tags[5]]",
        "array_distinct(tags)",
        "array_sort(tags)",
        "array_reverse(items)",
        "flatten([tags, tags])",
        "{'a': items, 'b': n}",
        "struct(city, n)",
        "CASE WHEN n = 1 THEN items END",
        "CASE WHEN n = 1 THEN city END",
        "CASE WHEN n = 1 THEN items ELSE array_slice(items, 1, 1) END",
        "coalesce(items, [])",
        "coalesce(array_filter(items, i -> false), items)",
        "nullif(tags, ['x'])",
        "array_transform(items, i -> {'s': i['sku'], 'n': n})",
        "array_union(tags, ['z'])",
        "array_remove(tags, 'x')",
        "array_resize(tags, 3)",
        "arrays_zip(tags, tags)",
        "array_any_match(items, i -> i['qty'] > 1)",
        "array_repeat(city, 2)",
        "make_array(n)",
        "array_first(items, i -> i['qty'] > 1)",
        "array_pop_back(items)",
        "map(['a'], [n])",
    ] {
        let sql = format!("SELECT {expression} AS x FROM input");
        let (_, _, bad) = run_isolating(&sql, &schema, &rows);
        assert!(bad.is_empty(), "{expression}: {bad:?}");
    }
    let same = planned("SELECT * FROM input WHERE n = 1", &schema);
    assert_eq!(same.output_schema().as_ref(), &schema);
    run("SELECT * FROM input WHERE n = 1", &schema, &rows);
}

type Rows = Vec<(i32, Option<Vec<Option<i32>>>, Option<Vec<Option<i32>>>)>;

fn rows() -> impl Strategy<Value = Rows> {
    let items = || prop::option::of(prop::collection::vec(prop::option::of(-3..3_i32), 0..4));
    prop::collection::vec((-2..3_i32, items(), items()), 0..20)
}

fn lists(schema: &Schema, rows: &Rows) -> RecordBatch {
    let list = |lists: Vec<Option<Vec<Option<i32>>>>| {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)) as ArrayRef
    };
    let columns = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef,
        list(rows.iter().map(|row| row.1.clone()).collect()),
        list(rows.iter().map(|row| row.2.clone()).collect()),
    ];
    RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap()
}

fn ints(batch: &RecordBatch, column: usize) -> Vec<Option<i32>> {
    datafusion_common::cast::as_int32_array(batch.column(column)).unwrap().iter().collect()
}

proptest! {
    /// Two lists side by side, behind a filter, on a slice: as a loop over the rows has it.
    #[test]
    fn unnest_agrees_with_a_loop_over_the_rows(rows in rows(), skip in 0..5_usize) {
        let schema = Schema::new(vec![
            Field::new("k", DataType::Int32, false),
            Field::new("a", list(DataType::Int32), true),
            Field::new("b", list(DataType::Int32), true),
        ]);
        let skip = skip.min(rows.len());
        let batch = lists(&schema, &rows).slice(skip, rows.len() - skip);
        let sql = "SELECT k, unnest(a) AS a, unnest(b) AS b FROM input WHERE k >= 0";
        let output = planned(sql, &schema)
            .transform()
            .apply(&Input { partition: 0, batch: &batch })
            .unwrap();

        let mut expected = Vec::new();
        for (row, (k, a, b)) in rows[skip..].iter().enumerate() {
            let (a, b) = (a.clone().unwrap_or_default(), b.clone().unwrap_or_default());
            for index in 0..if *k >= 0 { a.len().max(b.len()) } else { 0 } {
                let element = |list: &Vec<Option<i32>>| list.get(index).copied().flatten();
                expected.push((row, Some(*k), element(&a), element(&b)));
            }
        }
        let columns = [ints(&output.batch, 0), ints(&output.batch, 1), ints(&output.batch, 2)];
        let found: Vec<_> = (0..output.batch.num_rows())
            .map(|row| (output.origin.of(row), columns[0][row], columns[1][row], columns[2][row]))
            .collect();
        prop_assert_eq!(found, expected);
    }

    /// Bad rows anywhere: the good ones come out as if the bad had not been there.
    #[test]
    fn isolating_agrees_with_one_row_at_a_time(rows in rows()) {
        let schema = Schema::new(vec![
            Field::new("k", DataType::Int32, false),
            Field::new("a", list(DataType::Int32), true),
            Field::new("b", list(DataType::Int32), true),
        ]);
        let batch = lists(&schema, &rows);
        let sql = "SELECT 6 / x AS x, k FROM (SELECT k, unnest(a) AS x FROM input WHERE k <> 1)";
        let mut transform = planned(sql, &schema).transform();
        let input = Input { partition: 0, batch: &batch };
        let (output, bad) = crate::transform::apply_isolating(&mut transform, &input).unwrap();

        let (mut good, mut failed) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            let one = batch.slice(row, 1);
            match transform.apply(&Input { partition: 0, batch: &one }) {
                Err(error) => failed.push((row as u32, error)),
                Ok(output) => good.extend(json(&output.batch).into_iter().map(|text| (row, text))),
            }
        }
        let found = json(&output.batch).into_iter().enumerate();
        let found: Vec<_> = found.map(|(row, text)| (output.origin.of(row), text)).collect();
        prop_assert_eq!(found, good);
        prop_assert_eq!(bad, failed);
    }
}
