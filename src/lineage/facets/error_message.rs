//! `errorMessage`: why a run failed.

use serde::Serialize;

use super::{Facet, OfRun};

/// The error that ended a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    pub message: String,
    programming_language: &'static str,
    /// The causes, outermost first, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
}

impl ErrorMessage {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), programming_language: "RUST", stack_trace: None }
    }
}

impl From<&dyn std::error::Error> for ErrorMessage {
    /// The error as the message, and the causes behind it as the trace.
    fn from(error: &dyn std::error::Error) -> Self {
        let causes: Vec<String> = std::iter::successors(error.source(), |cause| cause.source())
            .map(ToString::to_string)
            .collect();
        let stack_trace = (!causes.is_empty()).then(|| causes.join("\n"));
        Self { stack_trace, ..Self::new(error.to_string()) }
    }
}

impl Facet<OfRun> for ErrorMessage {
    const KEY: &'static str = "errorMessage";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot commit")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_become_the_trace_and_an_error_without_any_has_none() {
        let error = Outer(std::io::Error::other("broker away"));
        let facet = ErrorMessage::from(&error as &dyn std::error::Error);
        assert_eq!(facet.message, "cannot commit");
        assert_eq!(facet.stack_trace.as_deref(), Some("broker away"));

        let bare = std::io::Error::other("broker away");
        assert_eq!(ErrorMessage::from(&bare as &dyn std::error::Error).stack_trace, None);
    }
}
