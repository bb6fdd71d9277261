//! LIKE and SIMILAR TO as `PostgreSQL` answers them.

use super::*;
use crate::transform::testing::run_isolating;

fn truth(condition: &str) -> String {
    let schema = Schema::new(vec![
        Field::new("s", DataType::Utf8, true),
        Field::new("p", DataType::Utf8, true),
    ]);
    let sql = format!("SELECT {condition} AS x FROM input");
    let (rows, _) = run(&sql, &schema, &[r#"{"s":"paid"}"#]);
    match rows[0].as_str() {
        r#"{"x":true}"# => "t",
        r#"{"x":false}"# => "f",
        _ => "n",
    }
    .to_owned()
}

/// Answers of `PostgreSQL` 15.
const ANSWERS: [(&str, &str); 46] = [
    ("'paid' SIMILAR TO 'pai'", "f"),
    ("'paid' SIMILAR TO 'paid'", "t"),
    ("'paid' SIMILAR TO 'pai%'", "t"),
    ("'paid' SIMILAR TO '%ai%'", "t"),
    ("'paid' SIMILAR TO 'p__d'", "t"),
    ("'paid' SIMILAR TO 'p_d'", "f"),
    ("'paid' SIMILAR TO '(paid|open)'", "t"),
    ("'paid' SIMILAR TO 'paid|open'", "t"),
    ("'opened' SIMILAR TO 'paid|open'", "f"),
    ("'paid' SIMILAR TO '[a-p]%'", "t"),
    ("'paid' SIMILAR TO '[^a-p]%'", "f"),
    ("'paid' SIMILAR TO 'pa{1,2}id'", "t"),
    ("'paaaid' SIMILAR TO 'pa{1,2}id'", "f"),
    ("'paid' SIMILAR TO 'pa+i?d'", "t"),
    ("'abab' SIMILAR TO '(ab)*'", "t"),
    ("'aba' SIMILAR TO '(ab)*'", "f"),
    ("'' SIMILAR TO ''", "t"),
    ("'' SIMILAR TO '%'", "t"),
    ("'a.c' SIMILAR TO 'a.c'", "t"),
    ("'abc' SIMILAR TO 'a.c'", "f"),
    ("'a^$' SIMILAR TO 'a^$'", "t"),
    ("'a%' SIMILAR TO 'a\\%'", "t"),
    ("'ab' SIMILAR TO 'a\\%'", "f"),
    ("'a%' SIMILAR TO 'a!%' ESCAPE '!'", "t"),
    ("'ab' SIMILAR TO 'a!%' ESCAPE '!'", "f"),
    ("'a\\b' SIMILAR TO 'a\\b' ESCAPE '!'", "t"),
    ("'4711' SIMILAR TO '\\d+'", "t"),
    ("'4711' SIMILAR TO '[[:digit:]]+'", "t"),
    ("'a]' SIMILAR TO 'a[]x]'", "t"),
    ("'a&' SIMILAR TO 'a[&&x]'", "t"),
    ("'a' || chr(10) || 'b' SIMILAR TO 'a_b'", "t"),
    ("'éü' SIMILAR TO '__'", "t"),
    ("'paid' NOT SIMILAR TO 'pai'", "t"),
    ("s NOT SIMILAR TO 'p%'", "f"),
    ("s SIMILAR TO p", "n"),
    ("s SIMILAR TO concat('p', '%')", "t"),
    ("s SIMILAR TO substr(s, 1, 3)", "f"),
    ("'10%' LIKE '10!%' ESCAPE '!'", "t"),
    ("'100' LIKE '10!%' ESCAPE '!'", "f"),
    ("'100' NOT LIKE '10!%' ESCAPE '!'", "t"),
    ("'A_B' ILIKE 'a#_b' ESCAPE '#'", "t"),
    ("'AxB' ILIKE 'a#_b' ESCAPE '#'", "f"),
    ("'a\\b' LIKE 'a\\b' ESCAPE '!'", "t"),
    ("'ab' LIKE 'a\\b'", "t"),
    ("'a\\' LIKE 'a\\\\'", "t"),
    ("s LIKE concat('pa', '!id') ESCAPE '!'", "t"),
];

#[test]
fn patterns_match_as_in_postgresql() {
    for (condition, expected) in ANSWERS {
        assert_eq!(truth(condition), expected, "{condition}");
    }
}

#[test]
fn a_pattern_that_ends_with_its_escape_is_refused_and_one_of_a_row_fails_the_row() {
    let schema = Schema::new(vec![Field::new("p", DataType::Utf8, true)]);
    for condition in
        ["p LIKE 'a\\'", "p LIKE 'a!' ESCAPE '!'", "p SIMILAR TO 'a\\'", "p SIMILAR TO '[a'"]
    {
        let sql = format!("SELECT p FROM input WHERE {condition}");
        let error = SqlPlan::plan(&sql, &schema, &Functions::default()).unwrap_err();
        assert!(error.message.contains("the pattern of"), "{condition}: {error}");
    }
    for (condition, broken) in [
        ("'a' LIKE p", "a\\\\"),
        ("'a' SIMILAR TO p", "a\\\\"),
        ("'a' SIMILAR TO p", "(a"),
        ("'a' SIMILAR TO p", "[a"),
    ] {
        let sql = format!("SELECT {condition} AS x FROM input");
        let broken = format!(r#"{{"p":"{broken}"}}"#);
        let rows = [r#"{"p":"_"}"#, &broken, r#"{"p":"b"}"#];
        let (good, _, bad) = run_isolating(&sql, &schema, &rows);
        assert_eq!(good, [r#"{"x":true}"#, r#"{"x":false}"#], "{condition}");
        assert!(bad.len() == 1 && bad[0].0 == 1, "{condition}: {bad:?}");
    }
}

#[test]
fn explain_and_lineage_show_what_a_pattern_reads() {
    let sql =
        "SELECT status SIMILAR TO '(pa|o)%' AS x, country LIKE 'd!%' ESCAPE '!' AS y FROM input";
    let plan = planned(sql, &orders());
    assert!(plan.steps()[0].contains("status ~ ^(?s:(?:pa|o).*)$ AS x"), "{:?}", plan.steps());
    let sources: Vec<&str> = plan
        .column_lineage()
        .fields
        .iter()
        .flat_map(|(_, sources)| sources.iter().map(|source| source.field.as_str()))
        .collect();
    assert_eq!(sources, ["status", "country"]);
}
