//! Arithmetic of literals, computed while planning with more digits than a row has.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, i256};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;

use super::written;

/// Least number of significant digits of a quotient, as in PostgreSQL.
const SIGNIFICANT: i64 = 16;

/// An exact number: `unscaled` divided by ten to the power of `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Constant {
    unscaled: i256,
    scale: u8,
}

impl Constant {
    /// The value of an integer or a decimal.
    pub(super) fn of(value: &ScalarValue) -> Option<Self> {
        let whole = |value: i128| Some(Self { unscaled: i256::from_i128(value), scale: 0 });
        match value {
            ScalarValue::Int64(Some(value)) => whole(i128::from(*value)),
            ScalarValue::UInt64(Some(value)) => whole(i128::from(*value)),
            ScalarValue::Decimal128(Some(value), _, scale) => {
                Some(Self { unscaled: i256::from_i128(*value), scale: u8::try_from(*scale).ok()? })
            }
            ScalarValue::Decimal256(Some(value), _, scale) => {
                Some(Self { unscaled: *value, scale: u8::try_from(*scale).ok()? })
            }
            _ => None,
        }
    }

    /// The number in a text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let has_exponent = text.contains(['e', 'E']);
        let plain = if has_exponent { written::plain(text)? } else { text.to_owned() };
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let fraction = fraction.trim_end_matches('0');
        let unscaled = i256::from_string(&format!("{whole}{fraction}"))?;
        Some(Self { unscaled, scale: u8::try_from(fraction.len()).ok()? })
    }

    /// The decimal literal of these digits and no more.
    pub(super) fn literal(self) -> Option<ScalarValue> {
        let precision = digits(self.unscaled)?.max(self.scale).max(1);
        let scale = i8::try_from(self.scale).ok()?;
        if precision <= DECIMAL128_MAX_PRECISION {
            Some(ScalarValue::Decimal128(Some(self.unscaled.to_i128()?), precision, scale))
        } else if precision <= DECIMAL256_MAX_PRECISION {
            Some(ScalarValue::Decimal256(Some(self.unscaled), precision, scale))
        } else {
            None
        }
    }

    pub(super) fn negated(self) -> Option<Self> {
        Some(Self { unscaled: self.unscaled.checked_neg()?, scale: self.scale })
    }

    /// The double nearest to it.
    pub(super) fn to_f64(self) -> Option<f64> {
        format!("{}e-{}", self.unscaled, self.scale).parse().ok()
    }

    /// The result, where it can be had with digits to spare.
    pub(super) fn compute(self, op: Operator, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let (unscaled, scale) = match op {
            Operator::Plus => (self.at(scale)?.checked_add(other.at(scale)?)?, scale),
            Operator::Minus => (self.at(scale)?.checked_sub(other.at(scale)?)?, scale),
            Operator::Multiply => {
                (self.unscaled.checked_mul(other.unscaled)?, self.scale.checked_add(other.scale)?)
            }
            Operator::Divide => return self.divided(other),
            _ => return None,
        };
        Some(Self { unscaled, scale })
    }

    fn at(self, scale: u8) -> Option<i256> {
        self.unscaled.checked_mul(power(u32::from(scale - self.scale))?)
    }

    fn divided(self, by: Self) -> Option<Self> {
        if by.unscaled == i256::ZERO {
            return None;
        }
        let least = self.scale.max(by.scale);
        let wanted = self.quotient_scale(by)?.max(i64::from(least));
        let mut scale = u8::try_from(wanted).ok()?;
        let shift = wanted + i64::from(by.scale) - i64::from(self.scale);
        let dividend = self.unscaled.checked_mul(power(u32::try_from(shift).ok()?)?)?;
        let mut unscaled = rounded_quotient(dividend, by.unscaled)?;
        // An exact quotient needs no zeros at its end.
        let ten = i256::from_i128(10);
        while scale > least && unscaled.checked_rem(ten)? == i256::ZERO {
            unscaled = unscaled.checked_div(ten)?;
            scale -= 1;
        }
        Some(Self { unscaled, scale })
    }

    /// PostgreSQL's `select_div_scale`, which counts in groups of four digits.
    fn quotient_scale(self, by: Self) -> Option<i64> {
        if self.unscaled == i256::ZERO {
            return Some(0);
        }
        let (weight, first) = self.leading_group()?;
        let (weight_by, first_by) = by.leading_group()?;
        let weight = weight - weight_by - i64::from(first <= first_by);
        Some(SIGNIFICANT - weight * 4)
    }

    /// The first group of four digits that is not zero, and its place.
    fn leading_group(self) -> Option<(i64, i256)> {
        let digits = i64::from(digits(self.unscaled)?);
        let leading = digits - i64::from(self.scale) - 1;
        let weight = leading.div_euclid(4);
        let drop = digits - (leading - weight * 4 + 1);
        let value = self.unscaled.checked_abs()?;
        let by = power(u32::try_from(drop.unsigned_abs()).ok()?)?;
        let group = if drop >= 0 { value.checked_div(by)? } else { value.checked_mul(by)? };
        Some((weight, group))
    }
}

/// The quotient, rounded half away from zero.
pub(super) fn rounded_quotient(dividend: i256, divisor: i256) -> Option<i256> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?.checked_abs()?;
    if rest < divisor.checked_abs()?.checked_sub(rest)? {
        return Some(quotient);
    }
    let away =
        if dividend.is_negative() == divisor.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    quotient.checked_add(away)
}

fn power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

fn digits(value: i256) -> Option<u8> {
    match value.checked_abs()?.checked_ilog10() {
        None => Some(0),
        Some(log) => u8::try_from(log + 1).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(text: &str) -> Constant {
        Constant::parse(text).unwrap()
    }

    /// Quotients as PostgreSQL 15 prints them, without zeros at the end.
    #[test]
    fn constants_are_computed_as_postgresql_computes_them() {
        let cases = [
            ("1", Operator::Plus, "0.19", "1.19"),
            ("1.0", Operator::Minus, "0.81", "0.19"),
            ("1.5", Operator::Multiply, "-0.05", "-0.075"),
            ("1.0", Operator::Divide, "3", "0.33333333333333333333"),
            ("-2.0", Operator::Divide, "3", "-0.66666666666666666667"),
            ("1", Operator::Divide, "1.19", "0.84033613445378151261"),
            ("30", Operator::Divide, "365.0", "0.08219178082191780822"),
            ("19133.00", Operator::Divide, "3", "6377.6666666666666667"),
            ("30", Operator::Divide, "100.0", "0.3"),
            ("1", Operator::Divide, "300.00", "0.00333333333333333333"),
        ];
        for (left, op, right, expected) in cases {
            let result = constant(left).compute(op, constant(right)).unwrap();
            assert_eq!(result, constant(expected), "{left} {op} {right}");
        }
        assert_eq!(constant("1.0").compute(Operator::Divide, constant("0.0")), None);
    }
}
