//! What is refused, where, and with which remedy.

use super::*;
use proptest::prelude::*;

/// The SQL, `line:column`, a part of the message, a part of the hint.
const REFUSED: [(&str, &str, &str, &str); 57] = [
    // Names.
    ("SELECT contry FROM input", "1:8", "no column `contry`", "did you mean `country`"),
    ("SELECT order_id,\n  xyzzy FROM input", "2:3", "no column `xyzzy`", "columns: order_id, "),
    ("SELECT Order_Ref FROM input", "1:8", "no column `order_ref`", "write \"Order_Ref\""),
    ("SELECT i.order_id AS a FROM input", "1:8", "no column `order_id`", ""),
    ("SELECT uper(country) AS c FROM input", "1:8", "no function `uper`", "`upper`"),
    ("SELECT order_id\nFROM orders", "2:6", "no table `orders`", "`input`"),
    ("SELECT order_id FROM shop.input", "1:22", "no table `shop.input`", "`input`"),
    ("SELECT order_id, upper(country) FROM input", "1:18", "`upper(country)` has no name", "AS"),
    ("SELECT order_id, country, order_id FROM input", "1:27", "two columns are named", "AS"),
    ("SELECT order_id, country AS order_id FROM input", "1:18", "two columns are named", "AS"),
    ("SELECT address.town AS t FROM input", "1:8", "no field `town`", ""),
    ("SELECT order_id, _offset FROM input", "1:18", "cannot set `_offset`", "_offset AS"),
    ("SELECT 1 AS a, country AS _run FROM input", "1:16", "cannot set `_run`", "_run AS"),
    ("SELECT * FROM (SELECT *, _topic FROM input)", "1:1", "cannot set `_topic`", "_topic AS"),
    // What sets parts of the record.
    ("SELECT ts, items AS _key FROM input", "1:12", "`_key` takes one text", "one value"),
    ("SELECT country,\n  order_id AS _timestamp FROM input", "2:3", "takes a timestamp", "CAST"),
    ("SELECT ts, NULL AS _timestamp FROM input", "1:12", "takes a timestamp", "CAST"),
    ("SELECT ts, country AS _headers FROM input", "1:12", "takes a map of text", "MAP {"),
    ("SELECT ts, MAP {'a': 1} AS _headers FROM input", "1:28", "takes a map of text", "MAP {"),
    ("SELECT country AS _key, _headers FROM input", "1:1", "gives the value no column", "beside"),
    // What needs more than one record.
    ("SELECT count(*) AS n FROM input", "1:8", "aggregate function `count`", "array_sum"),
    ("SELECT SUM(customer_id) AS n FROM input", "1:8", "aggregate function `sum`", "array_sum"),
    ("SELECT 1 + max(customer_id) AS n FROM input", "1:12", "aggregate function `max`", ""),
    ("SELECT country FROM input\nGROUP BY country", "2:1", "GROUP BY", "each record"),
    ("SELECT country FROM input GROUP BY ALL", "1:27", "GROUP BY", "each record"),
    ("SELECT country FROM input HAVING true", "1:27", "HAVING", "each record"),
    ("SELECT DISTINCT country FROM input", "1:8", "DISTINCT", "each record"),
    ("SELECT country FROM input ORDER BY ts", "1:27", "ORDER BY", "each record"),
    ("SELECT country FROM input LIMIT 5", "1:27", "LIMIT", "each record"),
    ("SELECT country FROM input OFFSET 5", "1:1", "LIMIT", "each record"),
    ("SELECT country FROM input FETCH FIRST 5 ROWS ONLY", "1:27", "FETCH", "each record"),
    ("SELECT country FROM input QUALIFY true", "1:27", "QUALIFY", "each record"),
    ("SELECT rank() OVER (ORDER BY ts) AS r FROM input", "1:8", "window function `rank`", ""),
    ("SELECT sum(customer_id) OVER () AS r FROM input", "1:8", "window function `sum`", ""),
    ("SELECT * FROM (SELECT country FROM input LIMIT 1)", "1:42", "LIMIT", "each record"),
    ("WITH t AS (SELECT DISTINCT country FROM input) SELECT * FROM t", "1:19", "DISTINCT", ""),
    // Other tables.
    ("SELECT a.ts AS t FROM input a JOIN input b ON true", "1:36", "JOIN", "one topic"),
    ("SELECT a.ts AS t FROM input a, input b", "1:32", "JOIN", "one topic"),
    ("SELECT x FROM input, unnest(items) AS t(x)", "1:22", "JOIN", "unnest(items) AS item"),
    (
        "SELECT order_id FROM input UNION ALL SELECT order_id FROM input",
        "1:28",
        "UNION",
        "one stage",
    ),
    ("SELECT order_id FROM input EXCEPT SELECT order_id FROM input", "1:28", "EXCEPT", ""),
    (
        "SELECT order_id FROM input WHERE country IN (SELECT 'de')",
        "1:34",
        "subquery",
        "IN ('a', 'b')",
    ),
    ("SELECT (SELECT 1) AS x FROM input", "1:9", "subquery", "FROM"),
    ("WITH RECURSIVE t AS (SELECT 1 AS a FROM input) SELECT a FROM t", "1:6", "RECURSIVE", ""),
    ("SELECT * FROM read_csv('x')", "1:15", "cannot read from this", "`input`"),
    ("VALUES (1)", "1:8", "VALUES", ""),
    // Not one SELECT.
    ("", "1:1", "empty", "SELECT"),
    ("SELECT 1 AS a", "1:1", "without FROM", "FROM input"),
    ("FROM input", "1:1", "names no columns", "SELECT *"),
    ("DROP TABLE input", "1:1", "not a SELECT", "SELECT"),
    ("SELECT order_id FROM input; SELECT ts FROM input", "1:27", "one SELECT", ""),
    ("SELECT order_id FRM input WHERE x", "1:21", "cannot parse", ""),
    ("SELECT 'open FROM input", "1:8", "cannot read", ""),
    // Types.
    ("SELECT order_id, country + items AS x FROM input", "1:18", "Utf8 + List", ""),
    ("SELECT order_id FROM input WHERE country", "1:34", "non-boolean", ""),
    ("SELECT ts, now() - ts AS age FROM input", "1:12", "cannot hold column `age`", "CAST"),
    ("SELECT order_id, 9223372036854775807 + 1 AS x FROM input", "1:18", "overflow", ""),
];

