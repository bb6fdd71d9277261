//! Typed views of arrays, made once a batch, and how each writes a value.

use std::ops::Range;

use arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::encode::{NO_NAMES, Names};
use super::error::{EncodeError, Step};
use super::write::Written;
use super::{text, time, write};

/// An array that can be written value by value.
pub(super) struct Source<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a PrimitiveArray<Float16Type>),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a PrimitiveArray<Decimal256Type>, i8),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp(&'a [i64], TimeUnit),
    Duration(&'a [i64], TimeUnit),
    Months(&'a [i32]),
    DayTime(&'a PrimitiveArray<IntervalDayTimeType>),
    MonthDayNano(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    List(Ends<'a>, Box<Source<'a>>),
    Struct(Vec<(&'a Names, Source<'a>)>),
    Map(&'a [i32], Box<Source<'a>>, Box<Source<'a>>),
    Dictionary(Vec<usize>, Box<Source<'a>>),
}

/// Where a list's items stand among all items.
enum Ends<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Every(usize),
}

impl Ends<'_> {
    fn range(&self, row: usize) -> Range<usize> {
        match self {
            Self::Small(ends) => ends[row] as usize..ends[row + 1] as usize,
            Self::Large(ends) => ends[row] as usize..ends[row + 1] as usize,
            Self::Every(size) => row * size..(row + 1) * size,
        }
    }
}

fn slice<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

/// The counts of any type that Arrow keeps in 64 bits, whatever their unit.
fn counts(array: &dyn Array) -> Option<&[i64]> {
    use arrow::array as a;
    macro_rules! try_all {
        ($($array:ty),*) => {
            $(if let Some(array) = array.as_any().downcast_ref::<$array>() {
                return Some(array.values());
            })*
        };
    }
    try_all!(
        a::TimestampMicrosecondArray,
        a::TimestampNanosecondArray,
        a::TimestampMillisecondArray,
        a::TimestampSecondArray,
        a::DurationMicrosecondArray,
        a::DurationNanosecondArray,
        a::DurationMillisecondArray,
        a::DurationSecondArray,
        a::Time64MicrosecondArray,
        a::Time64NanosecondArray
    );
    None
}

impl<'a> Source<'a> {
    /// The view of an array with the names of its schema; none where the array
    /// is not of that schema.
    pub(super) fn new(names: &'a Names, array: &'a dyn Array) -> Option<Self> {
        let values = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let items = Self::new(names.only_child()?, list.values())?;
                Values::List(Ends::Small(list.value_offsets()), Box::new(items))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let items = Self::new(names.only_child()?, list.values())?;
                Values::List(Ends::Large(list.value_offsets()), Box::new(items))
            }
            DataType::FixedSizeList(_, size) => {
                let items = Self::new(names.only_child()?, array.as_fixed_size_list().values())?;
                Values::List(Ends::Every(usize::try_from(*size).ok()?), Box::new(items))
            }
            DataType::Struct(_) => {
                Values::Struct(Self::columns(names, array.as_struct().columns())?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let keys = Self::new(&NO_NAMES, map.keys())?;
                let values = Self::new(names.only_child()?, map.values())?;
                Values::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                if dictionary.values().is_empty() {
                    Values::Null
                } else {
                    let values = Self::new(names, dictionary.values())?;
                    Values::Dictionary(dictionary.normalized_keys(), Box::new(values))
                }
            }
            _ => Values::leaf(array)?,
        };
        Some(Self { nulls: array.nulls(), values })
    }

    /// The views of a struct's columns, or of a batch's.
    pub(super) fn columns(
        names: &'a Names,
        columns: &'a [arrow::array::ArrayRef],
    ) -> Option<Vec<(&'a Names, Self)>> {
        (names.children().len() == columns.len()).then_some(())?;
        let pairs = names.children().iter().zip(columns);
        pairs.map(|(names, column)| Some((names, Self::new(names, column)?))).collect()
    }

    /// Appends the value of `row`.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.values.write(row, out)
    }
}

impl<'a> Values<'a> {
    fn leaf(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(slice::<Int8Type>(array)),
            DataType::Int16 => Self::Int16(slice::<Int16Type>(array)),
            DataType::Int32 => Self::Int32(slice::<Int32Type>(array)),
            DataType::Int64 => Self::Int64(slice::<Int64Type>(array)),
            DataType::UInt8 => Self::UInt8(slice::<UInt8Type>(array)),
            DataType::UInt16 => Self::UInt16(slice::<UInt16Type>(array)),
            DataType::UInt32 => Self::UInt32(slice::<UInt32Type>(array)),
            DataType::UInt64 => Self::UInt64(slice::<UInt64Type>(array)),
            DataType::Float16 => Self::Float16(array.as_primitive()),
            DataType::Float32 => Self::Float32(slice::<Float32Type>(array)),
            DataType::Float64 => Self::Float64(slice::<Float64Type>(array)),
            DataType::Decimal32(_, scale) => Self::Decimal32(slice::<Decimal32Type>(array), *scale),
            DataType::Decimal64(_, scale) => Self::Decimal64(slice::<Decimal64Type>(array), *scale),
            DataType::Decimal128(_, scale) => {
                Self::Decimal128(slice::<Decimal128Type>(array), *scale)
            }
            DataType::Decimal256(_, scale) => Self::Decimal256(array.as_primitive(), *scale),
            DataType::Date32 => Self::Date32(slice::<Date32Type>(array)),
            DataType::Date64 => Self::Date64(slice::<Date64Type>(array)),
            DataType::Time32(TimeUnit::Second) => {
                Self::Time32(slice::<arrow::datatypes::Time32SecondType>(array), TimeUnit::Second)
            }
            DataType::Time32(unit) => {
                Self::Time32(slice::<arrow::datatypes::Time32MillisecondType>(array), *unit)
            }
            DataType::Time64(unit) => Self::Time64(counts(array)?, *unit),
            DataType::Timestamp(unit, _) => Self::Timestamp(counts(array)?, *unit),
            DataType::Duration(unit) => Self::Duration(counts(array)?, *unit),
            DataType::Interval(IntervalUnit::YearMonth) => {
                Self::Months(slice::<IntervalYearMonthType>(array))
            }
            DataType::Interval(IntervalUnit::DayTime) => Self::DayTime(array.as_primitive()),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::MonthDayNano(array.as_primitive())
            }
            DataType::Utf8 => Self::Utf8(array.as_string()),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Self::FixedSizeBinary(array.as_fixed_size_binary()),
            _ => return None,
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(values) => {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            Self::Int8(values) => write::integer(out, values[row]),
            Self::Int16(values) => write::integer(out, values[row]),
            Self::Int32(values) => write::integer(out, values[row]),
            Self::Int64(values) => write::integer(out, values[row]),
            Self::UInt8(values) => write::integer(out, values[row]),
            Self::UInt16(values) => write::integer(out, values[row]),
            Self::UInt32(values) => write::integer(out, values[row]),
            Self::UInt64(values) => write::integer(out, values[row]),
            Self::Float16(values) => return write::f32(out, values.value(row).to_f32()),
            Self::Float32(values) => return write::f32(out, values[row]),
            Self::Float64(values) => return write::f64(out, values[row]),
            Self::Decimal32(values, scale) => write::decimal(out, values[row].into(), *scale),
            Self::Decimal64(values, scale) => write::decimal(out, values[row].into(), *scale),
            Self::Decimal128(values, scale) => write::decimal(out, values[row], *scale),
            Self::Decimal256(values, scale) => {
                // The one type whose digits take an allocation: too wide for a plain integer.
                write::scaled(out, &values.value(row).to_string(), *scale);
            }
            Self::Utf8(values) => text::write_string(out, values.value(row).as_bytes()),
            Self::LargeUtf8(values) => text::write_string(out, values.value(row).as_bytes()),
            Self::Utf8View(values) => text::write_string(out, values.value(row).as_bytes()),
            Self::Binary(values) => write::base64(out, values.value(row)),
            Self::LargeBinary(values) => write::base64(out, values.value(row)),
            Self::BinaryView(values) => write::base64(out, values.value(row)),
            Self::FixedSizeBinary(values) => write::base64(out, values.value(row)),
            Self::List(ends, items) => return write_list(out, items, ends.range(row)),
            Self::Struct(fields) => return write_object(out, fields, row),
            Self::Map(ends, keys, values) => {
                return write_map(out, keys, values, ends[row] as usize..ends[row + 1] as usize);
            }
            Self::Dictionary(keys, values) => return values.write(keys[row], out),
            _ => return self.write_time(row, out),
        }
        Ok(())
    }

    /// What stands in quotes and has to do with the calendar or the clock.
    fn write_time(&self, row: usize, out: &mut Vec<u8>) -> Written {
        const DAY_MILLIS: i64 = 86_400_000;
        out.push(b'"');
        let written = match self {
            Self::Date32(values) => time::write_date(out, values[row].into()),
            Self::Date64(values) => time::write_date(out, values[row].div_euclid(DAY_MILLIS)),
            Self::Time32(values, unit) => time::write_time(out, values[row].into(), *unit),
            Self::Time64(values, unit) => time::write_time(out, values[row], *unit),
            Self::Timestamp(values, unit) => time::write_timestamp(out, values[row], *unit),
            Self::Duration(values, unit) => {
                write::period(out, 0, 0, values[row], *unit);
                Some(())
            }
            Self::Months(values) => {
                write::period(out, values[row], 0, 0, TimeUnit::Second);
                Some(())
            }
            Self::DayTime(values) => {
                let value = values.value(row);
                let millis = value.milliseconds.into();
                write::period(out, 0, value.days, millis, TimeUnit::Millisecond);
                Some(())
            }
            Self::MonthDayNano(values) => {
                let value = values.value(row);
                let nanos = value.nanoseconds;
                write::period(out, value.months, value.days, nanos, TimeUnit::Nanosecond);
                Some(())
            }
            _ => None,
        };
        out.push(b'"');
        written.ok_or_else(|| Box::new(EncodeError::OutOfRange { path: String::new() }))
    }
}

/// Appends an object: of a struct, or the whole record.
pub(super) fn write_object(
    out: &mut Vec<u8>,
    fields: &[(&Names, Source<'_>)],
    row: usize,
) -> Written {
    out.push(b'{');
    for (index, (names, source)) in fields.iter().enumerate() {
        // The comma before a key is part of it; the first has none.
        out.extend_from_slice(&names.key()[usize::from(index == 0)..]);
        source.write(row, out).map_err(|mut error| {
            error.put_within(Step::Field(names.name()));
            error
        })?;
    }
    out.push(b'}');
    Ok(())
}

fn write_list(out: &mut Vec<u8>, items: &Source<'_>, range: Range<usize>) -> Written {
    out.push(b'[');
    for (index, item) in range.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        items.write(item, out).map_err(|mut error| {
            error.put_within(Step::Item(index));
            error
        })?;
    }
    out.push(b']');
    Ok(())
}

fn write_map(
    out: &mut Vec<u8>,
    keys: &Source<'_>,
    values: &Source<'_>,
    range: Range<usize>,
) -> Written {
    out.push(b'{');
    for (index, entry) in range.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let start = out.len();
        keys.write(entry, out)?;
        let key = start + 1..out.len() - 1;
        out.push(b':');
        values.write(entry, out).map_err(|mut error| {
            error.put_within(Step::Key(&out[key]));
            error
        })?;
    }
    out.push(b'}');
    Ok(())
}
