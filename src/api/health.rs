//! `/health` and `/ready`: alive, and fit to be used.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    app::{App, Shared, asked},
};
use crate::broker::{Admin, groups};

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(pattern = "^alive$")]
    status: &'static str,
    version: &'static str,
}

/// Whether the process is alive
#[utoipa::path(get, path = "/health", tag = "health",
    responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the hub is fit to be used, and why not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Check {
    /// `broker`, `topics`, `runs`, or `forwarder NAME`
    #[serde(rename = "check")]
    name: String,
    ok: bool,
    /// Why not, or how it stands
    detail: String,
}

impl Check {
    fn new(name: impl Into<String>, outcome: Result<String, String>) -> Self {
        let ok = outcome.is_ok();
        let (Ok(detail) | Err(detail)) = outcome;
        Self { name: name.into(), ok, detail }
    }
}

/// Whether the broker answers, the topics are there and the forwarder keeps up
#[utoipa::path(get, path = "/ready", tag = "health",
    responses((status = 200, body = Readiness),
        (status = 503, body = Readiness, description = "Not ready, with the reasons")))]
pub(super) async fn ready(State(app): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let checks = match app.ask(look).await {
        Ok(checks) => checks,
        Err(error) => vec![Check::new("broker", Err(error.to_string()))],
    };
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

fn look(app: &App) -> Result<Vec<Check>, ApiError> {
    let parts = &app.parts;
    let found = asked(Admin::connect(&parts.broker).and_then(|admin| admin.topics()))?;
    let at = parts.broker.bootstrap();
    let mut checks = vec![Check::new("broker", Ok(format!("{at} answers")))];
    let missing: Vec<&str> = parts
        .topics
        .iter()
        .filter(|topic| !found.contains_key(*topic))
        .map(|topic| &**topic)
        .collect();
    let topics = if missing.is_empty() {
        Ok(format!("{} topics are there", parts.topics.len()))
    } else {
        Err(format!("make them with `lineage-hub topics apply`: {}", missing.join(", ")))
    };
    let has_lineage = found.contains_key(&parts.lineage);
    checks.push(Check::new("topics", topics));
    if parts.lineage_enabled {
        let runs = if app.feed.is_caught_up() {
            Ok("the lineage topic is read to its end".to_owned())
        } else {
            Err("the lineage topic is being read".to_owned())
        };
        checks.push(Check::new("runs", runs));
    }
    for (name, group) in parts.forwarders.iter().filter(|_| has_lineage) {
        let offsets = asked(groups::offsets(&parts.broker, group, &parts.lineage))?;
        let backlog: i64 = offsets.iter().map(groups::GroupOffset::lag).sum();
        let limit = parts.config.backlog_max;
        let outcome = if backlog.unsigned_abs() > limit {
            Err(format!("{backlog} events wait, over `api.backlog_max` ({limit})"))
        } else {
            Ok(format!("{backlog} events wait"))
        };
        checks.push(Check::new(format!("forwarder {name}"), outcome));
    }
    Ok(checks)
}
