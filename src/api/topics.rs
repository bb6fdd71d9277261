//! `/api/v1/topics`: what is declared, and what the cluster has.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    app::{Shared, asked},
    extract::Path,
    pipelines::{self, Field},
};
use crate::{broker::Admin, pipeline::ProjectPlan, record::Topic};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicList {
    topics: Vec<TopicStatus>,
}

/// A topic of the project, or another one of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicStatus {
    name: String,
    /// Whether the cluster has it
    exists: bool,
    /// As the cluster has it
    partitions: Option<i32>,
    replication: Option<i32>,
    /// Whether it is one of the project's
    in_project: bool,
    description: Option<String>,
    owner: Option<String>,
    /// `json` or `arrow`
    format: Option<String>,
    /// The field that becomes the record key
    key: Option<String>,
    fields: Vec<Field>,
}

type Found = BTreeMap<Topic, (i32, i32)>;

impl TopicStatus {
    fn of(name: &str, plan: &ProjectPlan, found: &Found) -> Self {
        let declared = plan.topics.get(name);
        let known = found.get(name);
        Self {
            name: name.to_owned(),
            exists: known.is_some(),
            partitions: known.map(|(partitions, _)| *partitions),
            replication: known.map(|(_, replication)| *replication),
            in_project: declared.is_some(),
            description: declared.and_then(|topic| topic.description.clone()),
            owner: declared.and_then(|topic| topic.owner.clone()),
            format: declared.map(|topic| topic.format.to_string()),
            key: declared.and_then(|topic| topic.key.clone()),
            fields: declared.map(|topic| pipelines::fields(topic)).unwrap_or_default(),
        }
    }
}

async fn found(app: &Shared) -> Result<Found, ApiError> {
    app.ask(|app| asked(Admin::connect(&app.parts.broker).and_then(|admin| admin.topics()))).await
}

/// List topics
#[utoipa::path(get, path = "/api/v1/topics", tag = "topics",
    responses((status = 200, body = TopicList)))]
pub(super) async fn list_topics(State(app): State<Shared>) -> Result<Json<TopicList>, ApiError> {
    let found = found(&app).await?;
    let plan = &app.parts.plan;
    let declared = plan.topics.keys().map(String::as_str);
    let names: BTreeSet<&str> = declared.chain(found.keys().map(|name| &**name)).collect();
    let topics = names.into_iter().map(|name| TopicStatus::of(name, plan, &found)).collect();
    Ok(Json(TopicList { topics }))
}

/// Show one topic
#[utoipa::path(get, path = "/api/v1/topics/{name}", tag = "topics",
    params(("name" = String, Path)), responses((status = 200, body = TopicStatus)))]
pub(super) async fn show_topic(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<TopicStatus>, ApiError> {
    let found = found(&app).await?;
    let plan = &app.parts.plan;
    if !plan.topics.contains_key(&name) && !found.contains_key(name.as_str()) {
        return Err(ApiError::TopicNotFound { name });
    }
    Ok(Json(TopicStatus::of(&name, plan, &found)))
}
