//! Field types as a topic file writes them: text to Arrow, and Arrow to text.
//!
//! ```text
//! "list<struct<sku:string, qty:int not null>>" -> parse_field -> Field
//!                                              <- format_type <-
//! ```
//!
//! | text | Arrow | in JSON |
//! |---|---|---|
//! | `boolean` | `Boolean` | `true`, `false` |
//! | `tinyint`, `smallint`, `int`, `bigint` | `Int8` to `Int64` | a whole number |
//! | `float`, `double` | `Float32`, `Float64` | a number |
//! | `decimal(p,s)` | `Decimal128` | a number, exact |
//! | `string` | `Utf8` | text |
//! | `binary` | `Binary` | base64 text |
//! | `date` | `Date32` | `"2026-01-05"` |
//! | `time`, `time(9)` | `Time64` in us, ns | `"10:00:00.5"` |
//! | `timestamp`, `timestamp(9)` | `Timestamp` in us, ns, UTC | RFC 3339 text, or epoch milliseconds |
//! | `list<T>` | `List` | a list |
//! | `struct<a:T, b:T>` | `Struct` | an object |
//! | `map<string,T>` | `Map` | an object |
//!
//! Every type may be followed by `not null`. Case does not matter in types; in
//! names it does. A name with other characters than letters, digits and
//! `_ - . @ $` is written in double quotes. The colon of a struct's field may
//! be left out or stand without a space: in YAML, `: ` inside plain text ends it.
//!
//! # Not here
//!
//! How values read and write (`json`).

mod parse;

pub use parse::{DEPTH_MAX, TypeError, parse_field};

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The zone of every timestamp that is read: an instant, not a local time.
const UTC: &str = "+00:00";

/// The most digits that a `decimal` holds.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// The text of a field's type, `not null` included; [`parse_field`] reads it back.
///
/// A type that no text stands for is written as the one that its JSON reads
/// back as (see [`canonical`]).
pub fn format_type(field: &Field) -> String {
    let mut text = String::new();
    write_type(&mut text, &canonical_type(field.data_type()));
    if !field.is_nullable() {
        text.push_str(" not null");
    }
    text
}

/// Levels of types inside each other, as [`parse_field`] counts them.
pub fn depth(data_type: &DataType) -> usize {
    1 + match data_type {
        DataType::List(item) => depth(item.data_type()),
        DataType::Struct(fields) => {
            fields.iter().map(|field| depth(field.data_type())).max().unwrap_or_default()
        }
        // A struct of key and value.
        DataType::Map(entries, _) => depth(entries.data_type()) - 1,
        _ => 0,
    }
}

/// Whether the type's values are text in JSON.
pub fn is_text(field: &Field) -> bool {
    use DataType::{Binary, Date32, Time64, Timestamp, Utf8};
    matches!(field.data_type(), Utf8 | Binary | Date32 | Time64(_) | Timestamp(..))
}

/// The field that reads back what [`super::json::Encoder`] writes of `field`:
/// views and dictionaries become plain, unsigned integers the next wider
/// signed type, intervals and durations text. Metadata is dropped, and decimals
/// have at most 38 digits: longer values of a `Decimal256` do not read back.
pub fn canonical(field: &Field) -> Field {
    Field::new(field.name(), canonical_type(field.data_type()), field.is_nullable())
}

/// [`canonical`] for every field: the schema of a topic that is written with `schema`.
pub fn canonical_schema(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| canonical(field)).collect::<Vec<_>>())
}

