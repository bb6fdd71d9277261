//! Lines to rows: where fields end, and what quotes keep together.
//!
//! A quoted field may hold line ends, so a quote that is never closed could take
//! the rest of the file. Therefore the lines of an open row are kept: where it
//! turns out not to be a row, its first line alone is bad, and the others are
//! read again.

use super::ROW_BYTES_MAX;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that is complete.
    Nothing,
    /// A line without text.
    Blank,
    Row,
    /// A line that is not a row, and why.
    Bad(&'static str),
}

#[derive(Debug)]
pub(super) struct Rows {
    splitter: Splitter,
    /// Lines that are not settled.
    lines: Vec<u8>,
    /// Where in `lines` the last row that was found begins and ends.
    found: (usize, usize),
    /// How far the splitter has read.
    scanned: usize,
    /// The line of the file in which the last row that was found begins.
    line: u64,
    /// Lines of that row.
    height: u64,
    is_end: bool,
}

impl Rows {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            splitter: Splitter::new(delimiter),
            lines: Vec::new(),
            found: (0, 0),
            scanned: 0,
            line: 1,
            height: 0,
            is_end: false,
        }
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        // Nothing of what was found is asked for any more.
        let start = self.found.1;
        self.lines.drain(..start);
        self.scanned -= start;
        self.found = (0, 0);
        self.lines.extend_from_slice(line);
    }

    pub(super) fn end(&mut self) {
        self.is_end = true;
    }

    pub(super) fn next(&mut self) -> Found {
        let start = self.found.1;
        self.line += self.height;
        self.height = 0;
        self.splitter.begin_unless_open(self.scanned > start);
        while self.scanned < self.lines.len() {
            let end = line_end(&self.lines, self.scanned);
            let (text, line_end) = parted(&self.lines[self.scanned..end]);
            if self.scanned == start && text.trim_ascii().is_empty() {
                return self.settle(end, 1, Found::Blank);
            }
            match self.splitter.feed(text, line_end) {
                Fed::Row => {
                    let height = count_lines(&self.lines[start..end]);
                    return self.settle(end, height, Found::Row);
                }
                Fed::Open if end - start <= ROW_BYTES_MAX => self.scanned = end,
                Fed::Open => return self.give_up("a quote is not closed"),
                Fed::Bad(reason) => return self.give_up(reason),
            }
        }
        if self.is_end && start < self.lines.len() {
            return self.give_up("a quote is not closed");
        }
        Found::Nothing
    }

    /// The first line of the open row is bad; what follows is read again.
    fn give_up(&mut self, reason: &'static str) -> Found {
        let end = line_end(&self.lines, self.found.1);
        self.settle(end, 1, Found::Bad(reason))
    }

    fn settle(&mut self, end: usize, height: u64, found: Found) -> Found {
        self.found = (self.found.1, end);
        self.scanned = end;
        self.height = height;
        self.splitter.close();
        found
    }

    /// The fields of the row that was found; `None` where they are not UTF-8.
    pub(super) fn text(&self) -> Option<Fields<'_>> {
        // Cut at ASCII, so each field is whole where the row is.
        let text = std::str::from_utf8(&self.splitter.text).ok()?;
        Some(Fields { text, ends: &self.splitter.ends })
    }

    /// The text of what was found, without its line end.
    pub(super) fn raw(&self) -> &[u8] {
        parted(&self.lines[self.found.0..self.found.1]).0
    }

    /// The line in which it begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

/// The fields of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    pub(super) fn len(self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let field = &self.text[start..*end];
            start = *end;
            field
        })
    }
}

fn line_end(lines: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &lines[start..]).map_or(lines.len(), |end| start + end + 1)
}

fn count_lines(lines: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', lines).count() as u64;
    ends + u64::from(lines.last() != Some(&b'\n'))
}

/// A line's text and its end.
fn parted(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    line.split_at(text.len())
}

/// The state of a row that is read line by line.
#[derive(Debug)]
struct Splitter {
    delimiter: u8,
    state: State,
    /// The fields without their quotes, back to back.
    text: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or half of a quote.
    Quote,
}

enum Fed {
    Row,
    /// A quoted field goes on in the next line.
    Open,
    Bad(&'static str),
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::Start, text: Vec::new(), ends: Vec::new() }
    }

    fn begin_unless_open(&mut self, is_open: bool) {
        if !is_open {
            self.text.clear();
            self.ends.clear();
            self.state = State::Start;
        }
    }

    fn close(&mut self) {
        self.state = State::Start;
    }

    fn feed(&mut self, text: &[u8], line_end: &[u8]) -> Fed {
        use State::{Plain, Quote, Quoted, Start};
        for byte in text {
            self.state = match (self.state, *byte) {
                (Start | Plain | Quote, byte) if byte == self.delimiter => {
                    self.ends.push(self.text.len());
                    Start
                }
                (Start, b'"') => Quoted,
                (Quoted, b'"') => Quote,
                (Quote, b'"') => {
                    self.text.push(b'"');
                    Quoted
                }
                (Quote, _) => return Fed::Bad("text follows a closing quote"),
                (state, byte) => {
                    self.text.push(byte);
                    if state == Quoted { Quoted } else { Plain }
                }
            };
        }
        if self.state == Quoted {
            self.text.extend_from_slice(line_end);
            return Fed::Open;
        }
        self.ends.push(self.text.len());
        Fed::Row
    }
}
