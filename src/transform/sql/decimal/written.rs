//! Numbers with an exponent, as the planner can read them.
//!
//! The planner makes a decimal of a fractional literal, and of `1e300` an error. Here
//! `1.5e-3` becomes `0.0015`, which can be exact; what no decimal holds becomes a double.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Query, Value, ValueWithSpan, visit_expressions_mut,
};

/// Maximum number of digits that the planner reads into a decimal.
const DIGITS_MAX: i64 = 76;

/// Replaces every number with an exponent in the query.
pub(in crate::transform::sql) fn plain_exponents(query: &mut Query) {
    let _ = visit_expressions_mut(query, |expr| {
        if let Expr::Value(ValueWithSpan { value: Value::Number(number, _), span }) = expr
            && number.contains(['e', 'E'])
        {
            let span = *span;
            let number = number.replace('_', "");
            let value = |value| Expr::Value(ValueWithSpan { value, span });
            *expr = match plain(&number) {
                Some(digits) => value(Value::Number(digits, false)),
                None => Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(value(Value::SingleQuotedString(number))),
                    data_type: DataType::Double(ExactNumberInfo::None),
                    array: false,
                    format: None,
                },
            };
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The number without an exponent; `None` where it would have too many digits.
pub(super) fn plain(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + exponent;
    let written = digits.len() as i64;
    if point.max(written) - point.min(0) > DIGITS_MAX {
        return None;
    }
    // With a point, so that it stays a fractional literal.
    Some(if point <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else if point >= written {
        format!("{sign}{digits}{}.", "0".repeat((point - written) as usize))
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        format!("{sign}{whole}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponent_moves_the_point() {
        let cases = [
            ("1.5e3", Some("1500.")),
            ("1.5e-3", Some("0.0015")),
            ("1E2", Some("100.")),
            ("12.345e1", Some("123.45")),
            ("5e-1", Some("0.5")),
            (".5e+1", Some("5.")),
            ("-1.5e1", Some("-15.")),
            ("1e300", None),
            ("1e-300", None),
        ];
        for (number, expected) in cases {
            assert_eq!(plain(number).as_deref(), expected, "{number}");
        }
    }
}
