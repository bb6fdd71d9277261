//! `/api/v1/topics/{name}/records`: a topic's records a page at a time, and as they
//! come.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response, Sse, sse::Event},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError,
    app::{App, Shared},
    extract::{Path, Query},
    stream::{self as events, EventStream},
};
use crate::{
    broker::{BrokerError, Reader, StartAt},
    codec::{
        arrow_ipc::{Table, list_shown},
        json,
    },
    record::{Record, Topic},
};

/// What asks for rows as an Arrow IPC stream.
const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
/// Records of the largest page.
const LIMIT_MAX: usize = 1000;
/// Bytes of values of one page; the record that goes over it is its last.
const PAGE_BYTES: usize = 8 << 20;
/// Longest that a page waits for its next record.
const PATIENCE: Duration = Duration::from_secs(3);
/// Records of one tail between its reader and its connection.
const TAIL_QUEUE: usize = 64;
/// How long one look into a topic waits for a record.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordsQuery {
    /// `beginning`, `end`, an offset, `-N` for the last N of each partition, or a time
    /// such as 2026-01-31T08:00:00Z
    #[serde(default = "beginning")]
    #[param(default = "beginning")]
    from: String,
    /// How many on a page
    #[serde(default = "super::page::default_limit")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: usize,
    /// `next` of the page before; wins over `from`
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TailQuery {
    /// As of records; left out, what comes from now on
    #[serde(default = "end")]
    #[param(default = "end")]
    from: String,
}

fn beginning() -> String {
    "beginning".to_owned()
}

