//! Rows on standard output: a table for people, an object a line for programs. Control
//! characters of names and records are escaped in both.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde::Serialize;

use super::CliError;
use crate::telemetry::{visible, visible_lines};

/// Prints rows: with `json` each as an object, else as a table.
pub(super) fn rows<T: Serialize>(
    json: bool,
    header: &[&str],
    rows: &[T],
    cells: impl Fn(&T) -> Vec<String>,
) -> Result<(), CliError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if json {
        rows.iter().try_for_each(|row| {
            let text = serde_json::to_string(row)?;
            writeln!(out, "{}", visible_lines(&text))
        })
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        out.write_all(table(header, &rows).as_bytes())
    };
    written.and_then(|()| out.flush()).map_err(CliError::Output)
}

/// A line on standard output, or several. A name in it that may have line ends is made
/// [`visible`] before.
pub(super) fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", visible_lines(text.as_ref())).map_err(CliError::Output)
}

/// Columns as wide as their widest cell; numbers to the right.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<Cow<'_, str>> = header.iter().map(|name| Cow::Borrowed(*name)).collect();
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
        cells.peek().is_some()
            && cells.all(|cell| {
                !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || c == ',')
            })
    };
    let columns: Vec<(usize, bool)> =
        (0..header.len()).map(|column| (width(column), is_number(column))).collect();
    let mut text = String::new();
    for row in [&header].into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, (width, number)) in row.iter().zip(&columns) {
            let padding = " ".repeat(width - cell.chars().count());
            if *number {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_numbers_stand_to_the_right() {
        let rows = [
            vec!["extract".to_owned(), "1,000".to_owned()],
            vec!["load".to_owned(), "7".to_owned()],
        ];
        assert_eq!(
            table(&["STAGE", "IN"], &rows),
            "STAGE       IN\nextract  1,000\nload         7\n"
        );
    }

    #[test]
    fn a_cell_stays_a_cell_whatever_is_in_it() {
        let rows = [vec!["a\nb\u{1b}[2J".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["NAME", "STATE"], &rows), "NAME           STATE\na\\nb\\u001b[2J  x\n");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
