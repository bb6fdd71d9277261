//! `lineage-hub run PIPELINE --input FILE`: a bounded run, from its first record
//! to the books of its last stage.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use super::{
    CliError,
    context::Context,
    hub,
    rows::CsvArgs,
    run_input,
    runs::{self, Shown},
    signals, timeout_seconds,
};
use crate::{
    broker::StartAt,
    pipeline::Route,
    record::Topic,
    runs::{BoundedRun, RunState, Tracker},
    runtime::Shutdown,
};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Pipeline that the records go through
    pipeline: String,

    /// File of one record a line, or CSV with a header (by its ending), or `-`
    /// for standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    #[command(flatten)]
    csv: CsvArgs,

    /// Topic to send to, where the pipeline begins with several
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Follow the run until its books balance; without it the run is only begun
    #[arg(long)]
    wait: bool,

    /// Longest to follow it
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait", value_parser = timeout_seconds())]
    timeout: u64,
}

pub(super) fn run(args: &RunArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let Some(pipeline) = plan.pipeline(&args.pipeline) else {
        let known: Vec<&str> = plan.pipelines.iter().map(|known| known.name.as_str()).collect();
        let message = format!("no pipeline `{}`; there are {}", args.pipeline, known.join(", "));
        return Err(CliError::Usage(message));
    };
    if !context.config.lineage.enabled {
        let message = "lineage is turned off, and without it nobody can tell when a run is \
                       complete; set `lineage.enabled`";
        return Err(CliError::Failed(message.to_owned()));
    }
    let route = Route::of(pipeline, args.topic.as_deref())
        .map_err(|error| CliError::Usage(format!("--topic: {error}")))?;
    let broker = context.broker()?;
    hub::require_topics(context, &broker, &route.stages)?;
    tokio::task::block_in_place(|| {
        let lineage: Topic = context.config.lineage.topic.as_str().into();
        // From before the first event, so that nothing of the run is missed.
        let mut tracker = Tracker::open(&broker, &lineage, StartAt::End)?;
        let id = run_input::send(&args.input, &args.csv, context, &broker, &route, &shutdown)?;
        if args.wait {
            let longest = Duration::from_secs(args.timeout);
            follow(context, &mut tracker, id, longest, &shutdown)
        } else {
            begun(context, &mut tracker, id)
        }
    })
}

/// Says which run was begun; somebody else sees to its end.
fn begun(context: &Context, tracker: &mut Tracker, id: Uuid) -> Result<(), CliError> {
    tracker.read_on(Duration::from_secs(10))?;
    anstream::eprintln!("run {id} is begun; see `lineage-hub runs show {id}`");
    match tracker.runs().run(id) {
        Some(run) => runs::show(context, &Shown::Bounded(run)),
        None => Ok(()),
    }
}

/// Follows a run to its end, and prints its books.
pub(super) fn follow(
    context: &Context,
    tracker: &mut Tracker,
    id: Uuid,
    longest: Duration,
    shutdown: &Shutdown,
) -> Result<(), CliError> {
    let bar = bar(context);
    let begun = Instant::now();
    // The end of the whole can be read before those of its parts, which stand in other
    // partitions.
    let is_settled = |tracker: &Tracker| tracker.runs().run(id).is_some_and(BoundedRun::is_settled);
    while !is_settled(tracker) && begun.elapsed() < longest && !shutdown.is_cancelled() {
        tracker.follow(Some(id))?;
        if let Some(run) = tracker.runs().run(id) {
            show_progress(&bar, run);
        }
    }
    bar.finish_and_clear();
    let Some(run) = tracker.runs().run(id) else {
        return Err(CliError::TimedOut {
            waited: longest,
            what: format!("run {id} has not begun"),
        });
    };
    runs::show(context, &Shown::Bounded(run))?;
    match run.state {
        RunState::Complete if run.is_balanced() => Ok(()),
        RunState::Running if shutdown.is_cancelled() => Err(CliError::Failed(format!(
            "interrupted; run {id} goes on, see `lineage-hub runs show {id}`"
        ))),
        RunState::Running => Err(CliError::TimedOut { waited: longest, what: open_books(run) }),
        state => {
            let error = run.error.clone().unwrap_or_else(|| "its books do not balance".to_owned());
            Err(CliError::Failed(format!("run {id} is {}: {error}", state.as_str())))
        }
    }
}

/// The first stage whose books are open.
fn open_books(run: &BoundedRun) -> String {
    let open = run.graph.iter().find_map(|stage| {
        let read = run.parts.get(&stage.job).map_or(0, |part| part.counts.read);
        let sent = run.sent_to(stage).unwrap_or_default();
        (read != sent).then(|| format!("{} took in {read} of {sent} records", stage.job))
    });
    let open = open.unwrap_or_else(|| "its end is not told yet".to_owned());
    format!(
        "{open}; is a replica of each stage running? The run goes on: `lineage-hub runs show {}`",
        run.id
    )
}

fn bar(context: &Context) -> ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() || context.is_json() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}% {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn show_progress(bar: &ProgressBar, run: &BoundedRun) {
    let read = |job: &str| run.parts.get(job).map_or(0, |part| part.counts.read);
    bar.set_length(run.graph.iter().filter_map(|stage| run.sent_to(stage)).sum());
    bar.set_position(run.graph.iter().map(|stage| read(&stage.job)).sum());
    let stages = run.graph.iter().map(|stage| {
        let sent = run.sent_to(stage).unwrap_or_default();
        format!("{} {}/{sent}", stage.job, read(&stage.job))
    });
    bar.set_message(stages.collect::<Vec<_>>().join("  "));
}
