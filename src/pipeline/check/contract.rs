//! A topic's declared fields as a contract: what a stage gives must meet it.
//!
//! A column meets its field if it has the type, and is never null where the
//! field says `not null`. A field that allows null takes a column that has none.
//! The order of the columns is not part of it.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use crate::{
    codec::schema::{DEPTH_MAX, depth, format_type},
    pipeline::{
        problem::{Place, Problems, did_you_mean},
        spec::{FieldSpec, TopicSpec},
    },
};

/// Comparisons of a name with all others are dear, and nobody reads so many.
const SUGGESTIONS_MAX: usize = 100;

/// Reports each column that is missing, one too many, or of another type.
pub(super) fn check(
    stage: &str,
    given: &Schema,
    declared: &Schema,
    topic: &TopicSpec,
    problems: &mut Problems,
) {
    let fields = topic.fields.as_deref().unwrap_or_default();
    let (columns, known) = (by_name(given), by_name(declared));
    let mut suggestions = SUGGESTIONS_MAX;
    for (spec, field) in fields.iter().zip(declared.fields()) {
        if let Some(column) = columns.get(field.name().as_str()) {
            check_type(stage, column, field, spec, problems);
            continue;
        }
        let spare = given.fields().iter().map(|column| column.name().as_str());
        let spare = spare.filter(|name| !known.contains_key(name));
        let message =
            format!("column `{}` is declared, and stage `{stage}` does not give it", field.name());
        let near = (suggestions > 0).then(|| did_you_mean(field.name(), spare)).flatten();
        suggestions = suggestions.saturating_sub(1);
        problems.error_hint(spec.name.place(), message, near);
    }
    for column in given.fields() {
        if !known.contains_key(column.name().as_str()) {
            let message = format!(
                "stage `{stage}` gives column `{}` ({}), which `fields` does not declare",
                column.name(),
                format_type(column)
            );
            let hint = "declare it, or leave it out of the SELECT".to_owned();
            problems.error_hint(&topic.name.place, message, hint);
        }
    }
}

/// The first field of each name.
fn by_name(schema: &Schema) -> HashMap<&str, &Field> {
    let fields = schema.fields().iter().rev();
    fields.map(|field| (field.name().as_str(), field.as_ref())).collect()
}

/// Reports columns whose type is nested deeper than a topic file could declare it.
pub(super) fn check_depth(given: &Schema, place: &Place, problems: &mut Problems) -> bool {
    let levels = |field: &&FieldRef| depth(field.data_type());
    let too_deep = given.fields().iter().find(|field| levels(field) > DEPTH_MAX);
    let Some(field) = too_deep else { return true };
    let message = format!(
        "the type of column `{}` has {} levels, and at most {DEPTH_MAX} are allowed",
        field.name(),
        levels(&field)
    );
    problems.error_hint(place, message, "leave out the inner levels".to_owned());
    false
}

fn check_type(
    stage: &str,
    column: &Field,
    field: &Field,
    spec: &FieldSpec,
    problems: &mut Problems,
) {
    let message = format!(
        "column `{}` is declared as `{}`, and stage `{stage}` gives `{}`",
        field.name(),
        format_type(field),
        format_type(column)
    );
    match fit(column, field) {
        Fit::Meets => {}
        Fit::Type => problems.error(spec.type_text.place(), message),
        Fit::Null => problems.error_hint(
            spec.type_text.place(),
            message,
            "leave out `not null`, or give a value in the SELECT with coalesce".to_owned(),
        ),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Meets,
    /// The type is right, and null where it must not be.
    Null,
    Type,
}

fn fit(column: &Field, field: &Field) -> Fit {
    let null = if column.is_nullable() && !field.is_nullable() { Fit::Null } else { Fit::Meets };
    null.max(fit_type(column.data_type(), field.data_type()))
}

/// By name inside a struct, as JSON is read.
fn fit_type(column: &DataType, field: &DataType) -> Fit {
    match (column, field) {
        (DataType::List(column), DataType::List(field))
        | (DataType::Map(column, _), DataType::Map(field, _)) => fit(column, field),
        (DataType::Struct(columns), DataType::Struct(fields)) if columns.len() == fields.len() => {
            let fits = fields.iter().map(|field| {
                let column = columns.iter().find(|column| column.name() == field.name());
                column.map_or(Fit::Type, |column| fit(column, field))
            });
            fits.max().unwrap_or(Fit::Meets)
        }
        (column, field) if column == field => Fit::Meets,
        _ => Fit::Type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::schema::parse_field;

    fn of(column: &str, field: &str) -> Fit {
        fit(&parse_field("a", column).unwrap(), &parse_field("a", field).unwrap())
    }

    #[test]
    fn a_column_meets_a_field_of_its_type_that_allows_as_much() {
        assert_eq!(of("int not null", "int"), Fit::Meets);
        assert_eq!(of("struct<a:int, b:string>", "struct<b:string, a:int>"), Fit::Meets);
        assert_eq!(of("list<int not null> not null", "list<int>"), Fit::Meets);
        assert_eq!(of("map<string, int not null>", "map<string, int>"), Fit::Meets);
    }

    #[test]
    fn null_and_type_are_told_apart_at_any_depth() {
        assert_eq!(of("int", "int not null"), Fit::Null);
        assert_eq!(of("list<struct<a:int>>", "list<struct<a:int not null>>"), Fit::Null);
        assert_eq!(of("int", "bigint not null"), Fit::Type);
        assert_eq!(of("struct<a:int>", "struct<a:int, b:int>"), Fit::Type);
        assert_eq!(of("struct<a:int, c:int>", "struct<a:int, b:int>"), Fit::Type);
        assert_eq!(of("map<string, int>", "map<string, bigint>"), Fit::Type);
    }
}
