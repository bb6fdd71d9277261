//! What librdkafka tells on the side: its log lines and errors, into ours.

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError};

/// Context of clients that listen to nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

/// librdkafka logs what it will mend by itself; only the gravest is a warning here. Of
/// a producer that was fenced its user is told as well, who often expected it.
pub(super) fn log_line(level: RDKafkaLogLevel, fac: &str, message: &str) {
    match level {
        _ if fac == "FATAL" && message.contains("fenced") => {
            tracing::debug!(target: "kafka", fac, "{message}");
        }
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "kafka", fac, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "kafka", fac, "{message}");
        }
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::trace!(target: "kafka", fac, "{message}");
        }
    }
}

pub(super) fn log_error(error: &KafkaError, reason: &str) {
    tracing::debug!(target: "kafka", %error, "{reason}");
}