fn end() -> String {
    "end".to_owned()
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecordPage {
    topic: String,
    records: Vec<ShownRecord>,
    /// The cursor of what comes next, also where nothing is there yet
    next: String,
    /// Whether all is read that was there when this page was asked for
    at_end: bool,
}

/// A record. Committed ones alone are shown.
#[derive(Debug, Serialize, ToSchema)]
struct ShownRecord {
    partition: i32,
    offset: i64,
    /// Milliseconds since 1970
    timestamp: Option<i64>,
    key: Option<String>,
    headers: Vec<Header>,
    /// JSON where the value is JSON, digit for digit as the record has it; a list of rows
    /// where it is Arrow; otherwise its text
    #[schema(value_type = serde_json::Value)]
    value: Option<Box<RawValue>>,
    /// How to read `value`: `json`, `arrow`, `text`, `base64`, or `none` for a tombstone
    #[schema(pattern = "^(json|arrow|text|base64|none)$")]
    encoding: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Header {
    key: String,
    value: Option<String>,
}

impl ShownRecord {
    fn of(record: &Record<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (value, encoding) = match record.value() {
            None => (None, "none"),
            Some(bytes) if let Some(rows) = list_shown(bytes) => (Some(rows), "arrow"),
            Some(bytes) => match (json::one_line(bytes), std::str::from_utf8(bytes)) {
                (Some(value), _) => (Some(value), "json"),
                (_, Ok(text)) => (to_raw_value(text).ok(), "text"),
                _ => (to_raw_value(&BASE64_STANDARD.encode(bytes)).ok(), "base64"),
            },
        };
        let header = |(key, value): (&str, Option<&[u8]>)| Header {
            key: key.to_owned(),
            value: value.map(text),
        };
        Self {
            partition: record.position().partition,
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key().map(text),
            headers: record.headers().map(header).collect(),
            value,
            encoding,
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone)]
struct From {
    start: StartAt,
    /// By partition, of a cursor.
    offsets: BTreeMap<i32, i64>,
}

impl From {
    fn read(from: &str, cursor: Option<&str>) -> Result<Self, ApiError> {
        let start = from.parse().map_err(|error| ApiError::Invalid(format!("`from`: {error}")))?;
        let offsets = match cursor {
            None => BTreeMap::new(),
            Some(cursor) => offsets(cursor).ok_or_else(|| {
                ApiError::Invalid("`cursor` is not the `next` of a page".to_owned())
            })?,
        };
        // A partition that a cursor does not name came after its page.
        let start = if cursor.is_some() { StartAt::Beginning } else { start };
        Ok(Self { start, offsets })
    }
}

/// `0:17,1:20`: partition and next offset.
fn offsets(cursor: &str) -> Option<BTreeMap<i32, i64>> {
    let part = |part: &str| {
        let (partition, offset) = part.split_once(':')?;
        let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
        Some((partition.parse().ok()?, offset))
    };
    cursor.split(',').map(part).collect()
}

fn cursor(offsets: &[(i32, i64)]) -> String {
    let parts = offsets.iter().map(|(partition, offset)| format!("{partition}:{offset}"));
    parts.collect::<Vec<_>>().join(",")
}

/// Kafka's own topics are no business of readers of records.
fn topic(name: &str) -> Result<Topic, ApiError> {
    let is_name = |name: &str| {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !name.is_empty() && name.len() < 250 && name.chars().all(sound)
    };
    if !is_name(name) || name.starts_with("__") {
        return Err(ApiError::TopicNotFound { name: name.to_owned() });
    }
    Ok(name.into())
}

/// Read a topic's records, decoded
///
/// As JSON; or with `Accept: application/vnd.apache.arrow.stream` the rows of these
/// records as one Arrow IPC stream, where the project knows the topic's fields. The
/// cursor of what comes next is then in the header `x-next`, `x-at-end` says whether
/// all is read, and `x-unreadable` counts the records that are not among the rows.
#[utoipa::path(get, path = "/api/v1/topics/{name}/records", tag = "topics",
    params(("name" = String, Path), RecordsQuery),
    responses((status = 200, content(
        (RecordPage = "application/json"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn list_records(
    State(app): State<Shared>,
    Path(name): Path<String>,
    Query(query): Query<RecordsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let topic = topic(&name)?;
    let limit = query.limit;
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::Invalid(format!("`limit` is from 1 to {LIMIT_MAX}")));
    }
    let from = From::read(&query.from, query.cursor.as_deref())?;
    if !wants_arrow(&headers) {
        return app
            .ask(move |app| Ok(Json(page(app, &topic, &from, limit)?).into_response()))
            .await;
    }
    let plan = app.parts.plan.topics.get(&name).filter(|plan| !plan.schema.fields().is_empty());
    let table = plan.and_then(|plan| Table::new(&plan.schema).ok());
    let table = table.ok_or(ApiError::NoFields { topic: Arc::clone(&topic) })?;
    app.ask(move |app| arrow_page(app, &topic, &from, limit, table)).await
}

fn wants_arrow(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.into_iter().any(|value| value.contains(ARROW_STREAM))
}

fn page(app: &App, topic: &Topic, from: &From, limit: usize) -> Result<RecordPage, BrokerError> {
    let mut records = Vec::new();
    let read = read_page(app, topic, from, limit, |record| records.push(ShownRecord::of(record)))?;
    Ok(RecordPage { topic: topic.to_string(), records, next: read.next, at_end: read.at_end })
}

fn arrow_page(
    app: &App,
    topic: &Topic,
    from: &From,
    limit: usize,
    mut table: Table,
) -> Result<Response, ApiError> {
    let read = read_page(app, topic, from, limit, |record| table.push(record))?;
    let unreadable = table.unreadable().to_string();
    let stream = table.finish().map_err(|error| ApiError::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, ARROW_STREAM.to_owned()),
        (HeaderName::from_static("x-next"), read.next),
        (HeaderName::from_static("x-at-end"), read.at_end.to_string()),
        (HeaderName::from_static("x-unreadable"), unreadable),
    ];
    Ok((headers, stream).into_response())
}

/// How far a page came.
struct PageEnd {
    next: String,
    at_end: bool,
}

fn read_page(
    app: &App,
    topic: &Topic,
    from: &From,
    limit: usize,
    mut take: impl FnMut(&Record<'_>),
) -> Result<PageEnd, BrokerError> {
    let mut reader = Reader::open_at(&app.parts.broker, topic, from.start, &from.offsets)?;
    let (mut records, mut bytes) = (0, 0);
    let mut heard = Instant::now();
    while records < limit && bytes < PAGE_BYTES && !reader.is_at_end() {
        if heard.elapsed() > PATIENCE {
            break;
        }
        let Some(block) = reader.next(LOOK)? else { continue };
        heard = Instant::now();
        for record in block.iter() {
            bytes += record.size();
            records += 1;
            take(&record);
        }
    }
    Ok(PageEnd { next: cursor(&reader.place_reached()), at_end: reader.is_at_end() })
}

/// Follow a topic
///
/// Server-Sent Events: `record` for each record as it is committed, without an end.
#[utoipa::path(get, path = "/api/v1/topics/{name}/records/tail", tag = "topics",
    params(("name" = String, Path), TailQuery),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn tail_records(
    State(app): State<Shared>,
    Path(name): Path<String>,
    Query(query): Query<TailQuery>,
) -> Result<Sse<EventStream>, ApiError> {
    let topic = topic(&name)?;
    let from = From::read(&query.from, None)?;
    let permits = app.open_tail()?;
    let reader = {
        let topic = Arc::clone(&topic);
        app.ask(move |app| {
            Ok(Reader::open_at(&app.parts.broker, &topic, from.start, &from.offsets)?)
        })
        .await?
    };
    let (events, queue) = mpsc::channel(TAIL_QUEUE);
    let shutdown = app.shutdown.clone();
    let tail = Tail { reader, events, _permits: permits };
    std::thread::Builder::new()
        .name("api-tail".to_owned())
        .spawn(move || tail.run(&shutdown))
        .map_err(|error| ApiError::internal(&error))?;
    let records = stream::unfold(queue, |mut queue| async {
        let event = queue.recv().await?;
        Some((Ok(event), queue))
    });
    Ok(events::sse(records))
}

/// A reader that ends when nobody takes its records any more.
struct Tail {
    reader: Reader,
    events: mpsc::Sender<Event>,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Tail {
    fn run(mut self, shutdown: &crate::runtime::Shutdown) {
        while !shutdown.is_cancelled() && !self.events.is_closed() {
            let block = match self.reader.next(LOOK) {
                Ok(Some(block)) => block,
                Ok(None) => continue,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, "a tail ended");
                    return;
                }
            };
            for record in block.iter() {
                let shown = ShownRecord::of(&record);
                let Ok(text) = serde_json::to_string(&shown) else { continue };
                let event = Event::default().event("record").data(text);
                // Waits for a slow client; the connection cuts off one that stalls.
                if self.events.blocking_send(event).is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Block;

    #[test]
    fn a_cursor_reads_back_and_others_are_refused() {
        assert_eq!(offsets(&cursor(&[(0, 17), (3, 0)])), Some([(0, 17), (3, 0)].into()));
        for text in ["", "0", "0:", "0:-1", "a:1", "0:1,"] {
            assert_eq!(offsets(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_says_how_it_is_to_be_read() {
        let mut block = Block::new("t".into(), 1);
        for value in [Some(&b"{\"a\":1}"[..]), Some(b"cut {"), Some(b"\xff"), None] {
            block.push(0, None, None, value, []);
        }
        let encodings: Vec<_> =
            block.iter().map(|record| ShownRecord::of(&record).encoding).collect();
        assert_eq!(encodings, ["json", "text", "base64", "none"]);
    }

    #[test]
    fn a_value_is_answered_digit_for_digit() {
        let value = r#"{"b":1.9187999999999998,"a":36893488147419103233,"c":-0.0,"b":1E5}"#;
        let mut block = Block::new("t".into(), 1);
        block.push(0, None, None, Some(value.as_bytes()), []);
        let text = serde_json::to_string(&ShownRecord::of(&block.record(0))).unwrap();
        assert!(text.contains(&format!(r#""value":{value},"encoding":"json""#)), "{text}");
    }

    #[test]
    fn kafkas_own_topics_and_names_that_are_none_are_not_found() {
        assert!(topic("raw.orders").is_ok());
        for name in ["__consumer_offsets", "", "a b", "a/b"] {
            assert!(topic(name).is_err(), "{name}");
        }
    }
}
