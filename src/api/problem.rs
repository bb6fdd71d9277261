//! What an answer says that is no success: problem details of RFC 9457.

use axum::{
    Json,
    extract::rejection::{BytesRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::encoding::ACCEPTED;
use crate::{broker::BrokerError, record::Topic, runs::TrackerError};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ApiError {
    #[error("nothing is at this path; /openapi.json lists what there is")]
    PathUnknown,
    #[error("this path does not take this method")]
    MethodNotAllowed,
    #[error("give the token as `Authorization: Bearer TOKEN`")]
    Unauthorized,
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unprocessable(String),
    #[error(
        "the body has more than {limit} bytes; the limit is `api.body_bytes_max`, and for lineage \
         events `max.message.bytes` of their topic where that is larger"
    )]
    BodyTooLarge { limit: usize },
    #[error("record {number} of the body has more than {limit} bytes")]
    RecordTooLarge { number: u64, limit: usize },
    #[error(
        "the record has {size} bytes, and `{topic}` takes fewer; raise its `max.message.bytes` or \
         send a smaller one"
    )]
    OverTopicLimit { topic: Topic, size: usize },
    #[error(
        "the event has {size} bytes without what Kafka adds, and `max.message.bytes` of `{topic}` \
         is {limit}; raise it or send a smaller event"
    )]
    EventTooLarge { topic: Topic, size: usize, limit: usize },
    #[error("send {wanted}")]
    UnsupportedMediaType { wanted: &'static str },
    #[error("cannot unpack a body with this `Content-Encoding`: {name}; send {ACCEPTED} or none")]
    UnsupportedEncoding { name: String },
    #[error("the client sent nothing for {seconds} s; `api.stall_timeout` is the limit")]
    ClientStalled { seconds: u64 },
    #[error("no pipeline `{name}`")]
    PipelineNotFound { name: String },
    #[error("no stage `{name}`; a stage is named PIPELINE/STAGE")]
    StageNotFound { name: String },
    #[error("no topic `{name}`")]
    TopicNotFound { name: String },
    #[error("the project knows no fields of topic `{topic}`; ask for JSON")]
    NoFields { topic: Topic },
    #[error("no run {id}")]
    RunNotFound { id: String },
    #[error("the graph has no node `{node}`")]
    NodeNotFound { node: String },
    #[error("the run is {state} already")]
    RunEnded { state: &'static str },
    #[error("the run's records are still being sent by another process; stop that one")]
    RunSending,
    #[error("lineage is turned off, and without it there are no runs; set `lineage.enabled`")]
    LineageDisabled,
    #[error("{limit} connections are open, and `api.connections_max` allows no more")]
    TooManyConnections { limit: usize },
    #[error("{limit} streams are open, and `api.streams_max` allows no more")]
    TooManyStreams { limit: usize },
    #[error(
        "{limit} streams follow topics, and `api.streams_max` and the process's limit of open \
         files (`ulimit -Hn`) allow no more"
    )]
    TooManyTails { limit: usize },
    #[error("{limit} uploads are under way, and `api.uploads_max` allows no more")]
    TooManyUploads { limit: usize },
    #[error("too many requests wait for Kafka")]
    Busy,
    #[error("Kafka does not answer: {reason}")]
    BrokerUnavailable { reason: String },
    #[error("the lineage topic has not been read to its end yet")]
    CatchingUp,
    #[error("not done in {seconds} s; `api.request_timeout` is the limit")]
    TimedOut { seconds: u64 },
    #[error("something went wrong in the hub; its log says what")]
    Internal,
}

