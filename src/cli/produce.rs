//! `lineage-hub produce TOPIC FILE|-`: a file's lines as records.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{CliError, context::Context, output};
use crate::{
    broker::{Admin, Broker, BrokerError, OutRecord, Producer},
    record::{HeaderBytes, Topic},
};

#[derive(Debug, Args)]
pub(super) struct ProduceArgs {
    /// Topic to send to
    topic: String,
    /// File of one record a line, or `-` for standard input
    file: PathBuf,
    /// Each line is KEY, a tab, VALUE
    #[arg(long)]
    with_keys: bool,
}

/// Longest that the last records may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn run(args: &ProduceArgs, context: &Context) -> Result<(), CliError> {
    let key = match context.plan() {
        Ok(plan) => plan.topics.get(&args.topic).and_then(|topic| topic.key.clone()),
        // Any topic may be written to, with or without a project.
        Err(CliError::Project(_)) => None,
        Err(error) => return Err(error),
    };
    let broker = context.broker()?;
    let topic: Topic = args.topic.as_str().into();
    if !Admin::connect(&broker)?.topics()?.contains_key(&topic) {
        return Err(BrokerError::TopicMissing { topic }.into());
    }
    let keys = if args.with_keys { Keys::BeforeTab } else { Keys::Field(key) };
    let (input, size) = open(&args.file)?;
    let bar = progress(size);
    let sent = tokio::task::block_in_place(|| {
        send_lines(&broker, &topic, bar.wrap_read(input), &keys, &args.file)
    })?;
    bar.finish_and_clear();
    if context.is_json() {
        return output::line(
            serde_json::json!({ "topic": args.topic, "records": sent }).to_string(),
        );
    }
    output::line(format!("{sent} records sent to {topic}"))
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), CliError> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let fail = |source| CliError::Input { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    Ok((Box::new(file), Some(size)))
}

fn progress(size: Option<u64>) -> ProgressBar {
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

/// Where a record's key comes from.
pub(super) enum Keys {
    BeforeTab,
    /// The topic's key field, where it has one.
    Field(Option<String>),
}

/// Sends every line; empty lines are no records.
pub(super) fn send_lines(
    broker: &Broker,
    topic: &Topic,
    input: impl Read,
    keys: &Keys,
    path: &Path,
) -> Result<u64, CliError> {
    let producer = Producer::connect(broker)?;
    let headers = HeaderBytes::default();
    let mut input = BufReader::with_capacity(1 << 16, input);
    let (mut line, mut sent) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|source| CliError::Input { path: path.to_owned(), source })? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let (key, value) = split(text, keys);
        producer.send(&OutRecord {
            topic,
            partition: None,
            key: key.as_deref(),
            value: Some(value),
            headers: &headers,
            timestamp: None,
        })?;
        sent += 1;
    }
    producer.flush(FLUSH_TIMEOUT)?;
    Ok(sent)
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

/// The text of one field; a malformed record has no key and goes on as it is.
fn key_of(line: &[u8], field: &str) -> Option<Vec<u8>> {
    let record: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    match record.get(field)? {
        serde_json::Value::String(text) => Some(text.clone().into_bytes()),
        serde_json::Value::Null => None,
        other => Some(other.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_key_by_tab_or_by_field_and_a_malformed_one_gives_none() {
        let field = Keys::Field(Some("id".to_owned()));
        assert_eq!(split(b"k\t{}", &Keys::BeforeTab), (Some(b"k".to_vec()), &b"{}"[..]));
        assert_eq!(split(br#"{"id":7}"#, &field).0, Some(b"7".to_vec()));
        assert_eq!(split(br#"{"id":"a"}"#, &field).0, Some(b"a".to_vec()));
        assert_eq!(split(b"{\"id\":", &field), (None, &b"{\"id\":"[..]));
    }
}
