//! A file's records, one after another: NDJSON, or CSV with a header.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::CliError;
use crate::{
    codec::{
        key::{key_of, text_of},
        schema::is_text,
    },
    pipeline::TopicPlan,
};

/// Where a record's key comes from.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    BeforeTab,
    /// The topic's key field, where it has one.
    Field(Option<String>),
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
    input: Input<R>,
}

enum Input<R> {
    Lines {
        input: BufReader<R>,
        keys: Keys,
        line: Vec<u8>,
    },
    Csv {
        input: csv::Reader<R>,
        columns: Vec<Column>,
        key: Option<String>,
        record: csv::StringRecord,
    },
}

struct Column {
    name: String,
    kind: Kind,
}

/// How the text of a CSV field becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// As it stands where that is JSON, as text where it is not.
    Json,
}

impl<R: Read> Rows<R> {
    /// Rows of `input`: CSV where `path` ends so, otherwise a record a line.
    /// `topic` gives CSV's columns their types.
    pub(super) fn read(
        input: R,
        path: &Path,
        keys: Keys,
        topic: Option<&TopicPlan>,
    ) -> Result<Self, CliError> {
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let input = match keys {
            Keys::Field(key) if is_csv => {
                let mut input = csv::ReaderBuilder::new().from_reader(input);
                let header = input.headers().map_err(|source| unreadable(path, source))?;
                let columns = header.iter().map(|name| {
                    let field = topic.and_then(|topic| topic.schema.field_with_name(name).ok());
                    let kind = if field.is_none_or(is_text) { Kind::Text } else { Kind::Json };
                    Column { name: name.to_owned(), kind }
                });
                let columns = columns.collect();
                Input::Csv { input, columns, key, record: csv::StringRecord::new() }
            }
            keys => Input::Lines {
                input: BufReader::with_capacity(1 << 16, input),
                keys,
                line: Vec::new(),
            },
        };
        Ok(Self { path: path.to_owned(), input })
    }

    /// The next record into `row`; false at the end. Empty lines are no records.
    pub(super) fn next(&mut self, row: &mut Row) -> Result<bool, CliError> {
        match &mut self.input {
            Input::Lines { input, keys, line } => loop {
                line.clear();
                let read = input.read_until(b'\n', line);
                let fail = |source| CliError::Input { path: self.path.clone(), source };
                if read.map_err(fail)? == 0 {
                    return Ok(false);
                }
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                if !text.is_empty() {
                    let (key, value) = split(text, keys);
                    row.key = key;
                    row.value.clear();
                    row.value.extend_from_slice(value);
                    return Ok(true);
                }
            },
            Input::Csv { input, columns, key, record } => {
                if !input.read_record(record).map_err(|source| unreadable(&self.path, source))? {
                    return Ok(false);
                }
                let fields = columns.iter().zip(record.iter());
                let object: serde_json::Map<String, Value> = fields
                    .map(|(column, text)| (column.name.clone(), column.kind.value(text)))
                    .collect();
                row.key = key.as_ref().and_then(|key| text_of(object.get(key)?));
                row.value = Value::Object(object).to_string().into_bytes();
                Ok(true)
            }
        }
    }
}

fn unreadable(path: &Path, source: csv::Error) -> CliError {
    CliError::Input { path: path.to_owned(), source: source.into() }
}

