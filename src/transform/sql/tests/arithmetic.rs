//! Numbers come out exact, or the row fails.

use proptest::prelude::*;

use super::*;
use crate::transform::testing::{list, run_isolating};

fn numbers() -> Schema {
    Schema::new(vec![
        Field::new("i", DataType::Int32, true),
        Field::new("l", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(12, 2), true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("ls", list(DataType::Int64), true),
        Field::new("ds", list(DataType::Decimal128(12, 2)), true),
        Field::new("fs", list(DataType::Float64), true),
    ])
}

const EDGE: &str = r#"{"i":2147483647,"l":9223372036854775807,"d":9999999999.99,"f":1e308,"s":"x","ls":[9223372036854775807,1],"ds":[0.10,0.20],"fs":[0.1,0.2,0.3]}"#;
const LOW: &str = r#"{"i":-2147483648,"l":-9223372036854775808,"d":-0.01,"f":-0.0,"s":"99999999999","ls":[null,5],"ds":[null],"fs":[]}"#;
const PLAIN: &str = r#"{"i":2,"l":3,"d":1.50,"f":0.5,"s":"42","ls":[1,2],"ds":null,"fs":null}"#;

/// An expression, what it is for a plain row, and why it fails for the edge row.
const FAILING: [(&str, &str, &str, &str); 17] = [
    ("i + CAST(1 AS INT)", "3", EDGE, "overflow"),
    ("i * i", "4", EDGE, "overflow"),
    ("i - CAST(1 AS INT)", "1", LOW, "overflow"),
    ("-i", "-2", LOW, "overflow"),
    ("abs(i)", "2", LOW, "overflow"),
    ("l + 1", "4", EDGE, "overflow"),
    ("l * 2", "6", EDGE, "overflow"),
    ("-l", "-3", LOW, "overflow"),
    ("l / (l - 9223372036854775807)", "0", EDGE, "Divide by zero"),
    ("l % (i - CAST(2147483647 AS INT))", "3", EDGE, "Divide by zero"),
    ("CASE WHEN l > 0 THEN l + 1 ELSE 0 END", "4", EDGE, "overflow"),
    ("coalesce(l + 1, 0)", "4", EDGE, "overflow"),
    ("array_sum(array_transform(ls, x -> x + 1))", "5", EDGE, "overflow"),
    ("array_sum(array_transform(ls, x -> x + i))", "7", EDGE, "overflow"),
    ("array_sum(ls)", "3", EDGE, "overflow"),
    ("CAST(s AS INT)", "42", LOW, "Cannot cast string"),
    ("CAST(l AS INT)", "3", EDGE, "Can't cast value"),
];

#[test]
fn what_does_not_fit_fails_its_row_and_no_other() {
    for (expression, plain, edge, cause) in FAILING {
        let sql = format!("SELECT {expression} AS x FROM input");
        let (rows, origin, bad) = run_isolating(&sql, &numbers(), &[PLAIN, edge, PLAIN]);
        let expected = format!("{{\"x\":{plain}}}");
        assert_eq!(rows, [expected.clone(), expected], "{expression}");
        assert_eq!(origin, Origin::Rows(vec![0, 2]), "{expression}");
        assert_eq!(bad.len(), 1, "{expression}: {bad:?}");
        let (row, error) = &bad[0];
        assert_eq!(*row, 1, "{expression}");
        // What several columns could share is computed before them, without a name.
        let named = ["cannot compute `x`: ", "cannot compute an expression: "];
        assert!(named.iter().any(|start| error.to_string().starts_with(start)), "{error}");
        assert!(error.to_string().to_lowercase().contains(&cause.to_lowercase()), "{error}");
    }
}

#[test]
fn what_fits_is_exact() {
    let cases = [
        ("l - 1", EDGE, "9223372036854775806"),
        ("d * 0.92", PLAIN, "1.3800"),
        ("d + 1", PLAIN, "2.50"),
        ("0.1 + d", PLAIN, "1.60"),
        ("d * CASE s WHEN '42' THEN 0.92 ELSE 1 END", PLAIN, "1.3800"),
        ("d * -0.5", PLAIN, "-0.750"),
        ("d > 1.49", PLAIN, "true"),
        ("d BETWEEN 1.5 AND 1.5", PLAIN, "true"),
        ("d IN (0.1, 1.5)", PLAIN, "true"),
        ("array_sum(ds)", EDGE, "0.30"),
        ("array_sum([d, d])", EDGE, "19999999999.98"),
        ("array_sum(fs)", EDGE, "0.6000000000000001"),
        ("array_sum(ls)", LOW, "5"),
        ("-f", LOW, "0.0"),
        ("try_cast(s AS INT)", PLAIN, "42"),
    ];
    for (expression, row, expected) in cases {
        let sql = format!("SELECT {expression} AS x FROM input");
        let (rows, origin) = run(&sql, &numbers(), &[row]);
        assert_eq!(rows, [format!("{{\"x\":{expected}}}")], "{expression}");
        assert_eq!(origin, Origin::Identity);
    }
}

#[test]
fn a_sum_of_nothing_is_null() {
    for expression in ["array_sum(ds)", "array_sum(fs)"] {
        let sql = format!("SELECT {expression} IS NULL AS x FROM input");
        let (rows, _) = run(&sql, &numbers(), &[LOW, PLAIN]);
        assert_eq!(rows, [r#"{"x":true}"#, r#"{"x":true}"#], "{expression}");
    }
}

#[test]
fn a_guard_in_where_or_case_guards() {
    let rows = [r#"{"l":0,"i":0}"#, PLAIN, r#"{"l":null}"#];
    let (found, origin) = run("SELECT l FROM input WHERE l <> 0 AND 12 / l > 1", &numbers(), &rows);
    assert_eq!((found, origin), (vec![r#"{"l":3}"#.to_owned()], Origin::Rows(vec![1])));
    let (found, origin) =
        run("SELECT CASE WHEN l <> 0 THEN 12 / l END AS x FROM input", &numbers(), &rows);
    assert_eq!(found, ["{}", r#"{"x":4}"#, "{}"]);
    assert_eq!(origin, Origin::Identity);
}

#[test]
fn an_error_holds_no_long_value() {
    let long = format!(r#"{{"s":"{}"}}"#, "secret ".repeat(1000));
    let (_, _, bad) = run_isolating("SELECT CAST(s AS INT) AS x FROM input", &numbers(), &[&long]);
    let text = bad[0].1.to_string();
    assert!(text.chars().count() < 230, "{text}");
}

type Checked = fn(i64, i64) -> Option<i64>;

proptest! {
    #[test]
    fn integer_arithmetic_agrees_with_checked_arithmetic(
        pairs in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>()), 1..40),
    ) {
        let pairs: Vec<(i64, i64)> = pairs
            .into_iter()
            .map(|(a, b, small)| if small { (a % 1000, b % 3) } else { (a, b) })
            .collect();
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Int64, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(arrow::array::Int64Array::from_iter_values(pairs.iter().map(|pair| pair.0))),
            Arc::new(arrow::array::Int64Array::from_iter_values(pairs.iter().map(|pair| pair.1))),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
        let operators: [(&str, Checked); 4] = [
            ("+", i64::checked_add), ("-", i64::checked_sub), ("*", i64::checked_mul),
            ("/", i64::checked_div),
        ];
        for (operator, checked) in operators {
            let plan = planned(&format!("SELECT a {operator} b AS x FROM input"), &schema);
            let input = Input { partition: 0, batch: &batch };
            let (output, bad) =
                crate::transform::apply_isolating(&mut plan.transform(), &input).unwrap();
            let mut found: Vec<Option<i64>> = vec![None; pairs.len()];
            let values = datafusion_common::cast::as_int64_array(output.batch.column(0)).unwrap();
            for (row, value) in values.values().iter().enumerate() {
                found[output.origin.of(row)] = Some(*value);
            }
            let expected: Vec<Option<i64>> = pairs.iter().map(|(a, b)| checked(*a, *b)).collect();
            prop_assert_eq!(&found, &expected, "{}", operator);
            let failed: Vec<usize> = bad.iter().map(|(row, _)| *row as usize).collect();
            let none = (0..pairs.len()).filter(|row| expected[*row].is_none());
            prop_assert_eq!(failed, none.collect::<Vec<_>>());
        }
    }
}
