//! What is wrong with a value, in the words of the configuration instead of those
//! of the types that read it.

use super::shape::Raw;

/// What types are called by their readers, and by the configuration.
const TYPES: [(&str, &str); 14] = [
    ("usize", "a whole number of at least 0"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number of at least 0"),
    ("a nonzero u32", "a whole number of at least 1"),
    ("i32", "a whole number"),
    ("i64", "a whole number"),
    ("f64", "a number"),
    ("a boolean", "true or false"),
    ("a string", "text"),
    ("a sequence", "a list"),
    ("a map", "a section"),
    ("a duration", "a time, such as 5s or 500ms"),
];

/// What readers say of a text that is not a time.
const TIMES: [&str; 5] = [
    "expected number at",
    "invalid character at",
    "time unit needed",
    "unknown time unit",
    "value was empty",
];

/// The `message` of a reader that refused `value`.
pub(super) fn plain(message: &str, value: &Raw) -> String {
    let shown = match value {
        Raw::Text(text) => format!("`{text}`"),
        Raw::Null => "null".to_owned(),
        Raw::List(_) => "a list".to_owned(),
    };
    if TIMES.iter().any(|start| message.starts_with(start)) {
        return format!("must be a time, such as 5s or 500ms, not {shown}");
    }
    let is_value = message.starts_with("invalid type:") || message.starts_with("invalid value:");
    if let Some((_, expected)) = message.rsplit_once(", expected ").filter(|_| is_value) {
        let known = TYPES.iter().find(|(name, _)| *name == expected).map(|(_, words)| *words);
        let expected = match known {
            Some(words) => words,
            None if expected.contains("tagged enum") => "a section with `type`",
            None if expected.starts_with("struct ") => "a section",
            None => expected,
        };
        return format!("must be {expected}, not {shown}");
    }
    if let Some((_, expected)) = message.split_once(", expected ")
        && message.starts_with("unknown variant")
    {
        return format!("must be {}, not {shown}", expected.replace('`', ""));
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged {
        Http,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        Two,
        Three,
    }

    #[derive(Debug, Deserialize)]
    struct Time {
        #[serde(with = "humantime_serde")]
        _time: Duration,
    }

    #[track_caller]
    fn of<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let error = serde_json::from_value::<T>(serde_json::from_str(json).unwrap()).unwrap_err();
        plain(&error.to_string(), &Raw::Text("x".to_owned()))
    }

    #[test]
    fn no_word_of_a_type_is_left() {
        assert_eq!(of::<usize>("\"x\""), "must be a whole number of at least 0, not `x`");
        assert_eq!(of::<usize>("-1"), "must be a whole number of at least 0, not `x`");
        assert_eq!(of::<u16>("70000"), "must be a whole number from 0 to 65535, not `x`");
        assert_eq!(
            of::<std::num::NonZeroU32>("0"),
            "must be a whole number of at least 1, not `x`"
        );
        assert_eq!(of::<f64>("\"x\""), "must be a number, not `x`");
        assert_eq!(of::<bool>("\"x\""), "must be true or false, not `x`");
        assert_eq!(of::<Vec<String>>("\"x\""), "must be a list, not `x`");
        assert_eq!(of::<Tagged>("\"x\""), "must be a section with `type`, not `x`");
        assert_eq!(of::<Word>("\"x\""), "must be one of one, two, three, not `x`");
        for text in ["", "x", "5", "5 parsecs", "9999999999999999999999s", "-1s"] {
            let shown = of::<Time>(&format!("{{\"_time\": \"{text}\"}}"));
            assert_eq!(shown, "must be a time, such as 5s or 500ms, not `x`", "{text}");
        }
        assert_eq!(of::<Time>("{\"_time\": null}"), "must be a time, such as 5s or 500ms, not `x`");
    }
}
