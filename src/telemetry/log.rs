//! Log lines: text for people, JSON for programs; on standard error always.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{LogConfig, LogFormat};

/// Starts logging for the whole process; a second call changes nothing.
pub fn start(config: &LogConfig, color: bool) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Text => base
            .with(
                fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(color && std::io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => base.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