#[test]
fn what_a_stage_cannot_do_is_refused_with_its_place_and_a_remedy() {
    let mut fields: Vec<_> = orders().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("Order_Ref", DataType::Utf8, true)));
    let city = vec![("city", DataType::Utf8)];
    fields.push(Arc::new(Field::new("address", crate::transform::testing::structure(city), true)));
    let schema = Schema::new(fields);
    let mut wrong = Vec::new();
    for (sql, place, message, hint) in REFUSED {
        match SqlPlan::plan(sql, &schema, &Functions::default()) {
            Ok(_) => wrong.push(format!("{sql}\n  planned")),
            Err(error) => {
                let SqlError { line, column, hint: given, .. } = &error;
                let given = given.clone().unwrap_or_default();
                let right = format!("{line}:{column}") == place
                    && error.message.contains(message)
                    && given.contains(hint);
                if !right {
                    wrong.push(format!("{sql}\n  {error}\n  hint: {given}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_function_of_ones_own_may_have_the_name_of_an_aggregate() {
    use datafusion_expr::{Volatility, create_udf};
    let mut functions = Functions::default();
    let sql = "SELECT list(country) AS c FROM input";
    SqlPlan::plan(sql, &orders(), &functions).unwrap_err();
    let list = Arc::new(|args: &[datafusion_expr::ColumnarValue]| Ok(args[0].clone()));
    let text = DataType::Utf8;
    functions.register(create_udf("list", vec![text.clone()], text, Volatility::Immutable, list));
    SqlPlan::plan(sql, &orders(), &functions).unwrap();
}

#[test]
fn a_declared_field_must_not_have_the_name_of_a_metadata_column() {
    let schema = Schema::new(vec![Field::new("_offset", DataType::Int64, true)]);
    let error = SqlPlan::plan("SELECT * FROM input", &schema, &Functions::default()).unwrap_err();
    assert!(error.message.contains("`_offset`"), "{error}");
}

#[test]
fn deep_nesting_is_refused_and_what_is_planned_also_runs() {
    let chain =
        |terms: usize| format!("SELECT {} AS x FROM input", vec!["customer_id"; terms].join(" + "));
    let (rows, _) = run(&chain(200), &orders(), &ORDERS[..1]);
    assert_eq!(rows, [r#"{"x":1400}"#]);
    for sql in [
        chain(300),
        chain(20_000),
        format!("SELECT {}1{} AS x FROM input", "(".repeat(2000), ")".repeat(2000)),
        format!("SELECT {}country{} AS x FROM input", "upper(".repeat(500), ")".repeat(500)),
        format!("SELECT * FROM {}input{}", "(SELECT * FROM ".repeat(500), ")".repeat(500)),
    ] {
        let error = SqlPlan::plan(&sql, &orders(), &Functions::default()).unwrap_err();
        assert!(error.message.contains("nested"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Words in any order: an error or a plan, and its place within the text.
    #[test]
    fn no_text_makes_planning_panic(words in prop::collection::vec(prop_oneof![
        Just("SELECT"), Just("FROM"), Just("input"), Just("WHERE"), Just("order_id"), Just("items"),
        Just("customer_id"), Just("unnest("), Just("("), Just(")"), Just("AS x"), Just(","),
        Just("CASE WHEN"), Just("THEN"), Just("END"), Just("i ->"), Just("i['qty']"), Just("*"),
        Just("+"), Just("'a'"), Just("1.5"), Just("array_transform("), Just("WITH t AS ("),
        Just("\n"), Just("_key"), Just("1 / 0"), Just("IN"), Just("IS NULL"), Just("\"é\""),
    ], 0..14)) {
        let sql = format!("SELECT {}", words.join(" "));
        if let Err(error) = SqlPlan::plan(&sql, &orders(), &Functions::default()) {
            prop_assert!(error.line >= 1 && error.line <= sql.lines().count().max(1) + 1);
            prop_assert!(error.column >= 1);
        }
        let _ = strip_literals(&sql);
    }
}
