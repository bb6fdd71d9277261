//! The types that a topic holds, and how an expression's type becomes one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

/// The type of a topic's field that takes every value of `data_type`; `None`
/// where there is none.
///
/// Text is Utf8, an instant is of UTC and in microseconds unless it has
/// nanoseconds, integers are signed, lists have 32-bit offsets: one type for each
/// thing, so that the codec and a reader of the schema meet no other.
pub(super) fn topic_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary => data_type.clone(),
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Date64 => DataType::Date32,
        DataType::Time64(unit) => DataType::Time64(*unit),
        DataType::Time32(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(unit, _) => {
            let unit = match unit {
                TimeUnit::Nanosecond => TimeUnit::Nanosecond,
                _ => TimeUnit::Microsecond,
            };
            DataType::Timestamp(unit, Some("+00:00".into()))
        }
        DataType::Dictionary(_, values) => topic_type(values)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(topic_field(item)?),
        DataType::Struct(fields) => {
            let fields: Option<Fields> = fields.iter().map(topic_field).collect();
            DataType::Struct(fields?)
        }
        DataType::Map(entries, sorted) => DataType::Map(topic_field(entries)?, *sorted),
        DataType::Decimal256(..)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => return None,
    })
}

fn topic_field(field: &FieldRef) -> Option<FieldRef> {
    let data_type = topic_type(field.data_type())?;
    if data_type == *field.data_type() {
        return Some(Arc::clone(field));
    }
    Some(Arc::new(Field::new(field.name(), data_type, field.is_nullable())))
}

/// The type with null allowed everywhere inside of it.
///
/// Plans are made with it: some functions forget in their result what is not
/// null inside of a list or a struct, and then break their own word.
pub(super) fn relaxed(data_type: &DataType) -> DataType {
    let inside =
        |field: &FieldRef| Arc::new(Field::new(field.name(), relaxed(field.data_type()), true));
    match data_type {
        DataType::List(item) => DataType::List(inside(item)),
        DataType::LargeList(item) => DataType::LargeList(inside(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(inside(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inside).collect()),
        // A map's keys are never null.
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let pair = Fields::from(vec![Arc::clone(&pair[0]), inside(&pair[1])]);
                let entries = Field::new(entries.name(), DataType::Struct(pair), false);
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_types_become_topic_types_to_the_bottom() {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let large = DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, true)));
        assert_eq!(topic_type(&large), Some(list(DataType::Utf8)));
        assert_eq!(topic_type(&list(DataType::Int32)), Some(list(DataType::Int32)));
        let interval = DataType::Interval(arrow::datatypes::IntervalUnit::DayTime);
        assert_eq!(topic_type(&list(interval)), None);
    }
}
