//! The fields of an object, and which of them a key names.
//!
//! Records of one producer mostly have their fields in one order. So each field
//! remembers which came after it last time, and a key is compared with that
//! one's first, with quotes and colon; only a surprise is looked up.

use arrow::array::ArrayRef;
use arrow::datatypes::Fields as ArrowFields;
use arrow::error::ArrowError;

use super::column::Column;
use super::error::{DecodeError, DecodeSetupError, Place, Step, child_path};
use super::reader::{Reader, Syntax};
use super::text::{self, WORD};

/// A field's name as JSON mostly writes it, in quotes and with a colon behind it.
#[derive(Debug)]
struct Key {
    text: Box<[u8]>,
    /// The same as one number and the bits that count of it, where they fit: to compare
    /// them costs less than to call what compares text of any length.
    word: Option<(u128, u128)>,
}

impl Key {
    fn new(name: &str) -> Self {
        let mut text = Vec::new();
        text::write_string(&mut text, name.as_bytes());
        text.push(b':');
        let word = (text.len() <= WORD).then(|| {
            let mut word = [0; WORD];
            word[..text.len()].copy_from_slice(&text);
            (u128::from_le_bytes(word), u128::MAX >> (8 * (WORD - text.len())))
        });
        Self { text: text.into_boxed_slice(), word }
    }

    fn begins(&self, text: &[u8]) -> bool {
        match (self.word, text.first_chunk::<WORD>()) {
            (Some((word, counts)), Some(head)) => u128::from_le_bytes(*head) & counts == word,
            _ => text.starts_with(&self.text),
        }
    }
}

/// The columns of a struct, or of the record itself.
#[derive(Debug)]
pub(super) struct Fields {
    schema: ArrowFields,
    columns: Vec<Column>,
    keys: Vec<Key>,
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
            keys.push(Key::new(field.name()));
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
                if let Err(mut error) = self.decode_member(reader, index, key) {
                    error.put_within(Step::Field(self.schema[index].name()));
                    return Err(error);
                }
                present += 1;
                slot = index + 1;
            } else {
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

    /// Takes the key that comes next and its colon: the field that it names, if any.
    fn match_key(&mut self, reader: &mut Reader<'_>, slot: usize) -> Syntax<Option<usize>> {
        let guess = self.after[slot];
        if let Some(key) = self.keys.get(guess).filter(|key| key.begins(reader.rest())) {
            reader.position += key.text.len();
            reader.skip_space();
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
        reader.colon()?;
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

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::super::decode::{DecodeConfig, Decoder};

    /// Around the number of bytes that are compared as one, and where fewer follow.
    #[test]
    fn keys_of_any_length_are_found_wherever_they_stand() {
        for length in 1..40 {
            let (name, longer) = ("n".repeat(length), "n".repeat(length + 1));
            let schema = Schema::new(vec![Field::new(&name, DataType::Int64, true)]);
            let mut decoder = Decoder::new(&schema, DecodeConfig::default()).unwrap();
            for record in [
                format!(r#"{{"{name}":1}}"#),
                format!(r#"{{"{name}" : 1, "{longer}": "{longer}"}}"#),
                format!(r#"{{"{longer}":2,"{name}":1}}"#),
                format!(r#"{{"{longer}":2}}"#),
                format!(r#"{{"{name}":1,"{longer}":{{"{name}":2}}}}"#),
            ] {
                decoder.decode(record.as_bytes()).unwrap();
            }
            let batch = decoder.finish();
            let values = batch.column(0).as_primitive::<Int64Type>();
            let expected = [Some(1), Some(1), Some(1), None, Some(1)];
            assert_eq!(values.iter().collect::<Vec<_>>(), expected, "{length}");
        }
    }
}
