//! A condition guards what follows it, wherever the two are.

use super::*;
use crate::transform::testing::{list, run_isolating};

fn readings() -> Schema {
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("raw", DataType::Utf8, true),
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Int32, true),
        Field::new("l", list(DataType::Utf8), true),
    ])
}

/// `raw` is a number only where `kind` is `int`; a null guards as false does.
const READINGS: [&str; 7] = [
    r#"{"id":1,"kind":"int","raw":"41","a":6,"b":2,"l":["4","n/a","9"]}"#,
    r#"{"id":2,"kind":"text","raw":"n/a","a":6,"b":0,"l":["x"]}"#,
    r#"{"id":3,"kind":"int","raw":"7","a":9,"b":3,"l":[]}"#,
    r#"{"id":4,"kind":"text","raw":"","a":1,"b":0,"l":["","7",null]}"#,
    r#"{"id":5,"kind":"int","raw":"3","a":2,"b":1,"l":["1","2"]}"#,
    r#"{"id":6,"kind":null,"raw":"none","a":1,"b":null,"l":null}"#,
    r#"{"id":7,"raw":null,"a":1,"b":0,"l":["z"]}"#,
];

/// The values of `id` (and of other columns) that a SELECT gives; no row may fail.
fn rows(sql: &str) -> Vec<String> {
    let (rows, _, bad) = run_isolating(sql, &readings(), &READINGS);
    assert!(bad.is_empty(), "{sql}: {bad:?}");
    rows
}

fn ids(sql: &str) -> Vec<i64> {
    let id = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row["id"].as_i64().unwrap()
    };
    rows(sql).iter().map(id).collect()
}

#[test]
fn a_condition_of_where_guards_the_next() {
    for guard in [
        "raw ~ '^[0-9]+$'",
        "regexp_like(raw, '^[0-9]+$')",
        "upper(kind) = 'INT'",
        "kind LIKE 'i%'",
        "kind ILIKE 'I%'",
        "starts_with(kind, 'i')",
        "length(kind) = 3",
        "strpos(kind, 'int') > 0",
        "kind = 'int'",
        "kind IN ('int', 'long')",
        "NOT (kind <> 'int')",
        "coalesce(kind, 'x') = 'int'",
        "(kind = 'int' OR lower(kind) = 'int')",
    ] {
        let sql = format!("SELECT id FROM input WHERE {guard} AND CAST(raw AS BIGINT) > 5");
        assert_eq!(ids(&sql), [1, 3], "{sql}");
        let sql = format!(
            "SELECT id FROM input WHERE id > 0 AND ({guard} AND CAST(raw AS BIGINT) > 5) AND id < 9"
        );
        assert_eq!(ids(&sql), [1, 3], "{sql}");
    }
    let sql = "SELECT id FROM input WHERE length(raw) > 0 AND b > 0 AND a / b >= 2";
    assert_eq!(ids(sql), [1, 3, 5]);
    let sql = "SELECT id FROM input WHERE abs(b) > 0 AND a / b >= 2 AND a / b < 3 AND a % b = 0";
    assert_eq!(ids(sql), [5]);
}

#[test]
fn the_filter_of_an_inner_query_is_first() {
    for sql in [
        "WITH good AS (SELECT id, CAST(raw AS BIGINT) AS n FROM input WHERE raw ~ '^[0-9]+$')
           SELECT id FROM good WHERE n > 5",
        "SELECT id FROM (SELECT * FROM input WHERE upper(kind) = 'INT')
           WHERE CAST(raw AS BIGINT) > 5",
        "SELECT id FROM (SELECT * FROM (SELECT * FROM input WHERE kind LIKE 'int') WHERE id < 9) t
           WHERE CAST(t.raw AS BIGINT) > 5 AND upper(kind) = 'INT'",
        "WITH a AS (SELECT id, upper(kind) AS kind, raw FROM input),
              b AS (SELECT id, CAST(raw AS BIGINT) AS n FROM a WHERE kind = 'INT')
           SELECT id FROM b WHERE n BETWEEN 6 AND 50",
        // What is not read for a row that is left out is not computed.
        "SELECT id FROM (SELECT id, kind, CAST(raw AS BIGINT) AS n FROM input)
           WHERE upper(kind) = 'INT' AND n > 5",
        "WITH a AS (SELECT id, b, a / b AS q FROM input WHERE b > 0) SELECT id FROM a WHERE q = 3",
    ] {
        assert_eq!(ids(sql), [1, 3], "{sql}");
    }
    let sql = "SELECT id FROM (SELECT *, a AS x FROM input WHERE length(raw) > 0 AND b > 0)
      WHERE x / b >= 2";
    assert_eq!(ids(sql), [1, 3, 5]);
}

