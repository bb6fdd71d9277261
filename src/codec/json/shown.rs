//! Records for people to read: digit for digit as they are written.

use serde_json::value::RawValue;

/// The JSON of a record's value on one line, otherwise as it is written: digits,
/// the order of names and names that repeat. `None` where it is not valid JSON.
pub fn one_line(value: &[u8]) -> Option<Box<RawValue>> {
    let raw: &RawValue = serde_json::from_slice(value).ok()?;
    let text = raw.get();
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return Some(raw.to_owned());
    }
    // A string has no line ends as they are, so these are between its parts.
    RawValue::from_string(text.replace(['\n', '\r'], "")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Option<String> {
        one_line(value.as_bytes()).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn every_digit_and_name_is_shown_as_it_is_written() {
        for value in [
            "1.9187999999999998",
            "36893488147419103233",
            "12345678901234567890.123456789012345678",
            "-0.0",
            "1E5",
            "1e400",
            "0.10",
            r#"{"b":1,"a":2,"b":3}"#,
            r#""\u00e9\/""#,
            "null",
        ] {
            assert_eq!(shown(value).as_deref(), Some(value));
        }
    }

    #[test]
    fn line_ends_between_parts_are_left_out_and_what_is_not_json_is_not_shown() {
        assert_eq!(shown("{\r\n  \"a\": [1,\n2]\n}\n").as_deref(), Some("{  \"a\": [1,2]}"));
        for not in ["", "{", "01", "{} {}", "\u{feff}1", "\"a\nb\""] {
            assert_eq!(shown(not), None, "{not}");
        }
        assert!(one_line(b"\"\xff\"").is_none());
    }
}
