//! Numbers: their syntax, and their exact or nearest value.

use super::reader::{Reader, Syntax};

/// So many digits fit a `u64` whatever they are.
const MANTISSA_DIGITS: usize = 19;

/// Far over what any value can mean, far under an overflow.
const EXPONENT_LIMIT: i64 = 1 << 40;

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    text: &'a str,
    negative: bool,
    /// All digits in one, where they are at most [`MANTISSA_DIGITS`].
    mantissa: u64,
    /// Digits before and behind the point.
    digits: usize,
    /// Digits behind the point.
    fraction: usize,
    exponent: i64,
    /// Neither point nor exponent.
    whole: bool,
}

impl<'a> Reader<'a> {
    /// The number that comes next.
    pub(super) fn number(&mut self) -> Syntax<Number<'a>> {
        let start = self.position;
        let negative = self.take(b'-');
        let mut mantissa = 0;
        let leading_zero = self.peek() == b'0';
        let mut digits = if leading_zero {
            self.position += 1;
            1
        } else {
            self.digits(&mut mantissa)
        };
        if digits == 0 {
            self.position = start;
            return Err(self.malformed("a value").into());
        }
        let mut fraction = 0;
        let mut exponent = 0;
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            fraction = self.digits(&mut mantissa);
            digits += fraction;
            if fraction == 0 {
                return Err(self.malformed("a digit behind the point").into());
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            whole = false;
            self.position += 1;
            exponent = self.exponent()?;
        }
        let text = self.since(start);
        Ok(Number { text, negative, mantissa, digits, fraction, exponent, whole })
    }

    fn digits(&mut self, mantissa: &mut u64) -> usize {
        let rest = self.rest();
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = rest.get(count) {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            count += 1;
        }
        self.position += count;
        count
    }

    fn exponent(&mut self) -> Syntax<i64> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        let mut exponent = 0;
        let start = self.position;
        while let digit @ b'0'..=b'9' = self.peek() {
            exponent = (exponent * 10 + i64::from(digit - b'0')).min(EXPONENT_LIMIT);
            self.position += 1;
        }
        if self.position == start {
            return Err(self.malformed("a digit of the exponent").into());
        }
        Ok(if negative { -exponent } else { exponent })
    }
}

impl Number<'_> {
    /// The whole number, where it is written as one and fits.
    pub(super) fn to_integer(self) -> Option<i64> {
        if !self.whole || self.digits > MANTISSA_DIGITS {
            return None;
        }
        if self.negative {
            0i64.checked_sub_unsigned(self.mantissa)
        } else {
            i64::try_from(self.mantissa).ok()
        }
    }

    /// The nearest double; none where that would be infinite.
    pub(super) fn to_f64(self) -> Option<f64> {
        let exponent = self.exponent - self.fraction as i64;
        // Both operands exact, so one rounding: the nearest value (Clinger).
        if self.digits <= MANTISSA_DIGITS && self.mantissa <= 1 << 53 {
            let magnitude = self.mantissa as f64;
            let power = EXACT_POWERS.get(exponent.unsigned_abs() as usize);
            if let Some(power) = power {
                let magnitude = if exponent < 0 { magnitude / power } else { magnitude * power };
                return Some(if self.negative { -magnitude } else { magnitude });
            }
        }
        self.text.parse::<f64>().ok().filter(|value| value.is_finite())
    }

    /// The nearest float, rounded once; none where that would be infinite.
    pub(super) fn to_f32(self) -> Option<f32> {
        self.text.parse::<f32>().ok().filter(|value| value.is_finite())
    }

    /// The value times ten to the power of `scale`, where that is whole and has
    /// at most `precision` digits. Nothing is rounded.
    pub(super) fn to_decimal(self, precision: u8, scale: i8) -> Option<i128> {
        let (mantissa, dropped) = if self.digits <= MANTISSA_DIGITS {
            (u128::from(self.mantissa), 0)
        } else {
            self.long_mantissa()?
        };
        let shift = i64::from(scale) + self.exponent - self.fraction as i64 + dropped;
        let unscaled = if mantissa == 0 { 0 } else { shift_exactly(mantissa, shift)? };
        if unscaled >= 10u128.pow(u32::from(precision)) {
            return None;
        }
        let unscaled = i128::try_from(unscaled).ok()?;
        Some(if self.negative { -unscaled } else { unscaled })
    }

    /// The significant digits without zeros at the end, and how many those were.
    /// None where more are left than a `u128` holds.
    fn long_mantissa(self) -> Option<(u128, i64)> {
        let mut mantissa: u128 = 0;
        let mut zeros: u32 = 0;
        let written = self.text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
        for digit in written.filter(u8::is_ascii_digit) {
            if digit == b'0' {
                zeros += u32::from(mantissa > 0);
            } else {
                let power = 10u128.checked_pow(zeros + 1)?;
                mantissa = mantissa.checked_mul(power)?.checked_add(u128::from(digit - b'0'))?;
                zeros = 0;
            }
        }
        Some((mantissa, i64::from(zeros)))
    }
}

