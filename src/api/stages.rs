//! `/api/v1/stages`: who works on what, and how far behind, as Kafka knows it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    app::{App, Shared, asked},
    extract::Path,
};
use crate::{
    broker::groups::{self, GroupMember, GroupOffset},
    pipeline::StagePlan,
};

/// A look is good for so long: many may ask, and each look costs requests to Kafka.
const FRESH: Duration = Duration::from_secs(1);

/// A stage, as its consumer group shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StageStatus {
    /// `PIPELINE/STAGE`
    id: String,
    pipeline: String,
    stage: String,
    from: String,
    to: String,
    group: String,
    /// Kafka's name of the group's state, such as `Stable`; empty without members
    state: String,
    replicas: Vec<Member>,
    partitions: Vec<Progress>,
    /// Records not taken in yet, of all partitions
    pub(super) lag: i64,
    /// Records taken in a second, since the look before; none at the first
    rate: Option<f64>,
}

/// A member of a stage's group: one task of a replica.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Member {
    id: String,
    client_id: String,
    host: String,
    /// Partitions of the input topic that it holds
    partitions: Vec<i32>,
}

/// How far a stage is in one partition of its input.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Progress {
    partition: i32,
    /// The next offset to read; none before the first commit
    committed: Option<i64>,
    end: i64,
    lag: i64,
}

impl StageStatus {
    fn of(plan: &StagePlan, state: String, members: Vec<GroupMember>, at: &[GroupOffset]) -> Self {
        let from = &plan.from.name;
        let member = |member: GroupMember| Member {
            partitions: member.partitions.get(from).cloned().unwrap_or_default(),
            id: member.id,
            client_id: member.client_id,
            host: member.host,
        };
        let progress = |offset: &GroupOffset| Progress {
            partition: offset.partition,
            committed: offset.committed,
            end: offset.end,
            lag: offset.lag(),
        };
        Self {
            id: plan.id(),
            pipeline: plan.pipeline.clone(),
            stage: plan.stage.clone(),
            from: from.clone(),
            to: plan.to.name.clone(),
            group: plan.group(),
            state,
            replicas: members.into_iter().map(member).collect(),
            partitions: at.iter().map(progress).collect(),
            lag: at.iter().map(GroupOffset::lag).sum(),
            rate: None,
        }
    }

    pub(super) fn labels(&self) -> String {
        format!("{{pipeline=\"{}\",stage=\"{}\"}}", self.pipeline, self.stage)
    }

    pub(super) fn members(&self) -> usize {
        self.replicas.len()
    }

    fn position(&self) -> i64 {
        self.partitions.iter().filter_map(|partition| partition.committed).sum()
    }
}

/// Keeps the last look, for rates and for those who ask at the same time.
#[derive(Default)]
pub(super) struct Sampler(Mutex<Option<Look>>);

struct Look {
    at: Instant,
    stages: Vec<StageStatus>,
}

/// All stages of the project; at most as old as `FRESH`.
pub(super) fn look(app: &App) -> Result<Vec<StageStatus>, ApiError> {
    // Held while Kafka is asked: whoever comes meanwhile takes the same answer.
    let mut last = app.sampler.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = &*last
        && last.at.elapsed() < FRESH
    {
        return Ok(last.stages.clone());
    }
    let broker = &app.parts.broker;
    let mut stages = Vec::new();
    for plan in app.parts.plan.stages() {
        let group = plan.group();
        let found = asked(groups::describe(broker, &group))?;
        let topic = plan.from.name.as_str().into();
        let offsets = asked(groups::offsets(broker, &group, &topic))?;
        stages.push(StageStatus::of(plan, found.state, found.members, &offsets));
    }
    let now = Instant::now();
    if let Some(before) = &*last {
        let seconds = now.duration_since(before.at).as_secs_f64();
        let positions: BTreeMap<&str, i64> =
            before.stages.iter().map(|stage| (stage.id.as_str(), stage.position())).collect();
        for stage in &mut stages {
            let before = positions.get(stage.id.as_str());
            stage.rate = before.map(|before| (stage.position() - before).max(0) as f64 / seconds);
        }
    }
    *last = Some(Look { at: now, stages: stages.clone() });
    Ok(stages)
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StageList {
    stages: Vec<StageStatus>,
}

/// List stages: replicas, assignment, lag, rates
#[utoipa::path(get, path = "/api/v1/stages", tag = "pipelines",
    responses((status = 200, body = StageList)))]
pub(super) async fn list_stages(State(app): State<Shared>) -> Result<Json<StageList>, ApiError> {
    let stages = app.ask(look).await?;
    Ok(Json(StageList { stages }))
}

/// Show one stage
#[utoipa::path(get, path = "/api/v1/stages/{pipeline}/{stage}", tag = "pipelines",
    params(("pipeline" = String, Path), ("stage" = String, Path)),
    responses((status = 200, body = StageStatus)))]
pub(super) async fn show_stage(
    State(app): State<Shared>,
    Path((pipeline, stage)): Path<(String, String)>,
) -> Result<Json<StageStatus>, ApiError> {
    let name = format!("{pipeline}/{stage}");
    let stages = app.ask(look).await?;
    let found = stages.into_iter().find(|status| status.id == name);
    found.map(Json).ok_or(ApiError::StageNotFound { name })
}
