//! Division of decimals, rounded half away from zero.
//!
//! Arrow's cuts the quotient after four more digits than the dividend has. The digits here are
//! Spark's: `max(6, s1 + p2 + 1)` behind the point for `decimal(p1,s1) / decimal(p2,s2)`.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion_common::{Result, plan_err};
use datafusion_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, expr::ScalarFunction,
};

use super::arithmetic::Operation;

/// Least number of digits behind the point, where the dividend has some.
const LEAST: i16 = 6;

/// Least number of digits behind the point of a quotient of a whole number: as many as a double has.
const LEAST_OF_WHOLE: i16 = 16;

/// The quotient of two expressions of type `Decimal128`.
pub(super) fn quotient(left: Expr, right: Expr) -> Expr {
    let function =
        ScalarUDF::from(Division { signature: Signature::any(2, Volatility::Immutable) });
    Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), vec![left, right]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Division {
    signature: Signature,
}

/// The type of a quotient. Where it would have more digits than there are, it loses some behind
/// the point, and keeps those that every value of the dividend needs.
fn quotient_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left, right) else {
        return None;
    };
    let (p1, s1, p2, s2) = (i16::from(*p1), i16::from(*s1), i16::from(*p2), i16::from(*s2));
    let digits = i16::from(DECIMAL128_MAX_PRECISION);
    let least = if s1 == 0 { LEAST_OF_WHOLE } else { LEAST };
    let wanted = least.max(s1 + p2 + 1);
    let whole = p1 - s1 + s2;
    let scale = if whole + wanted <= digits {
        wanted
    } else {
        (digits - whole).max(wanted.min(s1.max(LEAST)))
    };
    let precision = (whole + scale).min(digits);
    Some(DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

impl ScalarUDFImpl for Division {
    fn name(&self) -> &'static str {
        "decimal_quotient"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] if let Some(result) = quotient_type(left, right) => Ok(result),
            other => plan_err!("no quotient of {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return plan_err!("a quotient has two parts");
        };
        let types = [left.data_type(), right.data_type()];
        let operation = Operation::new(Operator::Divide, &types[0], &types[1], args.return_type());
        let Some(operation) = operation else {
            return plan_err!("no quotient of {types:?}");
        };
        operation.evaluate(left, right, args.number_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_has_the_digits_of_spark_and_room_for_the_dividend() {
        let cases = [
            ((14, 2), (1, 0), (18, 6)),
            ((14, 2), (7, 0), (22, 10)),
            ((12, 2), (12, 2), (27, 15)),
            ((12, 2), (10, 0), (23, 13)),
            ((10, 0), (12, 2), (28, 16)),
            ((20, 0), (12, 2), (38, 16)),
            ((38, 18), (1, 0), (38, 18)),
            ((38, 18), (38, 18), (38, 18)),
            ((38, 0), (1, 0), (38, 6)),
            ((30, 10), (1, 0), (32, 12)),
        ];
        for ((p1, s1), (p2, s2), (precision, scale)) in cases {
            let (left, right) = (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2));
            let expected = DataType::Decimal128(precision, scale);
            assert_eq!(quotient_type(&left, &right), Some(expected), "{left} / {right}");
        }
    }
}
