//! The parser of type texts: by recursive descent, with a limit to its depth.

use std::borrow::Cow;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::{DECIMAL_DIGITS_MAX, list, map, timestamp};

/// Types inside types; far over what a person writes, far under the stack.
pub const DEPTH_MAX: usize = 32;

/// The names of types, for the hint.
const NAMES: [&str; 20] = [
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "integer",
    "bigint",
    "float",
    "real",
    "double",
    "decimal",
    "string",
    "varchar",
    "text",
    "binary",
    "date",
    "time",
    "timestamp",
    "list",
    "struct",
    "map",
];

/// What other systems call our types.
const ALIASES: [(&str, &str); 34] = [
    ("array", "list<…>"),
    ("blob", "binary"),
    ("bool", "boolean"),
    ("byte", "tinyint"),
    ("bytea", "binary"),
    ("bytes", "binary"),
    ("char", "string"),
    ("datetime", "timestamp"),
    ("dict", "map<string,…>"),
    ("float32", "float"),
    ("float64", "double"),
    ("instant", "timestamp"),
    ("int16", "smallint"),
    ("int32", "int"),
    ("int4", "int"),
    ("int64", "bigint"),
    ("int8", "tinyint"),
    ("json", "string"),
    ("long", "bigint"),
    ("number", "double"),
    ("numeric", "decimal(p,s)"),
    ("object", "struct<…>"),
    ("record", "struct<…>"),
    ("row", "struct<…>"),
    ("short", "smallint"),
    ("str", "string"),
    ("timestamptz", "timestamp"),
    ("uint16", "int"),
    ("uint32", "bigint"),
    ("uint64", "decimal(20,0)"),
    ("uint8", "smallint"),
    ("utf8", "string"),
    ("uuid", "string"),
    ("varbinary", "binary"),
];

/// Why a type's text is not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "type of field `{field}`: found {found} at byte {offset} of `{text}`, expected {expected}{}",
    hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default()
)]
pub struct TypeError {
    pub field: String,
    /// The whole text.
    pub text: String,
    /// Where in the text, in bytes.
    pub offset: usize,
    pub found: String,
    pub expected: Cow<'static, str>,
    pub hint: Option<&'static str>,
}

/// The Arrow field that a topic file's `name: text` declares.
pub fn parse_field(name: &str, text: &str) -> Result<Field, TypeError> {
    let mut parser = Parser { field: name, text, position: 0, depth: 0 };
    let (data_type, nullable) = parser.whole_type()?;
    if parser.next_char().is_some() {
        return Err(parser.error("`not null` or the end"));
    }
    Ok(Field::new(name, data_type, nullable))
}

/// Whether a name's character needs no quotes.
pub(super) fn is_bare(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '@' | '$')
}

