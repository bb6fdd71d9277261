//! Queries within queries: each computes with what the one inside it made.

use super::*;
use crate::transform::testing::run_isolating;

fn numbers() -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)])
}

const ROWS: [&str; 2] = [r#"{"n":1,"s":"7"}"#, r#"{"n":2,"s":"x"}"#];

#[test]
fn queries_that_are_written_alike_are_all_computed() {
    for (step, first, last) in [
        ("n + n", "32", "64"),
        ("n * 3 - n", "32", "64"),
        ("n + 1", "6", "7"),
        ("CASE WHEN n < 4 THEN n + n ELSE n + 1 END", "7", "8"),
    ] {
        let mut sql = "SELECT n, s FROM input".to_owned();
        for level in 0..5 {
            // With what renames between them, and without.
            sql = match level % 2 {
                0 => format!("SELECT {step} AS n, s FROM ({sql})"),
                _ => format!("SELECT n, s FROM (SELECT {step} AS n, s FROM ({sql}))"),
            };
        }
        let (rows, _) = run(&format!("SELECT n FROM ({sql})"), &numbers(), &ROWS);
        let expected = [format!(r#"{{"n":{first}}}"#), format!(r#"{{"n":{last}}}"#)];
        assert_eq!(rows, expected, "{step}");
        let (rows, _) = run(&format!("SELECT n FROM ({sql}) WHERE n > 0"), &numbers(), &ROWS);
        assert_eq!(rows, expected, "{step}");
    }
    let sql = "WITH n AS (SELECT n || s AS s FROM input), m AS (SELECT s || s AS s FROM n),
      o AS (SELECT s || s AS s FROM m) SELECT s || s AS s FROM o";
    let (rows, _) = run(sql, &numbers(), &ROWS);
    assert_eq!(rows[0], format!(r#"{{"s":"{}"}}"#, "17".repeat(8)));
}

#[test]
fn a_column_that_one_branch_reads_is_computed_for_that_branch() {
    for sql in [
        "SELECT CASE WHEN s <> 'x' THEN k END AS k FROM (SELECT s, CAST(s AS INT) AS k FROM input)",
        "WITH t AS (SELECT s, CAST(s AS INT) AS k FROM input)
           SELECT CASE WHEN s <> 'x' THEN k END AS k FROM t",
    ] {
        let (rows, _, bad) = run_isolating(sql, &numbers(), &ROWS);
        assert!(bad.is_empty(), "{sql}: {bad:?}");
        assert_eq!(rows, [r#"{"k":7}"#, "{}"], "{sql}");
    }
}

#[test]
fn a_random_value_of_a_subquery_is_one_value() {
    let sql =
        "SELECT id = id2 AS same FROM (SELECT id, id AS id2 FROM (SELECT uuid() AS id FROM input))";
    let (rows, _) = run(sql, &numbers(), &ROWS);
    assert_eq!(rows, [r#"{"same":true}"#, r#"{"same":true}"#]);
    let sql =
        "SELECT array_transform([1, 2], x -> id) AS ids FROM (SELECT uuid() AS id FROM input)";
    let (rows, _) = run(sql, &numbers(), &ROWS);
    let row: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
    assert_eq!(row["ids"][0], row["ids"][1]);
}
