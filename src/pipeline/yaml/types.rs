//! Lets a type stand unquoted: `items: list<struct<sku: string, qty: int>>`.
//!
//! To YAML a colon and a space inside such a value begin a map where none may
//! stand. So the space is hidden from the parser, and shown again in what it
//! read; places stay as they are, for the stand-in is one character too.

use std::borrow::Cow;

/// Of the private use area: printable to YAML, and in nobody's file.
const HIDDEN: char = '\u{E0FE}';

/// Words that open a type with fields or entries.
const OPENING: [&str; 3] = ["list<", "struct<", "map<"];

/// Hides each space that follows a colon inside the angle brackets of a type.
pub(super) fn hide(source: &str) -> Cow<'_, str> {
    if source.contains(HIDDEN) || !source.contains('<') {
        return Cow::Borrowed(source);
    }
    let mut hidden = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some(start) = next_type(rest) {
        let (before, from_type) = rest.split_at(start);
        hidden.push_str(before);
        // Without its closing bracket it is no type, so it is left alone.
        let end = closing(from_type).unwrap_or(from_type.find('<').map_or(0, |at| at + 1));
        let (type_text, after) = from_type.split_at(end);
        let mut last = ' ';
        for c in type_text.chars() {
            hidden.push(if last == ':' && c == ' ' { HIDDEN } else { c });
            last = c;
        }
        rest = after;
    }
    hidden.push_str(rest);
    Cow::Owned(hidden)
}

/// Undoes [`hide`] in a value.
pub(super) fn show(value: Cow<'_, str>) -> String {
    if value.contains(HIDDEN) { value.replace(HIDDEN, " ") } else { value.into_owned() }
}

/// Where the next type with angle brackets begins.
fn next_type(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(bracket) = text[from..].find('<').map(|at| from + at) {
        let opening = OPENING.iter().find(|opening| {
            let start = (bracket + 1).checked_sub(opening.len());
            start
                .and_then(|start| text.get(start..=bracket))
                .is_some_and(|word| word.eq_ignore_ascii_case(opening))
        });
        if let Some(opening) = opening {
            return Some(bracket + 1 - opening.len());
        }
        from = bracket + 1;
    }
    None
}

/// Behind the bracket that closes the type's first one, which is no more than a
/// few lines away.
fn closing(type_text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in type_text.char_indices().take(4096) {
        match c {
            '<' => depth += 1,
            '>' if depth == 1 => return Some(at + 1),
            '>' => depth = depth.checked_sub(1)?,
            '"' | '\'' | '#' | '{' | '[' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_spaces_behind_colons_inside_a_type_are_hidden() {
        let hidden = hide("a: list<struct<b: int, c: map<string, int>>> not null\nd: e < f: g\n");
        assert_eq!(
            hidden.replace(HIDDEN, "~"),
            "a: list<struct<b:~int, c:~map<string, int>>> not null\nd: e < f: g\n"
        );
    }

    #[test]
    fn a_type_that_is_not_closed_hides_nothing() {
        assert_eq!(hide("a: struct<b: int\nc: {d: e}\n"), "a: struct<b: int\nc: {d: e}\n");
    }

    proptest! {
        #[test]
        fn hiding_keeps_every_character_in_its_place(
            text in "(list<|struct<|map<|é|[a-z:<> '#\n]){0,40}"
        ) {
            let hidden = hide(&text);
            prop_assert_eq!(hidden.chars().count(), text.chars().count());
            prop_assert_eq!(show(hidden), text);
        }
    }
}
