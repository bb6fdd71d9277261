//! Numbers, bytes and spans of time as JSON text, at the end of a buffer.

use arrow::datatypes::TimeUnit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::EncodeError;
use super::time;

/// The outcome of writing a value; errors are rare and large, so boxed.
pub(super) type Written = Result<(), Box<EncodeError>>;

pub(super) fn integer<I: itoa::Integer>(out: &mut Vec<u8>, value: I) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn f64(out: &mut Vec<u8>, value: f64) -> Written {
    if !value.is_finite() {
        return Err(not_finite(value).into());
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

pub(super) fn f32(out: &mut Vec<u8>, value: f32) -> Written {
    if !value.is_finite() {
        return Err(not_finite(value.into()).into());
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

fn not_finite(value: f64) -> EncodeError {
    let value = match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    EncodeError::NotFinite { path: String::new(), value }
}

pub(super) fn decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    scaled(out, itoa::Buffer::new().format(unscaled), scale);
}

/// Appends digits with the point `scale` places from their end.
pub(super) fn scaled(out: &mut Vec<u8>, digits: &str, scale: i8) {
    let digits = match digits.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => digits,
    };
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        let zeros = if digits == "0" { 0 } else { places };
        out.resize(out.len() + zeros, b'0');
    } else if let Some((whole, fraction)) =
        digits.len().checked_sub(places).filter(|at| *at > 0).map(|at| digits.split_at(at))
    {
        out.extend_from_slice(whole.as_bytes());
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + places - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written.ok(), Some(out.len() - start));
    out.push(b'"');
}

/// Appends a span of time as ISO 8601 has it: `P1M2DT3.500S`.
pub(super) fn period(out: &mut Vec<u8>, months: i32, days: i32, clock: i64, unit: TimeUnit) {
    out.push(b'P');
    for (count, letter) in [(months, b'M'), (days, b'D')] {
        if count != 0 {
            integer(out, count);
            out.push(letter);
        }
    }
    if clock != 0 || (months == 0 && days == 0) {
        let per_second = time::per_second(unit);
        out.push(b'T');
        if clock < 0 {
            out.push(b'-');
        }
        integer(out, (clock / per_second).unsigned_abs());
        time::write_fraction(out, (clock % per_second).abs(), unit);
        out.push(b'S');
    }
}