impl ApiError {
    /// The code is part of the API; the message is not.
    pub(super) fn code(&self) -> (StatusCode, &'static str) {
        use StatusCode as Status;
        match self {
            Self::PathUnknown => (Status::NOT_FOUND, "path_unknown"),
            Self::MethodNotAllowed => (Status::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Unauthorized => (Status::UNAUTHORIZED, "unauthorized"),
            Self::Invalid(_) => (Status::BAD_REQUEST, "invalid_request"),
            Self::Unprocessable(_) => (Status::UNPROCESSABLE_ENTITY, "unprocessable"),
            Self::BodyTooLarge { .. } => (Status::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::RecordTooLarge { .. }
            | Self::OverTopicLimit { .. }
            | Self::EventTooLarge { .. } => (Status::PAYLOAD_TOO_LARGE, "record_too_large"),
            Self::UnsupportedMediaType { .. } => {
                (Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::UnsupportedEncoding { .. } => {
                (Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
            }
            Self::ClientStalled { .. } => (Status::REQUEST_TIMEOUT, "client_stalled"),
            Self::PipelineNotFound { .. } => (Status::NOT_FOUND, "pipeline_not_found"),
            Self::StageNotFound { .. } => (Status::NOT_FOUND, "stage_not_found"),
            Self::TopicNotFound { .. } => (Status::NOT_FOUND, "topic_not_found"),
            Self::NoFields { .. } => (Status::NOT_ACCEPTABLE, "no_fields"),
            Self::RunNotFound { .. } => (Status::NOT_FOUND, "run_not_found"),
            Self::NodeNotFound { .. } => (Status::NOT_FOUND, "node_not_found"),
            Self::RunEnded { .. } => (Status::CONFLICT, "run_ended"),
            Self::RunSending => (Status::CONFLICT, "run_sending"),
            Self::LineageDisabled => (Status::CONFLICT, "lineage_disabled"),
            Self::TooManyConnections { .. } => {
                (Status::SERVICE_UNAVAILABLE, "too_many_connections")
            }
            Self::TooManyStreams { .. } | Self::TooManyTails { .. } => {
                (Status::SERVICE_UNAVAILABLE, "too_many_streams")
            }
            Self::TooManyUploads { .. } => (Status::SERVICE_UNAVAILABLE, "too_many_uploads"),
            Self::Busy => (Status::SERVICE_UNAVAILABLE, "busy"),
            Self::BrokerUnavailable { .. } => (Status::SERVICE_UNAVAILABLE, "broker_unavailable"),
            Self::CatchingUp => (Status::SERVICE_UNAVAILABLE, "catching_up"),
            Self::TimedOut { .. } => (Status::SERVICE_UNAVAILABLE, "timed_out"),
            Self::Internal => (Status::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// Our own failure: logged whole, told to the client as no more than that.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::Internal
    }
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:lineage-hub:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, for people.
    detail: String,
    /// Stable: programs may decide by it.
    code: &'static str,
}

impl Problem {
    pub(super) const TYPE: &'static str = "application/problem+json";

    pub(super) fn of(error: &ApiError) -> Self {
        let (status, code) = error.code();
        Self {
            kind: format!("urn:lineage-hub:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: error.to_string(),
            code,
        }
    }
}

/// Seconds after which another try makes sense.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, _) = self.code();
        // Whoever is turned away for want of room must not keep a connection meanwhile.
        let is_full = matches!(
            self,
            Self::TooManyConnections { .. }
                | Self::TooManyStreams { .. }
                | Self::TooManyTails { .. }
                | Self::TooManyUploads { .. }
        );
        let is_packed = matches!(self, Self::UnsupportedEncoding { .. });
        let mut response = (status, Json(Problem::of(&self))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if is_packed {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
        }
        if is_full {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<BrokerError> for ApiError {
    fn from(error: BrokerError) -> Self {
        match &error {
            BrokerError::TopicMissing { topic } => Self::TopicNotFound { name: topic.to_string() },
            BrokerError::Unreachable { .. } | BrokerError::Passing { .. } => {
                Self::BrokerUnavailable { reason: error.to_string() }
            }
            BrokerError::RecordTooLarge { topic, size, .. } => {
                Self::OverTopicLimit { topic: topic.clone(), size: *size }
            }
            // Somebody else did the same at the same time.
            BrokerError::Fenced { .. } => Self::Busy,
            _ => Self::internal(&error),
        }
    }
}

impl From<TrackerError> for ApiError {
    fn from(error: TrackerError) -> Self {
        match error {
            TrackerError::Broker(error) => error.into(),
            TrackerError::Slow { .. } => Self::CatchingUp,
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(error: PathRejection) -> Self {
        Self::Invalid(error.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(error: QueryRejection) -> Self {
        Self::Invalid(error.body_text())
    }
}

impl ApiError {
    pub(super) fn of_body(error: &BytesRejection, limit: usize) -> Self {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::BodyTooLarge { limit };
        }
        Self::Invalid(error.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_type_its_code_and_when_to_come_again() {
        let response = ApiError::TooManyStreams { limit: 3 }.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = ApiError::Unauthorized.into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_problem_of_ours_says_nothing_of_its_cause() {
        let error = std::io::Error::other("password hunter2");
        let problem = Problem::of(&ApiError::internal(&error));
        assert!(!problem.detail.contains("hunter2"));
        assert_eq!((problem.status, problem.code), (500, "internal"));
    }
}
