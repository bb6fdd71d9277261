//! `+`, `-`, `*` and `%` of decimals, whose intermediate results do not overflow.
//!
//! Arrow computes in 128 bits, fails where only a step on the way is too large, and lets a result
//! of 39 digits pass. Here a row fails exactly if its result has more digits than the type.

use std::{fmt, hash::Hash, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, PrimitiveArray, new_null_array},
    compute::{try_binary, try_unary},
    datatypes::{DataType, Decimal128Type, Schema, i256},
    error::ArrowError,
    record_batch::RecordBatch,
};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::{PhysicalExpr, expressions};

use super::{
    constant::rounded_quotient,
    digits::{fits, power},
};

/// An operation of two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Operation {
    op: Operator,
    left: i8,
    right: i8,
    pub(super) precision: u8,
    pub(super) scale: i8,
}

impl Operation {
    /// `result` is the type of the result.
    pub(super) fn new(
        op: Operator,
        left: &DataType,
        right: &DataType,
        result: &DataType,
    ) -> Option<Self> {
        match (left, right, result) {
            (
                DataType::Decimal128(_, left),
                DataType::Decimal128(_, right),
                DataType::Decimal128(precision, scale),
            ) => {
                let scales = [*left, *right, *scale];
                let plain = scales.iter().all(|scale| *scale >= 0) && *scale >= *left;
                plain.then_some(Self {
                    op,
                    left: *left,
                    right: *right,
                    precision: *precision,
                    scale: *scale,
                })
            }
            _ => None,
        }
    }

    /// Applies the operation to each row.
    pub(super) fn evaluate(
        self,
        left: &ColumnarValue,
        right: &ColumnarValue,
        rows: usize,
    ) -> Result<ColumnarValue> {
        let both_scalar =
            matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let array: PrimitiveArray<Decimal128Type> = match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => match value(right) {
                Some(right) => {
                    try_unary(left.as_primitive::<Decimal128Type>(), |left| self.of(left, right))?
                }
                None => return Ok(ColumnarValue::Array(self.nulls(rows))),
            },
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => match value(left) {
                Some(left) => {
                    try_unary(right.as_primitive::<Decimal128Type>(), |right| self.of(left, right))?
                }
                None => return Ok(ColumnarValue::Array(self.nulls(rows))),
            },
            (left, right) => {
                let (left, right) = (left.to_array(1)?, right.to_array(1)?);
                try_binary(
                    left.as_primitive::<Decimal128Type>(),
                    right.as_primitive::<Decimal128Type>(),
                    |left, right| self.of(left, right),
                )?
            }
        };
        let array = array.with_precision_and_scale(self.precision, self.scale)?;
        if both_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(array)))
    }

    fn nulls(self, rows: usize) -> ArrayRef {
        new_null_array(&DataType::Decimal128(self.precision, self.scale), rows)
    }

    fn of(self, left: i128, right: i128) -> Result<i128, ArrowError> {
        if right == 0 && matches!(self.op, Operator::Divide | Operator::Modulo) {
            return Err(ArrowError::DivideByZero);
        }
        self.narrow(left, right)
            .or_else(|| self.wide(left, right))
            .filter(|result| fits(*result, self.precision))
            .ok_or_else(|| {
                ArrowError::ArithmeticOverflow(format!(
                    "the result has more digits than decimal({},{}) holds",
                    self.precision, self.scale
                ))
            })
    }

    /// The result by 128 bits, where they are enough.
    fn narrow(self, left: i128, right: i128) -> Option<i128> {
        let same = self.left == self.scale && self.right == self.scale;
        match self.op {
            Operator::Plus if same => left.checked_add(right),
            Operator::Minus if same => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => {
                let dividend = left.checked_mul(power(self.shift()?))?;
                let (quotient, rest) = (dividend / right, dividend % right);
                let half = rest.unsigned_abs() >= right.unsigned_abs() - rest.unsigned_abs();
                let away = if (dividend < 0) == (right < 0) { 1 } else { -1 };
                Some(if half { quotient + away } else { quotient })
            }
            _ => None,
        }
    }

    fn wide(self, left: i128, right: i128) -> Option<i128> {
        let (left, right) = (i256::from_i128(left), i256::from_i128(right));
        let raised = |value: i256, from: i8| {
            let by = u8::try_from(self.scale - from).ok()?;
            value.checked_mul(i256::from_i128(power(by)))
        };
        let result = match self.op {
            Operator::Plus => raised(left, self.left)?.checked_add(raised(right, self.right)?)?,
            Operator::Minus => raised(left, self.left)?.checked_sub(raised(right, self.right)?)?,
            Operator::Modulo => raised(left, self.left)?.checked_rem(raised(right, self.right)?)?,
            Operator::Multiply => left.checked_mul(right)?,
            Operator::Divide => {
                let shift = i256::from_i128(10).checked_pow(u32::from(self.shift()?))?;
                rounded_quotient(left.checked_mul(shift)?, right)?
            }
            _ => return None,
        };
        result.to_i128()
    }

    /// By how many digits the dividend grows.
    fn shift(self) -> Option<u8> {
        u8::try_from(i16::from(self.scale) + i16::from(self.right) - i16::from(self.left)).ok()
    }
}

