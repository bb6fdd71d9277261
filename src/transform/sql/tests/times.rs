//! Instants of the years 0000 to 9999, with Postgres's answers.

use arrow::datatypes::{DataType, Field, Schema};

use super::intervals::values;
use super::*;
use crate::transform::testing::{instant, list};

const ROWS: [&str; 5] = [
    r#"{"id":1,"ts":"9999-12-31T23:59:59.999999Z","d":"9999-12-31","s":"9999-12-31T23:59:59Z","many":["9999-12-31T00:00:00Z"]}"#,
    r#"{"id":2,"ts":"0001-01-01T00:00:00Z","d":"0001-01-01","s":"0001-01-01T00:00:00Z","many":[]}"#,
    r#"{"id":3,"ts":"2024-01-31T23:30:00Z","d":"2024-01-31","s":"2024-01-31T23:30:00Z","many":["2024-01-31T00:00:00Z"]}"#,
    r#"{"id":4,"ts":"1969-12-31T23:59:59.5Z","d":"1969-12-31","s":"1969-12-31T23:59:59.5Z"}"#,
    r#"{"id":5}"#,
];

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("ts", instant(), true),
        Field::new("d", DataType::Date32, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("many", list(instant()), true),
    ])
}

/// Each case is an expression and its values in the first four rows.
pub(super) fn check(cases: &[(&str, [&str; 4])]) {
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let found = std::panic::catch_unwind(|| values(expr, &schema(), &ROWS))
            .unwrap_or_else(|error| vec![format!("{:?}", error.downcast_ref::<String>())]);
        let found: Vec<_> = found.iter().map(|value| value.trim_matches('"')).take(4).collect();
        if found != expected {
            wrong.push(format!("{expr}\n  found    {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn instants_are_cut_in_every_year() {
    check(&[
        (
            "date_trunc('microsecond', ts)",
            [
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "date_trunc('millisecond', ts)",
            [
                "9999-12-31T23:59:59.999Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "date_trunc('second', ts)",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59Z",
            ],
        ),
        (
            "date_trunc('minute', ts)",
            [
                "9999-12-31T23:59:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:00Z",
            ],
        ),
        (
            "date_trunc('hour', ts)",
            [
                "9999-12-31T23:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:00:00Z",
                "1969-12-31T23:00:00Z",
            ],
        ),
        (
            "date_trunc('day', ts)",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T00:00:00Z",
                "1969-12-31T00:00:00Z",
            ],
        ),
        (
            "DATE_TRUNC('WEEK', ts)",
            [
                "9999-12-27T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-29T00:00:00Z",
                "1969-12-29T00:00:00Z",
            ],
        ),
        (
            "date_trunc('month', ts)",
            [
                "9999-12-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-12-01T00:00:00Z",
            ],
        ),
        (
            "date_trunc('quarter', ts)",
            [
                "9999-10-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-10-01T00:00:00Z",
            ],
        ),
        (
            "date_trunc('year', ts)",
            [
                "9999-01-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-01-01T00:00:00Z",
            ],
        ),
        (
            "date_trunc('month', d)",
            [
                "9999-12-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-12-01T00:00:00Z",
            ],
        ),
        (
            "date_trunc('month', s)",
            [
                "9999-12-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-12-01T00:00:00Z",
            ],
        ),
        // Berlin is an hour ahead in winter; before 1893 it was 53 minutes and 28 seconds.
        (
            "date_trunc('day', ts AT TIME ZONE 'Europe/Berlin')",
            [
                "9999-12-31T23:00:00Z",
                "0000-12-31T23:06:32Z",
                "2024-01-31T23:00:00Z",
                "1969-12-31T23:00:00Z",
            ],
        ),
        (
            "date_trunc('year', ts AT TIME ZONE 'America/New_York')",
            [
                "9999-01-01T05:00:00Z",
                "0000-01-01T04:56:02Z",
                "2024-01-01T05:00:00Z",
                "1969-01-01T05:00:00Z",
            ],
        ),
        (
            "date_trunc('hour', ts AT TIME ZONE 'Asia/Kolkata')",
            [
                "9999-12-31T23:30:00Z",
                "0000-12-31T23:06:32Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:30:00Z",
            ],
        ),
    ]);
}

#[test]
fn instants_are_binned_in_every_year() {
    check(&[
        (
            "date_bin(INTERVAL '1 day', ts)",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T00:00:00Z",
                "1969-12-31T00:00:00Z",
            ],
        ),
        (
            "date_bin(INTERVAL '15 minutes', ts, TIMESTAMP '2001-01-01 00:05:00')",
            [
                "9999-12-31T23:50:00Z",
                "0000-12-31T23:50:00Z",
                "2024-01-31T23:20:00Z",
                "1969-12-31T23:50:00Z",
            ],
        ),
        (
            "date_bin(INTERVAL '7 days', ts, '0001-01-01')",
            [
                "9999-12-27T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-29T00:00:00Z",
                "1969-12-29T00:00:00Z",
            ],
        ),
        (
            "date_bin(INTERVAL '1 month', ts)",
            [
                "9999-12-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-01T00:00:00Z",
                "1969-12-01T00:00:00Z",
            ],
        ),
        (
            "date_bin(INTERVAL '1 year', ts, TIMESTAMP '2000-07-15 12:00:00')",
            [
                "9999-07-15T12:00:00Z",
                "0000-07-15T12:00:00Z",
                "2023-07-15T12:00:00Z",
                "1969-07-15T12:00:00Z",
            ],
        ),
        (
            "date_bin(INTERVAL '1 hour', ts, ts)",
            [
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        ("date_bin(INTERVAL '0 seconds', ts)", ["!", "!", "!", "!"]),
        ("date_bin(INTERVAL '-1 day', ts)", ["!", "!", "!", "!"]),
    ]);
}

#[test]
fn instants_are_written_in_every_year() {
    check(&[
        ("to_char(ts, '%Y-%m-%d')", ["9999-12-31", "0001-01-01", "2024-01-31", "1969-12-31"]),
        (
            "date_format(ts, '%d.%m.%Y %H:%M')",
            ["31.12.9999 23:59", "01.01.0001 00:00", "31.01.2024 23:30", "31.12.1969 23:59"],
        ),
        ("to_char(d, '%Y/%m')", ["9999/12", "0001/01", "2024/01", "1969/12"]),
        ("to_char(s, '%H:%M')", ["23:59", "00:00", "23:30", "23:59"]),
        (
            "to_char(ts AT TIME ZONE 'Europe/Berlin', '%Y-%m-%d %H:%M')",
            ["+10000-01-01 00:59", "0001-01-01 00:53", "2024-02-01 00:30", "1970-01-01 00:59"],
        ),
        ("CAST(ts AS DATE)", ["9999-12-31", "0001-01-01", "2024-01-31", "1969-12-31"]),
        ("to_date(ts)", ["9999-12-31", "0001-01-01", "2024-01-31", "1969-12-31"]),
        ("to_date(s)", ["9999-12-31", "0001-01-01", "2024-01-31", "1969-12-31"]),
        ("CAST(CAST(ts AS STRING) AS TIMESTAMP) = ts", ["true", "true", "true", "true"]),
        (
            "CAST(d AS TIMESTAMP)",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T00:00:00Z",
                "1969-12-31T00:00:00Z",
            ],
        ),
    ]);
    let sql = "SELECT to_char(ts, 'YYYY-MM-DD') AS v FROM input";
    let error = SqlPlan::plan(sql, &schema(), &Functions::default()).unwrap_err();
    assert!(error.to_string().contains("'%Y-%m-%d %H:%M:%S'"), "{error}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn instants_are_compared_in_every_year() {
    check(&[
        ("ts < current_date", ["false", "true", "true", "true"]),
        ("current_date >= ts", ["false", "true", "true", "true"]),
        ("ts < now()", ["false", "true", "true", "true"]),
        ("ts >= d", ["true", "true", "true", "true"]),
        ("ts = d", ["false", "true", "false", "false"]),
        ("ts < '9999-01-01'", ["false", "true", "true", "true"]),
        ("ts > '0001-01-01'", ["true", "false", "true", "true"]),
        ("'9999-12-31T00:00:00Z' < ts", ["true", "false", "false", "false"]),
        ("ts = s", ["false", "true", "true", "true"]),
        ("ts IN ('0001-01-01', '2024-01-31T23:30:00Z')", ["false", "true", "true", "false"]),
        ("ts NOT IN (d)", ["true", "false", "true", "true"]),
        ("ts BETWEEN '0001-01-01' AND '9999-12-31'", ["false", "true", "true", "true"]),
        ("ts BETWEEN d AND current_date", ["false", "true", "true", "true"]),
        ("ts IS DISTINCT FROM '0001-01-01'", ["true", "false", "true", "true"]),
        (
            "CASE ts WHEN '0001-01-01' THEN 'a' WHEN '9999-12-31' THEN 'b' ELSE 'c' END",
            ["c", "a", "c", "c"],
        ),
        (
            "CASE WHEN id = 1 THEN ts ELSE '9999-01-01' END",
            [
                "9999-12-31T23:59:59.999999Z",
                "9999-01-01T00:00:00Z",
                "9999-01-01T00:00:00Z",
                "9999-01-01T00:00:00Z",
            ],
        ),
        (
            "CASE WHEN id = 1 THEN d ELSE ts END",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "greatest(ts, '9999-01-01')",
            [
                "9999-12-31T23:59:59.999999Z",
                "9999-01-01T00:00:00Z",
                "9999-01-01T00:00:00Z",
                "9999-01-01T00:00:00Z",
            ],
        ),
        (
            "least(ts, d)",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T00:00:00Z",
                "1969-12-31T00:00:00Z",
            ],
        ),
        (
            "nullif(ts, '0001-01-01')",
            [
                "9999-12-31T23:59:59.999999Z",
                "null",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "nvl(ts, '9999-12-31')",
            [
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "nvl2(ts, ts, d)",
            [
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        ("ts AT TIME ZONE 'Europe/Berlin' = ts", ["true", "true", "true", "true"]),
        ("ts AT TIME ZONE 'Asia/Tokyo' < '9999-12-31'", ["false", "true", "true", "true"]),
        ("ts AT TIME ZONE 'Asia/Tokyo' > d", ["true", "true", "true", "true"]),
        ("array_has(many, d)", ["true", "false", "true", "null"]),
        ("array_position(many, d)", ["1", "null", "1", "null"]),
        ("d < '9999-01-01'", ["false", "true", "true", "true"]),
        ("d < current_date", ["false", "true", "true", "true"]),
        ("CAST('9999-12-31' AS TIMESTAMP) > ts", ["false", "true", "true", "true"]),
    ]);
    let absent = values("coalesce(ts, TIMESTAMP '9999-12-31')", &schema(), &ROWS);
    assert_eq!(absent[4], r#""9999-12-31T00:00:00Z""#);
    let absent = values("coalesce(ts, d, current_date) IS NOT NULL", &schema(), &ROWS);
    assert_eq!(absent, ["true"; 5]);
    let absent = values("nvl(ts, DATE '9999-12-31')", &schema(), &ROWS);
    assert_eq!(absent[4], r#""9999-12-31T00:00:00Z""#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn numbers_and_text_become_instants_of_every_year() {
    check(&[
        ("to_unixtime(ts)", ["253402300799", "-62135596800", "1706743800", "-1"]),
        ("to_unixtime(s)", ["253402300799", "-62135596800", "1706743800", "-1"]),
        ("to_unixtime(d)", ["253402214400", "-62135596800", "1706659200", "-86400"]),
        (
            "to_timestamp(to_unixtime(ts))",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59Z",
            ],
        ),
        (
            "from_unixtime(to_unixtime(ts))",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59Z",
            ],
        ),
        (
            "to_timestamp(s)",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59.500Z",
            ],
        ),
        (
            "to_timestamp_seconds(s)",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59Z",
            ],
        ),
        (
            "to_timestamp_seconds(ts)",
            [
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T23:30:00Z",
                "1969-12-31T23:59:59Z",
            ],
        ),
        (
            "to_timestamp_millis(to_unixtime(ts) * 1000 + 5)",
            [
                "9999-12-31T23:59:59.005Z",
                "0001-01-01T00:00:00.005Z",
                "2024-01-31T23:30:00.005Z",
                "1969-12-31T23:59:59.005Z",
            ],
        ),
        ("to_timestamp_micros(CAST(ts AS BIGINT)) = ts", ["true", "true", "true", "true"]),
        ("to_timestamp(ts) = ts", ["true", "true", "true", "true"]),
        (
            "to_timestamp(substr(s, 1, 10), '%d.%m.%Y', '%Y-%m-%d')",
            [
                "9999-12-31T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "2024-01-31T00:00:00Z",
                "1969-12-31T00:00:00Z",
            ],
        ),
        ("to_timestamp(-0.5)", ["1969-12-31T23:59:59.500Z"; 4]),
        ("to_timestamp(CAST(1.9999996 AS DECIMAL(20,9)))", ["1970-01-01T00:00:02Z"; 4]),
        ("to_timestamp(253402300799 + id)", ["!"; 4]),
        ("to_timestamp(-62167219200 - id)", ["!"; 4]),
        ("to_timestamp('never' || s)", ["!"; 4]),
        ("to_timestamp(s, '%d.%m.%Y')", ["!"; 4]),
        (
            "make_date(extract(year FROM ts), 2, 28)",
            ["9999-02-28", "0001-02-28", "2024-02-28", "1969-02-28"],
        ),
        (
            "to_date(substr(s, 1, 10), '%Y-%m-%d')",
            ["9999-12-31", "0001-01-01", "2024-01-31", "1969-12-31"],
        ),
    ]);
}
