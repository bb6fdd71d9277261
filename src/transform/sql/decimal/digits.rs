//! Decimals from text and as doubles, digit by digit.

use std::fmt::Write;

/// Why a text is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotDecimal {
    NotANumber,
    TooLarge,
}

/// Ten to the power of `exponent`, which is at most 38.
pub(super) fn power(exponent: u8) -> i128 {
    10i128.pow(u32::from(exponent))
}

/// Whether a decimal of `precision` digits holds the unscaled value.
pub(super) fn fits(unscaled: i128, precision: u8) -> bool {
    unscaled.unsigned_abs() < power(precision).unsigned_abs()
}

/// The unscaled value of a number in text, rounded half away from zero.
///
/// Spaces around it, a sign, a point without digits on one side and an exponent are allowed, as
/// in PostgreSQL.
pub(super) fn parse(text: &str, precision: u8, scale: i8) -> Result<i128, NotDecimal> {
    let text = text.trim();
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, 0),
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| NotDecimal::NotANumber)?)
        }
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let count = whole.len() + fraction.len();
    if count == 0 || !digits().all(|digit| digit.is_ascii_digit()) {
        return Err(NotDecimal::NotANumber);
    }
    // Of all digits from the first on, as many are kept; zeros follow where more are wanted.
    let keep = whole.len() as i64 + i64::from(exponent) + i64::from(scale);
    let mut value = 0i128;
    for digit in digits().take(usize::try_from(keep).unwrap_or(0)) {
        value = append(value, digit - b'0', precision)?;
    }
    if value != 0 {
        for _ in count as i64..keep {
            value = append(value, 0, precision)?;
        }
    }
    let dropped = usize::try_from(keep).ok().and_then(|keep| digits().nth(keep));
    if dropped.is_some_and(|digit| digit >= b'5') {
        value += 1;
    }
    if !fits(value, precision) {
        return Err(NotDecimal::TooLarge);
    }
    Ok(if negative { -value } else { value })
}

fn append(value: i128, digit: u8, precision: u8) -> Result<i128, NotDecimal> {
    let longer = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit)));
    longer.filter(|value| fits(*value, precision)).ok_or(NotDecimal::TooLarge)
}

/// The double nearest to a decimal. `buffer` is space to write in.
pub(super) fn to_f64(unscaled: i128, scale: i8, buffer: &mut String) -> f64 {
    const EXACT: u128 = 1 << 53;
    if unscaled.unsigned_abs() <= EXACT && (0..=22).contains(&scale) {
        // Both operands are exact, so the quotient is rounded once.
        return unscaled as f64 / 10f64.powi(i32::from(scale));
    }
    written(unscaled, scale, buffer).parse().unwrap_or(f64::NAN)
}

/// The float nearest to a decimal.
pub(super) fn to_f32(unscaled: i128, scale: i8, buffer: &mut String) -> f32 {
    written(unscaled, scale, buffer).parse().unwrap_or(f32::NAN)
}

fn written(unscaled: i128, scale: i8, buffer: &mut String) -> &str {
    buffer.clear();
    // Writing to a string does not fail.
    let _ = write!(buffer, "{unscaled}e{}", -i32::from(scale));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_exponents_and_rounded_half_away_from_zero() {
        let cases = [
            ("1.5e3", 10, 2, Ok(150_000)),
            ("1E-7", 10, 8, Ok(10)),
            (" +1.5 ", 10, 2, Ok(150)),
            (".5", 3, 1, Ok(5)),
            ("5.", 3, 1, Ok(50)),
            ("1.005", 10, 2, Ok(101)),
            ("-1.005", 10, 2, Ok(-101)),
            ("-0.004", 10, 2, Ok(0)),
            ("0.05", 10, 1, Ok(1)),
            ("0.5e-1", 10, 1, Ok(1)),
            ("5e-3", 10, 1, Ok(0)),
            ("9.995", 3, 2, Err(NotDecimal::TooLarge)),
            ("0e999999", 3, 2, Ok(0)),
            ("1e999999", 3, 2, Err(NotDecimal::TooLarge)),
            ("1e-999999", 3, 2, Ok(0)),
            ("000000000000000000000000000000000000000000001", 3, 2, Ok(100)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10i128.pow(38) - 1)),
            ("", 3, 2, Err(NotDecimal::NotANumber)),
            (".", 3, 2, Err(NotDecimal::NotANumber)),
            ("1e", 3, 2, Err(NotDecimal::NotANumber)),
            ("1 2", 3, 2, Err(NotDecimal::NotANumber)),
            ("NaN", 3, 2, Err(NotDecimal::NotANumber)),
            ("--1", 3, 2, Err(NotDecimal::NotANumber)),
            ("1_000", 8, 2, Err(NotDecimal::NotANumber)),
        ];
        for (text, precision, scale, expected) in cases {
            assert_eq!(parse(text, precision, scale), expected, "{text}");
        }
    }

    #[test]
    fn the_double_is_the_nearest_one() {
        let mut buffer = String::new();
        let cases = [
            (3, 1, "0.3"),
            (123_456_789_012_345_678_900_123_456_789, 10, "12345678901234567000"),
            (9_007_199_254_740_993, 3, "9007199254740.992"),
        ];
        for (unscaled, scale, expected) in cases {
            assert_eq!(to_f64(unscaled, scale, &mut buffer).to_string(), expected);
        }
        assert_eq!(to_f32(16_777_217, 0, &mut buffer).to_string(), "16777216");
    }
}
