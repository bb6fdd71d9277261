//! Columns about a record beside its value.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// A column that every SELECT may read beside the declared fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetadataColumn {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
    Run,
}

impl MetadataColumn {
    pub const ALL: [Self; 7] = [
        Self::Key,
        Self::Topic,
        Self::Partition,
        Self::Offset,
        Self::Timestamp,
        Self::Headers,
        Self::Run,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "_key",
            Self::Topic => "_topic",
            Self::Partition => "_partition",
            Self::Offset => "_offset",
            Self::Timestamp => "_timestamp",
            Self::Headers => "_headers",
            Self::Run => "_run",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Whether an output column of this name sets the property of the record
    /// that goes out; of the other names there can be no output column.
    pub fn is_settable(self) -> bool {
        match self {
            Self::Key | Self::Timestamp | Self::Headers => true,
            Self::Topic | Self::Partition | Self::Offset | Self::Run => false,
        }
    }

    /// The column's Arrow field. `_key` is null where the key is none or not
    /// UTF-8, `_timestamp` (milliseconds, UTC) where the record has none.
    pub fn field(self) -> Field {
        let (data_type, nullable) = match self {
            Self::Key | Self::Run => (DataType::Utf8, true),
            Self::Topic => (DataType::Utf8, false),
            Self::Partition => (DataType::Int32, false),
            Self::Offset => (DataType::Int64, false),
            Self::Timestamp => {
                (DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())), true)
            }
            Self::Headers => (headers_type(), false),
        };
        Field::new(self.name(), data_type, nullable)
    }
}

/// Map from name to value; where a name repeats, the builder decides which stays.
fn headers_type() -> DataType {
    let entry = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Utf8, true),
    ]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metadata_column_is_found_by_the_name_of_its_field() {
        for column in MetadataColumn::ALL {
            assert_eq!(MetadataColumn::from_name(column.field().name()), Some(column));
        }
        assert_eq!(MetadataColumn::from_name("_value"), None);
    }
}
