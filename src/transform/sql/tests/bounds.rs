//! What one record may make a function compute, and what a batch may.

use super::*;
use crate::transform::testing::{list, run_isolating};

fn sized() -> Schema {
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("l", list(DataType::Utf8), true),
    ])
}

/// A number that no memory holds, between two that every memory does.
const SIZED: [&str; 4] = [
    r#"{"id":1,"n":3,"s":"ab","l":["x","y"]}"#,
    r#"{"id":2,"n":2000000000,"s":"ab","l":["x","y"]}"#,
    r#"{"id":3,"n":null,"s":null,"l":null}"#,
    r#"{"id":4,"n":2,"s":"é","l":[]}"#,
];

/// The values of `v` for the rows that pass, and the rows that fail, with why.
fn values(sql: &str, schema: &Schema, rows: &[&str]) -> (Vec<String>, Vec<(u32, String)>) {
    let (rows, _, bad) = run_isolating(sql, schema, rows);
    let value = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row["v"].to_string()
    };
    let bad = bad.iter().map(|(row, error)| (*row, error.to_string())).collect();
    (rows.iter().map(value).collect(), bad)
}

#[test]
fn a_record_that_asks_for_too_much_fails_alone_before_anything_is_made() {
    let cases = [
        ("cardinality(range(0, n))", ["3", "0", "2"]),
        ("cardinality(range(n))", ["3", "0", "2"]),
        ("cardinality(generate_series(1, n))", ["3", "0", "2"]),
        ("cardinality(range(0, n * 500, 500))", ["3", "0", "2"]),
        ("cardinality(range(0, -n * 500, -500))", ["3", "0", "2"]),
        ("cardinality(range(0, n * 1000000))", ["3000000", "0", "2000000"]),
        (
            "cardinality(generate_series(DATE '2020-01-01', DATE '2020-01-03', INTERVAL '1 day'))
               + cardinality(range(1, n))",
            ["5", "0", "4"],
        ),
        ("repeat(s, n)", ["\"ababab\"", "null", "\"éé\""]),
        ("lpad(s, n)", ["\" ab\"", "null", "\" é\""]),
        ("rpad(s, n, '€')", ["\"ab€\"", "null", "\"é€\""]),
        ("array_repeat(1, n)", ["[1,1,1]", "[]", "[1,1]"]),
        ("array_repeat(s, n)", ["[\"ab\",\"ab\",\"ab\"]", "[]", "[\"é\",\"é\"]"]),
        ("cardinality(array_repeat(l, n))", ["6", "0", "0"]),
        ("array_resize(l, n)", ["[\"x\",\"y\",null]", "null", "[null,null]"]),
        ("array_resize(l, n, s)", ["[\"x\",\"y\",\"ab\"]", "null", "[\"é\",\"é\"]"]),
        ("length(repeat(repeat('x', 1000), n))", ["3000", "null", "2000"]),
        ("array_transform([n], x -> cardinality(range(0, x)))", ["[3]", "[0]", "[2]"]),
        ("length(concat(repeat('x', n), s))", ["5", "0", "3"]),
        ("length(repeat('x', n) || s)", ["5", "null", "3"]),
    ];
    for (expr, expected) in cases {
        let sql = format!("SELECT {expr} AS v FROM input");
        let (rows, bad) = values(&sql, &sized(), &SIZED);
        let (failed, why) = bad.first().unwrap_or_else(|| panic!("{expr}: {rows:?}"));
        assert_eq!((bad.len(), *failed), (1, 1), "{expr}: {bad:?}");
        assert!(why.contains("over the limit of 33554432"), "{expr}: {why}");
        // Null arguments follow DataFusion: of those only that they pass is of interest here.
        assert_eq!(
            (&rows[0], &rows[2]),
            (&expected[0].to_owned(), &expected[2].to_owned()),
            "{expr}"
        );
        assert_eq!(rows.len(), 3, "{expr}");
    }
}

