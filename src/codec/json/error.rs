//! Why a record is no row, or a row no record.

use std::fmt;

use arrow::datatypes::DataType;

use crate::record::Recovery;

/// The most characters of a record that an error shows.
const SHOWN_MAX: usize = 40;

/// Why a schema cannot be decoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeSetupError {
    #[error("field `{path}` has type {data_type}, which is not read from JSON")]
    Unsupported { path: String, data_type: DataType },
    #[error("field `{path}` stands twice in the schema")]
    Duplicate { path: String },
}

/// Why a schema cannot be encoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeSetupError {
    #[error(
        "field `{path}` has type {data_type}, which has no form in JSON; cast it in the SELECT"
    )]
    Unsupported { path: String, data_type: DataType },
    #[error("field `{path}` stands twice in the row; rename one with AS in the SELECT")]
    Duplicate { path: String },
}

/// Why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("not valid JSON, {place}: found {found}, expected {expected}")]
    Malformed { place: Place, found: String, expected: &'static str },
    #[error("{place}: found {found}, expected {expected}")]
    Mismatch { place: Place, found: String, expected: String },
    #[error("{place}: missing, but `not null`")]
    Missing { place: Place },
    #[error("{place}: the same name a second time in one object")]
    Duplicate { place: Place },
    #[error("{place}: objects and lists are more than {limit} deep")]
    TooDeep { place: Place, limit: usize },
    #[error("not valid UTF-8 at byte {offset}")]
    NotUtf8 { offset: usize },
    #[error("starts with a byte order mark; write the record without it")]
    ByteOrderMark,
    #[error("record has {size} bytes, over `decode.record_bytes_max` ({limit})")]
    TooLarge { size: usize, limit: usize },
    #[error("records of more than {limit} bytes in one batch; lower `batch.records_max`")]
    BatchFull { limit: usize },
}

impl DecodeError {
    /// A full batch says nothing against the record; all else is its own fault.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::BatchFull { .. } => Recovery::Stop,
            Self::Malformed { .. }
            | Self::Mismatch { .. }
            | Self::Missing { .. }
            | Self::Duplicate { .. }
            | Self::TooDeep { .. }
            | Self::NotUtf8 { .. }
            | Self::ByteOrderMark
            | Self::TooLarge { .. } => Recovery::DeadLetter,
        }
    }

    /// Where in the record, as far as that is known.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Malformed { place, .. }
            | Self::Mismatch { place, .. }
            | Self::Missing { place }
            | Self::Duplicate { place }
            | Self::TooDeep { place, .. } => Some(place),
            Self::NotUtf8 { .. }
            | Self::ByteOrderMark
            | Self::TooLarge { .. }
            | Self::BatchFull { .. } => None,
        }
    }

    fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::Malformed { place, .. }
            | Self::Mismatch { place, .. }
            | Self::Missing { place }
            | Self::Duplicate { place }
            | Self::TooDeep { place, .. } => Some(place),
            Self::NotUtf8 { .. }
            | Self::ByteOrderMark
            | Self::TooLarge { .. }
            | Self::BatchFull { .. } => None,
        }
    }

    /// Makes of the error what is seen from around: its path starts with `step`.
    #[cold]
    pub(super) fn put_within(&mut self, step: Step<'_>) {
        if let Some(place) = self.place_mut() {
            step.put_before(&mut place.path);
        }
    }
}

/// Why a row is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    #[error("field `{path}` is {value}, which JSON has no number for")]
    NotFinite { path: String, value: &'static str },
    #[error("field `{path}` is outside the years 0000 to 9999, or a time of 24:00 or later")]
    OutOfRange { path: String },
    #[error("row has more than {limit} bytes, over `encode.record_bytes_max`")]
    TooLarge { limit: usize },
    #[error("encoded rows of more than {limit} bytes at once; lower `batch.records_max`")]
    BufferFull { limit: usize },
    #[error("the batch's columns are not those of the encoder's schema")]
    OtherSchema,
}

impl EncodeError {
    /// The row's own fault, but for a batch that is not ours to encode.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::NotFinite { .. } | Self::OutOfRange { .. } | Self::TooLarge { .. } => {
                Recovery::DeadLetter
            }
            Self::BufferFull { .. } | Self::OtherSchema => Recovery::Stop,
        }
    }

    /// Makes of the error what is seen from around: its path starts with `step`.
    #[cold]
    pub(super) fn put_within(&mut self, step: Step<'_>) {
        match self {
            Self::NotFinite { path, .. } | Self::OutOfRange { path } => step.put_before(path),
            Self::TooLarge { .. } | Self::BufferFull { .. } | Self::OtherSchema => {}
        }
    }
}

/// A place in a record: `items[1].price` at byte 87.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Empty for the record itself.
    pub path: String,
    /// From the start of the record, in bytes.
    pub offset: usize,
}

impl Place {
    pub(super) fn at(offset: usize) -> Self {
        Self { path: String::new(), offset }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}` ", self.path)?;
        }
        write!(f, "at byte {}", self.offset)
    }
}

/// One step of a path into a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Item(usize),
    /// The value of a map's key; keys come from the record, so only their start is shown.
    Key(&'a [u8]),
}

impl Step<'_> {
    fn put_before(self, path: &mut String) {
        let step = match self {
            Self::Field(name) => name.to_owned(),
            Self::Item(index) => format!("[{index}]"),
            Self::Key(key) => format!("[\"{}\"]", shorten(&String::from_utf8_lossy(key))),
        };
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = format!("{step}{dot}{path}");
    }
}

/// The path of a field inside the one at `path` of the schema.
pub(super) fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What stands at `offset` of the record, for an error: never more of it than
/// a few words, so that contents do not end up in logs.
pub(super) fn found(record: &str, offset: usize) -> String {
    let Some(rest) = record.get(offset..) else {
        return "a part of a character".to_owned();
    };
    let Some(first) = rest.chars().next() else {
        return "the end of the record".to_owned();
    };
    let token = match first {
        '{' => return "an object".to_owned(),
        '[' => return "a list".to_owned(),
        '"' => rest[1..].find('"').map_or(rest, |end| &rest[..end + 2]),
        ',' | ':' | '}' | ']' => &rest[..1],
        _ => {
            let end = rest.find(|c: char| ",:{}[]\"".contains(c) || c.is_whitespace());
            &rest[..end.filter(|end| *end > 0).unwrap_or(rest.len())]
        }
    };
    if token == "null" { token.to_owned() } else { format!("`{}`", shorten(token)) }
}

/// The start of a text; control characters must not reach a terminal.
fn shorten(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(SHOWN_MAX) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
