//! Intervals, with Postgres's answers.

use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::transform::testing::{instant, run_isolating};

/// Open for four days, for half an hour, for 45 days, without an end, for 9,998 years, backwards.
const TICKETS: [&str; 6] = [
    r#"{"opened":"2024-01-01T00:00:00Z","closed":"2024-01-05T00:00:00Z","n":1}"#,
    r#"{"opened":"2024-01-01T00:00:00Z","closed":"2024-01-01T00:30:00Z","n":2}"#,
    r#"{"opened":"2024-01-01T00:00:00Z","closed":"2024-02-15T00:00:00Z","n":3}"#,
    r#"{"opened":"2024-01-01T00:00:00Z","n":4}"#,
    r#"{"opened":"0001-01-01T00:00:00Z","closed":"9999-12-31T23:59:59.25Z","n":5}"#,
    r#"{"opened":"2024-01-02T12:00:00.5Z","closed":"2024-01-01T00:00:00Z","n":6}"#,
];

pub(super) fn tickets() -> Schema {
    Schema::new(vec![
        Field::new("opened", instant(), true),
        Field::new("closed", instant(), true),
        Field::new("n", DataType::Int32, true),
    ])
}

/// The value of an expression in each row, as JSON; `!` for a row that fails.
pub(super) fn values(expr: &str, schema: &Schema, rows: &[&str]) -> Vec<String> {
    let (found, _, bad) = run_isolating(&format!("SELECT {expr} AS v FROM input"), schema, rows);
    let mut found = found.into_iter().map(|row| match row.strip_prefix(r#"{"v":"#) {
        Some(value) => value.trim_end_matches('}').to_owned(),
        None => "null".to_owned(),
    });
    (0..rows.len() as u32)
        .map(|row| {
            let failed = bad.iter().any(|(bad, _)| *bad == row);
            if failed { "!".to_owned() } else { found.next().unwrap() }
        })
        .collect()
}

