//! `lineage-hub inspect TOPIC`: records with position, key, headers and value; of
//! an Arrow record, its rows.

use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{CliError, context::Context, output, signals};
use crate::{
    broker::{Reader, StartAt},
    codec::{
        arrow_ipc::{list_shown, rows_shown},
        json,
    },
    record::{Record, Topic},
    runtime::Shutdown,
    telemetry::visible,
};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Topic to look into
    topic: String,
    /// `beginning`, `end`, an offset, `-N` for the last N of each partition, or
    /// a time such as 2026-01-31T08:00:00Z
    #[arg(long, default_value = "beginning", allow_hyphen_values = true)]
    from: StartAt,
    /// Most records to show
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Go on with what comes, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

/// A partition that says nothing for so long has nothing to say.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(args: &InspectArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let broker = context.broker()?;
    let topic: Topic = args.topic.as_str().into();
    tokio::task::block_in_place(|| {
        let mut reader = Reader::open(&broker, &topic, args.from)?;
        let (mut shown, mut last) = (0, Instant::now());
        while !shutdown.is_cancelled() && args.limit.is_none_or(|limit| shown < limit) {
            if !args.follow && (reader.is_at_end() || last.elapsed() > PATIENCE) {
                break;
            }
            let Some(block) = reader.next(Duration::from_millis(200))? else { continue };
            last = Instant::now();
            for record in block.iter() {
                let text = if context.is_json() { as_json(&record) } else { as_text(&record) };
                output::line(text)?;
                shown += 1;
            }
        }
        Ok(())
    })
}

pub(super) fn as_text(record: &Record<'_>) -> String {
    let mut text = head(record);
    match record.value().map(|value| rows_shown(value).ok_or(value)) {
        None => text.push_str("\n  (tombstone)"),
        Some(Ok(rows)) => rows.iter().for_each(|row| {
            let _ = write!(text, "\n  {row}");
        }),
        Some(Err(value)) => {
            let _ = write!(text, "\n  {}", String::from_utf8_lossy(value));
        }
    }
    text
}

/// All of a record but its value.
pub(super) fn head(record: &Record<'_>) -> String {
    let mut text = record.position().to_string();
    if let Some(time) =
        record.timestamp().and_then(|time| jiff::Timestamp::from_millisecond(time).ok())
    {
        let _ = write!(text, "  {time:.3}");
    }
    if let Some(key) = record.key() {
        let _ = write!(text, "  key {}", visible(&String::from_utf8_lossy(key)));
    }
    for (name, value) in record.headers() {
        let value = value.map_or("null".into(), String::from_utf8_lossy);
        let _ = write!(text, "\n    {}: {}", visible(name), visible(&value));
    }
    text
}

/// A record as one object on one line.
#[derive(Serialize)]
struct Shown<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Cow<'a, str>>,
    headers: Vec<ShownHeader<'a>>,
    /// As the record has it: nothing is printed that was read as a double.
    value: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ShownHeader<'a> {
    key: &'a str,
    value: Option<Cow<'a, str>>,
}

pub(super) fn as_json(record: &Record<'_>) -> String {
    let text = |bytes| to_raw_value(&String::from_utf8_lossy(bytes)).ok();
    let value = |bytes| list_shown(bytes).or_else(|| json::one_line(bytes)).or_else(|| text(bytes));
    let header = |(key, value): (_, Option<_>)| ShownHeader {
        key,
        value: value.map(String::from_utf8_lossy),
    };
    let position = record.position();
    let shown = Shown {
        topic: &position.topic,
        partition: position.partition,
        offset: position.offset,
        timestamp: record.timestamp(),
        key: record.key().map(String::from_utf8_lossy),
        headers: record.headers().map(header).collect(),
        value: record.value().and_then(value),
    };
    serde_json::to_string(&shown).expect("a record has only string keys, which always serialise")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::Block;

    /// Programs read this line: no digit may differ from the record's.
    #[test]
    fn a_value_is_printed_digit_for_digit_and_a_tombstone_as_null() {
        let value = r#"{"b": 1.9187999999999998, "a": 36893488147419103233, "c": -0.0, "b": 1E5}"#;
        let mut block = Block::new("t".into(), 1);
        block.push(5, Some(0), None, Some(value.as_bytes()), []);
        block.push(6, None, None, None, []);
        let head = r#"{"topic":"t","partition":1,"offset":"#;
        assert_eq!(
            as_json(&block.record(0)),
            format!(r#"{head}5,"timestamp":0,"key":null,"headers":[],"value":{value}}}"#)
        );
        assert_eq!(
            as_json(&block.record(1)),
            format!(r#"{head}6,"timestamp":null,"key":null,"headers":[],"value":null}}"#)
        );
    }

    #[test]
    fn a_key_and_a_header_stay_in_their_lines() {
        let mut block = Block::new("t".into(), 1);
        block.push(5, None, Some(b"k\n\x1b[2J"), Some(b"1"), [("h\n", Some(&b"\x07"[..]))]);
        let text = as_text(&block.record(0));
        assert_eq!(text, "t/1@5  key k\\n\\u001b[2J\n    h\\n: \\u0007\n  1");
    }

    #[test]
    fn a_record_is_shown_whole_and_bytes_that_are_no_json_as_text() {
        let mut block = Block::new("t".into(), 1);
        block.push(5, None, Some(b"k"), Some(b"cut {"), [("h", Some(&b"v"[..]))]);
        let text = as_text(&block.record(0));
        assert_eq!(text, "t/1@5  key k\n    h: v\n  cut {");
        let json: Value = serde_json::from_str(&as_json(&block.record(0))).unwrap();
        assert_eq!((&json["value"], &json["offset"]), (&json!("cut {"), &json!(5)));
        assert_eq!(json["headers"][0]["value"], "v");
    }
}
