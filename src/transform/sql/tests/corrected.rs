//! Functions whose results in DataFusion are wrong or fail good rows.

use arrow::datatypes::{DataType, Field, Schema};

use super::super::{Functions, SqlPlan};
use crate::transform::testing::{list, run, run_isolating};

fn schema(kind: DataType) -> Schema {
    Schema::new(vec![Field::new("v", kind, true)])
}

fn values(expr: &str, kind: DataType, rows: &[&str]) -> Vec<String> {
    run(&format!("SELECT {expr} AS r FROM input"), &schema(kind), rows).0
}

#[test]
fn case_and_nullif_of_doubles_compare_as_equality_does() {
    let rows = [r#"{"v":-0.0}"#, r#"{"v":0.0}"#, r#"{"v":1.5}"#, r#"{"v":null}"#];
    let case = values("CASE v WHEN 0 THEN 'zero' ELSE 'other' END", DataType::Float64, &rows);
    let expected = [r#"{"r":"zero"}"#, r#"{"r":"zero"}"#, r#"{"r":"other"}"#, r#"{"r":"other"}"#];
    assert_eq!(case, expected);
    let nullif = values("nullif(v, -0.0)", DataType::Float64, &rows);
    assert_eq!(nullif, ["{}", "{}", r#"{"r":1.5}"#, "{}"]);
}

#[test]
fn nulls_are_no_elements_that_lists_share() {
    let rows = [r#"{"v":[null]}"#, r#"{"v":[null,2]}"#, r#"{"v":[]}"#, r#"{"v":null}"#];
    let shared = values("array_has_any(v, [NULL, 2])", list(DataType::Int64), &rows);
    assert_eq!(shared, [r#"{"r":false}"#, r#"{"r":true}"#, r#"{"r":false}"#, "{}"]);
    let itself = values("array_has_any(v, v)", list(DataType::Int64), &rows);
    assert_eq!(itself, [r#"{"r":false}"#, r#"{"r":true}"#, r#"{"r":false}"#, "{}"]);
}

#[test]
fn an_average_of_integers_is_exact() {
    let rows = [
        r#"{"v":[9223372036854775807,-9223372036854775808]}"#,
        r#"{"v":[1,null,2]}"#,
        r#"{"v":[null]}"#,
        r#"{"v":[]}"#,
    ];
    let averages = values("array_avg(v)", list(DataType::Int64), &rows);
    assert_eq!(averages, [r#"{"r":-0.5}"#, r#"{"r":1.5}"#, "{}", "{}"]);
}

#[test]
fn a_key_that_a_map_lacks_gives_an_empty_list() {
    let rows = [r#"{"v":1}"#, r#"{"v":null}"#];
    let there = values("map_extract(MAP {'a': v}, 'a')", DataType::Int64, &rows);
    assert_eq!(there, [r#"{"r":[1]}"#, r#"{"r":[null]}"#]);
    let missing = values("cardinality(map_extract(MAP {'a': v}, 'b'))", DataType::Int64, &rows);
    assert_eq!(missing, [r#"{"r":0}"#, r#"{"r":0}"#]);
    let first = values("map_extract(MAP {'a': v}, 'b')[1]", DataType::Int64, &rows);
    assert_eq!(first, ["{}", "{}"]);
    let of_null = "map_extract(CASE WHEN v = 1 THEN MAP {'a': v} END, 'a')";
    assert_eq!(values(of_null, DataType::Int64, &rows), [r#"{"r":[1]}"#, "{}"]);
}

#[test]
fn the_replacement_of_a_regular_expression_is_that_of_postgresql() {
    let rows = [r#"{"v":"a5b"}"#];
    let replaced = |text: &str| {
        values(&format!("regexp_replace(v, '([0-9])', {text})"), DataType::Utf8, &rows)
    };
    assert_eq!(replaced(r"'<\1>'"), [r#"{"r":"a<5>b"}"#]);
    assert_eq!(replaced(r"'<\&>'"), [r#"{"r":"a<5>b"}"#]);
    assert_eq!(replaced("'US$'"), [r#"{"r":"aUS$b"}"#]);
    assert_eq!(replaced("concat('$', '1')"), [r#"{"r":"a$1b"}"#]);
    assert_eq!(replaced("concat('$', v)"), [r#"{"r":"a$a5bb"}"#]);
    let sql = "SELECT regexp_replace(v, '(b)', '$1') AS r FROM input";
    let error = SqlPlan::plan(sql, &schema(DataType::Utf8), &Functions::default()).unwrap_err();
    assert!(error.message.contains(r"write \1 for a group"), "{error}");
}

#[test]
fn base64_is_padded_and_read_back() {
    let rows = [r#"{"v":"ab"}"#, r#"{"v":""}"#];
    let encoded = values("encode(v, 'base64')", DataType::Utf8, &rows);
    assert_eq!(encoded, [r#"{"r":"YWI="}"#, r#"{"r":""}"#]);
    let back = "CAST(decode(encode(v, 'base64'), 'base64') AS VARCHAR)";
    assert_eq!(values(back, DataType::Utf8, &rows), [r#"{"r":"ab"}"#, r#"{"r":""}"#]);
}

#[test]
fn bytes_become_text_only_where_that_is_written() {
    for expr in ["length(v)", "reverse(v)"] {
        let sql = format!("SELECT {expr} AS r FROM input");
        let planned = SqlPlan::plan(&sql, &schema(DataType::Binary), &Functions::default());
        let error = planned.map(|_| expr).unwrap_err();
        assert!(error.message.contains("not `binary`"), "{expr}: {error}");
    }
    let rows = [r#"{"v":"616263"}"#];
    assert_eq!(values("length(CAST(v AS VARCHAR))", DataType::Binary, &rows), [r#"{"r":3}"#]);
}

#[test]
fn a_row_does_not_fail_for_the_bytes_of_its_neighbour() {
    let rows = [r#"{"v":"616263"}"#, r#"{"v":"ff"}"#, r#"{"v":""}"#];
    let sql = "SELECT CAST(v AS VARCHAR) AS r FROM input";
    let (good, _, bad) = run_isolating(sql, &schema(DataType::Binary), &rows);
    assert_eq!(good, [r#"{"r":"abc"}"#, r#"{"r":""}"#]);
    assert_eq!(bad.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1]);
}

#[test]
fn text_without_a_colon_is_no_time() {
    let rows = [r#"{"v":"10:20"}"#, r#"{"v":"123"}"#, r#"{"v":"06:07:08.5"}"#];
    let sql = "SELECT CAST(v AS TIME) AS r FROM input";
    let (good, _, bad) = run_isolating(sql, &schema(DataType::Utf8), &rows);
    assert_eq!(good, [r#"{"r":"10:20:00"}"#, r#"{"r":"06:07:08.500"}"#]);
    assert!(bad[0].1.to_string().contains("`123` is no time"), "{bad:?}");
    let tried = values("TRY_CAST(v AS TIME)", DataType::Utf8, &rows[1..2]);
    assert_eq!(tried, ["{}"]);
}

#[test]
fn text_padded_to_a_negative_length_is_empty() {
    let rows = [r#"{"v":-1}"#, r#"{"v":4}"#, r#"{"v":null}"#];
    for (function, padded) in [("lpad", "  ab"), ("rpad", "ab  ")] {
        let of_column = values(&format!("{function}('ab', v)"), DataType::Int64, &rows);
        assert_eq!(of_column, [r#"{"r":""}"#, &format!(r#"{{"r":"{padded}"}}"#), "{}"]);
        let of_literal = values(&format!("{function}('ab', -2, 'x')"), DataType::Int64, &rows[..1]);
        assert_eq!(of_literal, [r#"{"r":""}"#]);
    }
}
