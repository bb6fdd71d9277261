//! Records into columns: one at a time, each whole or not at all.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::column::{Bytes, Column, MapValues, Values};
use super::error::{DecodeError, DecodeSetupError, Place, Step};
use super::fields::Fields;
use super::number::Number;
use super::reader::{Reader, Syntax};
use super::time;
use crate::codec::schema::format_type;

/// So many bytes of records, and every offset in the columns fits an `i32`.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reading of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeConfig {
    /// Most bytes of a record; a longer one is dead-lettered unread. At most
    /// 2 GiB, which is also the most that one batch takes.
    pub record_bytes_max: usize,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self { record_bytes_max: 16 << 20 }
    }
}

/// Reads records of one schema into batches.
///
/// ```
/// use arrow::datatypes::Schema;
/// use lineage_hub::codec::{json::{DecodeConfig, Decoder}, schema::parse_field};
///
/// let schema = Schema::new(vec![parse_field("id", "bigint not null")?]);
/// let mut decoder = Decoder::new(&schema, DecodeConfig::default())?;
/// decoder.decode(br#"{"id": 7}"#)?;
/// assert!(decoder.decode(br#"{"id": 7.5}"#).is_err());
/// assert_eq!(decoder.finish().num_rows(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
    fields: Fields,
    config: DecodeConfig,
    /// Bytes of the records in the batch so far.
    taken: usize,
}

impl Decoder {
    pub fn new(schema: &Schema, config: DecodeConfig) -> Result<Self, DecodeSetupError> {
        let fields = Fields::new(schema.fields(), "")?;
        Ok(Self { schema: Arc::new(schema.clone()), fields, config, taken: 0 })
    }

    /// Of every batch that [`Decoder::finish`] returns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows since the last [`Decoder::finish`].
    pub fn rows(&self) -> usize {
        self.fields.rows()
    }

    /// Appends the record as one row; on an error nothing of it stays.
    pub fn decode(&mut self, value: &[u8]) -> Result<(), DecodeError> {
        let text = self.check(value)?;
        let rows = self.fields.rows();
        if let Err(error) = decode_record(&mut self.fields, text) {
            self.fields.truncate(rows);
            return Err(*error);
        }
        self.taken += value.len();
        Ok(())
    }

    /// The rows as a batch; the decoder is empty after it, with room for as much.
    pub fn finish(&mut self) -> RecordBatch {
        self.taken = 0;
        let batch = self.fields.finish().and_then(|(_, columns, rows)| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
        });
        batch.expect("the columns were made by this schema and grow by the same rows")
    }

    /// What can be told of a record as a whole; its text.
    fn check<'v>(&self, value: &'v [u8]) -> Result<&'v str, DecodeError> {
        let (size, limit) = (value.len(), self.config.record_bytes_max.min(BATCH_BYTES_MAX));
        if size > limit {
            return Err(DecodeError::TooLarge { size, limit });
        }
        if self.taken + size > BATCH_BYTES_MAX {
            return Err(DecodeError::BatchFull { limit: BATCH_BYTES_MAX });
        }
        if value.starts_with(BYTE_ORDER_MARK) {
            return Err(DecodeError::ByteOrderMark);
        }
        std::str::from_utf8(value)
            .map_err(|error| DecodeError::NotUtf8 { offset: error.valid_up_to() })
    }
}

fn decode_record(fields: &mut Fields, text: &str) -> Syntax<()> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    if reader.peek() != b'{' {
        return Err(reader.malformed("an object").into());
    }
    fields.decode(&mut reader)?;
    reader.skip_space();
    if reader.at_end() { Ok(()) } else { Err(reader.malformed("the end of the record").into()) }
}

