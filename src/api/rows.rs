//! Bytes of CSV that come in pieces, parted into records.

use super::lines::TooLong;
use crate::codec::csv::{Csv, HeaderError, Next};

/// Parts an upload of CSV into records. Holds one row at most, and its text.
#[derive(Debug)]
pub(super) struct CsvRows {
    csv: Box<Csv>,
    line: Vec<u8>,
    record: Vec<u8>,
    limit: usize,
    /// Lines that have ended.
    count: u64,
}

impl CsvRows {
    pub(super) fn new(csv: Box<Csv>, limit: usize) -> Self {
        Self { csv, line: Vec::new(), record: Vec::new(), limit, count: 0 }
    }

    /// Calls `visit` with each record that ends in these bytes, and with the text of
    /// each row that is not one.
    pub(super) fn push<E: From<TooLong> + From<HeaderError>>(
        &mut self,
        bytes: &[u8],
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > self.limit {
                return Err(TooLong { line: self.count + 1 }.into());
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.count += 1;
                self.csv.push(&self.line)?;
                self.line.clear();
                self.take(&mut visit)?;
            }
        }
        Ok(())
    }

    /// The last line need not end.
    pub(super) fn finish<E: From<TooLong> + From<HeaderError>>(
        mut self,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.line.is_empty() {
            self.count += 1;
            self.csv.push(&self.line)?;
            self.take(&mut visit)?;
        }
        self.csv.end()?;
        self.take(&mut visit)
    }

    fn take<E: From<TooLong>>(
        &mut self,
        visit: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            self.record.clear();
            if self.csv.next(&mut self.record) == Next::More {
                return Ok(());
            }
            if self.record.len() > self.limit {
                return Err(TooLong { line: self.count }.into());
            }
            visit(&self.record)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::csv::CsvOptions;

    #[derive(Debug, PartialEq)]
    enum Fault {
        TooLong(u64),
        Header(String),
    }

    impl From<TooLong> for Fault {
        fn from(TooLong { line }: TooLong) -> Self {
            Self::TooLong(line)
        }
    }

    impl From<HeaderError> for Fault {
        fn from(error: HeaderError) -> Self {
            Self::Header(error.to_string())
        }
    }

    /// The records of a text that comes in pieces of `size` bytes.
    fn part(text: &str, size: usize, limit: usize) -> Result<Vec<String>, Fault> {
        let csv = Csv::new(CsvOptions::default(), None, None)?;
        let (mut rows, mut found) = (CsvRows::new(Box::new(csv), limit), Vec::new());
        let mut visit = |record: &[u8]| {
            found.push(String::from_utf8(record.to_vec()).unwrap());
            Ok::<_, Fault>(())
        };
        for piece in text.as_bytes().chunks(size) {
            rows.push(piece, &mut visit)?;
        }
        rows.finish(&mut visit)?;
        Ok(found)
    }

    #[test]
    fn records_are_the_same_however_the_bytes_are_cut() {
        let text = "\u{feff}a,b\r\n1,\"x\ny\"\r\n\r\n2\n3,\"z";
        for size in 1..text.len() {
            assert_eq!(
                part(text, size, 60).unwrap(),
                [r#"{"a":"1","b":"x\ny"}"#, "2", "3,\"z"],
                "{size}"
            );
        }
    }

    #[test]
    fn a_row_over_the_limit_and_a_header_that_does_not_fit_are_refused() {
        assert_eq!(part("a,b\n1,2\n1,222222222222222222222\n", 3, 20), Err(Fault::TooLong(3)));
        assert_eq!(part("a\n12345678\n", 3, 10), Err(Fault::TooLong(2)), "as JSON");
        assert!(matches!(part("a;b\n1;2\n", 3, 60), Err(Fault::Header(_))));
        assert!(matches!(part("", 3, 60), Err(Fault::Header(_))));
    }
}
