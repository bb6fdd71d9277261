//! Sizes of parts of arrays, in bytes, from their offsets.

use arrow::{
    array::{Array, AsArray, OffsetSizeTrait},
    datatypes::DataType,
};

/// An estimate for types whose elements are not looked at.
const UNKNOWN: u64 = 16;

/// The size of `len` elements from `start`, with that of what is in them.
pub(super) fn bytes(array: &dyn Array, start: usize, len: usize) -> u64 {
    let count = len as u64;
    match array.data_type() {
        DataType::Null | DataType::Boolean => count,
        DataType::Utf8 => texts(array.as_string::<i32>().value_offsets(), start, len),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().value_offsets(), start, len),
        DataType::Binary => texts(array.as_binary::<i32>().value_offsets(), start, len),
        DataType::LargeBinary => texts(array.as_binary::<i64>().value_offsets(), start, len),
        DataType::Utf8View => {
            let lengths = array.as_string_view().lengths().skip(start).take(len);
            lengths.map(u64::from).sum::<u64>() + UNKNOWN * count
        }
        DataType::BinaryView => {
            let lengths = array.as_binary_view().lengths().skip(start).take(len);
            lengths.map(u64::from).sum::<u64>() + UNKNOWN * count
        }
        DataType::FixedSizeBinary(width) => count * u64::from(width.unsigned_abs()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            elements(list.value_offsets(), list.values().as_ref(), start, len)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            elements(list.value_offsets(), list.values().as_ref(), start, len)
        }
        DataType::FixedSizeList(_, width) => {
            let width = width.unsigned_abs() as usize;
            bytes(array.as_fixed_size_list().values().as_ref(), start * width, len * width)
        }
        DataType::Map(..) => {
            let map = array.as_map();
            elements(map.value_offsets(), map.entries(), start, len)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|column| bytes(column.as_ref(), start, len)).sum::<u64>() + count
        }
        other => count * other.primitive_width().map_or(UNKNOWN, |width| width as u64),
    }
}

/// The number of elements in a list; 0 for what is not a list.
pub(super) fn list_length(array: &dyn Array, row: usize) -> u64 {
    let between = |from: usize, to: usize| to.saturating_sub(from) as u64;
    match array.data_type() {
        _ if array.is_null(row) => 0,
        DataType::List(_) => {
            let offsets = array.as_list::<i32>().value_offsets();
            between(offsets[row] as usize, offsets[row + 1] as usize)
        }
        DataType::LargeList(_) => {
            let offsets = array.as_list::<i64>().value_offsets();
            between(offsets[row] as usize, offsets[row + 1] as usize)
        }
        DataType::FixedSizeList(_, width) => u64::from(width.unsigned_abs()),
        _ => 0,
    }
}

/// The number of elements at the bottom of a list of lists.
pub(super) fn leaves(array: &dyn Array, start: usize, len: usize) -> u64 {
    let within = |offsets: (usize, usize), values: &dyn Array| {
        leaves(values, offsets.0, offsets.1.saturating_sub(offsets.0))
    };
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let ends = (offsets[start] as usize, offsets[start + len] as usize);
            within(ends, list.values().as_ref())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            let ends = (offsets[start] as usize, offsets[start + len] as usize);
            within(ends, list.values().as_ref())
        }
        DataType::FixedSizeList(_, width) => {
            let width = width.unsigned_abs() as usize;
            leaves(array.as_fixed_size_list().values().as_ref(), start * width, len * width)
        }
        _ => len as u64,
    }
}

fn texts<O: OffsetSizeTrait>(offsets: &[O], start: usize, len: usize) -> u64 {
    let text = offsets[start + len].as_usize() - offsets[start].as_usize();
    (text + len * size_of::<O>()) as u64
}

fn elements<O: OffsetSizeTrait>(
    offsets: &[O],
    values: &dyn Array,
    start: usize,
    len: usize,
) -> u64 {
    let (from, to) = (offsets[start].as_usize(), offsets[start + len].as_usize());
    bytes(values, from, to - from) + (len * size_of::<O>()) as u64
}
