//! The command line: one file a subcommand.
//!
//! Rows go to standard output, talk to standard error. Exit codes: 0 done,
//! 1 failed, 2 wrong usage, 3 timed out.

mod api;
mod broker;
mod check;
mod completions;
mod config;
mod context;
mod demo;
mod dlq;
mod dlq_lineage;
mod dlq_replay;
mod drain;
mod error;
mod explain;
mod forward;
mod forward_look;
pub mod generate;
mod graph;
mod hub;
mod inspect;
mod lineage;
mod output;
mod pipeline_runs;
mod produce;
mod program;
mod reach;
mod rows;
mod run;
mod run_input;
mod runs;
mod signals;
mod stage;
mod status;
mod summary;
mod topics;
mod up;

use std::{
    io::{self, IsTerminal},
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::RangedU64ValueParser};
use jiff::Timestamp;

pub use error::CliError;
pub use program::Hub;

use self::{context::Context, generate::GenerateArgs};

/// Kafka stream processing in SQL, exactly once, with OpenLineage committed in
/// the same transaction.
#[derive(Debug, Parser)]
#[command(name = "lineage-hub", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Folder of `topics/`, `pipelines/` and `hub.yaml`
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,

    /// Configuration file, instead of `hub.yaml` in the project folder
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kafka brokers, with commas between (also: `KAFKA_BOOTSTRAP_SERVERS`)
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,

    /// Folder of what is kept on disk, instead of `data_dir` of the configuration
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// How rows are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: OutputFormat,

    /// How log lines are written, instead of `log.format`
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Log more; twice for all (RUST-style filters: `log.filter`)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What `--log-format` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For programs: one object per line
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one object a line
    Json,
    /// For Graphviz; of `explain` and `lineage show` alone
    Dot,
    /// For Mermaid; of `explain` and `lineage show` alone
    Mermaid,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of the project in one process, until Ctrl-C
    Up(up::UpArgs),
    /// Run the project on sample orders and show what comes of them
    Demo(demo::DemoArgs),
    /// Run the embedded Kafka broker alone, until Ctrl-C
    Broker(broker::BrokerArgs),
    /// Run one stage, until Ctrl-C
    Stage(stage::StageArgs),
    /// Deliver lineage events to their backends, until Ctrl-C
    Forward(forward::ForwardArgs),
    /// Look at broker, topics, stages, forwarder and backends: what is wrong, what to do
    Status(status::StatusArgs),
    /// Serve the HTTP API, until Ctrl-C
    Api(api::ApiArgs),
    /// Check the project's files and settings; print all problems at once
    Check,
    /// Print what stages do, what they write, and which field comes from which
    Explain(explain::ExplainArgs),
    /// Print what a topic, a stage or a field comes from, and what comes of it
    Lineage(lineage::LineageArgs),
    /// Compare the project's topics with the cluster's, and make them
    Topics(topics::TopicsArgs),
    /// Send a file's lines to a topic
    Produce(produce::ProduceArgs),
    /// Send a file through a pipeline as one run, and follow its books
    Run(run::RunArgs),
    /// Print runs and their books
    Runs(runs::RunsArgs),
    /// Look into the dead letters, and send them back
    Dlq(dlq::DlqArgs),
    /// Look into a topic
    Inspect(inspect::InspectArgs),
    /// Write records of a known workload
    Generate(GenerateArgs),
    /// Show or check the configuration
    Config(config::ConfigArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Timeouts in seconds: a year is longer than any wait.
fn timeout_seconds() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=365 * 24 * 60 * 60)
}

/// Milliseconds since 1970, this many days ago.
fn days_ago(days: u32) -> i64 {
    (Timestamp::now().as_millisecond() - i64::from(days) * 86_400_000).max(0)
}

/// Parses the arguments and runs what they say.
fn main(hub: Hub) -> ExitCode {
    let cli = Cli::parse();
    match run(cli, hub) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough (`| head`) is no failure.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}

fn run(cli: Cli, hub: Hub) -> Result<(), CliError> {
    let Cli { globals, command } = cli;
    let is_drawing = matches!(globals.output, OutputFormat::Dot | OutputFormat::Mermaid);
    if is_drawing && !matches!(command, Command::Explain(_) | Command::Lineage(_)) {
        let message = "--output dot and mermaid are of `explain` and `lineage show` alone";
        return Err(CliError::Usage(message.to_owned()));
    }
    match command {
        Command::Generate(args) => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            return generate::run(&args, &mut out).map_err(CliError::Output);
        }
        Command::Completions(args) => return completions::run(&args),
        Command::Config(args) => return config::run(&args, globals, hub),
        Command::Check => return check::run(globals, hub),
        _ => {}
    }
    let context = Context::load(globals, hub)?;
    let color = io::stderr().is_terminal() && !context.no_color;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let telemetry = {
        let _inside = runtime.enter();
        crate::telemetry::start(&context.config.log, color, &context.otel)
    };
    let work = async {
        match command {
            Command::Up(args) => up::run(&args, &context).await,
            Command::Demo(args) => demo::run(&args, &context).await,
            Command::Broker(args) => broker::run(&args, &context).await,
            Command::Stage(args) => stage::run(&args, &context).await,
            Command::Status(args) => status::run(&args, &context).await,
            Command::Forward(args) => forward::run(&args, &context).await,
            Command::Api(args) => api::run(&args, &context).await,
            Command::Explain(args) => explain::run(&args, &context),
            Command::Lineage(args) => lineage::run(&args, &context),
            Command::Topics(args) => topics::run(&args, &context).await,
            Command::Produce(args) => produce::run(&args, &context),
            Command::Run(args) => run::run(&args, &context),
            Command::Runs(args) => runs::run(&args, &context),
            Command::Dlq(args) => dlq::run(&args, &context),
            Command::Inspect(args) => inspect::run(&args, &context),
            Command::Generate(_)
            | Command::Completions(_)
            | Command::Config(_)
            | Command::Check => Ok(()),
        }
    };
    // Unwinding would wait for threads that go on.
    let done = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    let done = match done {
        Ok(Ok(())) if crate::runtime::has_panicked() => Err(CliError::Panicked),
        Ok(done) => done,
        Err(_) => Err(CliError::Panicked),
    };
    telemetry.end();
    // librdkafka's threads need no farewell; nothing of ours is under way any more.
    runtime.shutdown_background();
    done
}
