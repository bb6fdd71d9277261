//! The broker as a program of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use embedded_kafka::{Broker, Fsync};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A single-node Kafka broker with transactions.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,

    /// Folder that everything is kept in.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".embedded-kafka",
        conflicts_with = "ephemeral"
    )]
    data_dir: PathBuf,

    /// Keep everything in memory.
    #[arg(long)]
    ephemeral: bool,

    /// Make topics that clients ask for.
    #[arg(long)]
    auto_create_topics: bool,

    /// Partitions of a topic made without saying how many.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    partitions: i32,

    /// When to wait for the disk.
    #[arg(long, value_enum, default_value = "commit")]
    fsync: FsyncOption,

    /// Milliseconds that unsynced bytes stay so at most.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    fsync_interval_ms: u64,

    /// Host that clients are told, when it is another than the one listened on.
    #[arg(long, value_name = "HOST")]
    advertised_host: Option<String>,

    /// Permit an address that other machines can reach. There is no authentication.
    #[arg(long)]
    allow_remote: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FsyncOption {
    /// At each append.
    EachAppend,
    /// At each commit of a transaction, and on the interval.
    Commit,
    /// On the interval only.
    Interval,
}

impl From<FsyncOption> for Fsync {
    fn from(option: FsyncOption) -> Self {
        match option {
            FsyncOption::EachAppend => Self::EachAppend,
            FsyncOption::Commit => Self::Commit,
            FsyncOption::Interval => Self::Interval,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &*error, "the broker did not start");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Broker::builder()
        .listen(options.listen)
        .allow_remote(options.allow_remote)
        .auto_create_topics(options.auto_create_topics)
        .default_partitions(options.partitions)
        .fsync(options.fsync.into())
        .fsync_interval(Duration::from_millis(options.fsync_interval_ms));
    if let Some(host) = options.advertised_host {
        builder = builder.advertised_host(host);
    }
    if !options.ephemeral {
        builder = builder.data_dir(options.data_dir);
    }
    // Before the address is told: who reads it may send the signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let broker = builder.start().await?;
    writeln!(std::io::stdout(), "{}", broker.address())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    broker.shutdown().await;
    Ok(())
}