/// `value` times ten to the power of `shift`, where that is whole and fits.
fn shift_exactly(value: u128, shift: i64) -> Option<u128> {
    let power = 10u128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    if shift >= 0 {
        value.checked_mul(power)
    } else {
        value.is_multiple_of(power).then(|| value / power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        let mut reader = Reader::new(text);
        let number = reader.number().unwrap();
        assert!(reader.at_end(), "{text}");
        number
    }

    #[test]
    fn integers_keep_every_digit_or_are_none() {
        assert_eq!(number("9007199254740993").to_integer(), Some(9_007_199_254_740_993));
        assert_eq!(number("9223372036854775807").to_integer(), Some(i64::MAX));
        assert_eq!(number("-9223372036854775808").to_integer(), Some(i64::MIN));
        assert_eq!(number("-0").to_integer(), Some(0));
        for none in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551617",
            "100000000000000000000",
            "1.0",
            "1e3",
            "0.5",
        ] {
            assert_eq!(number(none).to_integer(), None, "{none}");
        }
    }

    #[test]
    fn decimals_are_exact_or_none() {
        assert_eq!(number("12.50").to_decimal(10, 2), Some(1250));
        assert_eq!(number("-0.05").to_decimal(10, 2), Some(-5));
        assert_eq!(number("12.5000").to_decimal(10, 2), Some(1250));
        assert_eq!(number("1.25E+3").to_decimal(10, 2), Some(125_000));
        assert_eq!(number("0e999999999999999").to_decimal(4, 2), Some(0));
        assert_eq!(number("99.99").to_decimal(4, 2), Some(9999));
        let nines = "9".repeat(38);
        assert_eq!(number(&nines).to_decimal(38, 0), Some(10i128.pow(38) - 1));
        let zeros = format!("1.{}", "0".repeat(60));
        assert_eq!(number(&zeros).to_decimal(3, 2), Some(100));
        let small = format!("0.{}1", "0".repeat(37));
        assert_eq!(number(&small).to_decimal(38, 38), Some(1));
        let nine_and_forty = "9".repeat(39);
        for none in ["100.00", "0.001", "1e3", "1e-3", "1e99999999999999999", &nine_and_forty] {
            assert_eq!(number(none).to_decimal(4, 2), None, "{none}");
        }
    }

    #[test]
    fn what_would_be_infinite_is_none_and_what_is_too_small_is_zero() {
        assert_eq!(number("1e309").to_f64(), None);
        assert_eq!(number("1e39").to_f32(), None);
        assert_eq!(number("1e-400").to_f64(), Some(0.0));
        assert_eq!(number("-0").to_f64().map(f64::to_bits), Some((-0.0f64).to_bits()));
    }

    proptest! {
        #[test]
        fn floats_are_the_nearest_value(
            text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?",
        ) {
            let double = number(&text).to_f64().map(f64::to_bits);
            prop_assert_eq!(double, text.parse::<f64>().ok().map(f64::to_bits));
            let float = number(&text).to_f32().map(f32::to_bits);
            let nearest = text.parse::<f32>().ok().filter(|value| value.is_finite());
            prop_assert_eq!(float, nearest.map(f32::to_bits));
        }

        #[test]
        fn decimals_read_back_as_they_were_written(unscaled in -(10i128.pow(38)) + 1..10i128.pow(38)) {
            let digits = format!("{:039}", unscaled.unsigned_abs());
            let sign = if unscaled < 0 { "-" } else { "" };
            let whole = digits[..29].trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let text = format!("{sign}{whole}.{}", &digits[29..]);
            prop_assert_eq!(number(&text).to_decimal(38, 10), Some(unscaled));
        }
    }
}