#[test]
fn a_condition_guards_the_elements_of_a_list() {
    let sql = "SELECT id, CAST(e AS BIGINT) AS n FROM (SELECT id, unnest(l) AS e FROM input)
      WHERE e ~ '^[0-9]+$' AND CAST(e AS BIGINT) > 1";
    assert_eq!(
        rows(sql),
        [r#"{"id":1,"n":4}"#, r#"{"id":1,"n":9}"#, r#"{"id":4,"n":7}"#, r#"{"id":5,"n":2}"#]
    );
    let sql = "WITH e AS (SELECT id, raw, unnest(l) AS e FROM input WHERE upper(kind) = 'INT')
      SELECT id, e FROM e WHERE CAST(raw AS BIGINT) > 5 AND e <> 'n/a' AND CAST(e AS BIGINT) > 5";
    assert_eq!(rows(sql), [r#"{"id":1,"e":"9"}"#]);
    // No element, no condition: the list of row 3 has none, and 10 / 0 would fail.
    let sql = "SELECT id FROM (SELECT id, b, unnest(l) AS e FROM
      (SELECT * FROM input WHERE id = 3)) WHERE 10 / (b - 3) > 0";
    assert_eq!(ids(sql), Vec::<i64>::new());
    // In a lambda the elements are the rows.
    let sql = "SELECT id, array_any_match(l, x -> x ~ '^[0-9]+$' AND CAST(x AS BIGINT) > 5) AS m
      FROM input WHERE id IN (1, 4, 5)";
    assert_eq!(
        rows(sql),
        [r#"{"id":1,"m":true}"#, r#"{"id":4,"m":true}"#, r#"{"id":5,"m":false}"#]
    );
    let sql =
        "SELECT id, array_transform(l, x -> CASE WHEN x ~ '^[0-9]+$' THEN CAST(x AS BIGINT) END)
      AS m FROM input WHERE id = 1";
    assert_eq!(rows(sql), [r#"{"id":1,"m":[4,null,9]}"#]);
    let sql = "SELECT id, array_filter(l, x -> NOT (x !~ '^[0-9]+$' OR CAST(x AS BIGINT) < 5)) AS m
      FROM input WHERE id IN (1, 5)";
    assert_eq!(rows(sql), [r#"{"id":1,"m":["9"]}"#, r#"{"id":5,"m":[]}"#]);
}

#[test]
fn a_condition_guards_within_or_and_what_both_sides_share_stays_where_it_is() {
    for sql in [
        "SELECT id FROM input WHERE (kind = 'int' AND CAST(raw AS BIGINT) > 5) OR id = 7",
        "SELECT id FROM input WHERE (upper(kind) = 'INT' AND CAST(raw AS BIGINT) > 5)
           OR (id = 7 AND b = 0)",
        // The same cast behind two guards is not taken out before them.
        "SELECT id FROM input WHERE id = 7 OR (upper(kind) = 'INT' AND CAST(raw AS BIGINT) > 5)
           OR (raw ~ '^[0-9]+$' AND CAST(raw AS BIGINT) > 5)",
        "SELECT id FROM input WHERE (kind LIKE 'int' AND CAST(raw AS BIGINT) > 5)
           OR (raw ~ '^[0-9]{2}$' AND CAST(raw AS BIGINT) > 5) OR id = 7",
        "SELECT id FROM input WHERE id = 7 OR kind <> 'int' AND id > 8
           OR NOT (kind IS NULL OR kind = 'text' OR CAST(raw AS BIGINT) <= 5)",
        "SELECT id FROM input WHERE upper(kind) = 'INT' AND (CAST(raw AS BIGINT) > 5
           AND upper(kind) = 'INT') OR id = 7",
    ] {
        assert_eq!(ids(sql), [1, 3, 7], "{sql}");
    }
}

#[test]
fn a_condition_guards_in_every_expression() {
    let cases = [
        ("kind = 'int' AND CAST(raw AS BIGINT) > 5", "true,false,true,false,false"),
        ("kind <> 'int' OR CAST(raw AS BIGINT) > 5", "true,true,true,true,false"),
        ("CASE WHEN kind = 'int' THEN CAST(raw AS BIGINT) ELSE -1 END", "41,-1,7,-1,3"),
        ("CASE kind WHEN 'int' THEN CAST(raw AS BIGINT) END", "41,null,7,null,3"),
        (
            "CASE WHEN upper(kind) = 'INT' AND CAST(raw AS INT) > 5 THEN a / b END",
            "3,null,3,null,null",
        ),
        ("coalesce(nullif(b, 0), CAST(raw || '0' AS INT) * 0)", "2,0,3,0,1"),
        ("CASE WHEN b = 0 THEN 0 ELSE a / b + a / b END", "6,0,6,0,4"),
        ("nvl2(nullif(b, 0), a / b, 0)", "3,0,3,0,2"),
        ("(b <> 0 AND a / b > 2) OR (b = 0 AND a > 5)", "true,true,true,false,false"),
        ("CASE WHEN b <> 0 THEN a / b END IS NULL OR a / b > 2", "true,true,true,true,false"),
        ("b <> 0 AND a / b > 1 AND a / b < 3", "false,false,false,false,true"),
    ];
    for (expr, expected) in cases {
        // Row 4 has no digits before the 0 that is appended: `coalesce` computes it.
        let sql = format!("SELECT {expr} AS x, id FROM input WHERE id < 6");
        let (rows, _, bad) = run_isolating(&sql, &readings(), &READINGS);
        let failed: Vec<u32> = bad.iter().map(|(row, _)| *row).collect();
        let value = |row: &String| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            row["x"].to_string()
        };
        let mut values: Vec<String> = rows.iter().map(value).collect();
        for row in &failed {
            values.insert(*row as usize, "failed".to_owned());
        }
        let expected = if expr.starts_with("coalesce") { "2,failed,3,0,1" } else { expected };
        assert_eq!(values.join(","), expected, "{expr}");
    }
}

#[test]
fn a_row_that_its_guard_lets_pass_fails_alone() {
    let sql = "SELECT id FROM input WHERE id <> 4 AND CAST(raw AS BIGINT) > 5";
    let (rows, _, bad) = run_isolating(sql, &readings(), &READINGS);
    assert_eq!(rows, [r#"{"id":1}"#, r#"{"id":3}"#]);
    let failed: Vec<u32> = bad.iter().map(|(row, _)| *row).collect();
    assert_eq!(failed, [1, 5]);
}

#[test]
fn an_expectation_guards_as_where_does() {
    use crate::transform::{Expectation, Expectations, Otherwise};
    let batch = batch(&readings(), &READINGS);
    for (that, failed) in [
        ("kind <> 'int' OR CAST(raw AS BIGINT) > 5", &[4, 5, 6][..]),
        ("kind = 'int' AND CAST(raw AS BIGINT) > 5", &[1, 3, 4, 5, 6]),
        ("CASE WHEN upper(kind) = 'INT' THEN CAST(raw AS BIGINT) > 5 ELSE true END", &[4]),
    ] {
        let expectation =
            Expectation { name: "x".to_owned(), that: that.to_owned(), otherwise: Otherwise::Warn };
        let functions = Functions::default();
        let mut expectations =
            Expectations::plan(vec![expectation], &readings(), &functions).unwrap();
        let output = Output { batch: batch.clone(), origin: Origin::Identity };
        assert_eq!(expectations.check(&output).unwrap()[0].failed, failed, "{that}");
    }
}

#[test]
fn the_steps_have_the_conditions_in_the_written_order() {
    let steps = |sql: &str| planned(sql, &readings()).steps();
    let sql = "WITH t AS (SELECT id, CAST(raw AS BIGINT) AS n FROM input WHERE raw ~ '^[0-9]+$')
      SELECT id FROM t WHERE n > 5 AND id <> 2";
    assert_eq!(
        steps(sql)[0],
        "filter raw ~ ^[0-9]+$ AND CAST(raw AS Int64) > 5 AND id != 2",
        "{:#?}",
        steps(sql)
    );
    // What cannot fail runs before a list is unnested; the others after it.
    let sql = "SELECT id, e FROM (SELECT id, kind, raw, unnest(l) AS e FROM input)
      WHERE CAST(raw AS BIGINT) > 5 AND kind = 'int'";
    let steps = steps(sql);
    assert_eq!(steps[0], "filter kind = int", "{steps:#?}");
    assert!(steps.iter().skip(2).any(|step| step.starts_with("filter CAST(raw")), "{steps:#?}");
}

#[test]
fn subqueries_that_double_a_condition_are_planned_in_little_time() {
    let mut sql = "SELECT id, a FROM input".to_owned();
    for _ in 0..40 {
        sql = format!("SELECT id, a + a - a AS a FROM ({sql}) WHERE a > 0");
    }
    assert_eq!(ids(&sql), [1, 2, 3, 4, 5, 6, 7]);
}
