//! `POST /api/v1/pipeline/run`: a bounded run of the records in the body.
//!
//! ```text
//! body -> [4 pieces] -> sender's thread: lines -> RunSender -> Kafka, in transactions
//! ```
//!
//! The body is read as fast as Kafka takes it, and no faster: it may be larger than
//! memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ApiError,
    app::Shared,
    encoding::Encodings,
    extract::{self, Query},
    feed,
    sending::{self, Job, Pieces},
};
use crate::{
    codec::{
        csv::{Csv, CsvOptions, parse_delimiter},
        key::KeyReader,
    },
    lineage::ids,
    pipeline::Route,
    record::TRACE_HEADER,
    runs::{RunPlan, Runs},
    runtime::Shutdown,
};

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_BYTES_MAX: usize = 255;
/// Records of one sample.
const SAMPLE_MAX: usize = 100_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunQuery {
    /// The pipeline, where the body is NDJSON or CSV
    pipeline: Option<String>,
    /// The topic to send to, where the pipeline begins with several
    topic: Option<String>,
    /// Of CSV: one character, or `tab`; left out, a comma
    delimiter: Option<String>,
    /// Of CSV: the field of each column, comma-separated, in place of the header's names;
    /// `-` leaves a column out
    columns: Option<String>,
    /// Of CSV: the first line is a row
    #[serde(default)]
    no_header: bool,
}

impl RunQuery {
    /// How the body is read as CSV for the topic that the route begins with.
    fn csv(&self, route: &Route) -> Result<Csv, ApiError> {
        let topic = route.stages.first().map(|stage| &stage.from);
        let delimiter = self.delimiter.as_deref().map(parse_delimiter).transpose();
        let names = |names: &String| names.split(',').map(str::to_owned).collect();
        let options = CsvOptions {
            delimiter: delimiter
                .map_err(|error| ApiError::Invalid(format!("`delimiter`: {error}")))?,
            columns: self.columns.as_ref().map(names),
            no_header: self.no_header,
        };
        let schema = topic.map(|topic| &*topic.schema);
        let csv = Csv::new(options, schema, topic.and_then(|topic| topic.key.as_deref()));
        csv.map_err(|error| ApiError::Unprocessable(error.to_string()))
    }
}

/// What to send through which pipeline: `records` or `sample`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunRequest {
    pipeline: String,
    /// The topic to send to, where the pipeline begins with several
    #[serde(default)]
    topic: Option<String>,
    /// Each is sent as it is written here
    #[serde(default)]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    records: Option<Vec<Box<RawValue>>>,
    /// So many sample records of the hub's own, for topics that have some
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100_000)]
    sample: Option<usize>,
}

/// A run that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunStarted {
    run_id: Uuid,
    /// Records sent; none where an earlier request with this idempotency key did it.
    records: Option<u64>,
    links: RunLinks,
}

#[derive(Debug, Serialize, ToSchema)]
struct RunLinks {
    run: String,
    /// Server-Sent Events until it ends
    events: String,
}

