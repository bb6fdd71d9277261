//! A scalar, and the way back from a place in it to the place in the file.

use std::{borrow::Borrow, fmt, sync::Arc};

use saphyr_parser::ScalarStyle;

use crate::pipeline::problem::Place;

/// The text of a scalar, unfolded and unescaped, and where it was written.
#[derive(Clone)]
pub struct Text {
    value: String,
    place: Place,
    style: ScalarStyle,
    source: Arc<str>,
    /// Bytes of the source before the scalar.
    start: usize,
}

impl Text {
    pub(super) fn new(
        value: String,
        place: Place,
        style: ScalarStyle,
        source: &Arc<str>,
        start: usize,
    ) -> Self {
        Self { value, place, style, source: Arc::clone(source), start }
    }

    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Where the scalar begins: its first letter or quote.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it was written without quotes, so that it may be a number.
    pub fn is_plain(&self) -> bool {
        self.style == ScalarStyle::Plain
    }

    pub fn is_null(&self) -> bool {
        self.is_plain() && matches!(self.value.as_str(), "" | "~" | "null")
    }

    /// Where the character at `line` and `column` of the text (both from 1)
    /// stands in the file; where the scalar begins if it cannot be told.
    ///
    /// Folding and indentation change nothing but white space, so the way back
    /// counts what is not white space. An escape in a quoted scalar is where it
    /// cannot be told.
    pub fn locate(&self, line: usize, column: usize) -> Place {
        self.written_at(self.offset(line, column)).unwrap_or_else(|| self.place.clone())
    }

    /// Like [`Text::locate`], for a byte offset into the text.
    pub fn locate_offset(&self, offset: usize) -> Place {
        self.written_at(offset).unwrap_or_else(|| self.place.clone())
    }

    /// The byte offset of a line and column.
    fn offset(&self, line: usize, column: usize) -> usize {
        let mut lines = self.value.split_inclusive('\n');
        let before: usize = lines.clone().take(line.saturating_sub(1)).map(str::len).sum();
        let line = lines.nth(line.saturating_sub(1)).unwrap_or_default();
        let within = line.char_indices().nth(column.saturating_sub(1));
        before + within.map_or(line.trim_end().len(), |(offset, _)| offset)
    }

    fn written_at(&self, offset: usize) -> Option<Place> {
        let mut wanted = self.value.char_indices().filter(|(_, c)| !c.is_whitespace());
        let (mut line, mut column) = (self.place.line, self.place.column);
        let mut skip = usize::from(matches!(
            self.style,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
        ));
        let mut written = self.source.get(self.start..)?.chars();
        let mut next = wanted.next();
        while let Some((position, expected)) = next {
            let found = written.next()?;
            let here = column;
            if found == '\n' {
                (line, column) = (line + 1, 1);
                continue;
            }
            column += 1;
            if found.is_whitespace() {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if found != expected {
                return None;
            }
            if position >= offset {
                return Some(Place { file: Arc::clone(&self.place.file), line, column: here });
            }
            // A quote is written twice in single quotes.
            skip = usize::from(self.style == ScalarStyle::SingleQuoted && found == '\'');
            next = wanted.next();
        }
        // Past the last character, as an unexpected end of a SELECT is.
        Some(Place { file: Arc::clone(&self.place.file), line, column })
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.value
    }
}

impl PartialEq for Text {
    /// Same text at the same place; the source goes without saying.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.place == other.place
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.value, self.place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::pipeline::yaml::{Node, Value, parse};

    fn find<'n>(node: &'n Node, key: &str) -> &'n super::Text {
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        match &entries.iter().find(|(name, _)| name.as_str() == key).unwrap().1.value {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Where `needle` of the scalar `sql` is said to stand, and where it does.
    fn both(source: &str, needle: &str) -> ((usize, usize), (usize, usize)) {
        let node = parse(&"f".into(), source).unwrap().unwrap();
        let text = find(&node, "sql");
        let before = &text.as_str()[..text.as_str().find(needle).unwrap()];
        let (line, column) = position(before);
        let said = text.locate(line, column);
        ((said.line, said.column), position(&source[..source.find(needle).unwrap()]))
    }

    fn position(before: &str) -> (usize, usize) {
        let last = before.rsplit('\n').next().unwrap();
        (before.matches('\n').count() + 1, last.chars().count() + 1)
    }

    #[test]
    fn a_place_in_a_select_leads_back_to_the_file_in_every_style() {
        for source in [
            "sql: SELECT a, bad FROM input\n",
            "x: 1\nsql: |\n  SELECT é,\n    bad\n  FROM input\n",
            "sql: | # comment\n\n      SELECT a,\n\n        bad\n",
            "sql: |2-\n    SELECT a, bad\n",
            "sql: >\n  SELECT a,\n  b, bad\n  FROM input\n",
            "sql: SELECT a,\n  b, bad\n  FROM input\n",
            "sql: 'SELECT ''x'',\n  bad'\n",
            "sql: \"SELECT a, bad\"\n",
            "{sql: SELECT a bad, c: d}\n",
        ] {
            let (said, is) = both(source, "bad");
            assert_eq!(said, is, "{source}");
        }
    }

    #[test]
    fn behind_an_escape_the_start_of_the_scalar_is_named() {
        let (said, _) = both("sql: \"SELECT \\x41, bad\"\n", "bad");
        assert_eq!(said, (1, 6));
    }

    #[test]
    fn the_end_of_the_text_is_behind_its_last_character() {
        let node = parse(&"f".into(), "sql: SELECT\nb: 1\n").unwrap().unwrap();
        assert_eq!(find(&node, "sql").locate(1, 7).to_string(), "f:1:12");
    }

    proptest! {
        #[test]
        fn in_a_block_every_word_is_found_again(
            lines in proptest::collection::vec("[a-z(,)']{1,9}( [a-z=<>]{1,5}){0,3}", 1..6),
            indent in 2_usize..6,
            pick in 0_usize..6,
        ) {
            let pick = pick % lines.len();
            let margin = " ".repeat(indent);
            let block = lines.join(&format!("\n{margin}"));
            let source = format!("a: 1\nsql: |\n{margin}{block}\n");
            let node = parse(&"f".into(), &source).unwrap().unwrap();
            let place = find(&node, "sql").locate(pick + 1, 1);
            prop_assert_eq!((place.line, place.column), (3 + pick, indent + 1));
        }
    }
}
