//! The text of a column as JSON, by the type of its field.
//!
//! What is accepted beyond JSON is what spreadsheets, pandas and databases write
//! and what can mean one value only. Other text becomes a string: the record is
//! then a dead letter that names the field.

use arrow::datatypes::{DataType, Field};
use serde_json::value::RawValue;

use crate::codec::json::write_string;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string, as it is.
    Text,
    /// A date, a time, or bytes in base64: a string, without the spaces around it.
    Word,
    Timestamp,
    Boolean,
    Integer,
    /// A decimal or a float.
    Number,
    /// A list, a struct or a map: JSON, as it is.
    Json,
}

impl Kind {
    pub(super) fn of(field: &Field) -> Self {
        match field.data_type() {
            DataType::Boolean => Self::Boolean,
            data_type if data_type.is_integer() => Self::Integer,
            data_type if data_type.is_numeric() => Self::Number,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Date32 | DataType::Time64(_) | DataType::Binary => Self::Word,
            data_type if data_type.is_nested() => Self::Json,
            _ => Self::Text,
        }
    }

    /// Appends the value. An empty column is null: CSV has no other word for it.
    pub(super) fn write(self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            out.extend_from_slice(b"null");
            return;
        }
        let trimmed = text.trim_ascii();
        let written = match self {
            Self::Text => false,
            Self::Word => {
                write_string(out, trimmed.as_bytes());
                true
            }
            Self::Timestamp => write_integer(trimmed, out) || write_timestamp(trimmed, out),
            Self::Boolean => write_boolean(trimmed, out),
            Self::Integer => write_integer(trimmed, out),
            Self::Number => write_number(trimmed, out),
            Self::Json => {
                let json = serde_json::from_str::<&RawValue>(trimmed);
                json.is_ok_and(|json| {
                    out.extend_from_slice(json.get().as_bytes());
                    true
                })
            }
        };
        if !written {
            write_string(out, text.as_bytes());
        }
    }
}

/// `True` and `TRUE` of pandas and spreadsheets, `t` and `1` of databases.
fn write_boolean(text: &str, out: &mut Vec<u8>) -> bool {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    let value: &[u8] = if is(["true", "t", "1"]) {
        b"true"
    } else if is(["false", "f", "0"]) {
        b"false"
    } else {
        return false;
    };
    out.extend_from_slice(value);
    true
}

/// A number, parted. Its digits stay as they are written.
struct Number<'a> {
    negative: bool,
    /// Without zeros in front.
    whole: &'a str,
    fraction: &'a str,
    /// With its letter.
    exponent: &'a str,
}

impl<'a> Number<'a> {
    /// Beyond JSON: `+1`, `007`, `.5` and `5.`.
    fn of(text: &'a str) -> Option<Self> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let negative = text.starts_with('-');
        let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = rest.split_at(digits(rest));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            (!exponent.is_empty() && digits(exponent) == exponent.len()).then_some(())?;
        } else if !rest.is_empty() {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(Self { negative, whole, fraction, exponent: rest })
    }

    fn write(&self, with_fraction: bool, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(self.whole.as_bytes());
        if with_fraction && !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(self.fraction.as_bytes());
        }
        out.extend_from_slice(self.exponent.as_bytes());
    }
}

fn write_number(text: &str, out: &mut Vec<u8>) -> bool {
    Number::of(text).is_some_and(|number| {
        number.write(true, out);
        true
    })
}

/// Also `3.0`, as pandas writes whole numbers of a column with gaps. An exponent is
/// refused: spreadsheets write it where they dropped digits.
fn write_integer(text: &str, out: &mut Vec<u8>) -> bool {
    let is_whole = |number: &Number<'_>| {
        number.exponent.is_empty() && number.fraction.bytes().all(|digit| digit == b'0')
    };
    Number::of(text).filter(is_whole).is_some_and(|number| {
        number.write(false, out);
        true
    })
}

/// An instant as databases write it, in the form that JSON has for it: without
/// seconds, and with the zone as ` UTC`, `+02` or `+0200`. All digits stay.
fn write_timestamp(text: &str, out: &mut Vec<u8>) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                wanted => byte == wanted,
            })
    };
    let Some((minutes, rest)) = text.split_at_checked("2026-01-05T10:00".len()) else {
        return false;
    };
    if !shape(minutes, "0000-00-00T00:00") {
        return false;
    }
    let at = rest.find(|c: char| !matches!(c, ':' | '.' | '0'..='9')).unwrap_or(rest.len());
    let (seconds, zone) = rest.split_at(at);
    let zone = zone.trim_start();
    let (hours, more) = zone.split_at_checked(3).unwrap_or((zone, ""));
    let zone = match zone {
        "Z" | "z" | "UTC" | "GMT" => "Z".to_owned(),
        zone if shape(hours.get(1..).unwrap_or(""), "00") && zone.starts_with(['+', '-']) => {
            match more {
                "" => format!("{hours}:00"),
                more if shape(more, "00") => format!("{hours}:{more}"),
                more if shape(more, ":00") => zone.to_owned(),
                _ => return false,
            }
        }
        _ => return false,
    };
    let seconds = if seconds.is_empty() { ":00" } else { seconds };
    write_string(out, format!("{minutes}{seconds}{zone}").as_bytes());
    true
}
