//! What a setting may hold, read off the defaults.
//!
//! The defaults as JSON are the only list of settings: a leaf is a setting, an
//! object a section, an empty object a map whose keys the user chooses.

use serde_json::{Map, Number, Value};

/// A value that a layer sets, before it is known what it is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Text(String),
    /// Written out, to set what has a default to nothing.
    Null,
    /// Of a list in a file.
    List(Vec<Value>),
}

/// What [`find`] found in the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Setting,
    /// Below a map whose keys the user chooses, which is this many segments long.
    Entry(usize),
    Section,
    Unknown,
}

pub(super) fn find(defaults: &Value, path: &[String]) -> Found {
    let mut here = defaults;
    for (depth, key) in path.iter().enumerate() {
        if here.as_object().is_some_and(Map::is_empty) {
            return Found::Entry(depth);
        }
        let Some(next) = here.get(key) else { return Found::Unknown };
        here = next;
    }
    if here.is_object() { Found::Section } else { Found::Setting }
}

/// The dotted names of all settings, open maps included.
pub(super) fn names(defaults: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(defaults, "", &mut |name, _| names.push(name.to_owned()));
    names
}

/// Calls `visit` for every leaf; empty objects and all lists are leaves.
pub(super) fn collect(value: &Value, name: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                let separator = if name.is_empty() { "" } else { "." };
                collect(field, &format!("{name}{separator}{key}"), visit);
            }
        }
        leaf => visit(name, leaf),
    }
}

/// What `raw` may mean where `default` stands, the likeliest first.
pub(super) fn candidates(raw: &Raw, default: Option<&Value>) -> Vec<Value> {
    let text = match raw {
        Raw::List(items) => return vec![Value::Array(items.clone())],
        Raw::Null => return vec![Value::Null],
        Raw::Text(text) => text,
    };
    match default {
        Some(Value::Number(_)) => vec![number(text).unwrap_or_else(|| text.clone().into())],
        Some(Value::Bool(_)) => vec![boolean(text).unwrap_or_else(|| text.clone().into())],
        Some(Value::Array(_)) => vec![list(text)],
        // An option that is not set does not say what it would hold.
        Some(Value::Null) => {
            let mut all = vec![Value::String(text.clone())];
            all.extend(number(text).or_else(|| boolean(text)));
            all
        }
        Some(Value::String(_) | Value::Object(_)) | None => vec![Value::String(text.clone())],
    }
}

pub(super) fn number(text: &str) -> Option<Value> {
    let whole =
        text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from));
    whole.ok().or_else(|| text.parse().ok().and_then(Number::from_f64)).map(Value::Number)
}

fn boolean(text: &str) -> Option<Value> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(Value::Bool(true)),
        "false" | "0" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// `a, b` as a variable or flag writes a list.
fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_defaults_tell_settings_sections_and_open_maps_apart() {
        let defaults = json!({"a": {"b": 1, "open": {}}, "c": null});
        assert_eq!(find(&defaults, &path("a.b")), Found::Setting);
        assert_eq!(find(&defaults, &path("a")), Found::Section);
        assert_eq!(find(&defaults, &path("c")), Found::Setting);
        assert_eq!(find(&defaults, &path("a.open.x")), Found::Entry(2));
        assert_eq!(find(&defaults, &path("a.open.x.y")), Found::Entry(2));
        assert_eq!(find(&defaults, &path("a.open")), Found::Section);
        assert_eq!(find(&defaults, &path("a.b.c")), Found::Unknown);
        assert_eq!(find(&defaults, &path("a.x")), Found::Unknown);
        assert_eq!(names(&defaults), ["a.b", "a.open", "c"]);
    }

    #[test]
    fn text_becomes_what_the_default_is() {
        let of =
            |text: &str, default: Value| candidates(&Raw::Text(text.to_owned()), Some(&default));
        assert_eq!(of("12", json!(1)), [json!(12)]);
        assert_eq!(of("0.5", json!(1.0)), [json!(0.5)]);
        assert_eq!(of("x", json!(1)), [json!("x")]);
        assert_eq!(of("TRUE", json!(false)), [json!(true)]);
        assert_eq!(of("12", json!("5s")), [json!("12")]);
        assert_eq!(of("a, b,", json!([])), [json!(["a", "b"])]);
        assert_eq!(of("12", Value::Null), [json!("12"), json!(12)]);
    }
}
