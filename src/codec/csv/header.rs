//! The header of a file beside the fields of its topic.

use std::{collections::BTreeMap, fmt::Write as _};

use arrow::datatypes::Schema;

use super::CsvOptions;

/// The column of `--columns` that becomes no field.
const LEFT_OUT: &str = "-";

/// Delimiters that a header is tried with, and their names.
const DELIMITERS: [(u8, &str, &str); 4] =
    [(b',', "commas", ","), (b';', "semicolons", ";"), (b'\t', "tabs", "tab"), (b'|', "bars", "|")];

/// Why a file cannot be read as rows of its topic; nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeaderError(String);

impl HeaderError {
    pub(super) fn empty() -> Self {
        Self("the file has no header line".to_owned())
    }

    pub(super) fn no_names() -> Self {
        Self("`--no-header` needs `--columns`, as the topic declares no fields".to_owned())
    }

    pub(super) fn not_utf8() -> Self {
        Self("the header is not valid UTF-8; save the file as UTF-8".to_owned())
    }

    pub(super) fn other_number(given: usize, names: &[String]) -> Self {
        let text = format!(
            "`--columns` names {given} columns, and the header has {}: {}",
            names.len(),
            quoted(names)
        );
        Self(text)
    }
}

/// The first line of a file without its byte order mark, which is of no record.
///
/// # Errors
///
/// The mark of UTF-16.
pub fn without_mark(line: &[u8]) -> Result<&[u8], HeaderError> {
    if line.starts_with(b"\xFF\xFE") || line.starts_with(b"\xFE\xFF") {
        return Err(HeaderError("the file is UTF-16; save it as UTF-8".to_owned()));
    }
    Ok(line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line))
}

/// The error of a header line whose quotes are wrong; another delimiter is a likely reason.
pub(super) fn malformed(
    line: &str,
    reason: &str,
    schema: &Schema,
    options: &CsvOptions,
) -> HeaderError {
    let names = [line.to_owned()];
    match wrong_delimiter(&names, schema, options) {
        Some(wrong) => HeaderError(message(&names, schema, Vec::new(), Some(wrong))),
        None => HeaderError(format!("the header {} cannot be read: {reason}", quoted(&names))),
    }
}

/// For each column the index of its field; `None`: the column is left out.
///
/// # Errors
///
/// All columns that are not fields, occur twice or are missing.
pub(super) fn check(
    names: &[String],
    schema: &Schema,
    key: Option<&str>,
    options: &CsvOptions,
) -> Result<Vec<Option<usize>>, HeaderError> {
    let is_named = options.columns.is_some();
    let left_out = |name: &String| is_named && name == LEFT_OUT;
    let kept = || names.iter().filter(|name| !left_out(name));
    let mut problems = Vec::new();
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    kept().for_each(|name| *times.entry(name).or_default() += 1);
    for (name, times) in &times {
        if *times > 1 {
            problems.push(format!("`{}` occurs {times} times", name.escape_debug()));
        }
    }
    if schema.fields().is_empty() {
        if names.iter().any(String::is_empty) {
            problems.push("a column has no name".to_owned());
        }
    } else {
        problems.extend(times.keys().filter_map(|name| unknown(name, schema)));
        problems.extend(schema.fields().iter().filter_map(|field| {
            let name = field.name();
            let why = match (is_named, field.is_nullable()) {
                _ if times.contains_key(name) => return None,
                (_, false) => " (not null)",
                _ if key == Some(name) => " (the key)",
                (true, true) => return None,
                (false, true) => "",
            };
            Some(format!("no column for `{name}`{why}"))
        }));
    }
    let wrong = wrong_delimiter(names, schema, options);
    if problems.is_empty() && wrong.is_none() {
        let index = |name: &String| schema.index_of(name).unwrap_or(usize::MAX);
        return Ok(names.iter().map(|n| (!left_out(n)).then(|| index(n))).collect());
    }
    Err(HeaderError(message(names, schema, problems, wrong)))
}

fn message(
    names: &[String],
    schema: &Schema,
    problems: Vec<String>,
    wrong: Option<String>,
) -> String {
    if let Some(wrong) = wrong {
        return format!("the header is {}; {wrong}", quoted(names));
    }
    let mut text = problems.join("; ");
    let fields: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if !fields.is_empty() {
        let _ = write!(
            text,
            ". The fields of the topic are {}. Correct the header, or name the field of each \
             column with `--columns`, where `-` leaves a column out and a field that is not named \
             is null",
            quoted(&fields)
        );
    }
    text
}

/// What is wrong with a name that is no field.
fn unknown(name: &str, schema: &Schema) -> Option<String> {
    let fields = || schema.fields().iter().map(|field| field.name().as_str());
    if fields().any(|field| field == name) {
        return None;
    }
    if name.is_empty() {
        return Some("a column has no name".to_owned());
    }
    let shown = name.escape_debug();
    let trimmed = name.trim();
    if let Some(field) = fields().find(|field| *field == trimmed) {
        return Some(format!("`{shown}` has spaces around `{field}`"));
    }
    if let Some(field) = fields().find(|field| field.to_lowercase() == trimmed.to_lowercase()) {
        return Some(format!("`{shown}` is written `{field}` in the topic file"));
    }
    let distance = |field: &str| strsim::damerau_levenshtein(trimmed, field);
    let close = fields().min_by_key(|field| distance(field)).filter(|field| {
        distance(field) <= (field.chars().count().max(trimmed.chars().count()) / 3).max(1)
    });
    let hint = close.map_or_else(String::new, |field| format!("; did you mean `{field}`?"));
    Some(format!("`{shown}` is not a field{hint}"))
}

/// The delimiter with which more of the header would be fields.
fn wrong_delimiter(names: &[String], schema: &Schema, options: &CsvOptions) -> Option<String> {
    let used = options.delimiter.unwrap_or(b',');
    if options.columns.is_some() || options.no_header {
        return None;
    }
    let is_field = |name: &str| {
        let name = name.trim().trim_matches('"');
        schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name))
    };
    let known = names.iter().filter(|name| is_field(name)).count();
    let header = names.join(&char::from(used).to_string());
    let other = DELIMITERS.iter().filter(|(delimiter, ..)| *delimiter != used).find(|other| {
        let parts = || header.split(char::from(other.0));
        if schema.fields().is_empty() {
            names.len() == 1 && parts().count() > 1
        } else {
            parts().filter(|part| is_field(part)).count() > known
        }
    });
    other.map(|(_, name, option)| {
        format!("its names are separated by {name}: use `--delimiter '{option}'`")
    })
}

fn quoted(names: &[String]) -> String {
    let shown = names.iter().map(|name| format!("`{}`", name.escape_debug()));
    shown.collect::<Vec<_>>().join(", ")
}