fn value(scalar: &ScalarValue) -> Option<i128> {
    match scalar {
        ScalarValue::Decimal128(value, ..) => *value,
        _ => None,
    }
}

/// An operation as a physical expression, in place of DataFusion's.
#[derive(Debug, Clone)]
pub(in crate::transform::sql) struct Arithmetic {
    /// For its text and its type.
    theirs: Arc<dyn PhysicalExpr>,
    left: Arc<dyn PhysicalExpr>,
    right: Arc<dyn PhysicalExpr>,
    operation: Operation,
}

impl Arithmetic {
    /// `None` where the expression does not compute with decimals.
    pub(in crate::transform::sql) fn of(
        expr: &expressions::BinaryExpr,
        schema: &Schema,
    ) -> Result<Option<Self>> {
        let computes = matches!(
            expr.op(),
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Modulo
        );
        if !computes {
            return Ok(None);
        }
        let (left, right) = (Arc::clone(expr.left()), Arc::clone(expr.right()));
        let (left_type, right_type) = (left.data_type(schema)?, right.data_type(schema)?);
        if !left_type.is_decimal() || !right_type.is_decimal() {
            return Ok(None);
        }
        let result = expr.data_type(schema)?;
        let Some(operation) = Operation::new(*expr.op(), &left_type, &right_type, &result) else {
            return Ok(None);
        };
        Ok(Some(Self { theirs: Arc::new(expr.clone()), left, right, operation }))
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.theirs.fmt(f)
    }
}

impl PartialEq for Arithmetic {
    fn eq(&self, other: &Self) -> bool {
        self.theirs.eq(&other.theirs)
    }
}

impl Eq for Arithmetic {}

impl Hash for Arithmetic {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.theirs.hash(state);
    }
}

impl PhysicalExpr for Arithmetic {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.theirs.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.theirs.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let (left, right) = (self.left.evaluate(batch)?, self.right.evaluate(batch)?);
        self.operation.evaluate(&left, &right, batch.num_rows())
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let (left, right) = (Arc::clone(&children[0]), Arc::clone(&children[1]));
        let theirs = Arc::clone(&self.theirs).with_new_children(children)?;
        Ok(Arc::new(Self { theirs, left, right, operation: self.operation }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.theirs.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation(op: Operator, left: i8, right: i8, scale: i8) -> Operation {
        let decimal = |scale| DataType::Decimal128(38, scale);
        Operation::new(op, &decimal(left), &decimal(right), &decimal(scale)).unwrap()
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        let divide = operation(Operator::Divide, 2, 0, 6);
        let cases = [
            (1_913_300, 3, 6_377_666_667),
            (-1_913_300, 3, -6_377_666_667),
            (1_913_300, -3, -6_377_666_667),
            (-1_913_300, -3, 6_377_666_667),
            (100, 2_000_000, 1),
            (-100, 2_000_000, -1),
            (100, 2_000_001, 0),
        ];
        for (left, right, expected) in cases {
            assert_eq!(divide.of(left, right).unwrap(), expected, "{left} / {right}");
            let (wide, narrow) = (divide.wide(left, right), divide.narrow(left, right));
            assert_eq!(wide, narrow, "{left} / {right}");
        }
        assert!(matches!(divide.of(1, 0), Err(ArrowError::DivideByZero)));
    }

    #[test]
    fn only_a_result_of_too_many_digits_fails() {
        let nines = power(38) - 1;
        let plus = operation(Operator::Plus, 0, 0, 0);
        assert!(plus.of(nines, 1).is_err());
        assert_eq!(plus.of(nines, 0).unwrap(), nines);
        // Each factor is raised to twenty digits behind the point, over 128 bits.
        let modulo = operation(Operator::Modulo, 20, 0, 20);
        assert_eq!(modulo.of(power(20) * 5, nines).unwrap(), power(20) * 5);
        let divide = operation(Operator::Divide, 18, 18, 18);
        assert_eq!(divide.of(power(37), power(18) * 2).unwrap(), power(37) / 2);
    }

    proptest! {
        #[test]
        fn both_widths_agree(left in any::<i64>(), right in any::<i64>()) {
            let (left, right) = (i128::from(left), i128::from(right));
            for op in [Operator::Plus, Operator::Minus] {
                let operation = operation(op, 2, 2, 2);
                prop_assert_eq!(operation.narrow(left, right), operation.wide(left, right));
            }
            let multiply = operation(Operator::Multiply, 2, 2, 4);
            prop_assert_eq!(multiply.narrow(left, right), multiply.wide(left, right));
            if right != 0 {
                let divide = operation(Operator::Divide, 2, 2, 8);
                prop_assert_eq!(divide.narrow(left, right), divide.wide(left, right));
            }
        }
    }
}
