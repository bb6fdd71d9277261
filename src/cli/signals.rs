//! Ctrl-C and SIGTERM: the first drains, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use crate::runtime::Shutdown;

/// Cancels `shutdown` at the first signal; a second one ends the process.
pub(super) fn watch(shutdown: &Shutdown) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is committed first; once more ends at once");
        shutdown.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(())
}
