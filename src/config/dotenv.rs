//! A `.env` file: `NAME=value` a line.
//!
//! `export` before the name, comments, and quotes are understood: in double
//! quotes `\n`, `\t`, `\"`, `\\` and `\$` are escapes, in single quotes nothing
//! is. There is no substitution of `$NAME`: a file that asks for it is refused
//! rather than read as something else.

use std::sync::Arc;

use super::error::{Origin, SettingProblem};
use crate::pipeline::problem::Place;

/// A variable of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Place,
}

/// Reads all lines; a line that cannot be read is a problem and left out.
pub(super) fn parse(
    file: &Arc<str>,
    text: &str,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Variable> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place::new(file, index + 1, 1);
        match parse_line(line) {
            Ok((name, value)) => variables.push(Variable { name: name.to_owned(), value, place }),
            Err(message) => {
                problems.push(SettingProblem::new("", Origin::File(place), message));
            }
        }
    }
    variables
}

fn parse_line(line: &str) -> Result<(&str, String), &'static str> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or("not `NAME=value`")?;
    let name = name.trim_end();
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a name has letters, digits and `_`, and begins with no digit");
    }
    let value = value.trim_start();
    let (value, rest) = match value.chars().next() {
        Some('\'') => single_quoted(&value[1..])?,
        Some('"') => double_quoted(&value[1..])?,
        _ => return bare(value).map(|value| (name, value)),
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("text behind the closing quote");
    }
    Ok((name, value))
}

const SUBSTITUTION: &str =
    "`$` asks for substitution, which is not done; put the value in single quotes";

fn bare(value: &str) -> Result<String, &'static str> {
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim_end();
    let value = if value.starts_with('#') { "" } else { value };
    if value.contains('$') { Err(SUBSTITUTION) } else { Ok(value.to_owned()) }
}

fn single_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let (value, rest) = text.split_once('\'').ok_or("no closing `'`")?;
    Ok((value.to_owned(), rest))
}

fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '$' => return Err(SUBSTITUTION),
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$')) => c,
                _ => return Err("an unknown escape; known are \\n \\t \\\" \\\\ \\$"),
            }),
            c => value.push(c),
        }
    }
    Err("no closing `\"`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut problems = Vec::new();
        let variables = parse(&".env".into(), text, &mut problems);
        (
            variables.into_iter().map(|variable| (variable.name, variable.value)).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn values_are_read_as_a_shell_would() {
        let (variables, problems) = read(concat!(
            "# a comment\n\nA=1\nexport B = two words # comment\nC='a # \"b\" $x'\n",
            "D=\"line\\n\\\"q\\\" \\$1\" # c\nE=\nF=a#b\nG= # nothing\n",
        ));
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a # \"b\" $x"),
            ("D", "line\n\"q\" $1"),
            ("E", ""),
            ("F", "a#b"),
            ("G", ""),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_the_others_stand() {
        let (variables, problems) = read("A\n1B=x\nC=$HOME\nD='x\nE=\"x\" y\nF=ok\nG=\"\\x\"\n");
        assert_eq!(variables, [("F".to_owned(), "ok".to_owned())]);
        assert_eq!(problems.len(), 6);
        assert_eq!(problems[0], ".env:1:1: not `NAME=value`");
        assert!(problems[2].starts_with(".env:3:1: `$` asks for substitution"));
    }

    proptest! {
        #[test]
        fn any_value_survives_single_quotes(value in "[^'\r\n]{0,40}") {
            let (variables, problems) = read(&format!("X='{value}'"));
            prop_assert_eq!(variables, [("X".to_owned(), value)]);
            prop_assert!(problems.is_empty());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}(\n\\PC{0,60}){0,3}") {
            let _read = read(&text);
        }
    }
}
