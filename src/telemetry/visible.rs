//! Text of others on a terminal: characters that move the cursor, change what is around
//! them or cannot be seen are shown as escapes.
//!
//! An escape is written as in JSON (`\u001b`), so that a line of JSON keeps its meaning.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use tracing_subscriber::fmt::MakeWriter;

/// `text` as a part of a line: a name, a key, a cell of a table.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '\n' | '\t') || is_hidden(c))
}

/// `text` of whole lines, or of JSON: line ends and tabs stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escape(text, is_hidden)
}

/// Control characters but line ends and tabs, and what is laid out without being seen:
/// marks of direction, of no width, and tags.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let (clean, rest) = text.split_at(first);
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(clean);
    for c in rest.chars() {
        match c {
            c if !is_escaped(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(escaped)
}

/// Standard error for log lines, of which each comes whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct VisibleStderr {
    /// Escapes that set colours stay: those of fields are no longer there.
    pub(super) color: bool,
}

impl VisibleStderr {
    fn line(self, text: &str) -> Cow<'_, str> {
        let (line, end) = text.strip_suffix('\n').map_or((text, ""), |line| (line, "\n"));
        let line = escape(line, |c| {
            matches!(c, '\n' | '\t') || (is_hidden(c) && !(self.color && c == '\u{1b}'))
        });
        if end.is_empty() || matches!(line, Cow::Borrowed(_)) {
            return if end.is_empty() { line } else { Cow::Borrowed(text) };
        }
        Cow::Owned(line.into_owned() + end)
    }
}

impl<'w> MakeWriter<'w> for VisibleStderr {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

impl Write for VisibleStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(self.line(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_or_hide_is_an_escape() {
        for (text, shown) in [
            ("red\u{1b}[31mALERT\u{1b}[2J\u{7}", "red\\u001b[31mALERT\\u001b[2J\\u0007"),
            ("a\nb\tc\r", "a\\nb\\tc\\u000d"),
            ("\u{9b}31m\u{7f}", "\\u009b31m\\u007f"),
            ("user\u{202e}cod.exe", "user\\u202ecod.exe"),
            ("a\u{200b}b\u{feff}", "a\\u200bb\\ufeff"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(visible(text), shown);
        }
        for text in ["orders.extracted", "Größe 价格 🦀", "a\\nb", ""] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(visible_lines("a\n\tb\u{1b}"), "a\n\tb\\u001b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value =
            serde_json::json!({ "name": "a\u{1b}\u{202e}\u{7f}\u{e0041}\n", "\u{200b}": 1 });
        let text = value.to_string();
        let shown = visible_lines(&text);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_log_line_stays_one_line() {
        let plain = VisibleStderr { color: false };
        assert_eq!(plain.line("INFO a\nb\u{1b}[2J\n"), "INFO a\\nb\\u001b[2J\n");
        assert_eq!(plain.line("INFO a\n"), "INFO a\n");
        let color = VisibleStderr { color: true };
        assert_eq!(
            color.line("\u{1b}[32mINFO\u{1b}[0m a\u{7}\n"),
            "\u{1b}[32mINFO\u{1b}[0m a\\u0007\n"
        );
    }
}
