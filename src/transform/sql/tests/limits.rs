//! How large and how deep a SELECT may be, and how long its planning may take.

use std::time::{Duration, Instant};

use super::*;
use crate::transform::testing::{list, structure};

/// Far over what it takes on a busy machine, without optimisation.
const PLANNING_MAX: Duration = Duration::from_secs(20);

fn refused(sql: &str, message: &str) {
    let begun = Instant::now();
    let error = SqlPlan::plan(sql, &orders(), &Functions::default()).unwrap_err();
    assert!(error.message.contains(message), "{}: {error}", &sql[..60.min(sql.len())]);
    assert!(error.hint.is_some(), "{error}");
    assert!(begun.elapsed() < PLANNING_MAX, "{message}: {:?}", begun.elapsed());
}

#[test]
fn a_type_that_is_nested_too_deeply_is_refused_before_it_is_parsed() {
    let cast = |kind: &str| format!("SELECT CAST(country AS {kind}) AS x FROM input");
    for depth in [40, 50_000] {
        let arrays = format!("{}INT{}", "ARRAY<".repeat(depth), ">".repeat(depth));
        refused(&cast(&arrays), "the type is nested over 32 levels deep");
        let structs = format!("{}INT{}", "STRUCT<a ".repeat(depth), ">".repeat(depth));
        refused(&cast(&structs), "the type is nested over 32 levels deep");
    }
    refused(&cast(&format!("INT{}", "[]".repeat(50_000))), "brackets in a row");
    let structs = format!("{}INT{}", "STRUCT(a ".repeat(50_000), ")".repeat(50_000));
    refused(&cast(&structs), "nested");
    refused(&format!("SELECT items{} AS x FROM input", "[1]".repeat(5_000)), "brackets in a row");
    refused(
        &format!("SELECT {}{} AS x FROM input", "[".repeat(50_000), "]".repeat(50_000)),
        "nested",
    );
}

#[test]
fn a_chain_of_queries_has_a_limit() {
    let chain = |count: usize| {
        let mut sql = "WITH t0 AS (SELECT order_id, customer_id FROM input)".to_owned();
        for index in 1..count {
            let step = "order_id, customer_id + 1 AS customer_id";
            let query = format!("SELECT {step} FROM t{} WHERE customer_id > 0", index - 1);
            sql = format!("{sql}, t{index} AS ({query})");
        }
        format!("{sql} SELECT * FROM t{}", count - 1)
    };
    let begun = Instant::now();
    let (rows, _) = run(&chain(249), &orders(), &ORDERS[..1]);
    assert_eq!(rows, [r#"{"order_id":"o1","customer_id":255}"#]);
    assert!(begun.elapsed() < PLANNING_MAX, "{:?}", begun.elapsed());
    refused(&chain(250), "the SELECT has over 250 queries");
    refused(&chain(5_000), "the SELECT has over 250 queries");
}

#[test]
fn a_select_has_at_most_so_many_columns() {
    let schema = |count: usize| {
        let field = |index| Field::new(format!("f{index}"), DataType::Int64, true);
        Schema::new((0..count).map(field).collect::<Vec<_>>())
    };
    for sql in [
        "SELECT * FROM input",
        "SELECT * FROM (SELECT * FROM input WHERE f7 > 0) WHERE f9 > 0",
        "WITH t AS (SELECT * EXCLUDE (f1) FROM input) SELECT * FROM t",
    ] {
        let begun = Instant::now();
        planned(sql, &schema(500));
        assert!(begun.elapsed() < PLANNING_MAX, "{sql}: {:?}", begun.elapsed());
        let begun = Instant::now();
        let error = SqlPlan::plan(sql, &schema(10_000), &Functions::default()).unwrap_err();
        assert!(error.message.contains("10000 columns, over 2000"), "{error}");
        assert!(begun.elapsed() < PLANNING_MAX, "{sql}: {:?}", begun.elapsed());
    }
    let fields = vec![("a", DataType::Int64), ("b", list(DataType::Utf8))];
    let schema = Schema::new(vec![Field::new("s", structure(fields), true)]);
    let items: Vec<String> = (0..5_000).map(|index| format!("s['a'] AS x{index}")).collect();
    let sql = format!("SELECT {} FROM input", items.join(", "));
    let error = SqlPlan::plan(&sql, &schema, &Functions::default()).unwrap_err();
    assert!(error.message.contains("5000 columns, over 2000"), "{error}");
}
