//! `timestamp(9)` and `time(9)`: kept to the last digit, or refused.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::intervals::values;
use super::*;
use crate::transform::{
    Transformation,
    testing::{instant, list},
};

const ROWS: [&str; 2] = [
    r#"{"ts":"2024-03-01T10:00:00.123456789Z","t":"10:00:00.123456789","us":"2024-03-01T10:00:00.123456Z","far":"9999-12-31T00:00:00Z","list":["2024-03-01T10:00:00.000000001Z"]}"#,
    r#"{"ts":"1969-12-31T23:59:59.999999999Z","t":"10:00:00.100","us":"1970-01-01T00:00:00Z","far":"0001-01-01T00:00:00Z","list":[]}"#,
];

fn nanos() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()))
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("ts", nanos(), true),
        Field::new("t", DataType::Time64(TimeUnit::Nanosecond), true),
        Field::new("us", instant(), true),
        Field::new("far", instant(), true),
        Field::new("list", list(nanos()), true),
    ])
}

#[test]
fn nanoseconds_pass_through_a_select() {
    let sql =
        "SELECT ts, t, list, [ts] AS more, coalesce(ts, ts) AS c, unnest([ts]) AS u FROM input";
    let plan = planned(sql, &schema());
    let types: Vec<_> =
        plan.output_schema().fields().iter().map(|field| field.data_type()).collect();
    let time = DataType::Time64(TimeUnit::Nanosecond);
    assert_eq!(types, [&nanos(), &time, &list(nanos()), &list(nanos()), &nanos(), &nanos()]);
    let (_, sources) = &plan.column_lineage().fields[0];
    assert_eq!(sources[0].transformation, Transformation::Identity);
    let (rows, _) = run("SELECT ts, t, list FROM input", &schema(), &ROWS);
    assert_eq!(
        rows,
        [
            r#"{"ts":"2024-03-01T10:00:00.123456789Z","t":"10:00:00.123456789","list":["2024-03-01T10:00:00.000000001Z"]}"#,
            r#"{"ts":"1969-12-31T23:59:59.999999999Z","t":"10:00:00.100","list":[]}"#,
        ]
    );
}

#[test]
fn nanoseconds_are_computed_with_exactly() {
    let cases = [
        ("ts > us", ["true", "false"]),
        ("ts = us", ["false", "false"]),
        ("ts < far", ["true", "false"]),
        ("far BETWEEN us AND ts", ["false", "false"]),
        ("ts IN (us, far)", ["false", "false"]),
        ("ts < '9999-12-31'", ["true", "true"]),
        ("ts = '2024-03-01T10:00:00.123456789Z'", ["true", "false"]),
        ("ts > '2024-03-01T10:00:00.123456788Z'", ["true", "false"]),
        ("ts = TIMESTAMP '2024-03-01 10:00:00.123456789'", ["true", "false"]),
        ("ts < TIMESTAMP '9999-12-31 00:00:00'", ["true", "true"]),
        ("us = TIMESTAMP '2024-03-01 10:00:00.123456499'", ["true", "false"]),
        ("us < TIMESTAMP '2024-03-01 10:00:00.1234565'", ["true", "true"]),
        ("ts < DATE '9999-12-31'", ["true", "true"]),
        ("ts < now()", ["true", "true"]),
        (
            "date_trunc('microsecond', ts)",
            ["2024-03-01T10:00:00.123456Z", "1969-12-31T23:59:59.999999Z"],
        ),
        ("date_trunc('day', ts)", ["2024-03-01T00:00:00Z", "1969-12-31T00:00:00Z"]),
        ("date_bin(INTERVAL '1 second', ts)", ["2024-03-01T10:00:00Z", "1969-12-31T23:59:59Z"]),
        (
            "ts + INTERVAL '1 second'",
            ["2024-03-01T10:00:01.123456789Z", "1970-01-01T00:00:00.999999999Z"],
        ),
        ("ts + INTERVAL '1000 years'", ["!", "!"]),
        ("ts - ts = INTERVAL '0 seconds'", ["true", "true"]),
        ("CAST(ts AS TIMESTAMP)", ["2024-03-01T10:00:00.123457Z", "1970-01-01T00:00:00Z"]),
        ("CAST(ts AS DATE)", ["2024-03-01", "1969-12-31"]),
        ("to_char(ts, '%H:%M:%S%.9f')", ["10:00:00.123456789", "23:59:59.999999999"]),
        ("to_unixtime(ts)", ["1709287200", "-1"]),
        ("extract(nanosecond FROM ts)", ["123456789", "59999999999"]),
        ("CAST('2024-03-01T10:00:00.000000001Z' AS TIMESTAMP(9)) < ts", ["true", "false"]),
        ("CAST(us AS TIMESTAMP(9))", ["2024-03-01T10:00:00.123456Z", "1970-01-01T00:00:00Z"]),
        ("CAST(far AS TIMESTAMP(9))", ["!", "!"]),
        ("ts AT TIME ZONE 'Europe/Berlin' = ts", ["true", "true"]),
        ("us AT TIME ZONE '+00:00' = us", ["true", "true"]),
        ("far AT TIME ZONE '+00:00' = far", ["true", "true"]),
        ("t > CAST('10:00:00.123456788' AS TIME(9))", ["true", "false"]),
        ("t = '10:00:00.123456789'", ["true", "false"]),
    ];
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let found = std::panic::catch_unwind(|| values(expr, &schema(), &ROWS))
            .unwrap_or_else(|error| vec![format!("{:?}", error.downcast_ref::<String>())]);
        let found: Vec<_> = found.iter().map(|value| value.trim_matches('"')).collect();
        if found != expected {
            wrong.push(format!("{expr}\n  found    {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_time_is_of_microseconds_unless_it_says_otherwise() {
    for expr in [
        "to_timestamp('2024-01-01')",
        "to_timestamp(5)",
        "now()",
        "date_trunc('day', '2024-01-01')",
        "date_bin(INTERVAL '1 day', DATE '2024-01-01')",
        "far AT TIME ZONE 'Europe/Berlin'",
        "'2024-01-01' AT TIME ZONE 'Europe/Berlin'",
        "from_unixtime(5)",
        "DATE '2024-01-01' + TIME '10:00:00'",
        "to_local_time(us)",
        "CAST('2024-01-01' AS TIMESTAMP(6))",
    ] {
        let plan = planned(&format!("SELECT {expr} AS v FROM input"), &schema());
        assert_eq!(*plan.output_schema().field(0).data_type(), instant(), "{expr}");
    }
    for expr in ["TIME '10:00:00'", "to_time('10:00:00')", "make_time(1, 2, 3)", "CAST(us AS TIME)"]
    {
        let plan = planned(&format!("SELECT {expr} AS v FROM input"), &schema());
        let time = DataType::Time64(TimeUnit::Microsecond);
        assert_eq!(*plan.output_schema().field(0).data_type(), time, "{expr}");
    }
    let sql = "SELECT CAST(us AS TIMESTAMP(3)) AS v FROM input";
    let error = SqlPlan::plan(sql, &schema(), &Functions::default()).unwrap_err();
    assert!(error.to_string().contains("no type TIMESTAMP(3)"), "{error}");
}
