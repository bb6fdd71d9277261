//! What must hold of every output row.
//!
//! ```text
//! Output batch -> condition of each expectation -> Verdict: the rows that fail it
//! ```
//!
//! # Guarantees
//!
//! A row meets an expectation only where its condition is true: null fails,
//! and so does a condition that cannot be computed for the row. To let null
//! pass, say so: `price > 0 OR price IS NULL`.
//!
//! `_key`, `_timestamp` and `_headers` can be read where the SELECT sets them, as
//! it sets them; not those that a record keeps from its input.
//!
//! # Not here
//!
//! What becomes of a row that fails: the stage acts on [`Otherwise`].

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Schema},
};
use serde::{Deserialize, Serialize};

use super::{
    Functions, Input, Output, SqlError, SqlPlan, SqlTransform, Transform, TransformError,
    apply_isolating,
};

/// A condition on the output of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub name: String,
    /// A boolean SQL expression over the output columns.
    pub that: String,
    pub otherwise: Otherwise,
}

/// What a row that fails an expectation leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The record goes to the dead letters.
    #[default]
    DeadLetter,
    /// The row is left out.
    Drop,
    /// The row goes on and is counted.
    Warn,
    /// The stage stops.
    Stop,
}

/// An expectation that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expectation `{name}` cannot be checked")]
pub struct ExpectationError {
    pub name: String,
    #[source]
    pub source: SqlError,
}

/// How one batch did by one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows checked.
    pub rows: usize,
    /// The output rows that fail, ascending.
    pub failed: Vec<u32>,
}

/// The expectations of a stage, planned; each task has its own.
#[derive(Debug, Clone)]
pub struct Expectations {
    planned: Vec<(Expectation, SqlTransform)>,
}

