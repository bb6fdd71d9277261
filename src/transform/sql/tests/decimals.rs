//! Decimals come out exact, or the SELECT is refused.

use super::*;
use crate::transform::testing::{list, run_isolating};

fn numbers() -> Schema {
    Schema::new(vec![
        Field::new("i", DataType::Int32, true),
        Field::new("l", DataType::Int64, true),
        Field::new("p", DataType::Decimal128(12, 2), true),
        Field::new("w", DataType::Decimal128(30, 10), true),
        Field::new("z", DataType::Decimal128(38, 0), true),
        Field::new("t", DataType::Decimal128(38, 18), true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("ps", list(DataType::Decimal128(12, 2)), true),
        Field::new("fs", list(DataType::Float64), true),
    ])
}

const ROW: &str = r#"{"i":3,"l":9007199254740993,"p":10.00,"w":12345678901234567890.0123456789,"z":99999999999999999999999999999999999999,"t":12345678901234567890.123456789012345678,"f":0.1,"s":"1.5e3","b":true,"ps":[0.10,1.50],"fs":[0.1,0.2]}"#;

fn select(expression: &str) -> String {
    if expression.starts_with("SELECT") {
        return expression.to_owned();
    }
    format!("SELECT {expression} AS x FROM input")
}

fn assert_values(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (expression, expected) in cases {
        let (rows, _) = run(&select(expression), &numbers(), &[ROW]);
        let expected = format!("{{\"x\":{expected}}}");
        if rows != [expected.clone()] {
            wrong.push(format!("{expression}: {rows:?}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// PostgreSQL's values, with the digits of the type.
#[test]
fn a_literal_beside_a_decimal_is_the_decimal_that_is_written() {
    assert_values(&[
        ("p * (1 + 0.19)", "11.9000"),
        ("p * (1.0 - 0.81)", "1.9000"),
        ("p * -(0.5 - 1)", "5.000"),
        ("p * (1.0 / 3)", "3.3333333333333333333000"),
        ("p * (i * 1.19)", "35.7000"),
        ("p * (i / 100.0)", "0.300000000000000000"),
        ("0.1 * i + p", "10.30"),
        ("p * 1e2", "1000.00"),
        ("p + 1.5e-3", "10.0015"),
        ("ifnull(p, 0.0)", "10.00"),
        ("ifnull(w, 0.0)", "12345678901234567890.0123456789"),
        ("nvl(NULLIF(p, 10.0), 0.5)", "0.50"),
        ("nvl2(p, p, 0.555)", "10.000"),
        ("coalesce(p, 0.5)", "10.00"),
        ("greatest(p, 10.001)", "10.001"),
        ("least(p, 0.555)", "0.555"),
        ("CASE WHEN b THEN p ELSE 0.555 END", "10.000"),
        ("CASE WHEN NOT b THEN 1 ELSE p END / 3", "3.333333"),
        ("p * CASE s WHEN 'a' THEN 0.92 ELSE 1.17 END", "11.7000"),
        ("w = 12345678901234567890.0123456789", "true"),
        ("w = 12345678901234567890.0123456788", "false"),
        ("w IN (1, 12345678901234567890.0123456789)", "true"),
        ("w BETWEEN 12345678901234567890.0123456789 AND 12345678901234567890.0123456789", "true"),
        ("w + 12345678901234567890123", "12358024580135802458013.0123456789"),
        ("p IN (0.555, 10.000)", "true"),
        ("p = '10'", "true"),
        ("p IN ('9.999', '1e1')", "true"),
        ("[p, 1.555]", "[10.000,1.555]"),
        ("p * {'a': 1.19}['a']", "11.9000"),
        ("p * MAP {'a': 1.19}['a']", "11.9000"),
        ("array_transform(ps, x -> x * 1.19)", "[0.1190,1.7850]"),
        ("array_transform([1.5, 2.5], x -> x * p)", "[15.000,25.000]"),
        ("array_any_match(ps, x -> x > 1.49)", "true"),
        ("array_has(ps, 1.5)", "true"),
        ("array_position(ps, 1.500)", "2"),
        ("array_append(ps, 1.555)", "[0.100,1.500,1.555]"),
        ("array_remove(ps, 1.5)", "[0.10]"),
        ("array_concat(ps, [0.555])", "[0.100,1.500,0.555]"),
        ("round(p * 1.155, 2)", "11.55"),
        ("trunc(w, 2)", "12345678901234567890.0100000000"),
        ("SELECT p * r AS x FROM (SELECT p, 1.19 AS r FROM input)", "11.9000"),
        (
            "SELECT p * r AS x FROM (SELECT p, CASE s WHEN 'a' THEN 0.92 ELSE 1.17 END AS r FROM input)",
            "11.7000",
        ),
        ("SELECT p AS x FROM input WHERE p * (1 + 0.19) = 11.9", "10.00"),
    ]);
}

#[test]
fn a_literal_beside_no_decimal_stays_a_double() {
    let doubles = [
        ("0.5", "0.5"),
        ("1e300", "1.0e300"),
        ("0.1 + 0.2", "0.3"),
        ("1.0 / 3", "0.3333333333333333"),
        ("f * 1.1", "0.11000000000000001"),
        ("CASE WHEN b THEN i ELSE 0.5 END", "3.0"),
        ("f * (1 + 0.1)", "0.11000000000000001"),
        ("f * 1e300", "1.0e299"),
        ("i * 0.5", "1.5"),
        ("i * 1.0 / 7", "0.42857142857142855"),
        ("CASE WHEN b THEN 1 ELSE 0.5 END", "1.0"),
        ("coalesce(i, 0.5)", "3.0"),
        ("f * CASE WHEN b THEN 0.92 ELSE 1.0 END", "0.09200000000000001"),
        ("coalesce(p, f)", "10.0"),
        ("p * f", "1.0"),
        ("sqrt(2.0)", "1.4142135623730951"),
        ("round(2.567, 2)", "2.57"),
        ("SELECT r AS x FROM (SELECT f, 1.19 AS r FROM input)", "1.19"),
    ];
    assert_values(&doubles);
    for (expression, _) in doubles {
        let plan = planned(&select(expression), &numbers());
        assert_eq!(plan.output_schema().field(0).data_type(), &DataType::Float64, "{expression}");
    }
    assert_values(&[
        ("array_has(fs, 0.1)", "true"),
        ("array_append(fs, 1.5)", "[0.1,0.2,1.5]"),
        ("array_transform(fs, x -> x * 1.5)", "[0.15000000000000002,0.30000000000000004]"),
        ("SELECT {'a': 1.5} AS x FROM input", r#"{"a":1.5}"#),
        ("f IN (0.1, 0.2)", "true"),
        ("f > 0.1", "false"),
    ]);
}

#[test]
fn comparisons_are_right_for_every_size() {
    assert_values(&[
        ("p < 1e300", "true"),
        ("p > 1e-50", "true"),
        ("p = f * 100", "true"),
        ("z > p", "true"),
        ("z = l", "false"),
        ("z > 99999999999999999999999999999999999998.5", "true"),
        ("t > l", "true"),
        ("z BETWEEN t AND 1e38", "true"),
        ("z IN (t, 99999999999999999999999999999999999999)", "true"),
        ("CASE p WHEN z THEN 'same' WHEN 10 THEN 'ten' END", "\"ten\""),
        ("CASE z WHEN t THEN 'same' ELSE 'other' END", "\"other\""),
        ("nullif(z, t) = z", "true"),
        ("nullif(p, 10.000) IS NULL", "true"),
        ("l = 9007199254740992.0", "false"),
        ("l = 9007199254740993.0", "true"),
        ("0.1 + 0.2 = 0.3", "true"),
        ("i * 0.1 = 0.3", "true"),
        ("p IS DISTINCT FROM 10.000", "false"),
    ]);
}

#[test]
fn quotients_are_rounded_and_have_enough_digits() {
    assert_values(&[
        ("p / 3", "3.333333"),
        ("(p + 10) / 3", "6.666667"),
        ("-(p + 10) / 3", "-6.666667"),
        ("p / 0.03", "333.333333"),
        ("p / 1000000", "0.0000100000"),
        ("1 / (p * 30)", "0.0033333333333333"),
        ("p / i", "3.3333333333333"),
        ("2 * p / i", "6.6666666666667"),
        ("t / 2", "6172839450617283945.061728394506172839"),
        ("array_transform(ps, x -> x / 3)", "[0.033333,0.500000]"),
        ("t % 7", "1.123456789012345678"),
    ]);
}

#[test]
fn casts_keep_digits_and_round_half_away_from_zero() {
    assert_values(&[
        ("CAST(s AS DECIMAL(10,2))", "1500.00"),
        ("TRY_CAST(s AS DECIMAL(10,2))", "1500.00"),
        ("TRY_CAST(s AS DECIMAL(4,2)) IS NULL", "true"),
        ("CAST('1E-7' AS DECIMAL(10,8))", "0.00000010"),
        ("CAST(' +1.005 ' AS DECIMAL(10,2))", "1.01"),
        ("CAST(f AS DECIMAL(38,30))", "0.100000000000000000000000000000"),
        ("CAST(f * 10.05 AS DECIMAL(10,2))", "1.01"),
        ("CAST(w AS DOUBLE)", "1.2345678901234567e19"),
        ("CAST(p * 0.25 AS INT)", "3"),
        ("CAST(p * -0.25 AS BIGINT)", "-3"),
        ("CAST(1.5 AS INT)", "2"),
        ("CAST(w AS DECIMAL(38,2))", "12345678901234567890.01"),
        ("CAST(w AS STRING)", "\"12345678901234567890.0123456789\""),
        ("CAST(1.50 AS STRING)", "\"1.50\""),
    ]);
}

#[test]
fn what_would_be_inexact_is_refused() {
    let cases = [
        ("power(p, 2)", "multiply"),
        ("array_avg(ps)", "array_sum"),
        ("p ^ 2", "no bits"),
        ("p = s", "CAST"),
        ("p = 'x'", "not a number"),
        ("CAST('x' AS DECIMAL(10,2))", "not a decimal"),
        ("w * w * w * w", "exceed"),
    ];
    for (expression, reason) in cases {
        let sql = format!("SELECT {expression} AS x FROM input");
        let error = SqlPlan::plan(&sql, &numbers(), &Functions::default()).unwrap_err();
        assert!(error.to_string().contains(reason), "{expression}: {error}");
    }
}

#[test]
fn a_result_of_too_many_digits_fails_its_row_only() {
    let small = r#"{"z":1,"p":1.00,"s":"1"}"#;
    for (expression, reason) in [
        ("z + 1", "more digits"),
        ("z * 2", "more digits"),
        ("z / 3", "more digits"),
        ("p / (z - z)", "Divide by zero"),
        ("CAST(s AS DECIMAL(4,2))", "before the point"),
    ] {
        let sql = format!("SELECT {expression} AS x FROM input");
        let (rows, _, bad) = run_isolating(&sql, &numbers(), &[ROW, small]);
        let good = usize::from(!expression.contains("z - z"));
        assert_eq!((rows.len(), bad.len()), (good, 2 - good), "{expression}");
        assert!(bad[0].1.to_string().contains(reason), "{expression}: {}", bad[0].1);
    }
}

#[test]
fn a_condition_of_decimals_is_exact() {
    for condition in ["p * (1 + 0.19) = 11.9", "w = 12345678901234567890.0123456789"] {
        let plan = SqlPlan::plan_condition(condition, &numbers(), &Functions::default()).unwrap();
        let batch = batch(&numbers(), &[ROW]);
        let output = plan.transform().apply(&Input { partition: 0, batch: &batch }).unwrap();
        assert_eq!(json(&output.batch), [r#"{"that":true}"#], "{condition}");
    }
}
