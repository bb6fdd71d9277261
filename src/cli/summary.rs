//! The live summary: rates, dead letters, lag, of all that runs in this process.

use std::{
    fmt::Write as _,
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::{
    context::Context,
    output::{grouped, table},
};
use crate::{
    broker::{Admin, Broker, groups::GroupOffset},
    forward,
    lineage::Counts,
    pipeline::StagePlan,
    runtime::Shutdown,
    stage::{StageStatus, TaskState, group_of},
    telemetry,
};

/// A stage and what its tasks report.
pub(super) type Watched = (Arc<StagePlan>, StageStatus);

const REDRAW: Duration = Duration::from_secs(1);
/// Lag is asked of the broker, so less often.
const LAG_EVERY: u32 = 3;
/// Where nobody watches, a line of log now and then.
const LOG_EVERY: u32 = 30;

/// A summary that is being shown.
pub(super) struct Watch {
    stop: Shutdown,
    task: JoinHandle<()>,
}

impl Watch {
    /// Shows the last state, and ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // A summary that failed has nothing to say at the end.
        let _ = self.task.await;
    }
}

/// Shows the stages until it is stopped: a table that redraws itself on a
/// terminal, log lines elsewhere.
pub(super) fn watch(
    stages: Vec<Watched>,
    forwarders: Vec<Arc<forward::Status>>,
    broker: &Broker,
    context: &Context,
) -> Watch {
    let stop = Shutdown::new();
    let mut view = View {
        lags: vec![None; stages.len()],
        before: stages.iter().map(|(_, status)| status.counts()).collect(),
        since: Instant::now(),
        admin: Admin::connect(broker).ok().map(Arc::new),
        stages,
        forwarders,
    };
    let live = std::io::stderr().is_terminal() && !context.is_json();
    let until = stop.clone();
    let task = tokio::spawn(async move {
        let bar = if live { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let mut turn = 0_u32;
        loop {
            let stopped = tokio::time::timeout(REDRAW, until.cancelled()).await.is_ok();
            if turn.is_multiple_of(LAG_EVERY) && !stopped {
                view.ask_lags().await;
            }
            let text = view.render();
            if live {
                bar.set_message(text);
            } else if stopped || (turn > 0 && turn.is_multiple_of(LOG_EVERY)) {
                for line in text.lines() {
                    tracing::info!("{line}");
                }
            }
            if stopped {
                bar.abandon();
                return;
            }
            turn = turn.wrapping_add(1);
        }
    });
    Watch { stop, task }
}

struct View {
    stages: Vec<Watched>,
    forwarders: Vec<Arc<forward::Status>>,
    admin: Option<Arc<Admin>>,
    lags: Vec<Option<i64>>,
    before: Vec<Counts>,
    since: Instant,
}

impl View {
    async fn ask_lags(&mut self) {
        let Some(admin) = self.admin.clone() else { return };
        let asked: Vec<_> = self
            .stages
            .iter()
            .map(|(plan, _)| (group_of(plan), plan.from.name.as_str().into()))
            .collect();
        let answers = tokio::task::spawn_blocking(move || {
            let lag = |(group, topic): (String, _)| {
                let offsets = admin.offsets(&group, &topic).ok()?;
                Some(offsets.iter().map(GroupOffset::lag).sum())
            };
            asked.into_iter().map(lag).collect()
        });
        if let Ok(lags) = answers.await {
            self.lags = lags;
        }
        for ((plan, _), lag) in self.stages.iter().zip(&self.lags) {
            if let Some(lag) = lag {
                telemetry::lag(&plan.pipeline, &plan.stage, &plan.from.name, *lag);
            }
        }
    }

    fn render(&mut self) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        self.since = Instant::now();
        let mut rows = Vec::new();
        let mut errors = String::new();
        for (index, (plan, status)) in self.stages.iter().enumerate() {
            let counts = status.counts();
            let before = std::mem::replace(&mut self.before[index], counts);
            let rate = |now: u64, before: u64| ((now - before) as f64 / seconds).round() as u64;
            let lag = self.lags[index].map_or("?".to_owned(), |lag| grouped(lag.max(0) as u64));
            rows.push(vec![
                plan.id(),
                state(status).to_owned(),
                grouped(rate(counts.read, before.read)),
                grouped(rate(counts.out, before.out)),
                grouped(counts.read),
                grouped(counts.out),
                grouped(counts.filtered),
                grouped(counts.dead_lettered),
                lag,
            ]);
            for task in status.snapshots() {
                if let (TaskState::Retrying | TaskState::Failed, Some(error)) =
                    (task.state, task.last_error)
                {
                    let _ = writeln!(errors, "{}: {error}", plan.id());
                }
            }
        }
        let header = ["STAGE", "STATE", "IN/S", "OUT/S", "IN", "OUT", "FILTERED", "DEAD", "LAG"];
        let mut text = table(&header, &rows);
        for forwarder in &self.forwarders {
            let now = forwarder.snapshot();
            let _ = writeln!(
                text,
                "lineage to {}: {} delivered, {} waiting, {} parked{}",
                now.backend,
                grouped(now.delivered),
                grouped(now.backlog),
                grouped(now.parked),
                if now.down { ", backend away" } else { "" },
            );
        }
        text + &errors
    }
}

/// The state that says most: one failure outweighs any number that run.
fn state(status: &StageStatus) -> &'static str {
    let tasks: Vec<TaskState> = status.snapshots().iter().map(|task| task.state).collect();
    let any = |state| tasks.contains(&state);
    if any(TaskState::Failed) {
        "failed"
    } else if any(TaskState::Retrying) {
        "retrying"
    } else if any(TaskState::Running) {
        "running"
    } else if any(TaskState::Stopped) {
        "stopped"
    } else {
        "starting"
    }
}
