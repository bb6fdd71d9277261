mod decode;
mod encode;
mod properties;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::{DecodeConfig, DecodeError, Decoder, Encoder};
use crate::codec::schema::parse_field;
use crate::record::EncodedRows;

fn schema(fields: &[(&str, &str)]) -> Schema {
    let fields = fields.iter().map(|(name, text)| parse_field(name, text).unwrap());
    Schema::new(fields.collect::<Vec<_>>())
}

fn decoder(fields: &[(&str, &str)]) -> Decoder {
    Decoder::new(&schema(fields), DecodeConfig::default()).unwrap()
}

/// The one column `v` of a given type that one record fills.
fn read(data_type: &str, value: &str) -> Result<ArrayRef, DecodeError> {
    let mut decoder = decoder(&[("v", data_type)]);
    let outcome = decoder.decode(format!(r#"{{"v":{value}}}"#).as_bytes());
    assert_eq!(decoder.rows(), usize::from(outcome.is_ok()), "{value}");
    outcome.map(|()| decoder.finish().column(0).clone())
}

/// The rows of a batch as the encoder writes them.
fn encoded(batch: &RecordBatch) -> Vec<String> {
    let mut rows = EncodedRows::default();
    let failed = Encoder::new(&batch.schema()).unwrap().encode(batch, &mut rows);
    assert!(failed.is_empty(), "{failed:?}");
    rows.iter().map(|row| String::from_utf8(row.to_vec()).unwrap()).collect()
}

/// One column as the encoder writes it, row by row.
fn written(column: ArrayRef) -> Vec<String> {
    let nullable = true;
    let batch = RecordBatch::try_from_iter_with_nullable([("v", column, nullable)]).unwrap();
    let inside = |row: String| row[r#"{"v":"#.len()..row.len() - 1].to_owned();
    encoded(&batch).into_iter().map(inside).collect()
}

/// What a value becomes that is read and written again.
fn again(data_type: &str, value: &str) -> String {
    let column = read(data_type, value).unwrap_or_else(|error| panic!("{value}: {error}"));
    assert_eq!(column.len(), 1);
    written(column).remove(0)
}
