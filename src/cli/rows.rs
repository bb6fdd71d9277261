//! A file's records, one after another: NDJSON, or CSV with a header.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use crate::{
    codec::{
        csv::{BadRow, Csv, CsvOptions, Next, parse_delimiter, without_mark},
        key::KeyReader,
    },
    pipeline::TopicPlan,
};

/// How a file is read.
#[derive(Debug, Default, Args)]
pub(super) struct CsvArgs {
    /// Delimiter of a CSV file: one character, or `tab`. The default is a comma, and a
    /// tab for a file that ends in `.tsv`
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// Field of each column of a CSV file, comma-separated, in place of the names in
    /// its header. `-` leaves a column out; fields that are not named are null
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Read the first line of a CSV file as a row. The columns are the fields of the
    /// topic in their order, or those of `--columns`
    #[arg(long)]
    no_header: bool,
}

impl CsvArgs {
    /// For the file at `path`; `None` where it is not CSV.
    fn options(&self, path: &Path) -> Option<CsvOptions> {
        let Self { delimiter, columns, no_header } = self;
        let ends_in = |wanted| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(wanted));
        let tab = ends_in("tsv").then_some(b'\t');
        let is_asked_for = *no_header || delimiter.is_some() || columns.is_some();
        (is_asked_for || tab.is_some() || ends_in("csv")).then(|| CsvOptions {
            delimiter: delimiter.or(tab),
            columns: columns.clone(),
            no_header: *no_header,
        })
    }
}

/// One record to send.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
}

/// Opens a file, or with `-` standard input, and says how large it is.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), CliError> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let fail = |source| CliError::Input { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    Ok((Box::new(file), Some(metadata.len())))
}

/// The progress of reading a file, where somebody watches.
pub(super) fn progress(size: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Reads rows.
pub(super) struct Rows<R> {
    path: PathBuf,
    input: BufReader<R>,
    line: Vec<u8>,
    is_first_line: bool,
    keys: Keys,
    csv: Option<Csv>,
    /// Rows of CSV that are not records, and the first of them.
    bad: u64,
    first_bad: Option<BadRow>,
}

/// Where a record's key comes from.
enum Keys {
    /// Each line is KEY, a tab, VALUE.
    BeforeTab,
    /// The topic's key field.
    Field(KeyReader),
    None,
}

impl<R: Read> Rows<R> {
    /// Rows of `input`: CSV where `path` ends so or `args` say so, otherwise a record
    /// per line. `topic` gives CSV's columns their types. The header of CSV is read
    /// here, so that nothing is sent of a file that does not fit the topic.
    pub(super) fn read(
        input: R,
        path: &Path,
        with_keys: bool,
        args: &CsvArgs,
        topic: Option<&TopicPlan>,
    ) -> Result<Self, CliError> {
        let key = topic.and_then(|topic| Some((&topic.schema, topic.key.as_deref()?)));
        let keys = match key {
            _ if with_keys => Keys::BeforeTab,
            Some((schema, field)) => Keys::Field(KeyReader::new(schema, field)),
            None => Keys::None,
        };
        let (schema, key) = (topic.map(|topic| &*topic.schema), key.map(|(_, field)| field));
        let csv = args.options(path).filter(|_| !with_keys);
        let csv = csv.map(|options| Csv::new(options, schema, key)).transpose();
        let mut rows = Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(1 << 16, input),
            line: Vec::new(),
            is_first_line: true,
            keys,
            csv: csv.map_err(|error| refused(path, &error))?,
            bad: 0,
            first_bad: None,
        };
        while rows.csv.as_ref().is_some_and(|csv| !csv.has_header()) && rows.feed()? {}
        Ok(rows)
    }

    /// The next record into `row`; false at the end. Blank lines are no records.
    pub(super) fn next(&mut self, row: &mut Row) -> Result<bool, CliError> {
        row.value.clear();
        loop {
            let Some(csv) = &mut self.csv else { return self.next_line(row) };
            match csv.next(&mut row.value) {
                Next::More if self.feed()? => {}
                // What is left at the end of the file may be rows.
                Next::More => match self.csv.as_mut().map(|csv| csv.next(&mut row.value)) {
                    None | Some(Next::More) => return Ok(false),
                    Some(Next::Record) => break,
                    Some(Next::Bad(bad)) => return Ok(self.note(bad, row)),
                },
                Next::Record => break,
                Next::Bad(bad) => return Ok(self.note(bad, row)),
            }
        }
        row.key = match &mut self.keys {
            Keys::Field(keys) => keys.key_of(&row.value),
            Keys::BeforeTab | Keys::None => None,
        };
        Ok(true)
    }

    fn note(&mut self, bad: BadRow, row: &mut Row) -> bool {
        self.bad += 1;
        self.first_bad.get_or_insert(bad);
        row.key = None;
        true
    }

    fn next_line(&mut self, row: &mut Row) -> Result<bool, CliError> {
        while self.read_line()? {
            let mut line = &self.line[..];
            if std::mem::take(&mut self.is_first_line) {
                line = without_mark(line).map_err(|error| refused(&self.path, &error))?;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (key, value) = match &mut self.keys {
                Keys::BeforeTab => match memchr::memchr(b'\t', line) {
                    Some(tab) => (Some(line[..tab].to_vec()), &line[tab + 1..]),
                    None => (None, line),
                },
                Keys::Field(keys) => (keys.key_of(line), line),
                Keys::None => (None, line),
            };
            row.key = key;
            row.value.extend_from_slice(value);
            return Ok(true);
        }
        Ok(false)
    }

    /// Hands the next line to the reader of CSV; false at the end.
    fn feed(&mut self) -> Result<bool, CliError> {
        let has_line = self.read_line()?;
        let Some(csv) = &mut self.csv else { return Ok(has_line) };
        let fed = if has_line { csv.push(&self.line) } else { csv.end() };
        fed.map_err(|error| refused(&self.path, &error))?;
        Ok(has_line)
    }

    fn read_line(&mut self) -> Result<bool, CliError> {
        self.line.clear();
        let read = self.input.read_until(b'\n', &mut self.line);
        let fail = |source| CliError::Input { path: self.path.clone(), source };
        Ok(read.map_err(fail)? > 0)
    }

    /// What the user is to know of rows that were not records.
    pub(super) fn warning(&self) -> Option<String> {
        let BadRow { line, reason } = self.first_bad.as_ref()?;
        let rows = if self.bad == 1 { "row is not a record" } else { "rows are not records" };
        Some(format!(
            "{}: {} {rows} (line {line}: {reason}); the text was sent as it is, and a stage makes \
             a dead letter of it",
            self.path.display(),
            self.bad
        ))
    }
}

fn refused(path: &Path, error: &dyn std::error::Error) -> CliError {
    CliError::Failed(format!("{}: {error}; nothing was sent", path.display()))
}

#[cfg(test)]
mod tests;
