//! The record key that a JSON record's own field gives.

use serde_json::Value;

/// The text of one field; a malformed record has no key and goes on as it is.
pub fn key_of(record: &[u8], field: &str) -> Option<Vec<u8>> {
    let record: serde_json::Map<String, Value> = serde_json::from_slice(record).ok()?;
    text_of(record.get(field)?)
}

/// A value as the bytes of a key; null is none.
pub fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Null => None,
        other => Some(other.to_string().into_bytes()),
    }
}