fn check(schema: &Schema, rows: &[&str], cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let found = std::panic::catch_unwind(|| values(expr, schema, rows).join(" "))
            .unwrap_or_else(|error| format!("{:?}", error.downcast_ref::<String>()));
        if found != *expected {
            wrong.push(format!("{expr}\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn intervals_are_compared_by_their_length() {
    check(
        &tickets(),
        &TICKETS,
        &[
            ("closed - opened > INTERVAL '1 day'", "true false true null true false"),
            ("closed - opened > INTERVAL '24 hours'", "true false true null true false"),
            ("closed - opened < INTERVAL '2 days'", "false true false null false true"),
            ("INTERVAL '2 days' > closed - opened", "false true false null false true"),
            ("closed - opened >= INTERVAL '1 month'", "false false true null true false"),
            ("closed - opened = INTERVAL '4 days'", "true false false null false false"),
            ("closed - opened <> INTERVAL '96 hours'", "false true true null true true"),
            ("closed - opened < INTERVAL '-1 day'", "false false false null false true"),
            ("opened - closed > INTERVAL '1 day'", "false false false null false true"),
            (
                "closed - opened BETWEEN INTERVAL '1 hour' AND INTERVAL '7 days'",
                "true false false null false false",
            ),
            (
                "closed - opened NOT BETWEEN INTERVAL '1 hour' AND INTERVAL '7 days'",
                "false true true null true true",
            ),
            (
                "closed - opened IN (INTERVAL '30 minutes', INTERVAL '1 month 15 days')",
                "false true true null false false",
            ),
            (
                "CASE closed - opened WHEN INTERVAL '96 hours' THEN 'four' WHEN INTERVAL '1 month 15 days' THEN 'long' ELSE 'other' END",
                r#""four" "other" "long" "other" "other" "other""#,
            ),
            (
                "closed - opened IS DISTINCT FROM INTERVAL '4 days'",
                "false true true true true true",
            ),
            (
                "closed - opened IS NOT DISTINCT FROM INTERVAL '4 days'",
                "true false false false false false",
            ),
            (
                "nullif(closed - opened, INTERVAL '4 days') IS NULL",
                "true false false true false false",
            ),
            (
                "greatest(closed - opened, INTERVAL '1 day') = INTERVAL '1 day'",
                "false true false true false true",
            ),
            (
                "least(closed - opened, INTERVAL '1 day', NULL) = INTERVAL '24 hours'",
                "true false true true true false",
            ),
            (
                "coalesce(closed - opened, INTERVAL '1 day') = INTERVAL '24 hours'",
                "false false false true false false",
            ),
            (
                "CASE WHEN n = 1 THEN closed - opened ELSE INTERVAL '30 days' END = INTERVAL '1 month'",
                "false true true true true true",
            ),
            (
                "closed - opened > (opened - opened) + INTERVAL '1 day'",
                "true false true null true false",
            ),
            ("closed - opened > - INTERVAL '1 day'", "true true true null true false"),
            (
                "closed - opened > INTERVAL '1 day' + INTERVAL '2 hours'",
                "true false true null true false",
            ),
        ],
    );
    let one = [r#"{"n":1}"#];
    check(
        &tickets(),
        &one,
        &[
            ("INTERVAL '36 hours' > INTERVAL '1 day'", "true"),
            ("INTERVAL '30 days' = INTERVAL '1 month'", "true"),
            ("INTERVAL '1 month' < INTERVAL '31 days'", "true"),
            ("INTERVAL '1 year' = INTERVAL '360 days'", "true"),
            ("INTERVAL '1 month -1 day' < INTERVAL '30 days'", "true"),
            ("INTERVAL '24 hours' IN (INTERVAL '1 day')", "true"),
            ("INTERVAL '1 day' BETWEEN INTERVAL '23 hours' AND INTERVAL '25 hours'", "true"),
            ("nullif(INTERVAL '24 hours', INTERVAL '1 day') IS NULL", "true"),
            ("now() - TIMESTAMP '2000-01-01 00:00:00' > INTERVAL '30 days'", "true"),
        ],
    );
}

#[test]
fn a_filter_compares_intervals_by_their_length() {
    let sql = "SELECT n FROM input WHERE closed - opened > INTERVAL '1 day'";
    let (rows, _) = run(sql, &tickets(), &TICKETS);
    assert_eq!(rows, [r#"{"n":1}"#, r#"{"n":3}"#, r#"{"n":5}"#]);
}

#[test]
fn intervals_inside_of_lists_are_not_compared() {
    for expr in [
        "array_has([INTERVAL '36 hours'], INTERVAL '1 day')",
        "array_sort([INTERVAL '36 hours', INTERVAL '1 day'])[1] IS NULL",
        "array_max([INTERVAL '36 hours', INTERVAL '1 day']) IS NULL",
        "array_position([INTERVAL '36 hours'], INTERVAL '1 day')",
        "array_distinct([INTERVAL '36 hours'])[1] IS NULL",
        "[INTERVAL '1 day'] = [INTERVAL '24 hours']",
        "struct(INTERVAL '1 day') = struct(INTERVAL '24 hours')",
    ] {
        let sql = format!("SELECT {expr} AS v FROM input");
        let error = SqlPlan::plan(&sql, &tickets(), &Functions::default()).unwrap_err();
        assert!(error.to_string().contains("CAST(b - a AS BIGINT)"), "{expr}: {error}");
    }
}

#[test]
fn parts_of_intervals_are_exact() {
    check(
        &tickets(),
        &TICKETS,
        &[
            (
                "extract(epoch FROM closed - opened)",
                "345600.0 1800.0 3888000.0 null 3.1553789759925e11 -129600.5",
            ),
            ("extract(day FROM closed - opened)", "4 0 45 null 3652058 -1"),
            ("extract(hour FROM closed - opened)", "0 0 0 null 23 -12"),
            ("extract(minute FROM closed - opened)", "0 30 0 null 59 0"),
            ("extract(second FROM closed - opened)", "0.0 0.0 0.0 null 59.25 -0.5"),
            ("date_part('millisecond', closed - opened)", "0.0 0.0 0.0 null 59250.0 -500.0"),
            ("date_part('microseconds', closed - opened)", "0 0 0 null 59250000 -500000"),
            (
                "CAST(closed - opened AS BIGINT)",
                "345600000000 1800000000 3888000000000 null 315537897599250000 -129600500000",
            ),
        ],
    );
    let one = [r#"{"n":1}"#];
    check(
        &tickets(),
        &one,
        &[
            ("extract(epoch FROM INTERVAL '60.25 seconds')", "60.25"),
            ("extract(epoch FROM INTERVAL '1 month')", "2592000.0"),
            ("extract(epoch FROM INTERVAL '1 year')", "31557600.0"),
            ("extract(epoch FROM INTERVAL '1 year 2 months 3 days 4.5 seconds')", "37000804.5"),
            ("extract(epoch FROM INTERVAL '-14 months')", "-36741600.0"),
            ("extract(month FROM INTERVAL '14 months')", "2"),
            ("extract(year FROM INTERVAL '14 months')", "1"),
            ("extract(quarter FROM INTERVAL '14 months')", "1"),
            ("extract(hour FROM INTERVAL '36 hours')", "36"),
            ("extract(day FROM INTERVAL '36 hours')", "0"),
            ("date_part('millisecond', INTERVAL '90 days')", "0.0"),
            ("date_part('hour', INTERVAL '1 day')", "0"),
        ],
    );
    let sql = "SELECT extract(dow FROM closed - opened) AS v FROM input";
    let error = SqlPlan::plan(sql, &tickets(), &Functions::default()).unwrap_err();
    assert!(error.to_string().contains("an interval has no part `DOW`"), "{error}");
}

#[test]
fn a_date_and_hours_are_a_timestamp() {
    let schema = Schema::new(vec![
        Field::new("d", DataType::Date32, true),
        Field::new("ts", instant(), true),
        Field::new("n", DataType::Int32, true),
    ]);
    let rows = [
        r#"{"d":"2024-01-31","ts":"2024-02-01T06:00:00Z","n":3}"#,
        r#"{"d":"9999-12-30","ts":"9999-12-31T23:00:00Z","n":1}"#,
    ];
    check(
        &schema,
        &rows,
        &[
            ("d + INTERVAL '36 hours'", r#""2024-02-01T12:00:00Z" "9999-12-31T12:00:00Z""#),
            ("INTERVAL '36 hours' + d", r#""2024-02-01T12:00:00Z" "9999-12-31T12:00:00Z""#),
            ("d - INTERVAL '90 minutes'", r#""2024-01-30T22:30:00Z" "9999-12-29T22:30:00Z""#),
            ("d + INTERVAL '1 month'", r#""2024-02-29" "+10000-01-30""#),
            ("d - INTERVAL '1 day'", r#""2024-01-30" "9999-12-29""#),
            (
                "d + CASE WHEN n > 1 THEN INTERVAL '1 day' ELSE INTERVAL '1 hour' END",
                r#""2024-02-01T00:00:00Z" "9999-12-30T01:00:00Z""#,
            ),
            ("d + TIME '10:30:00'", r#""2024-01-31T10:30:00Z" "9999-12-30T10:30:00Z""#),
            ("TIME '10:30:00' + d", r#""2024-01-31T10:30:00Z" "9999-12-30T10:30:00Z""#),
            ("ts - d > INTERVAL '1 day'", "true true"),
            ("d - ts < INTERVAL '-1 day'", "true true"),
            ("d - DATE '2024-01-01'", "30 2913172"),
            ("d + n", r#""2024-02-03" "9999-12-31""#),
        ],
    );
}
