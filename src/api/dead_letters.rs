//! `/api/v1/dead-letters`: what died and why, and back with it.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ApiError,
    app::{App, Shared, asked},
    extract::{self, Query},
    feed,
    page::{self, PageParams},
    start,
};
use crate::{
    broker::Admin,
    dead_letter::{self, ListOptions, Listed},
    lineage::ids,
    pipeline::{Route, StagePlan},
    record::{Position, Topic},
    runs::{Replay, ReplayError, Runs},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Only those of this stage: `orders/extract`
    stage: Option<String>,
    /// Those that were replayed, too
    #[serde(default)]
    replayed: bool,
    /// How many on a page
    #[serde(default = "page::default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: usize,
    /// `next` of the page before
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LetterPage {
    dead_letters: Vec<Letter>,
    /// The cursor of the next page; none on the last
    next: Option<String>,
}

/// A record that could not be worked on.
#[derive(Debug, Serialize, ToSchema)]
struct Letter {
    /// Where it stands: `raw.orders.dlq/3@1287`
    position: String,
    /// `PIPELINE/STAGE`
    stage: String,
    /// `decode`, `transform`, `expect` or `encode`
    step: String,
    error: String,
    /// Where the record stood when it failed
    record: String,
    timestamp: Option<i64>,
    /// The run that it was replayed as
    replayed: Option<String>,
}

/// List dead letters, the newest first
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters",
    params(LettersQuery), responses((status = 200, body = LetterPage)))]
pub(super) async fn list_letters(
    State(app): State<Shared>,
    Query(query): Query<LettersQuery>,
) -> Result<Json<LetterPage>, ApiError> {
    let params = PageParams::new(query.limit, query.cursor.as_deref())?;
    if let Some(name) = &query.stage {
        stage(&app, name)?;
    }
    let (rows, next) =
        app.ask(move |app| Ok(params.cut(letters(app, &query, &params)?, Listed::key))).await?;
    let dead_letters = rows.into_iter().map(|letter| Letter {
        position: letter.position,
        stage: letter.stage,
        step: letter.step,
        error: letter.error,
        record: letter.record,
        timestamp: letter.timestamp,
        replayed: letter.replayed,
    });
    Ok(Json(LetterPage { dead_letters: dead_letters.collect(), next }))
}

fn stage(app: &Shared, name: &str) -> Result<Arc<StagePlan>, ApiError> {
    let found = app.parts.plan.stage(name).map(Arc::clone);
    found.ok_or_else(|| ApiError::StageNotFound { name: name.to_owned() })
}

/// Those of this page and one more, of each topic.
fn letters(app: &App, query: &LettersQuery, params: &PageParams) -> Result<Vec<Listed>, ApiError> {
    let options = ListOptions {
        stage: query.stage.as_deref(),
        replayed: query.replayed,
        after: params.after(),
        limit: params.limit() + 1,
    };
    let mut letters = Vec::new();
    for topic in topics(app)? {
        letters.extend(asked(dead_letter::list(&app.parts.broker, &topic, options))?);
    }
    letters.sort_by_cached_key(Listed::key);
    Ok(letters)
}

/// The project's dead letter topics that are there.
fn topics(app: &App) -> Result<Vec<Topic>, ApiError> {
    let found = asked(Admin::connect(&app.parts.broker).and_then(|admin| admin.topics()))?;
    let stages = app.parts.plan.stages();
    let names: BTreeSet<&str> = stages.map(|stage| stage.dead_letters.name.as_str()).collect();
    Ok(names.into_iter().map(Topic::from).filter(|topic| found.contains_key(topic)).collect())
}

/// Which letters to send back: of a stage, at positions, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    /// Those of this stage: `orders/extract`
    #[serde(default)]
    stage: Option<String>,
    /// Those that stand here: `raw.orders.dlq/3@1287`
    #[serde(default)]
    positions: Vec<String>,
    /// All of the project, or of the stage
    #[serde(default)]
    all: bool,
    /// Say what would be sent, and send nothing
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// One for each stage that had letters to send
    replayed: Vec<ReplayedStage>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ReplayedStage {
    stage: String,
    topic: String,
    letters: u64,
    /// The run that they became; none of a dry run
    run_id: Option<Uuid>,
}

/// Send dead letters back to the topics that they came from, each once
#[utoipa::path(post, path = "/api/v1/dead-letters/replay", tag = "dead letters",
    request_body = ReplayRequest, responses((status = 200, body = Replayed)))]
pub(super) async fn replay_letters(
    State(app): State<Shared>,
    extract::Json(body): extract::Json<ReplayRequest>,
) -> Result<Json<Replayed>, ApiError> {
    if !app.parts.lineage_enabled {
        return Err(ApiError::LineageDisabled);
    }
    if !body.all && body.positions.is_empty() && body.stage.is_none() {
        let text = "say which: `stage`, `positions`, or `all`";
        return Err(ApiError::Unprocessable(text.to_owned()));
    }
    let stages = match &body.stage {
        Some(name) => vec![stage(&app, name)?],
        None => app.parts.plan.stages().map(Arc::clone).collect(),
    };
    let positions = body.positions.iter().map(|text| text.parse::<Position>());
    let positions: BTreeSet<Position> = positions
        .collect::<Result<_, _>>()
        .map_err(|error| ApiError::Invalid(error.to_string()))?;
    let asker = Arc::clone(&app);
    let replayed = app
        .ask(move |app| {
            let mut replayed = Vec::new();
            for topic in topics(app)? {
                let of_topic = stages.iter().filter(|stage| stage.dead_letters.name == *topic);
                for stage in of_topic {
                    let sent = replay(&asker, stage, &topic, &positions, body.dry_run)?;
                    replayed.extend(sent);
                }
            }
            Ok(replayed)
        })
        .await?;
    // So that who follows the runs finds them.
    let ids: Vec<Uuid> = replayed.iter().filter_map(|sent| sent.run_id).collect();
    let are_known = |runs: &Runs| ids.iter().all(|id| runs.run(*id).is_some());
    app.feed.wait_until(feed::SETTLE, are_known).await;
    Ok(Json(Replayed { replayed }))
}

fn replay(
    app: &Shared,
    stage: &Arc<StagePlan>,
    topic: &Topic,
    positions: &BTreeSet<Position>,
    dry_run: bool,
) -> Result<Option<ReplayedStage>, ApiError> {
    let Some(pipeline) = app.parts.plan.pipeline(&stage.pipeline) else { return Ok(None) };
    let plan = start::plan_of(app, &Route::from_stage(pipeline, stage), ids::new_run());
    let replay = Replay {
        broker: &app.parts.broker,
        lineage: &app.parts.lineage,
        pipeline: &stage.pipeline,
        stage: &stage.stage,
        letters: topic,
        plan: &plan,
        positions,
    };
    let done =
        if dry_run { replay.count().map(|count| (count, None)) } else { replay.run(&app.shutdown) };
    let (letters, run_id) = done.map_err(|error| match error {
        ReplayError::Broker(error) => error.into(),
        ReplayError::Interrupted => {
            ApiError::BrokerUnavailable { reason: "the hub stops".to_owned() }
        }
    })?;
    let topic = topic.to_string();
    Ok((letters > 0).then(|| ReplayedStage { stage: stage.id(), topic, letters, run_id }))
}
