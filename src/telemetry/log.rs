//! Log lines: text for people, JSON for programs, on standard error always; and
//! to the collector where logs are exported.

use std::io::IsTerminal;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{LogConfig, LogFormat, visible::VisibleStderr};

/// What takes part in exporting: its words would be exported, and cause others.
const EXPORTING: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_sdk",
    "reqwest",
    "tonic",
    "tower",
];

/// Starts logging for the whole process; a second call changes nothing.
pub(super) fn start(config: &LogConfig, color: bool, exported: Option<&SdkLoggerProvider>) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let color = color && std::io::stderr().is_terminal();
    let lines = match config.format {
        LogFormat::Text => fmt::layer()
            .with_writer(VisibleStderr { color })
            .with_ansi(color)
            .with_target(false)
            .boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(VisibleStderr { color: false }).boxed(),
    };
    let collector = exported.map(|provider| {
        let quiet = EXPORTING.map(|target| (target, LevelFilter::OFF));
        let targets = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
        OpenTelemetryTracingBridge::new(provider).with_filter(targets)
    });
    let started =
        tracing_subscriber::registry().with(filter).with(lines).with(collector).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
