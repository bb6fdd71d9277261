//! Why a SELECT cannot be planned: what, where in its text, and what to do.

use datafusion_common::{
    Column, DataFusionError, SchemaError, utils::datafusion_strsim::levenshtein,
};
use datafusion_sql::sqlparser::{parser::ParserError, tokenizer::Location};

use crate::transform::error::shorten;

/// A SELECT that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct SqlError {
    pub message: String,
    /// Line in the SQL text, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SqlError {
    pub(super) fn new(location: Location, message: impl Into<String>) -> Self {
        // A location of zeros is sqlparser's "unknown".
        Self {
            message: message.into(),
            line: (location.line as usize).max(1),
            column: (location.column as usize).max(1),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A parser's error carries its location at the end of its text.
    pub(super) fn from_parser(error: &ParserError) -> Self {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
            ParserError::RecursionLimitExceeded => "the expression is nested too deeply",
        };
        let (message, location) = split_location(text);
        Self::new(location, format!("cannot parse the SQL: {}", shorten(message)))
    }

    /// Takes the planner's location where it gives one, or else `fallback`.
    pub(super) fn from_planner(error: &DataFusionError, fallback: Location) -> Self {
        let location = location_of(error).unwrap_or(fallback);
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => from_schema_error(schema, location),
            DataFusionError::SQL(parser, _) => Self::from_parser(parser),
            DataFusionError::Collection(errors) if !errors.is_empty() => {
                Self::from_planner(&errors[0], fallback)
            }
            root => from_message(&root.strip_backtrace(), location),
        }
    }
}

/// Where the planner says that the error is.
pub(super) fn location_of(error: &DataFusionError) -> Option<Location> {
    let span = error.diagnostic()?.span?;
    Some(Location::new(span.start.line, span.start.column))
}

/// `… at Line: 3, Column: 14`
fn split_location(text: &str) -> (&str, Location) {
    let unknown = Location::new(0, 0);
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text, unknown);
    };
    let Some((line, column)) = place.split_once(", Column: ") else {
        return (text, unknown);
    };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message, Location::new(line, column)),
        _ => (text, unknown),
    }
}

fn from_schema_error(error: &SchemaError, location: Location) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let error = SqlError::new(location, format!("no column `{}`", field.name));
            match hint_for_column(&field.name, valid_fields) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new(location, format!("column `{}` is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            SqlError::new(location, format!("two columns are named `{name}`"))
                .with_hint("give each column a name of its own with AS")
        }
    }
}

fn hint_for_column(wanted: &str, columns: &[Column]) -> Option<String> {
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.dedup();
    if let Some(name) = names.iter().find(|name| name.eq_ignore_ascii_case(wanted)) {
        return Some(format!("names are lower-cased unless quoted: write \"{name}\""));
    }
    let list = names.join(", ");
    match closest(wanted, names.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`? Columns: {list}")),
        None if list.is_empty() => None,
        None => Some(format!("columns: {list}")),
    }
}

/// The name that is nearest to `wanted`, where one is near.
pub(super) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (levenshtein(wanted, name), name))
        .filter(|(distance, name)| *distance <= 1 + wanted.len().min(name.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

fn from_message(text: &str, location: Location) -> SqlError {
    let text = plain(text);
    if let Some((name, rest)) =
        text.strip_prefix("Invalid function '").and_then(|text| text.split_once('\''))
    {
        let error = SqlError::new(location, format!("no function `{name}`"));
        let near = rest.split_once("Did you mean '").map(|(_, near)| near.trim_end_matches("'?"));
        let near = near.and_then(|near| closest(name, std::iter::once(near)));
        return match (instead_of(name), near) {
            (Some(instead), _) => error.with_hint(format!("write {instead}")),
            (None, Some(near)) => error.with_hint(format!("did you mean `{near}`?")),
            (None, None) => error,
        };
    }
    if text.starts_with("Projections require unique expression names") {
        return SqlError::new(location, "two columns have one name")
            .with_hint("give each column a name of its own with AS");
    }
    let field =
        text.strip_prefix("Field ").and_then(|text| text.split_once(" not found in struct"));
    if let Some((field, _)) = field {
        return SqlError::new(location, format!("no field `{field}` in the struct"));
    }
    if text.starts_with("Dot access not supported") {
        return SqlError::new(location, "a field cannot be taken with a dot here")
            .with_hint("take it with brackets: items[1]['price']");
    }
    SqlError::new(location, shorten(text).trim_end_matches('.'))
}

/// What to write here for a function of another database.
fn instead_of(function: &str) -> Option<&'static str> {
    Some(match function {
        "if" | "iif" | "iff" => "CASE WHEN … THEN … ELSE … END",
        "size" | "array_size" | "len" => "cardinality(list), or length(text)",
        "split" => "string_to_array(text, ',')",
        "transform" | "list_apply" => "array_transform(list, x -> …)",
        "filter" => "array_filter(list, x -> …)",
        "exists" | "any_match" | "list_any" => "array_any_match(list, x -> …)",
        "element_at" => "list[1], or map_extract(map, key)[1]",
        "map_from_entries" => "map(keys, values)",
        "format" | "printf" => "concat(…), or a || b",
        "date_diff" | "datediff" | "timestampdiff" | "age" => {
            "CAST(b - a AS BIGINT), which is in microseconds"
        }
        "date_add" | "dateadd" | "date_sub" => "a + INTERVAL '1 day'",
        "json_value"
        | "json_query"
        | "json_extract"
        | "json_extract_path_text"
        | "get_json_object"
        | "parse_json"
        | "from_json" => "the fields of the JSON into the topic file, as a struct",
        _ => return None,
    })
}

/// An error's text without the names of the libraries' own kinds.
pub(super) fn plain(mut text: &str) -> &str {
    let kinds = [
        "Arrow error: ",
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "Internal error: ",
        "Optimizer error: ",
        "This feature is not implemented: ",
    ];
    if let Some((_, cause)) = text.split_once("coercion failed with: ") {
        text = cause.split(" No function matches").next().unwrap_or(cause);
    }
    for kind in kinds {
        text = text.strip_prefix(kind).unwrap_or(text);
    }
    text
}
