//! `/metrics`: what the API counts, and what Kafka holds, as Prometheus text.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{app::Shared, stages::StageStatus};
use crate::runs::{RunState, Runs};

/// Answers by the class of their status.
#[derive(Default)]
pub(super) struct Metrics {
    answers: [AtomicU64; 5],
}

impl Metrics {
    pub(super) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// Counters and gauges as Prometheus text
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(State(app): State<Shared>) -> Response {
    // Kafka away is no reason to tell nothing: what is known of it is left out.
    let stages = app.ask(super::stages::look).await.unwrap_or_default();
    let mut text = String::new();
    write(&app, &stages, &mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn write(app: &Shared, stages: &[StageStatus], text: &mut String) {
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let up = f64::from(u8::from(app.watch.require().is_ok()));
    family("lineage_hub_kafka_up", "gauge", "Whether Kafka answers", &[(String::new(), up)]);
    let answers = app.metrics.answers.iter().enumerate().map(|(class, count)| {
        (format!("{{status=\"{}xx\"}}", class + 1), count.load(Ordering::Relaxed) as f64)
    });
    let answers: Vec<_> = answers.collect();
    family("lineage_hub_api_requests_total", "counter", "Requests answered", &answers);
    let open = app.streams_open() as f64;
    family("lineage_hub_api_streams", "gauge", "Streams open", &[(String::new(), open)]);
    let lags: Vec<_> = stages.iter().map(|stage| (stage.labels(), stage.lag as f64)).collect();
    family("lineage_hub_stage_lag", "gauge", "Records that a stage has not taken in yet", &lags);
    let replicas: Vec<_> =
        stages.iter().map(|stage| (stage.labels(), stage.members() as f64)).collect();
    family("lineage_hub_stage_members", "gauge", "Members of a stage's group", &replicas);
    let runs = states(&app.feed.runs());
    family("lineage_hub_runs", "gauge", "Runs that the lineage topic tells of", &runs);
}

fn states(runs: &Runs) -> Vec<(String, f64)> {
    let all = runs.all();
    let states =
        [RunState::Running, RunState::Complete, RunState::Failed, RunState::Aborted].into_iter();
    let rows = states.map(|state| {
        let count = all.iter().filter(|run| run.state() == state).count();
        (format!("{{state=\"{}\"}}", state.as_str()), count as f64)
    });
    rows.collect()
}
