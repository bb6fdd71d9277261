//! `POST /api/v1/lineage`: OpenLineage events of other producers.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    ApiError,
    app::Shared,
    extract::{self, EventBytes},
    writer::{Keyed, TooLarge},
};
use crate::lineage::validate;

/// Most events of one batch.
const BATCH_MAX: usize = 1000;

/// Take in one OpenLineage event
///
/// It goes on to the lineage backend byte for byte. 201: Kafka has it.
#[utoipa::path(post, path = "/api/v1/lineage", tag = "lineage",
    request_body(content = serde_json::Value, content_type = "application/json",
        description = "An OpenLineage run, job or dataset event"),
    responses((status = 201, description = "Kafka has it")))]
pub(super) async fn post_event(
    State(app): State<Shared>,
    EventBytes(bytes): EventBytes,
) -> Result<StatusCode, ApiError> {
    let event = checked(&bytes).map_err(ApiError::Unprocessable)?;
    match write(&app, vec![event]).await?.first() {
        None => Ok(StatusCode::CREATED),
        Some(too_large) => Err(over_limit(&app, *too_large)),
    }
}

fn over_limit(app: &Shared, TooLarge { size, limit, .. }: TooLarge) -> ApiError {
    ApiError::EventTooLarge { topic: app.parts.lineage.clone(), size, limit }
}

async fn write(app: &Shared, events: Vec<Keyed>) -> Result<Vec<TooLarge>, ApiError> {
    app.write(events).await.map(|written| written.too_large)
}

fn checked(bytes: &[u8]) -> Result<Keyed, String> {
    let checked = validate::check(bytes).map_err(|error| error.to_string())?;
    Ok((checked.key, bytes.to_vec()))
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchOutcome {
    /// `success` where all events were taken, `partial_success` where some were not
    #[schema(pattern = "^(success|partial_success)$")]
    status: &'static str,
    summary: BatchSummary,
    failed_events: Vec<FailedEvent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct BatchSummary {
    received: usize,
    successful: usize,
    failed: usize,
}

/// An event that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct FailedEvent {
    /// In the array that was sent
    index: usize,
    reason: String,
    /// Whether the same event may pass later
    retriable: bool,
}

/// Take in an array of OpenLineage events
///
/// Those that are not OpenLineage, or larger than a record may be, are named in the
/// answer, and the others are taken.
#[utoipa::path(post, path = "/api/v1/lineage/batch", tag = "lineage",
    request_body(content = Vec<serde_json::Value>, content_type = "application/json",
        description = "OpenLineage events"),
    responses((status = 200, body = BatchOutcome, description = "Kafka has those that were taken")))]
pub(super) async fn post_batch(
    State(app): State<Shared>,
    EventBytes(bytes): EventBytes,
) -> Result<Json<BatchOutcome>, ApiError> {
    let events: Vec<Box<RawValue>> = extract::read(&bytes)?;
    if events.len() > BATCH_MAX {
        return Err(ApiError::Unprocessable(format!("a batch has {BATCH_MAX} events at most")));
    }
    let failed_event = |index, reason| FailedEvent { index, reason, retriable: false };
    let (mut good, mut places, mut failed_events) = (Vec::new(), Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        match checked(event.get().as_bytes()) {
            Ok(event) => {
                good.push(event);
                places.push(index);
            }
            Err(reason) => failed_events.push(failed_event(index, reason)),
        }
    }
    if !good.is_empty() {
        for too_large in write(&app, good).await? {
            let reason = over_limit(&app, too_large).to_string();
            failed_events.push(failed_event(places[too_large.index], reason));
        }
    }
    failed_events.sort_by_key(|event| event.index);
    let failed = failed_events.len();
    let successful = events.len() - failed;
    Ok(Json(BatchOutcome {
        status: if failed == 0 { "success" } else { "partial_success" },
        summary: BatchSummary { received: events.len(), successful, failed },
        failed_events,
    }))
}
