//! `lineage-hub runs list|show`: runs and their books, read from the lineage topic.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    CliError,
    context::Context,
    days_ago,
    output::{self, grouped},
};
use crate::{
    broker::StartAt,
    lineage::{Counts, PartitionBalance},
    record::Topic,
    runs::{BoundedRun, RunView, StreamingRun, Tracker},
    telemetry::visible,
};

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Print the latest runs, the newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only runs that are still going on
        #[arg(long)]
        running: bool,
        /// Only bounded runs
        #[arg(long)]
        bounded: bool,
        #[command(flatten)]
        since: Since,
    },
    /// Print the books of one run
    Show {
        /// The run's id, or how it begins
        id: String,
        #[command(flatten)]
        since: Since,
    },
}

#[derive(Debug, Args)]
struct Since {
    /// How far back the lineage topic is read
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u32,
}

/// Longest that the topic is read for.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

pub(super) fn run(args: &RunsArgs, context: &Context) -> Result<(), CliError> {
    let since = match &args.command {
        RunsCommand::List { since, .. } | RunsCommand::Show { since, .. } => since,
    };
    let broker = context.broker()?;
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let begin = days_ago(since.days);
    let tracker = tokio::task::block_in_place(|| {
        let mut tracker = Tracker::open(&broker, &topic, StartAt::Time(begin))?;
        tracker.read_to_end(READ_TIMEOUT)?;
        Ok::<_, CliError>(tracker)
    })?;
    match &args.command {
        RunsCommand::List { limit, running, bounded, .. } => {
            let mut all = tracker.runs().all();
            all.retain(|run| {
                (!running || !run.state().is_ended())
                    && (!bounded || matches!(run, RunView::Bounded(_)))
            });
            all.truncate(*limit);
            list(context, &all)
        }
        RunsCommand::Show { id, since } => match tracker.runs().find(id)[..] {
            [run] => show(context, &run.into()),
            [] => Err(CliError::Failed(format!(
                "no run `{id}` in the last {} days of {topic}; see `lineage-hub runs list`, or \
                 look further back with --days",
                since.days
            ))),
            [..] => {
                Err(CliError::Usage(format!("several runs begin with `{id}`; write more of it")))
            }
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: String,
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    started: Option<String>,
    seconds: Option<f64>,
    #[serde(flatten)]
    counts: Counts,
    balanced: bool,
}

fn list(context: &Context, runs: &[RunView<'_>]) -> Result<(), CliError> {
    let rows: Vec<Listed<'_>> = runs.iter().map(Listed::of).collect();
    let header =
        ["RUN", "NAME", "STATE", "STARTED", "TOOK", "IN", "OUT", "FILTERED", "DEAD", "BALANCED"];
    output::rows(context.is_json(), &header, &rows, |row| {
        let Listed { id, name, state, started, seconds, counts, balanced, .. } = row;
        let mut cells = vec![
            id.clone(),
            (*name).to_owned(),
            (*state).to_owned(),
            started.clone().unwrap_or_else(|| "-".to_owned()),
            seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s")),
        ];
        let Counts { read, out, filtered, dead_lettered, .. } = *counts;
        cells.extend([read, out, filtered, dead_lettered].map(grouped));
        cells.push(yes(*balanced));
        cells
    })
}

impl<'a> Listed<'a> {
    fn of(run: &'a RunView<'a>) -> Self {
        let seconds =
            run.started().zip(run.ended()).map(|(from, to)| to.duration_since(from).as_secs_f64());
        Self {
            id: run.id().to_string(),
            name: run.name(),
            kind: match run {
                RunView::Bounded(_) => "bounded",
                RunView::Streaming(_) => "streaming",
            },
            state: run.state().as_str(),
            started: run.started().map(|time| format!("{time:.0}")),
            seconds,
            counts: run.counts(),
            balanced: run.is_balanced(),
        }
    }
}

/// A run to be shown.
pub(super) enum Shown<'a> {
    Bounded(&'a BoundedRun),
    Streaming(&'a StreamingRun),
}

impl<'a> From<RunView<'a>> for Shown<'a> {
    fn from(view: RunView<'a>) -> Self {
        match view {
            RunView::Bounded(run) => Self::Bounded(run),
            RunView::Streaming(run) => Self::Streaming(run),
        }
    }
}

/// Prints a run: as one object, or its state and its books as a table.
pub(super) fn show(context: &Context, run: &Shown<'_>) -> Result<(), CliError> {
    match run {
        Shown::Bounded(run) if context.is_json() => object(&Whole {
            kind: "bounded",
            run,
            counts: run.counts(),
            balanced: run.is_balanced(),
        }),
        Shown::Streaming(run) if context.is_json() => object(&Whole {
            kind: "streaming",
            run,
            counts: run.counts,
            balanced: run.counts.balances(),
        }),
        Shown::Bounded(run) => show_bounded(run),
        Shown::Streaming(run) => show_streaming(run),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a, R> {
    kind: &'static str,
    #[serde(flatten)]
    run: &'a R,
    #[serde(rename = "books")]
    counts: Counts,
    balanced: bool,
}

fn object<R: Serialize>(whole: &Whole<'_, R>) -> Result<(), CliError> {
    let text = serde_json::to_string(whole).map_err(|error| CliError::Output(error.into()))?;
    output::line(text)
}

fn show_bounded(run: &BoundedRun) -> Result<(), CliError> {
    let books = if run.is_balanced() { "books balanced" } else { "books open" };
    let sent = run.total.as_ref().map_or_else(
        || "records, of a total that is not stated yet".to_owned(),
        |total| format!("{} records sent to {}", grouped(total.records), visible(&total.topic)),
    );
    let of = visible(&run.pipeline);
    output::line(format!("run {} of {of}: {}, {books}", run.id, run.state.as_str()))?;
    output::line(sent)?;
    if let Some(error) = &run.error {
        output::line(format!("error: {}", visible(error)))?;
    }
    let header = ["STAGE", "STATE", "REPLICA", "SENT TO IT", "IN", "OUT", "FILTERED", "DEAD"];
    let mut rows = Vec::new();
    for stage in &run.graph {
        let part = run.parts.get(&stage.job).cloned().unwrap_or_default();
        let sent = run.sent_to(stage).map_or_else(|| "-".to_owned(), grouped);
        let row = |state: &str, replica: &str, sent: &str, counts: Counts| {
            let mut cells = [&stage.job, state, replica, sent].map(str::to_owned).to_vec();
            let Counts { read, out, filtered, dead_lettered, .. } = counts;
            cells.extend([read, out, filtered, dead_lettered].map(grouped));
            cells
        };
        rows.push(row(part.state.as_str(), "all", &sent, part.counts));
        if part.by_replica.len() > 1 {
            let each = part.by_replica.iter();
            rows.extend(each.map(|(replica, counts)| row("", replica, "", *counts)));
        }
    }
    output::line(output::table(&header, &rows).trim_end())?;
    for (job, part) in &run.parts {
        for (expectation, unmet) in &part.unmet {
            let rows =
                if *unmet == 1 { "1 row".to_owned() } else { format!("{} rows", grouped(*unmet)) };
            let (job, expectation) = (visible(job), visible(expectation));
            output::line(format!("{job}: {rows} failed the expectation `{expectation}`"))?;
        }
    }
    Ok(())
}

fn show_streaming(run: &StreamingRun) -> Result<(), CliError> {
    let StreamingRun { id, job, replica, state, counts, error, .. } = run;
    let books = if counts.balances() { "books balanced" } else { "books open" };
    let (job, replica) = (visible(job), visible(replica));
    output::line(format!("run {id} of {job}, replica {replica}: {}, {books}", state.as_str()))?;
    if let Some(error) = error {
        output::line(format!("error: {}", visible(error)))?;
    }
    let header = ["TOPIC", "PARTITION", "IN", "OUT", "FILTERED", "DEAD"];
    let row = |topic: &str, partition: String, counts: &Counts| {
        let Counts { read, out, filtered, dead_lettered, .. } = *counts;
        let mut cells = vec![topic.to_owned(), partition];
        cells.extend([read, out, filtered, dead_lettered].map(grouped));
        cells
    };
    let of_partition = |partition: &PartitionBalance| {
        row(&partition.topic, partition.partition.to_string(), &partition.counts)
    };
    let mut rows: Vec<_> = run.by_partition.iter().map(of_partition).collect();
    rows.push(row("", "all".to_owned(), counts));
    output::line(output::table(&header, &rows).trim_end())
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