/// Why a value is not read.
enum Unread {
    Malformed(Box<DecodeError>),
    /// Well-formed so far, but not of the field's type, or out of its range.
    Mismatch,
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<Box<DecodeError>> for Unread {
    fn from(error: Box<DecodeError>) -> Self {
        Self::Malformed(error)
    }
}

impl Column {
    /// Appends the value that comes next.
    pub(super) fn decode(&mut self, reader: &mut Reader<'_>) -> Syntax<()> {
        let start = reader.position;
        if reader.peek() == b'n' {
            reader.literal("null")?;
            if !self.field.is_nullable() {
                return Err(reader.mismatch(start, expected(&self.field)).into());
            }
            self.push_null();
            return Ok(());
        }
        match self.values.decode(reader) {
            Ok(()) => {
                self.end_row();
                Ok(())
            }
            Err(Unread::Malformed(error)) => Err(error),
            Err(Unread::Mismatch) => {
                let reason = refusal(&self.field, reader, start);
                let expected = match reason {
                    Some(reason) => format!("{} ({reason})", format_type(&self.field)),
                    None => expected(&self.field),
                };
                Err(reader.mismatch(start, expected).into())
            }
        }
    }
}

impl Values {
    fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), Unread> {
        match self {
            Self::Boolean(values) => values.push(boolean(reader)?),
            Self::Int8(values) => values.push(integer(reader)?),
            Self::Int16(values) => values.push(integer(reader)?),
            Self::Int32(values) => values.push(integer(reader)?),
            Self::Int64(values) => values.push(integer(reader)?),
            Self::Float32(values) => values.push(fit(number(reader)?.to_f32())?),
            Self::Float64(values) => values.push(fit(number(reader)?.to_f64())?),
            Self::Decimal { values, precision, scale } => {
                values.push(fit(number(reader)?.to_decimal(*precision, *scale))?);
            }
            Self::Date(values) => values.push(plain_text(reader, time::parse_date)?),
            Self::Time(values, unit) => {
                values.push(plain_text(reader, |text| time::parse_time(text, *unit))?);
            }
            Self::Timestamp(values, unit) => values.push(if reader.peek() == b'"' {
                plain_text(reader, |text| time::parse_timestamp(text, *unit))?
            } else {
                fit(number(reader)?.to_integer().and_then(|ms| time::from_millis(ms, *unit)))?
            }),
            Self::Text(values) => {
                expect(reader, b'"')?;
                reader.string()?.append_to(&mut values.bytes);
                values.end_row();
            }
            Self::Binary(values, scratch) => binary(values, scratch, reader)?,
            Self::List(ends, items) => {
                expect(reader, b'[')?;
                list(items, reader)?;
                ends.push(items.len());
            }
            Self::Struct(fields) => {
                expect(reader, b'{')?;
                fields.decode(reader)?;
            }
            Self::Map(map) => {
                expect(reader, b'{')?;
                map.decode(reader)?;
            }
        }
        Ok(())
    }
}

/// A value of another kind is a mismatch; what starts no value is an error of syntax.
fn expect(reader: &Reader<'_>, first: u8) -> Result<(), Unread> {
    match reader.peek() {
        byte if byte == first => Ok(()),
        b'{' | b'[' | b'"' | b't' | b'f' | b'-' | b'0'..=b'9' => Err(Unread::Mismatch),
        _ => Err(reader.malformed("a value").into()),
    }
}

fn fit<T>(value: Option<T>) -> Result<T, Unread> {
    value.ok_or(Unread::Mismatch)
}

fn boolean(reader: &mut Reader<'_>) -> Result<bool, Unread> {
    let value = reader.peek() == b't';
    if !value {
        expect(reader, b'f')?;
    }
    reader.literal(if value { "true" } else { "false" })?;
    Ok(value)
}

fn number<'a>(reader: &mut Reader<'a>) -> Result<Number<'a>, Unread> {
    match reader.peek() {
        b'{' | b'[' | b'"' | b't' | b'f' => Err(Unread::Mismatch),
        _ => Ok(reader.number()?),
    }
}

fn integer<T: TryFrom<i64>>(reader: &mut Reader<'_>) -> Result<T, Unread> {
    fit(number(reader)?.to_integer().and_then(|value| T::try_from(value).ok()))
}

/// A string that `parse` reads. Nobody escapes digits, so escapes may cost.
fn plain_text<T>(
    reader: &mut Reader<'_>,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, Unread> {
    expect(reader, b'"')?;
    let span = reader.string()?;
    if span.escaped {
        let mut text = Vec::new();
        span.append_to(&mut text);
        return fit(parse(&text));
    }
    fit(parse(span.inside))
}

