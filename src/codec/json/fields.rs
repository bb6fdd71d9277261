//! The fields of an object, and which of them a key names.
//!
//! Records of one producer mostly have their fields in one order. So each field
//! remembers which came after it last time, and a key is compared with that
//! one's first, quotes and all; only a surprise is looked up.

use arrow::array::ArrayRef;
use arrow::datatypes::Fields as ArrowFields;
use arrow::error::ArrowError;

use super::column::Column;
use super::error::{DecodeError, DecodeSetupError, Place, Step, child_path};
use super::reader::{Reader, Syntax};
use super::text;

/// The columns of a struct, or of the record itself.
#[derive(Debug)]
pub(super) struct Fields {
    schema: ArrowFields,
    columns: Vec<Column>,
    /// Each field's name as JSON writes it, quotes included.
    keys: Vec<Box<[u8]>>,
    /// Fields by name.
    by_name: Vec<(Box<str>, usize)>,
    /// Which field came last time after field `index - 1`; at 0: came first.
    after: Vec<usize>,
    rows: usize,
    /// Scratch of keys with escapes.
    unescaped: Vec<u8>,
}

impl Fields {
    pub(super) fn new(fields: &ArrowFields, path: &str) -> Result<Self, DecodeSetupError> {
        let mut columns = Vec::with_capacity(fields.len());
        let mut keys = Vec::with_capacity(fields.len());
        let mut by_name: Vec<(Box<str>, usize)> = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            columns.push(Column::new(field, &child_path(path, field.name()))?);
            let mut key = Vec::new();
            text::write_string(&mut key, field.name().as_bytes());
            keys.push(key.into_boxed_slice());
            by_name.push((field.name().as_str().into(), index));
        }
        by_name.sort_unstable();
        if let Some(pair) = by_name.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(DecodeSetupError::Duplicate { path: child_path(path, &pair[0].0) });
        }
        let after = (0..=fields.len()).collect();
        let schema = fields.clone();
        Ok(Self { schema, columns, keys, by_name, after, rows: 0, unescaped: Vec::new() })
    }

    /// Appends the object that comes next.
    pub(super) fn decode(&mut self, reader: &mut Reader<'_>) -> Syntax<()> {
        let start = reader.position;
        let mut members = reader.open(b'}')?;
        let mut present = 0;
        let mut slot = 0;
        while members {
            let key = reader.position;
            if let Some(index) = self.match_key(reader, slot)? {
                reader.colon()?;
                if let Err(mut error) = self.decode_member(reader, index, key) {
                    error.put_within(Step::Field(self.schema[index].name()));
                    return Err(error);
                }
                present += 1;
                slot = index + 1;
            } else {
                reader.colon()?;
                reader.skip_value()?;
            }
            members = reader.more(b'}')?;
        }
        if present < self.columns.len() {
            self.fill_missing(start)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends the value of a field whose name stands at `key`.
    fn decode_member(&mut self, reader: &mut Reader<'_>, index: usize, key: usize) -> Syntax<()> {
        let column = &mut self.columns[index];
        // A column that is a row ahead has its value for this object.
        if column.len() > self.rows {
            return Err(DecodeError::Duplicate { place: Place::at(key) }.into());
        }
        column.decode(reader)
    }

    /// Takes the key that comes next: the field that it names, if any.
    fn match_key(&mut self, reader: &mut Reader<'_>, slot: usize) -> Syntax<Option<usize>> {
        let guess = self.after[slot];
        if self.keys.get(guess).is_some_and(|key| reader.take_all(key)) {
            return Ok(Some(guess));
        }
        let key = reader.key()?;
        let name = if key.escaped {
            self.unescaped.clear();
            key.append_to(&mut self.unescaped);
            &self.unescaped
        } else {
            key.inside
        };
        let known = self.by_name.binary_search_by(|(known, _)| known.as_bytes().cmp(name));
        let index = known.ok().map(|position| self.by_name[position].1);
        if let Some(index) = index {
            self.after[slot] = index;
        }
        Ok(index)
    }

    /// Nulls for the fields that the object at `start` does not have.
    fn fill_missing(&mut self, start: usize) -> Syntax<()> {
        for column in self.columns.iter_mut().filter(|column| column.len() == self.rows) {
            if !column.field.is_nullable() {
                let mut error = DecodeError::Missing { place: Place::at(start) };
                error.put_within(Step::Field(column.field.name()));
                return Err(error.into());
            }
            column.push_null();
        }
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.rows += 1;
        self.columns.iter_mut().for_each(Column::push_null);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows = rows;
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The columns as arrays, and their length; the buffers are empty after it.
    pub(super) fn finish(&mut self) -> Result<(ArrowFields, Vec<ArrayRef>, usize), ArrowError> {
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        Ok((self.schema.clone(), columns, std::mem::take(&mut self.rows)))
    }
}
