//! The key of a record from one of its fields: one value has one text, whichever
//! command or stage derives it.
//!
//! A stage has the field as a column, and [`key_texts`] gives the text of each
//! value. What sends records that exist as JSON reads the field by its declared
//! type into such a column, and takes the same text. So `1.5` and `1.50` in a
//! `decimal(12,2)` are one key, `1.50`.

use std::collections::HashMap;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray},
    compute::cast,
    datatypes::{DataType, Schema},
    error::ArrowError,
};
use serde_json::value::RawValue;

use super::json::{DecodeConfig, Decoder};

/// The bytes of each value as a key: text as it is, binary as it is, the text of
/// numbers, dates and times. Null is no key.
///
/// # Errors
///
/// A column of a type that has no text.
pub fn key_texts(values: &ArrayRef) -> Result<BinaryArray, ArrowError> {
    let binary = match values.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            cast(values, &DataType::Binary)?
        }
        _ => cast(&cast(values, &DataType::Utf8)?, &DataType::Binary)?,
    };
    Ok(binary.as_binary::<i32>().clone())
}

/// Reads the keys of records that are JSON.
#[derive(Debug)]
pub struct KeyReader {
    field: String,
    /// Of the key field only; `None` where it is not declared.
    decoder: Option<Decoder>,
}

impl KeyReader {
    /// For a topic of these fields.
    pub fn new(schema: &Schema, field: &str) -> Self {
        let config = DecodeConfig { record_bytes_max: usize::MAX };
        let declared = schema.field_with_name(field).ok();
        // A key that is missing is null here; the stage judges the record.
        let only = declared.map(|field| Schema::new(vec![field.clone().with_nullable(true)]));
        let decoder = only.and_then(|schema| Decoder::new(&schema, config).ok());
        Self { field: field.to_owned(), decoder }
    }

    /// The key of a record. Where its value is not of the declared type, or none is
    /// declared, the key is the value as it is written; a string without its quotes.
    pub fn key_of(&mut self, record: &[u8]) -> Option<Vec<u8>> {
        if let Some(decoder) = &mut self.decoder
            && decoder.decode(record).is_ok()
        {
            let batch = decoder.finish();
            let keys = key_texts(batch.column(0)).ok()?;
            return keys.is_valid(0).then(|| keys.value(0).to_vec());
        }
        self.as_written(record)
    }

    fn as_written(&self, record: &[u8]) -> Option<Vec<u8>> {
        let fields: HashMap<String, &RawValue> = serde_json::from_slice(record).ok()?;
        let text = fields.get(&self.field)?.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(text).ok().map(String::into_bytes),
            _ if text == "null" => None,
            _ => Some(text.as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::schema::parse_field;

    fn key(data_type: &str, value: &str) -> Option<String> {
        let schema = Schema::new(vec![
            parse_field("id", "string not null").unwrap(),
            parse_field("k", data_type).unwrap(),
        ]);
        let record = format!(r#"{{"id":"a","more":[1],"k":{value}}}"#);
        let key = KeyReader::new(&schema, "k").key_of(record.as_bytes());
        key.map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn a_value_has_the_text_of_its_declared_type() {
        for (data_type, value, expected) in [
            ("decimal(38,0) not null", "36893488147419103233", "36893488147419103233"),
            ("decimal(38,0)", "36893488147419103234", "36893488147419103234"),
            ("decimal(12,2)", "1.5", "1.50"),
            ("decimal(12,2)", "1.50", "1.50"),
            ("decimal(12,2)", "15e-1", "1.50"),
            ("decimal(12,2)", "-0.5", "-0.50"),
            ("decimal(12,2)", "10", "10.00"),
            ("bigint", "9007199254740993", "9007199254740993"),
            ("int", "-7", "-7"),
            ("boolean", "true", "true"),
            ("string", r#""a\u00e9\n\"""#, "aé\n\""),
            ("string", r#""36893488147419103233""#, "36893488147419103233"),
            ("date", r#""2026-01-05""#, "2026-01-05"),
            ("timestamp", r#""2026-01-05T12:00:00+01:00""#, "2026-01-05T11:00:00Z"),
            ("timestamp", "1767610800000", "2026-01-05T11:00:00Z"),
            ("binary", r#""AGFi""#, "\0ab"),
        ] {
            assert_eq!(key(data_type, value).as_deref(), Some(expected), "{data_type} {value}");
        }
        assert_eq!(key("double", "1.50"), key("double", "15e-1"));
        assert_eq!(key("bigint", "null"), None);
    }

    #[test]
    fn a_value_of_another_type_is_the_key_as_it_is_written() {
        assert_eq!(key("bigint", "1.50").as_deref(), Some("1.50"));
        assert_eq!(key("bigint", r#""x""#).as_deref(), Some("x"));
        assert_eq!(key("bigint", "36893488147419103233").as_deref(), Some("36893488147419103233"));
        assert_eq!(key("bigint", "[1, 2]").as_deref(), Some("[1, 2]"));
    }

    #[test]
    fn what_is_missing_or_not_json_has_no_key_and_undeclared_fields_are_as_written() {
        let mut keys = KeyReader::new(&Schema::empty(), "k");
        assert_eq!(keys.key_of(br#"{"k":1.50}"#), Some(b"1.50".to_vec()));
        assert_eq!(keys.key_of(br#"{"k":"a"}"#), Some(b"a".to_vec()));
        for none in [&b"{}"[..], br#"{"k":null}"#, b"{\"k\":", b"cut", b"\xff", b"[1]"] {
            assert_eq!(keys.key_of(none), None);
        }
        let schema = Schema::new(vec![parse_field("k", "bigint not null").unwrap()]);
        let mut keys = KeyReader::new(&schema, "k");
        assert_eq!(keys.key_of(b"{}"), None);
        // A record that failed leaves nothing behind for the next one.
        assert_eq!(keys.key_of(br#"{"k":true}"#), Some(b"true".to_vec()));
        assert_eq!(keys.key_of(br#"{"k":7}"#), Some(b"7".to_vec()));
    }
}