fn canonical_type(data_type: &DataType) -> DataType {
    use DataType as D;
    match data_type {
        D::UInt8 => D::Int16,
        D::UInt16 => D::Int32,
        D::UInt32 => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Float16 => D::Float32,
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale)
        | D::Decimal256(precision, scale) => canonical_decimal(*precision, *scale),
        D::Date64 => D::Date32,
        D::Time32(_) => D::Time64(TimeUnit::Microsecond),
        D::Timestamp(unit, _) => timestamp(if *unit == TimeUnit::Nanosecond {
            TimeUnit::Nanosecond
        } else {
            TimeUnit::Microsecond
        }),
        D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::List(item)
        | D::LargeList(item)
        | D::FixedSizeList(item, _)
        | D::ListView(item)
        | D::LargeListView(item) => list(canonical(item).with_name(Field::LIST_FIELD_DEFAULT_NAME)),
        D::Struct(fields) => {
            D::Struct(fields.iter().map(|field| Arc::new(canonical(field))).collect())
        }
        D::Map(entries, _) => match entries.data_type() {
            D::Struct(pair) if pair.len() == 2 => map(canonical(&pair[1]).with_name("value")),
            _ => D::Utf8,
        },
        D::Dictionary(_, values) => canonical_type(values),
        D::RunEndEncoded(_, values) => canonical_type(values.data_type()),
        D::Boolean
        | D::Int8
        | D::Int16
        | D::Int32
        | D::Int64
        | D::Float32
        | D::Float64
        | D::Date32
        | D::Time64(_)
        | D::Binary => data_type.clone(),
        D::Utf8
        | D::LargeUtf8
        | D::Utf8View
        | D::Null
        | D::Duration(_)
        | D::Interval(_)
        | D::Union(..) => D::Utf8,
    }
}

/// A scale under zero or over the precision has no text: the digits are kept instead.
fn canonical_decimal(precision: u8, scale: i8) -> DataType {
    let precision = match scale {
        ..0 => precision.saturating_add(scale.unsigned_abs()),
        0.. => precision.max(scale.unsigned_abs()),
    };
    DataType::Decimal128(
        precision.min(DECIMAL_DIGITS_MAX),
        scale.clamp(0, DECIMAL_DIGITS_MAX as i8),
    )
}

fn timestamp(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some(UTC.into()))
}

fn list(item: Field) -> DataType {
    DataType::List(Arc::new(item))
}

fn map(value: Field) -> DataType {
    let pair = vec![Field::new("key", DataType::Utf8, false), value];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// Writes a canonical type.
fn write_type(text: &mut String, data_type: &DataType) {
    use DataType as D;
    let name = match data_type {
        D::Boolean => "boolean",
        D::Int8 => "tinyint",
        D::Int16 => "smallint",
        D::Int32 => "int",
        D::Int64 => "bigint",
        D::Float32 => "float",
        D::Float64 => "double",
        D::Binary => "binary",
        D::Date32 => "date",
        D::Time64(TimeUnit::Nanosecond) => "time(9)",
        D::Time64(_) => "time",
        D::Timestamp(TimeUnit::Nanosecond, _) => "timestamp(9)",
        D::Timestamp(..) => "timestamp",
        D::Decimal128(precision, scale) => {
            let _ = write!(text, "decimal({precision},{scale})");
            return;
        }
        D::List(item) => {
            text.push_str("list<");
            write_field_type(text, item);
            ">"
        }
        D::Struct(fields) => {
            text.push_str("struct<");
            for (index, field) in fields.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_name(text, field.name());
                text.push(':');
                write_field_type(text, field);
            }
            ">"
        }
        D::Map(entries, _) => {
            text.push_str("map<string,");
            if let D::Struct(pair) = entries.data_type()
                && let Some(value) = pair.get(1)
            {
                write_field_type(text, value);
            }
            ">"
        }
        _ => "string",
    };
    text.push_str(name);
}

fn write_field_type(text: &mut String, field: &Field) {
    write_type(text, field.data_type());
    if !field.is_nullable() {
        text.push_str(" not null");
    }
}

fn write_name(text: &mut String, name: &str) {
    if !name.is_empty() && name.chars().all(parse::is_bare) {
        text.push_str(name);
    } else {
        let _ = write!(text, "\"{}\"", name.replace('"', "\"\""));
    }
}

#[cfg(test)]
mod tests;
