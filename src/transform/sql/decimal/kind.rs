//! Kinds of numbers, and the functions that keep them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

/// Functions whose arguments have one type with their result or with each other.
pub(super) const UNITING: [&str; 27] = [
    "array_any_value",
    "array_append",
    "array_concat",
    "array_distinct",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_repeat",
    "array_replace",
    "array_replace_all",
    "array_replace_n",
    "array_resize",
    "array_union",
    "coalesce",
    "greatest",
    "least",
    "make_array",
    "nullif",
    "array_reverse",
];

/// Functions that put values together as they are.
pub(super) const HOLDING: [&str; 3] = ["map", "named_struct", "struct"];

/// What a value is as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Decimals that come from literals only: may still become doubles.
    Free,
    /// As `Free`, with a quotient in it that a double has to more digits.
    Ratio,
    /// Decimals that must stay exact.
    Exact,
    Double,
    /// Text, times and all else beside which a fraction is a double.
    Foreign,
    /// Integers and nulls, which fit beside each of them.
    Whole,
}

pub(super) fn kind_of(data_type: &DataType) -> Kind {
    match data_type {
        kind if kind.is_decimal() => Kind::Exact,
        kind if kind.is_floating() => Kind::Double,
        kind if kind.is_integer() || kind.is_null() => Kind::Whole,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            kind_of(item.data_type())
        }
        _ => Kind::Foreign,
    }
}

/// The type with doubles in place of decimals.
pub(super) fn doubled(data_type: &DataType) -> DataType {
    let of = |item: &Arc<Field>| {
        Arc::new(item.as_ref().clone().with_data_type(doubled(item.data_type())))
    };
    match data_type {
        kind if kind.is_decimal() => DataType::Float64,
        DataType::List(item) => DataType::List(of(item)),
        DataType::LargeList(item) => DataType::LargeList(of(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(of(item), *size),
        other => other.clone(),
    }
}
