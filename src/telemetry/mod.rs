//! What the program tells of itself: log lines, and over OTLP metrics, traces and logs.
//!
//! ```text
//! stage (a batch), forward and api (a request), runs -> metrics: aggregated in place -> every interval \
//!                                           `-> spans, log lines -> [queue] -> batches ---------> collector
//! ```
//!
//! # Guarantees
//!
//! Nothing leaves the process, and nothing is measured, unless `OTEL_*` names an
//! endpoint. Nobody waits for a collector: what finds a queue full is dropped
//! and counted, and the end of the process waits for it a few seconds at most.
//! Metrics are recorded once a batch, a transaction or a request, never a record.
//!
//! # Not here
//!
//! Reading the environment (`config`), and what lineage tells (`lineage`): the
//! books are there, and hold also where telemetry is off or lost.

mod bounded;
mod config;
pub mod context;
mod export;
mod forward;
mod http;
mod log;
mod metrics;
mod run;
mod server;
mod settings;
mod stage;
#[cfg(test)]
mod tests;
mod tls;
mod unread;
mod visible;

pub use config::{LogConfig, LogFormat};
pub use export::tracer;
pub use forward::{Request, Settled, backlog};
pub use metrics::{INSTRUMENTS, Metrics, Spec, metrics, reference};
pub use run::{RunEnded, RunSettled, RunSpan};
pub use server::Served;
pub use settings::{Endpoint, OtelConfig, Protocol, Queue, Sampling, TlsFiles};
pub use stage::{Batch, BatchTrace, Books, Entered, STEPS, StageLabels, StageTelemetry, lag};
pub use visible::{visible, visible_lines};

/// Telemetry of the process; what is left is exported at its end.
#[must_use = "without its end, what is not yet exported is lost"]
#[derive(Debug)]
pub struct Telemetry(export::Providers);

/// Starts logging, and what is exported. Must be called in a runtime.
pub fn start(log: &LogConfig, color: bool, config: &OtelConfig) -> Telemetry {
    let (providers, failures) = export::Providers::start(config);
    log::start(log, color, providers.logs.as_ref());
    for problem in &config.problems {
        tracing::warn!("passed over: {problem}");
    }
    for variable in &config.unread {
        tracing::warn!("not followed: {variable}");
    }
    for error in &failures {
        tracing::warn!(error = error as &dyn std::error::Error, "telemetry is left out");
    }
    Telemetry(providers)
}

impl Telemetry {
    /// Exports what is left; the runtime must still be there.
    pub fn end(self) {
        self.0.shut_down();
    }
}
