//! The columns of a file, as the fields that they become.

use arrow::datatypes::Schema;

use super::{rows::Fields, value::Kind};
use crate::codec::json::write_string;

/// One column for each field of a row.
#[derive(Debug)]
pub(super) struct Columns(Vec<Option<Column>>);

#[derive(Debug)]
struct Column {
    /// `"name":`
    key: Vec<u8>,
    kind: Kind,
}

impl Columns {
    /// `fields`: for each column the index of its field, or `None` where it is left
    /// out; without declared fields, any index.
    pub(super) fn new(names: &[String], fields: &[Option<usize>], schema: &Schema) -> Self {
        let column = |(name, field): (&String, &Option<usize>)| {
            let kind = schema.fields().get((*field)?).map_or(Kind::Text, |field| Kind::of(field));
            let mut key = Vec::new();
            write_string(&mut key, name.as_bytes());
            key.push(b':');
            Some(Column { key, kind })
        };
        Self(names.iter().zip(fields).map(column).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends a row as a JSON object, its fields in the order of the columns.
    pub(super) fn write(&self, fields: Fields<'_>, out: &mut Vec<u8>) {
        out.push(b'{');
        let start = out.len();
        for (column, text) in self.0.iter().zip(fields.iter()) {
            let Some(Column { key, kind }) = column else { continue };
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(key);
            kind.write(text, out);
        }
        out.push(b'}');
    }
}
