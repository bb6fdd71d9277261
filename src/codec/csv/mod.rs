//! CSV to JSON records: the columns of a file become the fields of a topic.
//!
//! ```text
//! lines -> rows (quotes) -> header: which field is which column
//!                        -> value: text of a column -> JSON by the field's type
//! ```
//!
//! # Guarantees
//!
//! The digits of the file are the digits of the record: no number passes through
//! a double. Each column is a field of the topic, once, and each field has a
//! column, or the file is refused before its first row. A row that cannot be a
//! record (too long, too short, bad quotes, not UTF-8) leaves its neighbours as
//! they are: its text becomes a record of its own (a JSON string where it looks like an object),
//! which no stage can decode.
//! A value that is not of its field's type becomes a string, with the same result.
//!
//! # Not here
//!
//! Reading files, and where records are sent. At most [`ROW_BYTES_MAX`] bytes wait
//! for the end of a row.

mod columns;
mod header;
mod rows;
mod value;

use arrow::datatypes::Schema;

use columns::Columns;
pub use header::{HeaderError, without_mark};
use rows::{Found, Rows};

use crate::codec::json::write_string;

/// Maximum number of bytes of a row; a quote that is still open after as many is
/// a mistake, not a text.
pub const ROW_BYTES_MAX: usize = 16 << 20;

/// How a file is to be read, as far as the user says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Left out: a comma.
    pub delimiter: Option<u8>,
    /// The field of each column, in the order of the file; `-` leaves a column out.
    /// Left out: the names of the header.
    pub columns: Option<Vec<String>>,
    /// The first line is a row.
    pub no_header: bool,
}

/// The delimiter that a user names: one character, or `tab`.
pub fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte @ (b'\t' | b' '..=b'~')] if !byte.is_ascii_alphanumeric() && *byte != b'"' => {
            Ok(*byte)
        }
        _ => Err("expected one character, such as `;` or `|`, or `tab`".to_owned()),
    }
}

/// What [`Csv::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it takes more lines.
    More,
    /// A record, appended to the buffer.
    Record,
    /// A row that is not a record; its text was appended to the buffer.
    Bad(BadRow),
}

/// Why a row is not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Of the file, counted from 1.
    pub line: u64,
    pub reason: String,
}

/// Makes records of the lines of one file.
#[derive(Debug)]
pub struct Csv {
    rows: Rows,
    options: CsvOptions,
    schema: Schema,
    key: Option<String>,
    columns: Option<Columns>,
    is_first_line: bool,
}

impl Csv {
    /// For a topic with these fields and this key field; without fields every column
    /// is text.
    pub fn new(
        options: CsvOptions,
        schema: Option<&Schema>,
        key: Option<&str>,
    ) -> Result<Self, HeaderError> {
        let schema = schema.cloned().unwrap_or_else(Schema::empty);
        let mut csv = Self {
            rows: Rows::new(options.delimiter.unwrap_or(b',')),
            options,
            schema,
            key: key.map(str::to_owned),
            columns: None,
            is_first_line: true,
        };
        if csv.options.no_header {
            let fields = csv.schema.fields().iter();
            let declared = fields.map(|field| field.name().clone()).collect();
            let names: Vec<String> = csv.options.columns.clone().unwrap_or(declared);
            if names.is_empty() {
                return Err(HeaderError::no_names());
            }
            csv.columns = Some(csv.check(&names)?);
        }
        Ok(csv)
    }

    /// Takes the next line with its line end.
    ///
    /// # Errors
    ///
    /// A header that does not fit the topic.
    pub fn push(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        let line = if std::mem::take(&mut self.is_first_line) { without_mark(line)? } else { line };
        self.rows.push(line);
        if self.columns.is_none() { self.read_header() } else { Ok(()) }
    }

    /// No line follows.
    ///
    /// # Errors
    ///
    /// A file without a header.
    pub fn end(&mut self) -> Result<(), HeaderError> {
        self.rows.end();
        if self.columns.is_none() {
            self.read_header()?;
        }
        if self.columns.is_none() { Err(HeaderError::empty()) } else { Ok(()) }
    }

    /// Whether rows can follow.
    pub fn has_header(&self) -> bool {
        self.columns.is_some()
    }

    /// Appends the next record to `out`.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Next {
        let Some(columns) = &mut self.columns else { return Next::More };
        loop {
            let reason = match self.rows.next() {
                Found::Nothing => return Next::More,
                Found::Blank => continue,
                Found::Bad(reason) => reason.to_owned(),
                Found::Row => match self.rows.text() {
                    Some(fields) if fields.len() == columns.len() => {
                        columns.write(fields, out);
                        return Next::Record;
                    }
                    Some(fields) => {
                        format!("{} columns, expected {}", fields.len(), columns.len())
                    }
                    None => "not valid UTF-8".to_owned(),
                },
            };
            match self.rows.raw() {
                // JSON without the quotes of CSV could be taken for a record.
                text if text.trim_ascii().starts_with(b"{") => write_string(out, text),
                text => out.extend_from_slice(text),
            }
            return Next::Bad(BadRow { line: self.rows.line(), reason });
        }
    }

    fn read_header(&mut self) -> Result<(), HeaderError> {
        loop {
            match self.rows.next() {
                Found::Nothing => return Ok(()),
                Found::Blank => {}
                Found::Bad(reason) => {
                    let line = String::from_utf8_lossy(self.rows.raw());
                    return Err(header::malformed(&line, reason, &self.schema, &self.options));
                }
                Found::Row => break,
            }
        }
        let fields = self.rows.text().ok_or_else(HeaderError::not_utf8)?;
        let names: Vec<String> = fields.iter().map(str::to_owned).collect();
        let names = match &self.options.columns {
            None => names,
            Some(columns) if columns.len() == names.len() => columns.clone(),
            Some(columns) => return Err(HeaderError::other_number(columns.len(), &names)),
        };
        self.columns = Some(self.check(&names)?);
        Ok(())
    }

    fn check(&self, names: &[String]) -> Result<Columns, HeaderError> {
        let fields = header::check(names, &self.schema, self.key.as_deref(), &self.options)?;
        Ok(Columns::new(names, &fields, &self.schema))
    }
}

#[cfg(test)]
mod tests;
