//! Lets a type stand unquoted: `items: list<struct<sku: string, qty: int>>`.
//!
//! To YAML a colon and a space inside such a value begin a map where none may
//! stand, and in `{ type: … }` a comma ends it. So both are hidden from the parser,
//! and shown again in what it read; places stay as they are, for each stand-in is one
//! character, too.

use std::{borrow::Cow, ops::Range};

/// Stands for a space. Of the private use area: printable to YAML, and in nobody's
/// file.
const HIDDEN: char = '\u{E0FE}';
/// Stands for a comma.
const HIDDEN_COMMA: char = '\u{E0FD}';

/// Words that open a type with fields or entries.
const OPENING: [&str; 3] = ["list<", "struct<", "map<"];

/// Longest type without quotes, in bytes.
pub(super) const UNQUOTED_MAX: usize = 1 << 20;

/// Hides each space that follows a colon, and each comma, inside the angle brackets
/// of a type.
pub(super) fn hide(source: &str) -> Cow<'_, str> {
    if source.contains([HIDDEN, HIDDEN_COMMA]) || !source.contains('<') {
        return Cow::Borrowed(source);
    }
    let mut hidden = String::with_capacity(source.len() + 64);
    let mut rest = 0;
    for Range { start, end } in types(source) {
        hidden.push_str(&source[rest..start]);
        let mut last = ' ';
        for c in source[start..end].chars() {
            hidden.push(match c {
                ' ' if last == ':' => HIDDEN,
                ',' => HIDDEN_COMMA,
                c => c,
            });
            last = c;
        }
        rest = end;
    }
    hidden.push_str(&source[rest..]);
    Cow::Owned(hidden)
}

/// Undoes [`hide`] in a value.
pub(super) fn show(value: Cow<'_, str>) -> String {
    if value.contains([HIDDEN, HIDDEN_COMMA]) {
        value.replace(HIDDEN, " ").replace(HIDDEN_COMMA, ",")
    } else {
        value.into_owned()
    }
}

/// Whether a type with fields or entries begins before the end of `text`.
pub(super) fn has_type(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| opens(text, at))
}

/// Whether the bracket at `bracket` opens a type.
fn opens(text: &str, bracket: usize) -> bool {
    OPENING.iter().any(|opening| {
        let start = (bracket + 1).checked_sub(opening.len());
        let word = start.and_then(|start| text.get(start..=bracket));
        word.is_some_and(|word| word.eq_ignore_ascii_case(opening))
    })
}

/// The contents of the outermost types that are closed, in one pass: a hostile
/// file has as many brackets as it has bytes.
fn types(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    // Brackets that are open, and whether each is that of a type.
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' => open.push((at, opens(text, at))),
            b'>' => {
                let Some((start, true)) = open.pop() else { continue };
                if at - start <= UNQUOTED_MAX {
                    // Types inside this one were found before it.
                    while found.last().is_some_and(|inner| inner.start > start) {
                        found.pop();
                    }
                    found.push(start..at + 1);
                }
            }
            // A quote, a comment or another map: this is not a type.
            b'"' | b'\'' | b'#' | b'{' | b'[' => open.clear(),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_spaces_behind_colons_and_commas_inside_a_type_are_hidden() {
        let hidden =
            hide("a: list<struct<b: int, c: map<string, int>>> not null\nd: e < f, g: h\n");
        assert_eq!(
            hidden.replace(HIDDEN, "~").replace(HIDDEN_COMMA, "^"),
            "a: list<struct<b:~int^ c:~map<string^ int>>> not null\nd: e < f, g: h\n"
        );
    }

    #[test]
    fn a_long_type_and_many_open_brackets_are_read_in_one_pass() {
        let fields: Vec<String> = (0..20_000).map(|at| format!("f{at}: int")).collect();
        let source = format!("a: struct<{}>\n", fields.join(", "));
        let begun = std::time::Instant::now();
        assert_eq!(hide(&source).matches(HIDDEN).count(), 20_000);
        let open = "struct<".repeat(100_000);
        assert_eq!(hide(&open), open);
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
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