impl Expectations {
    /// Plans them over `output`, the columns of the stage's output.
    pub fn plan(
        expectations: Vec<Expectation>,
        output: &Schema,
        functions: &Functions,
    ) -> Result<Self, ExpectationError> {
        let planned = expectations.into_iter().map(|expectation| {
            match plan(&expectation.that, output, functions) {
                Ok(condition) => Ok((expectation, condition)),
                Err(source) => Err(ExpectationError { name: expectation.name, source }),
            }
        });
        Ok(Self { planned: planned.collect::<Result<_, _>>()? })
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Expectation> {
        self.planned.iter().map(|(expectation, _)| expectation)
    }

    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Checks the rows of an output: a verdict for each expectation, in their order.
    ///
    /// # Errors
    ///
    /// A batch that is not of the schema that was planned for.
    pub fn check(&mut self, output: &Output) -> Result<Vec<Verdict>, TransformError> {
        let input = Input { partition: 0, batch: &output.batch };
        self.planned.iter_mut().map(|(_, condition)| verdict(condition, &input)).collect()
    }
}

fn plan(that: &str, output: &Schema, functions: &Functions) -> Result<SqlTransform, SqlError> {
    let plan = SqlPlan::plan_condition(that, output, functions)?;
    match plan.output_schema().field(0).data_type() {
        DataType::Boolean => Ok(plan.transform()),
        other => Err(SqlError {
            message: format!("an expectation is true or false, and this is {other}"),
            line: 1,
            column: 1,
            hint: Some("compare it with something: quantity > 0".to_owned()),
        }),
    }
}

fn verdict(condition: &mut SqlTransform, input: &Input<'_>) -> Result<Verdict, TransformError> {
    let (output, bad) = match condition.apply(input) {
        Ok(output) => (output, Vec::new()),
        Err(_) => apply_isolating(condition, input)?,
    };
    let met = output.batch.column(0).as_boolean();
    let rows = input.batch.num_rows();
    if bad.is_empty() && met.null_count() == 0 && met.true_count() == rows {
        return Ok(Verdict { rows, failed: Vec::new() });
    }
    let unmet = (0..met.len()).filter(|&row| met.is_null(row) || !met.value(row));
    let mut failed: Vec<u32> = unmet.map(|row| output.origin.of(row) as u32).collect();
    failed.extend(bad.iter().map(|(row, _)| *row));
    failed.sort_unstable();
    Ok(Verdict { rows, failed })
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;

    use super::*;
    use crate::transform::{
        Origin,
        testing::{ORDERS, batch, orders},
    };

    fn expectation(that: &str) -> Expectation {
        Expectation { name: "x".to_owned(), that: that.to_owned(), otherwise: Otherwise::Warn }
    }

    fn failed(that: &str, batch: &RecordBatch) -> Vec<u32> {
        let list = vec![expectation(that)];
        let mut expectations =
            Expectations::plan(list, &batch.schema(), &Functions::default()).unwrap();
        let output = Output { batch: batch.clone(), origin: Origin::Identity };
        let mut verdicts = expectations.check(&output).unwrap();
        assert_eq!(verdicts.len(), 1);
        let verdict = verdicts.remove(0);
        assert_eq!(verdict.rows, batch.num_rows());
        verdict.failed
    }

    #[test]
    fn a_row_fails_where_the_condition_is_not_true() {
        let batch = batch(&orders(), &ORDERS);
        let cases: [(&str, &[u32]); 11] = [
            ("currency IN ('EUR', 'USD', 'GBP')", &[]),
            ("currency = 'EUR'", &[0]),
            ("cardinality(items) > 0", &[1]),
            ("array_min(array_transform(items, i -> i['qty'])) > 1", &[0, 1]),
            ("NOT array_any_match(items, i -> i['qty'] <= 1)", &[0]),
            // Null is not true; whoever lets it pass says so.
            ("country <> 'xx'", &[2]),
            ("country <> 'xx' OR country IS NULL", &[]),
            ("country = NULL", &[0, 1, 2]),
            ("true", &[]),
            ("false", &[0, 1, 2]),
            // What cannot be computed for a row fails it, and not its neighbours.
            ("10 / (customer_id - 8) <> 0", &[1]),
        ];
        for (that, expected) in cases {
            assert_eq!(failed(that, &batch), expected, "{that}");
        }
    }

    #[test]
    fn each_expectation_has_a_verdict_of_its_own_in_order() {
        let batch = batch(&orders(), &ORDERS);
        let list = vec![expectation("status = 'paid'"), expectation("customer_id < 9")];
        let mut expectations =
            Expectations::plan(list, &batch.schema(), &Functions::default()).unwrap();
        let verdicts = expectations.check(&Output { batch, origin: Origin::Identity }).unwrap();
        assert_eq!(
            verdicts,
            [Verdict { rows: 3, failed: vec![1] }, Verdict { rows: 3, failed: vec![2] }]
        );
    }

    #[test]
    fn an_expectation_that_cannot_be_planned_says_which_and_where() {
        let cases = [
            ("curency = 'EUR'", "no column `curency`", 1, 1),
            ("status = 'a' AND\n  _offset > 1", "no column `_offset`", 2, 3),
            ("customer_id", "an expectation is true or false", 1, 1),
            ("status = ", "cannot parse", 1, 1),
            ("status = 'a' extra", "expected the end", 1, 14),
            ("sum(customer_id) > 1", "aggregate function `sum`", 1, 1),
            ("customer_id IN (SELECT 1)", "subquery", 1, 1),
        ];
        for (that, message, line, column) in cases {
            let list = vec![
                expectation("true"),
                Expectation { name: "broken".to_owned(), ..expectation(that) },
            ];
            let error = Expectations::plan(list, &orders(), &Functions::default()).unwrap_err();
            assert_eq!(error.name, "broken");
            assert!(error.source.message.contains(message), "{that}: {}", error.source);
            assert_eq!((error.source.line, error.source.column), (line, column), "{that}");
        }
    }

    #[test]
    fn an_empty_batch_fails_nothing() {
        let batch = batch(&orders(), &[]);
        assert_eq!(failed("status = 'paid'", &batch), Vec::<u32>::new());
    }
}