impl Kind {
    /// An empty field is null: CSV has no other word for it.
    fn value(self, text: &str) -> Value {
        if text.is_empty() {
            return Value::Null;
        }
        let json = (self == Self::Json).then(|| serde_json::from_str(text).ok()).flatten();
        json.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

fn split<'a>(line: &'a [u8], keys: &Keys) -> (Option<Vec<u8>>, &'a [u8]) {
    match keys {
        Keys::BeforeTab => match line.iter().position(|byte| *byte == b'\t') {
            Some(tab) => (Some(line[..tab].to_vec()), &line[tab + 1..]),
            None => (None, line),
        },
        Keys::Field(Some(field)) => (key_of(line, field), line),
        Keys::Field(None) => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        pipeline::{self, Project},
        transform::{Functions, Transforms},
    };

    fn topic(fields: &str) -> Arc<TopicPlan> {
        let topic = format!("topic: t\nfields: {{{fields}}}\n");
        let pipeline =
            "pipeline: p\nstages: {s: {from: t, to: u, sql: 'SELECT id FROM input'}}\n".to_owned();
        let files =
            [("topics/t.yaml".to_owned(), topic), ("pipelines/p.yaml".to_owned(), pipeline)];
        let functions = Functions::default();
        let options = pipeline::Options {
            functions: &functions,
            transforms: &Transforms::default(),
            namespace: "test",
        };
        let checked = pipeline::check(&Project::from_files(files), options);
        Arc::clone(&checked.into_plan().unwrap().0.topics["t"])
    }

    fn all(text: &str, path: &str, keys: Keys, topic: &TopicPlan) -> Vec<(Option<String>, String)> {
        let mut rows = Rows::read(text.as_bytes(), Path::new(path), keys, Some(topic)).unwrap();
        let (mut row, mut found) = (Row::default(), Vec::new());
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while rows.next(&mut row).unwrap() {
            found.push((row.key.as_deref().map(string), string(&row.value)));
        }
        found
    }

    #[test]
    fn a_line_gives_its_key_by_tab_or_by_field_and_a_malformed_one_gives_none() {
        let field = Keys::Field(Some("id".to_owned()));
        assert_eq!(split(b"k\t{}", &Keys::BeforeTab), (Some(b"k".to_vec()), &b"{}"[..]));
        assert_eq!(split(br#"{"id":7}"#, &field).0, Some(b"7".to_vec()));
        assert_eq!(split(br#"{"id":"a"}"#, &field).0, Some(b"a".to_vec()));
        assert_eq!(split(b"{\"id\":", &field), (None, &b"{\"id\":"[..]));
    }

    #[test]
    fn lines_lose_their_ends_and_empty_ones_are_no_records() {
        let rows =
            all("{\"id\":1}\r\n\n{\"id\":2}", "a.ndjson", Keys::Field(None), &topic("id: bigint"));
        assert_eq!(rows, [(None, "{\"id\":1}".to_owned()), (None, "{\"id\":2}".to_owned())]);
    }

    #[test]
    fn csv_fields_take_the_types_of_the_topic() {
        let topic = topic("id: string, n: bigint, ok: boolean, tags: list<string>, at: timestamp");
        let text = "id,n,ok,tags,at,more\n007,12,true,\"[\"\"a\"\"]\",2026-01-01,x\n,no,,,,\n";
        let rows = all(text, "a.CSV", Keys::Field(Some("id".to_owned())), &topic);
        assert_eq!(rows[0].0.as_deref(), Some("007"));
        assert_eq!(
            rows[0].1,
            r#"{"at":"2026-01-01","id":"007","more":"x","n":12,"ok":true,"tags":["a"]}"#
        );
        let bad = r#"{"at":null,"id":null,"more":null,"n":"no","ok":null,"tags":null}"#;
        assert_eq!(rows[1], (None, bad.to_owned()));
    }

    #[test]
    fn a_csv_record_with_too_few_fields_is_told_with_its_line() {
        let topic = topic("id: bigint");
        let input = "a,b\n1,2\n3\n".as_bytes();
        let mut rows =
            Rows::read(input, Path::new("a.csv"), Keys::Field(None), Some(&topic)).unwrap();
        let mut row = Row::default();
        assert!(rows.next(&mut row).unwrap());
        let error =
            std::error::Error::source(&rows.next(&mut row).unwrap_err()).unwrap().to_string();
        assert!(error.contains("line: 3"), "{error}");
    }
}