/// Base64 text; some writers escape each slash of it.
fn binary(
    values: &mut Bytes,
    scratch: &mut Vec<u8>,
    reader: &mut Reader<'_>,
) -> Result<(), Unread> {
    expect(reader, b'"')?;
    let span = reader.string()?;
    let text = if span.escaped {
        scratch.clear();
        span.append_to(scratch);
        scratch
    } else {
        span.inside
    };
    fit(BASE64.decode_vec(text, &mut values.bytes).ok())?;
    values.end_row();
    Ok(())
}

fn list(items: &mut Column, reader: &mut Reader<'_>) -> Syntax<()> {
    let first = items.len();
    let mut members = reader.open(b']')?;
    while members {
        if let Err(mut error) = items.decode(reader) {
            error.put_within(Step::Item(items.len() - first));
            return Err(error);
        }
        members = reader.more(b']')?;
    }
    Ok(())
}

impl MapValues {
    fn decode(&mut self, reader: &mut Reader<'_>) -> Syntax<()> {
        let start = reader.position;
        let mut members = reader.open(b'}')?;
        while members {
            reader.key()?.append_to(&mut self.keys.bytes);
            self.keys.end_row();
            reader.colon()?;
            if let Err(mut error) = self.values.decode(reader) {
                error.put_within(Step::Key(self.keys.get(self.keys.len() - 1)));
                return Err(error);
            }
            members = reader.more(b'}')?;
        }
        if let Some(key) = self.repeated_key() {
            let mut error = DecodeError::Duplicate { place: Place::at(start) };
            error.put_within(Step::Key(key));
            return Err(error.into());
        }
        self.ends.push(self.keys.len());
        Ok(())
    }

    /// A key that the entries behind the last row have twice.
    fn repeated_key(&mut self) -> Option<&[u8]> {
        let keys = &self.keys;
        self.order.clear();
        self.order.extend(self.ends.last()..keys.len());
        self.order.sort_unstable_by_key(|index| keys.get(*index));
        let repeated = |pair: &&[usize]| keys.get(pair[0]) == keys.get(pair[1]);
        self.order.windows(2).find(repeated).map(|pair| keys.get(pair[0]))
    }
}

/// Why the value at `start` is not a timestamp, where it is close to one.
#[cold]
fn refusal(field: &Field, reader: &Reader<'_>, start: usize) -> Option<&'static str> {
    let DataType::Timestamp(unit, _) = field.data_type() else { return None };
    match &reader.bytes()[start..] {
        [b'"', text @ ..] => {
            let end = text.iter().position(|byte| *byte == b'"')?;
            time::refusal(&text[..end], *unit)
        }
        [b'-' | b'0'..=b'9', ..] => {
            Some("epoch milliseconds are a whole number in the years of timestamps")
        }
        _ => None,
    }
}

/// What a field wants: its type, and how that is written where the name does not tell.
fn expected(field: &Field) -> String {
    let how = match field.data_type() {
        DataType::Int8 => " (a whole number, -128 to 127)",
        DataType::Int16 => " (a whole number, -32768 to 32767)",
        DataType::Int32 => " (a whole number, -2147483648 to 2147483647)",
        DataType::Int64 => " (a whole number, -9223372036854775808 to 9223372036854775807)",
        DataType::Binary => " (base64 text)",
        DataType::Date32 => " (text such as 2026-01-05)",
        DataType::Time64(_) => " (text such as 10:00:00.25)",
        DataType::Timestamp(..) => " (text such as 2026-01-05T10:00:00Z, or epoch milliseconds)",
        _ => "",
    };
    format!("{}{how}", format_type(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::schema::parse_field;
    use crate::record::Recovery;

    #[test]
    fn a_batch_is_full_before_an_offset_overflows() {
        let schema = Schema::new(vec![parse_field("v", "string").unwrap()]);
        let mut decoder = Decoder::new(&schema, DecodeConfig::default()).unwrap();
        let record = br#"{"v":"x"}"#;
        decoder.taken = BATCH_BYTES_MAX - record.len();
        decoder.decode(record).unwrap();
        let full = decoder.decode(record).unwrap_err();
        assert_eq!(full, DecodeError::BatchFull { limit: BATCH_BYTES_MAX });
        assert_eq!((full.recovery(), decoder.rows()), (Recovery::Stop, 1));

        decoder.finish();
        assert_eq!(decoder.decode(record), Ok(()));
    }
}
