//! Output columns that set a record's key, timestamp or headers.
//!
//! ```text
//! output columns -> Setters: `_key`, `_timestamp`, `_headers`
//!               `-> value columns: the others, which a topic holds
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::MetadataColumn;

/// Which output columns set a part of the record, by their index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setters {
    /// A null sets no key.
    pub key: Option<usize>,
    /// A null, or a time before 1970, leaves the input record's.
    pub timestamp: Option<usize>,
    /// A null, or an empty map, sets no headers. The header that names a record's
    /// bounded run is never set and never lost.
    pub headers: Option<usize>,
}

/// A column that cannot set what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` takes {}, and this is {found}", .column.name(), wanted(*.column))]
pub struct SetterError {
    pub column: MetadataColumn,
    pub found: DataType,
}

impl SetterError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self.column {
            MetadataColumn::Timestamp => "CAST it: CAST(… AS TIMESTAMP) AS _timestamp",
            MetadataColumn::Headers => "give text to text: MAP {'name': value} AS _headers",
            _ => "take one value of it, or make it text",
        }
    }
}

fn wanted(column: MetadataColumn) -> &'static str {
    match column {
        MetadataColumn::Timestamp => "a timestamp",
        MetadataColumn::Headers => "a map of text to text",
        _ => "one text, binary, number, date or time",
    }
}

impl Setters {
    /// Finds them among the columns of an output.
    ///
    /// # Errors
    ///
    /// The first whose type does not fit its name.
    pub fn of(output: &Schema) -> Result<Self, SetterError> {
        let mut setters = Self::default();
        for (index, field) in output.fields().iter().enumerate() {
            let (column, place) = match MetadataColumn::from_name(field.name()) {
                Some(column @ MetadataColumn::Key) => (column, &mut setters.key),
                Some(column @ MetadataColumn::Timestamp) => (column, &mut setters.timestamp),
                Some(column @ MetadataColumn::Headers) => (column, &mut setters.headers),
                _ => continue,
            };
            check(column, field.data_type())?;
            *place = Some(index);
        }
        Ok(setters)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The columns that set something, in their fixed order.
    pub fn columns(&self) -> impl Iterator<Item = MetadataColumn> {
        let key = self.key.map(|_| MetadataColumn::Key);
        let timestamp = self.timestamp.map(|_| MetadataColumn::Timestamp);
        let headers = self.headers.map(|_| MetadataColumn::Headers);
        [key, timestamp, headers].into_iter().flatten()
    }

    /// The indices of the columns that make the value, of `width` in all.
    pub fn value_columns(&self, width: usize) -> Vec<usize> {
        let set = [self.key, self.timestamp, self.headers];
        (0..width).filter(|index| !set.contains(&Some(*index))).collect()
    }

    /// The columns that make the value.
    pub fn value_schema(&self, output: &SchemaRef) -> SchemaRef {
        if self.is_empty() {
            return Arc::clone(output);
        }
        let columns = self.value_columns(output.fields().len());
        Arc::new(Schema::new(
            columns.iter().map(|&index| output.field(index).clone()).collect::<Vec<_>>(),
        ))
    }
}

/// Whether a column of this type can set what `column` names.
pub(super) fn check(column: MetadataColumn, found: &DataType) -> Result<(), SetterError> {
    let fits = match column {
        MetadataColumn::Timestamp => matches!(found, DataType::Timestamp(..)),
        MetadataColumn::Headers => is_text_to_text(found),
        _ => !found.is_nested() && !matches!(found, DataType::Null),
    };
    if fits { Ok(()) } else { Err(SetterError { column, found: found.clone() }) }
}

fn is_text_to_text(found: &DataType) -> bool {
    let DataType::Map(entries, _) = found else { return false };
    let DataType::Struct(pair) = entries.data_type() else { return false };
    let text = |index: usize| {
        pair.get(index).is_some_and(|field| {
            matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        })
    };
    pair.len() == 2 && text(0) && text(1)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn of(columns: &[(&str, DataType)]) -> Result<Setters, SetterError> {
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Setters::of(&Schema::new(fields.collect::<Vec<_>>()))
    }

    fn millis() -> DataType {
        DataType::Timestamp(TimeUnit::Millisecond, None)
    }

    #[test]
    fn setters_are_told_apart_from_the_columns_of_the_value() {
        let headers = MetadataColumn::Headers.field().data_type().clone();
        let columns = [
            ("_headers", headers),
            ("a", DataType::Int64),
            ("_key", DataType::Binary),
            ("_timestamp", millis()),
            ("_other", DataType::Int32),
        ];
        let setters = of(&columns).unwrap();
        assert_eq!(setters, Setters { key: Some(2), timestamp: Some(3), headers: Some(0) });
        assert_eq!(setters.value_columns(5), [1, 4]);
        assert!(of(&columns[1..2]).unwrap().is_empty());
    }

    #[test]
    fn a_column_of_another_type_sets_nothing() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        for (name, kind) in
            [("_key", list), ("_timestamp", DataType::Int64), ("_headers", DataType::Utf8)]
        {
            let error = of(&[(name, kind.clone())]).unwrap_err();
            assert_eq!((error.column.name(), &error.found), (name, &kind));
        }
    }
}
