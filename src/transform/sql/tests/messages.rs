//! What is said of constructs of other databases: in the words of the SELECT, with what to write.

use super::*;

/// The SQL, `line:column`, a part of the message, a part of the hint.
const REFUSED: [(&str, &str, &str, &str); 17] = [
    (
        "SELECT country COLLATE \"de\" AS c FROM input",
        "1:24",
        "a stage cannot do COLLATE",
        "lower(",
    ),
    (
        "SELECT order_id FROM input\nWHERE unnest(items) IS NULL",
        "2:7",
        "unnest in a condition",
        "array_any_match",
    ),
    ("SELECT if(true, 1, 2) AS x FROM input", "1:8", "no function `if`", "CASE WHEN"),
    ("SELECT iff(true, 1, 2) AS x FROM input", "1:8", "no function `iff`", "CASE WHEN"),
    ("SELECT size(items) AS x FROM input", "1:8", "no function `size`", "cardinality"),
    ("SELECT split(country, ',') AS x FROM input", "1:8", "no function `split`", "string_to_array"),
    ("SELECT transform(items, i -> 1) AS x FROM input", "1:8", "no function", "array_transform"),
    ("SELECT date_diff('day', ts, ts) AS x FROM input", "1:8", "no function", "AS BIGINT"),
    ("SELECT json_value(country, '$.a') AS x FROM input", "1:8", "no function", "struct"),
    ("SELECT uper(country) AS c FROM input", "1:8", "no function `uper`", "`upper`"),
    ("SELECT xyzzyplugh(country) AS c FROM input", "1:8", "no function `xyzzyplugh`", ""),
    ("SELECT * EXCEPT (country) FROM input", "1:18", "cannot parse", "* EXCLUDE"),
    ("SELECT upper(country) AS land FROM input WHERE land = 'DE'", "1:48", "`land`", "outer query"),
    ("SELECT customer_id + 1 AS a, a + 1 AS b FROM input", "1:30", "no column `a`", "outer query"),
    (
        "SELECT _headers[country] AS x FROM input",
        "1:8",
        "must be a literal",
        "map_extract(_headers, country)[1]",
    ),
    ("SELECT m[country] AS x FROM input", "1:8", "must be a literal", "map_extract(m, country)[1]"),
    ("SELECT order_id FROM input WHERE country = 'a' COLLATE nocase", "1:56", "COLLATE", "lower("),
];

#[test]
fn a_construct_of_another_database_is_refused_with_what_to_write() {
    let mut fields: Vec<_> = orders().fields().iter().cloned().collect();
    let pair = DataType::Struct(
        vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Utf8, true)]
            .into(),
    );
    let map = DataType::Map(Arc::new(Field::new("entries", pair, false)), false);
    fields.push(Arc::new(Field::new("m", map, true)));
    let schema = Schema::new(fields);
    let mut wrong = Vec::new();
    for (sql, place, message, hint) in REFUSED {
        match SqlPlan::plan(sql, &schema, &Functions::default()) {
            Ok(_) => wrong.push(format!("{sql}\n  planned")),
            Err(error) => {
                let given = error.hint.clone().unwrap_or_default();
                let right = format!("{}:{}", error.line, error.column) == place
                    && error.message.contains(message)
                    && if hint.is_empty() { given.is_empty() } else { given.contains(hint) };
                if !right {
                    wrong.push(format!("{sql}\n  {error}\n  hint: {given}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn select_all_is_select() {
    let (rows, _) = run("SELECT ALL order_id FROM input", &orders(), &ORDERS[..1]);
    assert_eq!(rows, [r#"{"order_id":"o1"}"#]);
}
