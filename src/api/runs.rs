//! `/api/v1/runs`: runs and their books, followed and cancelled.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response, Sse, sse::Event},
};
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ApiError,
    app::Shared,
    extract::{Path, Query},
    feed,
    page::{self, PageParams},
    stream::{self as events, EventStream},
    views::{Run, RunSummary},
};
use crate::{
    lineage::ids,
    runs::{self, Cancelled, RunView, Runs},
};

/// Between two states of a run on a stream, so that a run of many transactions
/// does not send each.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Only runs in this state
    #[param(inline)]
    state: Option<StateFilter>,
    /// Only runs of this kind
    #[param(inline)]
    kind: Option<KindFilter>,
    /// Only bounded runs of this pipeline
    pipeline: Option<String>,
    /// How many on a page
    #[serde(default = "page::default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: usize,
    /// `next` of the page before
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateFilter {
    Running,
    Complete,
    Failed,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KindFilter {
    Bounded,
    Streaming,
}

/// Runs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunPage {
    runs: Vec<RunSummary>,
    /// The cursor of the next page; none on the last.
    next: Option<String>,
}

/// List runs, the newest first
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = RunPage)))]
pub(super) async fn list_runs(
    State(app): State<Shared>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<RunPage>, ApiError> {
    let params = PageParams::new(query.limit, query.cursor.as_deref())?;
    app.runs(|runs| {
        let mut all = runs.all();
        all.retain(|run| query.is_wanted(run));
        let (rows, next) = params.cut(all, |run| {
            let started = run.started().map_or(i64::MIN, Timestamp::as_microsecond);
            // The newest first; of the same moment, by id.
            (-i128::from(started), run.id().to_string())
        });
        Json(RunPage { runs: rows.iter().map(RunSummary::of).collect(), next })
    })
}

impl RunsQuery {
    fn is_wanted(&self, run: &RunView<'_>) -> bool {
        let kind = match run {
            RunView::Bounded(_) => KindFilter::Bounded,
            RunView::Streaming(_) => KindFilter::Streaming,
        };
        let state = self.state.map(|state| match state {
            StateFilter::Running => "running",
            StateFilter::Complete => "complete",
            StateFilter::Failed => "failed",
            StateFilter::Aborted => "aborted",
        });
        let is_of = |pipeline: &String| kind == KindFilter::Bounded && run.name() == pipeline;
        state.is_none_or(|state| state == run.state().as_str())
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.pipeline.as_ref().is_none_or(is_of)
    }
}

/// Show one run: state, books, timings
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = Uuid, Path, description = "The run's id")),
    responses((status = 200, body = Run)))]
pub(super) async fn show_run(
    State(app): State<Shared>,
    Path(id): Path<Uuid>,
) -> Result<Json<Run>, ApiError> {
    app.runs(|runs| view(runs, id).map(|run| Json(Run::of(&run))))?
}

fn view(runs: &Runs, id: Uuid) -> Result<RunView<'_>, ApiError> {
    runs.view(id).ok_or_else(|| ApiError::RunNotFound { id: id.to_string() })
}

fn is_settled(run: &RunView<'_>) -> bool {
    match run {
        RunView::Bounded(run) => run.is_settled(),
        RunView::Streaming(run) => run.state.is_ended(),
    }
}

/// Follow a run until it ends
///
/// Server-Sent Events: `run` with the run whole at each change, and `end` with the
/// run as it ended; then the stream closes.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs",
    params(("id" = Uuid, Path, description = "The run's id")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn follow_run(
    State(app): State<Shared>,
    Path(id): Path<Uuid>,
) -> Result<Sse<EventStream>, ApiError> {
    let permit = app.open_stream()?;
    app.runs(|runs| view(runs, id).map(|_| ()))??;
    let follower = Follower { changes: app.feed.changes(), app, id, last: None, _permit: permit };
    let states = stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        let event = follower.next().await?;
        let is_end = event.is_end;
        Some((Ok(event.event), (!is_end).then_some(follower)))
    });
    Ok(events::sse(states))
}

/// One stream's place.
struct Follower {
    app: Shared,
    changes: watch::Receiver<u64>,
    id: Uuid,
    /// What was sent last.
    last: Option<String>,
    _permit: OwnedSemaphorePermit,
}

struct Told {
    event: Event,
    is_end: bool,
}

impl Follower {
    /// The next state that differs from the last one; `None` where there is no more.
    async fn next(&mut self) -> Option<Told> {
        loop {
            self.changes.mark_unchanged();
            let (text, is_end) = {
                let runs = self.app.feed.runs();
                let run = runs.view(self.id);
                // While the topic is read anew, the run may not be there for a moment.
                let told = run.map(|run| (serde_json::to_string(&Run::of(&run)), is_settled(&run)));
                match told {
                    Some((text, is_end)) => (text.ok(), is_end),
                    None => (self.last.clone(), false),
                }
            };
            let text = text?;
            if is_end || self.last.as_ref() != Some(&text) {
                let name = if is_end { "end" } else { "run" };
                let event = Event::default().event(name).data(&text);
                if self.last.is_some() && !is_end {
                    tokio::time::sleep(EVERY).await;
                }
                self.last = Some(text);
                return Some(Told { event, is_end });
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = self.app.shutdown.cancelled() => return None,
            }
        }
    }
}

/// Cancel a bounded run
///
/// Its ABORT is in lineage when this answers. What stages have not worked on yet
/// they drop, and count as filtered, so that the books balance all the same.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = Uuid, Path, description = "The run's id")),
    responses((status = 202, body = Run, description = "It is cancelled")))]
pub(super) async fn cancel_run(
    State(app): State<Shared>,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let started = app.runs(|runs| match view(runs, id)? {
        RunView::Bounded(run) if run.state.is_ended() => {
            Err(ApiError::RunEnded { state: run.state.as_str() })
        }
        RunView::Bounded(run) => Ok(run.started),
        RunView::Streaming(_) => {
            let text = "this run is of a stage that streams; stop the stage to end it";
            Err(ApiError::Unprocessable(text.to_owned()))
        }
    })??;
    // Its records may still come in through this process: then the sender tells.
    if !app.uploads.cancel(id) {
        let started = started.unwrap_or_else(|| moment_of(id));
        let cancelled = app
            .ask(move |app| Ok(runs::cancel(&app.parts.broker, &app.parts.lineage, id, started)?))
            .await?;
        match cancelled {
            Cancelled::Now => {}
            Cancelled::Ended(state) => return Err(ApiError::RunEnded { state: state.as_str() }),
            Cancelled::Sending => return Err(ApiError::RunSending),
            Cancelled::Unknown => return Err(ApiError::RunNotFound { id: id.to_string() }),
        }
    }
    let is_ended = |runs: &Runs| runs.run(id).is_some_and(|run| run.state.is_ended());
    app.feed.wait_until(feed::SETTLE, is_ended).await;
    let run = app.runs(|runs| view(runs, id).map(|run| Json(Run::of(&run))))??;
    Ok((StatusCode::ACCEPTED, run).into_response())
}

/// When a run of this id began, as far as the id tells.
fn moment_of(id: Uuid) -> Timestamp {
    ids::time_of(id).unwrap_or(Timestamp::UNIX_EPOCH)
}