#[test]
fn a_range_is_measured_by_its_step_whatever_its_ends() {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Int64, true),
    ]);
    let rows = [
        r#"{"a":-9223372036854775808,"b":9223372036854775807}"#,
        r#"{"a":9223372036854775800,"b":9223372036854775807}"#,
        r#"{"a":5,"b":1}"#,
    ];
    let (rows, bad) = values("SELECT cardinality(range(a, b)) AS v FROM input", &schema, &rows);
    assert_eq!(rows, ["7", "0"]);
    assert_eq!(bad[0].0, 0);
    let dates = |step: &str| {
        let sql = format!(
            "SELECT cardinality(range(TIMESTAMP '2020-01-01', TIMESTAMP '2020-03-01' + CAST(a || ' seconds' AS INTERVAL),
               INTERVAL '{step}')) AS v FROM input"
        );
        values(&sql, &schema, &[r#"{"a":0,"b":0}"#, r#"{"a":1,"b":0}"#])
    };
    assert_eq!(dates("1 month").0, ["2", "3"]);
    assert_eq!(dates("1 microsecond").1.len(), 2);
    // It would go back as far as it goes on, and never arrive.
    assert_eq!(dates("1 month -31 days").1.len(), 2);
}

#[test]
fn what_grows_with_its_arguments_is_measured_by_what_it_makes() {
    let schema = Schema::new(vec![Field::new("s", DataType::Utf8, false)]);
    let (short, long) = ("ab".repeat(10), "ab".repeat(200_000));
    let rows = [format!(r#"{{"s":"{short}"}}"#), format!(r#"{{"s":"{long}"}}"#)];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    for (expr, short_length) in [
        ("length(replace(s, 'a', s))", 210),
        ("length(regexp_replace(s, 'a', s, 'g'))", 210),
        ("length(regexp_replace(s, '', s, 'g'))", 440),
        ("length(array_to_string(string_to_array(s, 'a'), s))", 210),
        ("length(concat_ws(s, s, s, repeat(s, 100)))", 2080),
        ("cardinality(array_transform(range(0, length(s)), x -> s))", 20),
    ] {
        let (rows, bad) = values(&format!("SELECT {expr} AS v FROM input"), &schema, &rows);
        assert_eq!(rows, [short_length.to_string()], "{expr}");
        assert_eq!(bad.len(), 1, "{expr}: {bad:?}");
    }
    // A long text in which little is replaced by much is fine.
    for (expr, length) in [
        ("length(replace(s, 'aa', repeat('x', 1000)))", 400_000),
        ("length(replace(concat('z', s), 'z', repeat('x', 1000)))", 401_000),
        ("length(regexp_replace(s, '^a', repeat('x', 1000), 'g'))", 400_999),
        ("length(regexp_replace(s, '(a+)', '[\\1]', 'g'))", 800_000),
        ("length(translate(s, 'ab', 'é€'))", 400_000),
    ] {
        let (values, bad) = values(&format!("SELECT {expr} AS v FROM input"), &schema, &rows);
        assert!(bad.is_empty(), "{expr}: {bad:?}");
        assert!(values[1].parse::<i64>().unwrap() >= length, "{expr}: {values:?}");
    }
}

#[test]
fn doubling_ends_at_the_limit() {
    let mut text = "SELECT s AS a FROM input".to_owned();
    let mut lists = "SELECT [s] AS a FROM input".to_owned();
    for _ in 0..30 {
        text = format!("SELECT a || a AS a FROM ({text})");
        lists = format!("SELECT array_concat(a, a) AS a FROM ({lists})");
    }
    for sql in [
        format!("SELECT length(a) AS v FROM ({text})"),
        format!("SELECT cardinality(a) AS v FROM ({lists})"),
    ] {
        let (rows, bad) = values(&sql, &sized(), &SIZED[..1]);
        assert!(rows.is_empty() && bad.len() == 1, "{rows:?}");
    }
}

#[test]
fn rows_that_are_each_below_the_limit_pass_in_smaller_batches() {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    let rows: Vec<String> = (0..64).map(|_| r#"{"n":2000000}"#.to_owned()).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    for sql in [
        "SELECT cardinality(range(0, n)) AS v FROM input",
        "SELECT cardinality(range(0, 2000000)) + n - n AS v FROM input",
        "SELECT CAST(array_has(range(0, 2000001), n) AS INT) * 2000000 AS v FROM input",
    ] {
        let (values, bad) = values(sql, &schema, &rows);
        assert!(bad.is_empty(), "{sql}: {bad:?}");
        assert_eq!(values, vec!["2000000"; 64], "{sql}");
    }
}

#[test]
fn unnesting_counts_the_columns_that_are_repeated() {
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]);
    let long = "x".repeat(100_000);
    let rows = [r#"{"n":2,"s":"a"}"#.to_owned(), format!(r#"{{"n":100000,"s":"{long}"}}"#)];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let sql = "SELECT length(s) AS v, e FROM (SELECT s, unnest(range(0, n)) AS e FROM input)";
    let (rows, bad) = values(sql, &schema, &rows);
    assert_eq!(rows, ["1", "1"]);
    assert_eq!(bad.len(), 1);
    assert!(bad[0].1.contains("134217728 bytes together"), "{bad:?}");
}

