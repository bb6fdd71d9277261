//! Bytes that come in pieces, parted into lines.

/// Parts an upload into records. Holds one line at most.
#[derive(Debug)]
pub(super) struct Lines {
    rest: Vec<u8>,
    limit: usize,
    /// Lines that have ended, empty ones too.
    count: u64,
}

/// A line is longer than a record may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    pub(super) line: u64,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { rest: Vec::new(), limit, count: 0 }
    }

    /// Calls `visit` with each line that ends in these bytes; empty ones are no
    /// records.
    pub(super) fn push<E: From<TooLong>>(
        &mut self,
        bytes: &[u8],
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = bytes;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.check(end)?;
            if self.rest.is_empty() {
                self.end(&bytes[..end], &mut visit)?;
            } else {
                self.rest.extend_from_slice(&bytes[..end]);
                let line = std::mem::take(&mut self.rest);
                self.end(&line, &mut visit)?;
                // The room is kept for the next line.
                self.rest = line;
                self.rest.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.check(bytes.len())?;
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// The last line need not end.
    pub(super) fn finish<E: From<TooLong>>(
        mut self,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let line = std::mem::take(&mut self.rest);
        self.end(&line, &mut visit)
    }

    fn end<E>(
        &mut self,
        line: &[u8],
        visit: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.count += 1;
        // A byte order mark is of the upload, not of its first record.
        let line =
            if self.count == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() { Ok(()) } else { visit(line) }
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        if self.rest.len() + more > self.limit {
            return Err(TooLong { line: self.count + 1 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(pieces: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut lines, mut found) = (Lines::new(limit), Vec::new());
        let mut visit = |line: &[u8]| {
            found.push(line.to_vec());
            Ok::<_, TooLong>(())
        };
        for piece in pieces {
            lines.push(piece, &mut visit)?;
        }
        lines.finish(&mut visit)?;
        Ok(found)
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_are_cut(
            text in "[ab\r\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            let expected: Vec<Vec<u8>> = text
                .split('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec())
                .filter(|line| !line.trim_ascii().is_empty())
                .collect();
            prop_assert_eq!(part(&pieces, 60).unwrap(), expected);
        }
    }

    #[test]
    fn a_byte_order_mark_at_the_start_and_blank_lines_are_no_records() {
        let pieces: [&[u8]; 3] = [b"\xEF\xBB", b"\xBFa\r\n  \r\n", b"\t\n\xEF\xBB\xBFb\n"];
        assert_eq!(part(&pieces, 60).unwrap(), [&b"a"[..], b"\xEF\xBB\xBFb"]);
    }

    #[test]
    fn a_line_over_the_limit_is_told_with_its_number_before_it_has_ended() {
        assert_eq!(part(&[b"ab\n", b"abc", b"d"], 3), Err(TooLong { line: 2 }));
        assert_eq!(part(&[b"abcd\n"], 3), Err(TooLong { line: 1 }));
        assert_eq!(part(&[b"abc\nabc"], 3).unwrap().len(), 2);
    }
}
