//! The lexer: a position in one record, and what may stand there.
//!
//! Whole values are skipped without recursion: a record of brackets alone must
//! not end the stack.

use super::error::{DecodeError, Place, found};
use super::text::{self, Span};

/// Objects and lists inside each other, the record's own object included.
pub(super) const DEPTH_MAX: usize = 128;

/// The outcome of reading syntax; errors are rare and large, so boxed.
pub(super) type Syntax<T> = Result<T, Box<DecodeError>>;

#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) position: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0, depth: 0 }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The text from `start` to here, which must both be at ASCII characters.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.position]
    }

    /// All from here on.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes()[self.position..]
    }

    /// The next byte; 0, which stands nowhere in JSON, at the end.
    pub(super) fn peek(&self) -> u8 {
        self.bytes().get(self.position).copied().unwrap_or(0)
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.position += 1;
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.position == self.text.len()
    }

    /// Takes `wanted`, if it comes next.
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let taken = self.peek() == wanted;
        self.position += usize::from(taken);
        taken
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, wanted: &'static str) -> Syntax<()> {
        if !self.rest().starts_with(wanted.as_bytes()) {
            return Err(self.malformed("a value").into());
        }
        self.position += wanted.len();
        Ok(())
    }

    /// The colon behind a key, with the space on both sides.
    pub(super) fn colon(&mut self) -> Syntax<()> {
        self.skip_space();
        if !self.take(b':') {
            return Err(self.malformed("`:`").into());
        }
        self.skip_space();
        Ok(())
    }

    /// Enters an object or a list at its opening bracket; false where it is
    /// closed at once.
    pub(super) fn open(&mut self, close: u8) -> Syntax<bool> {
        if self.depth == DEPTH_MAX {
            let place = Place::at(self.position);
            return Err(DecodeError::TooDeep { place, limit: DEPTH_MAX }.into());
        }
        self.depth += 1;
        self.position += 1;
        self.skip_space();
        if self.take(close) {
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Behind a member: true behind a comma, false behind the closing bracket.
    pub(super) fn more(&mut self, close: u8) -> Syntax<bool> {
        self.skip_space();
        if self.take(b',') {
            self.skip_space();
            return Ok(true);
        }
        if self.take(close) {
            self.depth -= 1;
            return Ok(false);
        }
        Err(self.malformed(if close == b'}' { "`,` or `}`" } else { "`,` or `]`" }).into())
    }

    /// The name of a member, in quotes.
    pub(super) fn key(&mut self) -> Syntax<Span<'a>> {
        if self.peek() != b'"' {
            return Err(self.malformed("a name in quotes").into());
        }
        self.string()
    }

    /// The string whose opening quote comes next.
    pub(super) fn string(&mut self) -> Syntax<Span<'a>> {
        let start = self.position + 1;
        let mut escaped = false;
        self.position = start;
        loop {
            self.position += text::clean_length(self.rest());
            match self.peek() {
                b'"' => {
                    let span = Span::new(&self.bytes()[start..], self.position - start, escaped);
                    self.position += 1;
                    return Ok(span);
                }
                b'\\' => {
                    escaped = true;
                    match text::escape_length(self.rest()) {
                        Ok(length) => self.position += length,
                        Err(expected) => return Err(self.malformed(expected).into()),
                    }
                }
                _ => {
                    let expected = "text without control characters, and a closing quote";
                    return Err(self.malformed(expected).into());
                }
            }
        }
    }

    /// Checks any value and steps over it.
    pub(super) fn skip_value(&mut self) -> Syntax<()> {
        // One bit for each open bracket: set for an object.
        let mut objects: u128 = 0;
        let outer = self.depth;
        loop {
            let mut opened = false;
            if let open @ (b'{' | b'[') = self.peek() {
                let object = open == b'{';
                opened = self.open(if object { b'}' } else { b']' })?;
                if opened {
                    objects = (objects << 1) | u128::from(object);
                }
            } else {
                self.skip_scalar()?;
            }
            if !opened && !self.next_member(&mut objects, outer)? {
                return Ok(());
            }
            if objects & 1 == 1 && self.depth > outer {
                self.key()?;
                self.colon()?;
            }
        }
    }

    /// Closes what ends here; false where that was all of the skipped value.
    fn next_member(&mut self, objects: &mut u128, outer: usize) -> Syntax<bool> {
        while self.depth > outer {
            if self.more(if *objects & 1 == 1 { b'}' } else { b']' })? {
                return Ok(true);
            }
            *objects >>= 1;
        }
        Ok(false)
    }

    fn skip_scalar(&mut self) -> Syntax<()> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// The error of what comes next.
    #[cold]
    pub(super) fn malformed(&self, expected: &'static str) -> DecodeError {
        let place = Place::at(self.position);
        let found = found(self.text, self.position);
        DecodeError::Malformed { place, found, expected }
    }

    /// The error of the value at `offset`, which is JSON, but not of its field's type.
    #[cold]
    pub(super) fn mismatch(&self, offset: usize, expected: String) -> DecodeError {
        let found = found(self.text, offset);
        DecodeError::Mismatch { place: Place::at(offset), found, expected }
    }
}
