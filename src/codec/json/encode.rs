//! Batches into records: one JSON object a row, in one buffer.

use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use super::error::{EncodeError, EncodeSetupError, child_path};
use super::source::{Source, write_object};
use super::text;
use crate::record::EncodedRows;

/// [`EncodedRows`] counts bytes in a `u32`.
const BUFFER_BYTES_MAX: usize = u32::MAX as usize;

/// Writing of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeConfig {
    /// Most bytes of a record's value; a larger row is dead-lettered. Leave
    /// room for key and headers under the broker's `message.max.bytes`, or the
    /// whole transaction fails instead of the one row.
    pub record_bytes_max: usize,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self { record_bytes_max: 1_000_000 }
    }
}

/// Writes batches of one schema as JSON.
///
/// ```
/// use arrow::{array::{ArrayRef, Int64Array}, record_batch::RecordBatch};
/// use lineage_hub::{codec::json::Encoder, record::EncodedRows};
/// # use std::sync::Arc;
///
/// let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
/// let batch = RecordBatch::try_from_iter([("id", ids)])?;
/// let mut rows = EncodedRows::default();
/// let failed = Encoder::new(&batch.schema())?.encode(&batch, &mut rows);
/// assert!(failed.is_empty());
/// assert_eq!(rows.row(0), br#"{"id":7}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    names: Names,
    config: EncodeConfig,
}

impl Encoder {
    /// With the default [`EncodeConfig`].
    pub fn new(schema: &Schema) -> Result<Self, EncodeSetupError> {
        Self::with_config(schema, EncodeConfig::default())
    }

    pub fn with_config(schema: &Schema, config: EncodeConfig) -> Result<Self, EncodeSetupError> {
        let children = Names::of_fields(schema.fields().iter().map(AsRef::as_ref), "")?;
        Ok(Self { names: Names { children, ..Names::LEAF }, config })
    }

    /// Appends a row to `out` for each of the batch's.
    ///
    /// A row that cannot be encoded is an empty one, and stands in the answer
    /// with its index in the batch and the reason.
    pub fn encode(&self, batch: &RecordBatch, out: &mut EncodedRows) -> Vec<(usize, EncodeError)> {
        let mut failed = Vec::new();
        let Some(columns) = Source::columns(&self.names, batch.columns()) else {
            for row in 0..batch.num_rows() {
                out.end_row();
                failed.push((row, EncodeError::OtherSchema));
            }
            return failed;
        };
        for row in 0..batch.num_rows() {
            let start = out.size();
            let written = write_object(out.buffer(), &columns, row)
                .map_err(|error| *error)
                .and_then(|()| self.check_size(start, out.buffer().len()));
            if let Err(error) = written {
                out.discard_row();
                failed.push((row, error));
            }
            out.end_row();
        }
        failed
    }

    fn check_size(&self, start: usize, end: usize) -> Result<(), EncodeError> {
        let limit = self.config.record_bytes_max;
        if end - start > limit {
            return Err(EncodeError::TooLarge { limit });
        }
        if end > BUFFER_BYTES_MAX {
            return Err(EncodeError::BufferFull { limit: BUFFER_BYTES_MAX });
        }
        Ok(())
    }
}

/// For what stands in no field of its own: the keys of a map.
pub(super) static NO_NAMES: Names = Names::LEAF;

/// The names in a schema, ready to be written.
#[derive(Debug)]
pub(super) struct Names {
    name: String,
    /// `,"name":`
    key: Vec<u8>,
    /// A struct's fields; a list's items or a map's values.
    children: Vec<Names>,
}

impl Names {
    /// Of a value that has none.
    const LEAF: Self = Self { name: String::new(), key: Vec::new(), children: Vec::new() };

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn children(&self) -> &[Self] {
        &self.children
    }

    pub(super) fn only_child(&self) -> Option<&Self> {
        self.children.first()
    }

    fn of_fields<'f>(
        fields: impl Iterator<Item = &'f Field>,
        path: &str,
    ) -> Result<Vec<Self>, EncodeSetupError> {
        let mut all: Vec<Self> = Vec::new();
        for field in fields {
            let path = child_path(path, field.name());
            if all.iter().any(|names| names.name == *field.name()) {
                return Err(EncodeSetupError::Duplicate { path });
            }
            let mut key = vec![b','];
            text::write_string(&mut key, field.name().as_bytes());
            key.push(b':');
            let children = Self::of_type(field.data_type(), &path)?;
            all.push(Self { name: field.name().clone(), key, children });
        }
        Ok(all)
    }

    fn of_type(data_type: &DataType, path: &str) -> Result<Vec<Self>, EncodeSetupError> {
        let unsupported = || EncodeSetupError::Unsupported {
            path: path.to_owned(),
            data_type: data_type.clone(),
        };
        let inside = |data_type: &DataType| {
            let children = Self::of_type(data_type, &format!("{path}[]"))?;
            Ok(vec![Self { children, ..Self::LEAF }])
        };
        match data_type {
            DataType::Struct(fields) => Self::of_fields(fields.iter().map(AsRef::as_ref), path),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                inside(item.data_type())
            }
            DataType::Dictionary(_, values) => Self::of_type(values, path),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 && is_text(pair[0].data_type()) => {
                    inside(pair[1].data_type())
                }
                _ => Err(unsupported()),
            },
            DataType::Union(..)
            | DataType::RunEndEncoded(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Err(unsupported()),
            _ => Ok(Vec::new()),
        }
    }
}

/// Whether a type's values can be the names in an object.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