/// Send records through a pipeline as one run
///
/// The body is JSON; or NDJSON of any length, one record per line, or CSV of any length,
/// sent on with backpressure while it comes in. The header of CSV must name the fields of
/// the topic, unless `columns` does. All is in Kafka when this answers; the run goes on,
/// see `links`. With an `Idempotency-Key` a repeat gives the same run, also after a
/// restart of the hub.
#[utoipa::path(post, path = "/api/v1/pipeline/run", tag = "runs",
    params(RunQuery, ("Idempotency-Key" = Option<String>, Header, min_length = 1,
        max_length = 255, description = "A repeat with the same key gives the same run")),
    request_body(content((RunRequest = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"))),
    responses((status = 202, body = RunStarted)))]
pub(super) async fn run_pipeline(
    State(app): State<Shared>,
    Query(query): Query<RunQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    if !app.parts.lineage_enabled {
        return Err(ApiError::LineageDisabled);
    }
    let key = idempotency_key(request.headers())?;
    let trace = request.headers().get(TRACE_HEADER).map(|value| value.as_bytes().to_vec());
    let is_csv = extract::is_type(request.headers(), CSV);
    if is_csv || extract::is_type(request.headers(), NDJSON) {
        let needed = "name the pipeline: `?pipeline=NAME`";
        let pipeline =
            query.pipeline.clone().ok_or_else(|| ApiError::Invalid(needed.to_owned()))?;
        let route = route(&app, &pipeline, query.topic.as_deref())?;
        let run = asked(&pipeline, key.as_deref(), trace);
        let encodings = Encodings::of(request.headers())?;
        let csv = is_csv.then(|| query.csv(&route).map(Box::new)).transpose()?;
        let source = Source::Body { body: request.into_body(), encodings, csv };
        return begin(&app, route, run, source).await;
    }
    if !extract::is_type(request.headers(), "application/json") {
        let wanted = "application/json, application/x-ndjson or text/csv";
        return Err(ApiError::UnsupportedMediaType { wanted });
    }
    let timeout = app.request_timeout();
    let read = extract::Json::<RunRequest>::from_request(request, &app);
    let extract::Json(body) = tokio::time::timeout(timeout, read)
        .await
        .map_err(|_| ApiError::TimedOut { seconds: timeout.as_secs() })??;
    let RunRequest { pipeline, topic, records, sample } = body;
    let route = route(&app, &pipeline, topic.as_deref())?;
    let run = asked(&pipeline, key.as_deref(), trace);
    let records = match (records, sample) {
        (Some(records), None) => {
            records.iter().map(|record| record.get().as_bytes().to_vec()).collect()
        }
        (None, Some(count)) => sample_of(&app, &route, count)?,
        _ => {
            let text = "give either `records` or `sample`";
            return Err(ApiError::Unprocessable(text.to_owned()));
        }
    };
    begin(&app, route, run, Source::Records(records)).await
}

/// Where records come from.
enum Source {
    Body { body: Body, encodings: Encodings, csv: Option<Box<Csv>> },
    Records(Vec<Vec<u8>>),
}

impl Source {
    /// What is known before anything is sent must not become a run that is aborted.
    fn check(&self, record_bytes_max: usize) -> Result<(), ApiError> {
        let Self::Records(records) = self else { return Ok(()) };
        match records.iter().position(|record| record.len() > record_bytes_max) {
            None => Ok(()),
            Some(index) => {
                Err(ApiError::RecordTooLarge { number: index as u64 + 1, limit: record_bytes_max })
            }
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
    let problem = "`Idempotency-Key` has from 1 to 255 characters of ASCII";
    text.map(|text| Some(text.to_owned())).ok_or_else(|| ApiError::Invalid(problem.to_owned()))
}

/// Kafka keeps the key: the run's id is derived from it.
fn asked(pipeline: &str, key: Option<&str>, trace: Option<Vec<u8>>) -> Asked {
    match key {
        Some(key) => Asked { id: ids::keyed_run(pipeline, key), is_keyed: true, trace },
        None => Asked { id: ids::new_run(), is_keyed: false, trace },
    }
}

/// The run that is asked for.
struct Asked {
    id: Uuid,
    is_keyed: bool,
    /// `traceparent` of the request.
    trace: Option<Vec<u8>>,
}

fn route(app: &Shared, pipeline: &str, topic: Option<&str>) -> Result<Route, ApiError> {
    let Some(plan) = app.parts.plan.pipeline(pipeline) else {
        return Err(ApiError::PipelineNotFound { name: pipeline.to_owned() });
    };
    Route::of(plan, topic).map_err(|error| ApiError::Unprocessable(error.to_string()))
}

fn sample_of(app: &Shared, route: &Route, count: usize) -> Result<Vec<Vec<u8>>, ApiError> {
    if !(1..=SAMPLE_MAX).contains(&count) {
        return Err(ApiError::Invalid(format!("`sample` is from 1 to {SAMPLE_MAX}")));
    }
    let topic = route.stages.first().map(|stage| &stage.from);
    let records = topic.and_then(|topic| (app.parts.samples)(topic, count));
    records.ok_or_else(|| {
        let text = format!("there are no sample records for `{}`; send `records`", route.topic);
        ApiError::Unprocessable(text)
    })
}

async fn begin(
    app: &Shared,
    route: Route,
    Asked { id, is_keyed, trace }: Asked,
    source: Source,
) -> Result<Response, ApiError> {
    let record_bytes_max = sending::record_bytes_max(&route);
    source.check(record_bytes_max)?;
    // What is known of earlier requests must be known to its end.
    let is_known = || app.runs(|runs| runs.run(id).is_some());
    if is_keyed && (is_known()? || app.uploads.is_under_way(id)) {
        return Ok(answer(id, None));
    }
    let upload = app.uploads.open(id)?;
    // An earlier upload may have ended since: its place is held until its run is known.
    if is_keyed && is_known()? {
        return Ok(answer(id, None));
    }
    let (body, encodings, csv, records) = match source {
        Source::Body { body, encodings, csv } => (Some(body), encodings, csv, None),
        Source::Records(records) => (None, Encodings::default(), None, Some(records)),
    };
    let job = Job {
        plan: RunPlan { trace, ..plan_of(app, &route, id) },
        keys: route.stages.first().and_then(|stage| {
            stage.from.key.as_ref().map(|key| KeyReader::new(&stage.from.schema, key))
        }),
        cancel: upload.cancel.clone(),
        record_bytes_max,
        records,
        encodings,
        csv,
    };
    app.watch.require()?;
    let (pieces, sent) = sending::start(app, job, upload)?;
    let sent = tokio::select! {
        sent = feed_pieces(app, body, pieces, sent) => sent?,
        error = app.watch.lost() => return Err(error),
    };
    let is_told =
        |runs: &Runs| runs.run(id).is_some_and(|run| run.total.is_some() || run.state.is_ended());
    app.feed.wait_until(feed::SETTLE, is_told).await;
    Ok(answer(id, Some(sent)))
}

/// Hands the body over until it ends, or until the sender has failed.
async fn feed_pieces(
    app: &Shared,
    body: Option<Body>,
    pieces: Pieces,
    sent: sending::Sent,
) -> Result<u64, ApiError> {
    if let Some(body) = body {
        pieces.body(body, app.parts.config.stall_timeout).await;
    }
    sent.await.unwrap_or(Err(ApiError::Internal))
}

pub(super) fn plan_of(app: &Shared, route: &Route, id: Uuid) -> RunPlan {
    (app.parts.run_plans)(route, id)
}

fn answer(id: Uuid, records: Option<u64>) -> Response {
    let run = format!("/api/v1/runs/{id}");
    let events = format!("{run}/events");
    let location = [(header::LOCATION, run.clone())];
    let body = RunStarted { run_id: id, records, links: RunLinks { run, events } };
    (StatusCode::ACCEPTED, location, Json(body)).into_response()
}

/// By run, what ends the upload; `None`: all is sent, and the run not yet known.
type UnderWay = Arc<Mutex<BTreeMap<Uuid, Option<Shutdown>>>>;

/// The uploads under way in this process, by run.
pub(super) struct Uploads {
    limit: usize,
    room: Arc<Semaphore>,
    under_way: UnderWay,
}

/// One upload's place, given back when it is dropped.
pub(super) struct Upload {
    id: Uuid,
    pub(super) cancel: Shutdown,
    under_way: UnderWay,
    _permit: OwnedSemaphorePermit,
}

impl Uploads {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, room: Arc::new(Semaphore::new(limit)), under_way: Arc::default() }
    }

    fn open(&self, id: Uuid) -> Result<Upload, ApiError> {
        let limit = self.limit;
        let permit = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| ApiError::TooManyUploads { limit })?;
        let cancel = Shutdown::new();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.contains_key(&id) {
            // Two requests with one key at the same moment: the other one does it.
            return Err(ApiError::Busy);
        }
        under_way.insert(id, Some(cancel.clone()));
        Ok(Upload { id, cancel, under_way: Arc::clone(&self.under_way), _permit: permit })
    }

    fn is_under_way(&self, id: Uuid) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    /// Ends the upload of this run, if it is under way here.
    pub(super) fn cancel(&self, id: Uuid) -> bool {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let cancel = under_way.get(&id).and_then(Option::as_ref);
        cancel.inspect(|cancel| cancel.cancel()).is_some()
    }
}

impl Upload {
    /// Nothing is sent any more, so nothing of it can be cancelled here. The place
    /// stays taken: until the feed tells of the run, a repeat with the same key would
    /// send it again.
    pub(super) fn has_ended(&self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(self.id, None);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_that_has_ended_keeps_its_place_and_cannot_be_cancelled_here() {
        let uploads = Uploads::new(1);
        let id = Uuid::from_u128(1);
        let upload = uploads.open(id).unwrap();
        assert!(uploads.is_under_way(id));
        upload.has_ended();
        assert!(uploads.is_under_way(id) && !uploads.cancel(id));
        assert!(!upload.cancel.is_cancelled());
        drop(upload);
        assert!(!uploads.is_under_way(id) && uploads.open(id).is_ok());
    }
}
