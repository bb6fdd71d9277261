//! Rows for people to read.

use serde_json::value::RawValue;

use super::{DecodeError, decode, parts};
use crate::{codec::json, record::EncodedRows};

/// Whether a record's bytes begin as an Arrow IPC stream does, and no text can.
pub fn is_stream(record: &[u8]) -> bool {
    record.starts_with(&[0xff; 4])
}

/// The rows of a record where it is a stream that can be read, as JSON each.
pub fn rows_shown(record: &[u8]) -> Option<Vec<String>> {
    is_stream(record).then(|| rows_as_json(record).ok()).flatten()
}

/// As [`rows_shown`], in one list.
pub fn list_shown(record: &[u8]) -> Option<Box<RawValue>> {
    RawValue::from_string(format!("[{}]", rows_shown(record)?.join(","))).ok()
}

/// The rows of a record as JSON, whatever its schema is; what they keep of their
/// records is among their fields.
pub fn rows_as_json(record: &[u8]) -> Result<Vec<String>, DecodeError> {
    let batch = parts::with_text_keys(decode::read(record)?)?;
    let encoder = json::Encoder::new(&batch.schema())
        .map_err(|error| DecodeError::Malformed(error.to_string()))?;
    let mut rows = EncodedRows::default();
    if let Some((_, error)) = encoder.encode(&batch, &mut rows).into_iter().next() {
        return Err(DecodeError::Malformed(error.to_string()));
    }
    Ok(rows.iter().map(|row| String::from_utf8_lossy(row).into_owned()).collect())
}