#[test]
fn a_constant_that_no_row_can_hold_is_refused_and_one_that_may_not_be_needed_is_not() {
    for (expr, column) in [
        ("repeat('x', 1000000000)", 8),
        ("lpad('x', 2000000000)", 8),
        ("array_repeat(1, 1000000000)", 8),
        ("cardinality(range(0, 1000000000000))", 8),
        ("length(repeat(repeat('x', 100000), 100000))", 8),
    ] {
        let sql = format!("SELECT {expr} AS v, id FROM input");
        let error = SqlPlan::plan(&sql, &sized(), &Functions::default()).unwrap_err();
        assert!(error.message.contains("over the limit of 33554432"), "{error}");
        assert_eq!((error.line, error.column), (1, column), "{sql}");
    }
    for expr in [
        "CAST([1] AS INT[2000000000])",
        "arrow_cast([1], 'FixedSizeList(2000000000, Int64)')",
        "arrow_cast(NULL, 'FixedSizeBinary(2000000000)')",
    ] {
        let sql = format!("SELECT id, {expr} AS v FROM input");
        let error = SqlPlan::plan(&sql, &sized(), &Functions::default()).unwrap_err();
        assert!(error.message.contains("over 10000 elements"), "{error}");
    }
    for (expr, expected) in [
        ("CASE WHEN id < 3 THEN 1 ELSE length(repeat('x', 1000000000)) END", "1"),
        ("cardinality(range(0, CASE WHEN id < 3 THEN 2 ELSE 1000000000000 END))", "2"),
        ("coalesce(n, length(repeat('x', 1000000000)))", "3"),
        ("id < 3 OR length(repeat('x', 1000000000)) > 1", "true"),
        ("length(repeat('x', 1000000))", "1000000"),
    ] {
        let sql = format!("SELECT {expr} AS v FROM input");
        let (rows, bad) = values(&sql, &sized(), &SIZED[..1]);
        assert!(bad.is_empty(), "{expr}: {bad:?}");
        assert_eq!(rows, [expected], "{expr}");
    }
}

#[test]
fn functions_that_are_limited_are_shown_by_their_names() {
    let sql = "SELECT concat(s, 'x') AS a, [s] || l AS b, array_transform(l, x -> x || s) AS c FROM input";
    let steps = planned(sql, &sized()).steps();
    assert!(steps[0].starts_with("project concat(s, x) AS a"), "{steps:?}");
    let (rows, _) = run(sql, &sized(), &SIZED[..1]);
    assert_eq!(rows, [r#"{"a":"abx","b":["ab","x","y"],"c":["xab","yab"]}"#]);
}
