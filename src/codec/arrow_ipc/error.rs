//! Why a record holds no rows.

use arrow::error::ArrowError;

/// Why a record holds no rows, or not those of its topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("not an Arrow IPC stream: {0}")]
    Malformed(String),
    #[error("unpacks to more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("field `{name}`: missing, but `not null`")]
    Missing { name: String },
    #[error("field `{name}`: {reason}")]
    Mismatch { name: String, reason: String },
}

impl From<ArrowError> for DecodeError {
    fn from(error: ArrowError) -> Self {
        Self::Malformed(error.to_string())
    }
}