struct Parser<'a> {
    field: &'a str,
    text: &'a str,
    position: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// A type and whether it may be null.
    fn whole_type(&mut self) -> Result<(DataType, bool), TypeError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("at most {DEPTH_MAX} types inside each other")));
        }
        self.depth += 1;
        let data_type = self.bare_type()?;
        self.depth -= 1;
        Ok((data_type, !self.not_null()?))
    }

    fn bare_type(&mut self) -> Result<DataType, TypeError> {
        self.next_char();
        let start = self.position;
        let word = self.word();
        let data_type = match word.to_ascii_lowercase().as_str() {
            "boolean" => DataType::Boolean,
            "tinyint" => DataType::Int8,
            "smallint" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => DataType::Float64,
            "decimal" => self.decimal()?,
            "string" | "varchar" | "text" => DataType::Utf8,
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => DataType::Time64(self.fraction_unit()?),
            "timestamp" => timestamp(self.fraction_unit()?),
            "list" => self.list()?,
            "struct" => self.structure()?,
            "map" => self.map()?,
            _ => {
                self.position = start;
                return Err(self.error("a type"));
            }
        };
        Ok(data_type)
    }

    fn not_null(&mut self) -> Result<bool, TypeError> {
        if !self.take_word("not") {
            return Ok(false);
        }
        if self.take_word("null") { Ok(true) } else { Err(self.error("`null` after `not`")) }
    }

    fn decimal(&mut self) -> Result<DataType, TypeError> {
        self.expect('(')?;
        let precision = self.number(1, DECIMAL_DIGITS_MAX, "a precision")?;
        self.expect(',')?;
        let scale = self.number(0, precision, "a scale")?;
        self.expect(')')?;
        Ok(DataType::Decimal128(precision, scale as i8))
    }

    /// The digits of a second's fraction: `(6)` or `(9)`; 6 where left out.
    fn fraction_unit(&mut self) -> Result<TimeUnit, TypeError> {
        if !self.take('(') {
            return Ok(TimeUnit::Microsecond);
        }
        self.next_char();
        let start = self.position;
        let unit = match self.word() {
            "6" => TimeUnit::Microsecond,
            "9" => TimeUnit::Nanosecond,
            _ => {
                self.position = start;
                return Err(self.error("6 or 9 (digits of the fraction of a second)"));
            }
        };
        self.expect(')')?;
        Ok(unit)
    }

    fn list(&mut self) -> Result<DataType, TypeError> {
        self.expect('<')?;
        let (item, nullable) = self.whole_type()?;
        self.expect('>')?;
        Ok(list(Field::new(Field::LIST_FIELD_DEFAULT_NAME, item, nullable)))
    }

    fn structure(&mut self) -> Result<DataType, TypeError> {
        self.expect('<')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.next_char();
            let start = self.position;
            let name = self.name()?;
            if fields.iter().any(|field| *field.name() == name) {
                self.position = start;
                return Err(self.error("a name that the struct does not have yet"));
            }
            self.take(':');
            let (data_type, nullable) = self.whole_type()?;
            fields.push(Field::new(name, data_type, nullable));
            if self.take('>') {
                return Ok(DataType::Struct(fields.into()));
            }
            if !self.take(',') {
                return Err(self.error("`,`, `>` or `not null`"));
            }
        }
    }

    fn map(&mut self) -> Result<DataType, TypeError> {
        self.expect('<')?;
        if !(self.take_word("string") || self.take_word("varchar") || self.take_word("text")) {
            return Err(self.error("`string` (the keys of a JSON object)"));
        }
        self.not_null()?;
        self.expect(',')?;
        let (value, nullable) = self.whole_type()?;
        self.expect('>')?;
        Ok(map(Field::new("value", value, nullable)))
    }

    /// A field's name, bare or in double quotes with `""` for one of them.
    fn name(&mut self) -> Result<String, TypeError> {
        if self.next_char() != Some('"') {
            let name = self.word();
            return if name.is_empty() {
                Err(self.error("the name of a field"))
            } else {
                Ok(name.to_owned())
            };
        }
        let mut name = String::new();
        let mut rest = self.text[self.position + 1..].char_indices();
        while let Some((index, character)) = rest.next() {
            if character != '"' {
                name.push(character);
            } else if rest.as_str().starts_with('"') {
                name.push('"');
                rest.next();
            } else {
                self.position += index + 2;
                return Ok(name);
            }
        }
        Err(self.error("a closing `\"` of the name"))
    }

    fn number(&mut self, least: u8, most: u8, what: &str) -> Result<u8, TypeError> {
        self.next_char();
        let start = self.position;
        match self.word().parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => {
                self.position = start;
                Err(self.error(format!("{what}, {least} to {most}")))
            }
        }
    }

    /// Skips space; the character that follows.
    fn next_char(&mut self) -> Option<char> {
        let rest = &self.text[self.position..];
        self.position = self.text.len() - rest.trim_start().len();
        self.text[self.position..].chars().next()
    }

    /// The letters, digits and marks that follow; maybe none.
    fn word(&mut self) -> &'a str {
        self.next_char();
        let rest = &self.text[self.position..];
        let word = &rest[..rest.find(|c| !is_bare(c)).unwrap_or(rest.len())];
        self.position += word.len();
        word
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let start = self.position;
        let taken = self.word().eq_ignore_ascii_case(wanted);
        if !taken {
            self.position = start;
        }
        taken
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.next_char() == Some(wanted);
        if taken {
            self.position += wanted.len_utf8();
        }
        taken
    }

    fn expect(&mut self, wanted: char) -> Result<(), TypeError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(format!("`{wanted}`"))) }
    }

    /// The error of what follows.
    fn error(&mut self, expected: impl Into<Cow<'static, str>>) -> TypeError {
        let next = self.next_char();
        let offset = self.position;
        let expected = expected.into();
        let word = self.word();
        let found = match next {
            None => "the end".to_owned(),
            Some(character) if word.is_empty() => format!("`{character}`"),
            Some(_) => format!("`{word}`"),
        };
        let hint = if expected == "a type" { hint(word) } else { None };
        let (field, text) = (self.field.to_owned(), self.text.to_owned());
        TypeError { field, text, offset, found, expected, hint }
    }
}

/// The type that an unknown word most likely means.
fn hint(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    if let Some((_, ours)) = ALIASES.iter().find(|(alias, _)| *alias == word) {
        return Some(ours);
    }
    let (distance, nearest) =
        NAMES.iter().map(|name| (edits(&word, name), *name)).min_by_key(|(edits, _)| *edits)?;
    (distance <= 2 && distance < word.len()).then_some(nearest)
}

/// Letters to insert, delete or replace to make one of the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
