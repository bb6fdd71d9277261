//! What handlers take of a request, with problem details where it does not fit.

use axum::{
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Request, rejection::BytesRejection,
    },
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{ApiError, app::Shared, encoding::Encodings};

/// Parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, app).await?;
        Ok(Self(value))
    }
}

/// The query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, app).await?;
        Ok(Self(value))
    }
}

/// A JSON body of at most `api.body_bytes_max` bytes, unpacked, else as it came.
pub(super) struct JsonBytes(pub(super) Bytes);

impl FromRequest<Shared> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, ApiError> {
        json_bytes(request, app, app.parts.config.body_bytes_max).await.map(Self)
    }
}

/// As [`JsonBytes`], but as large as the lineage topic takes it, if that is more.
pub(super) struct EventBytes(pub(super) Bytes);

impl FromRequest<Shared> for EventBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, ApiError> {
        let headers = request.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|length| length.parse::<usize>().ok());
        let mut limit = app.parts.config.body_bytes_max;
        let is_packed = headers.contains_key(header::CONTENT_ENCODING);
        if is_packed || length.is_none_or(|length| length > limit) {
            limit = limit.max(app.event_bytes_max().await?);
        }
        json_bytes(request, app, limit).await.map(Self)
    }
}

async fn json_bytes(mut request: Request, app: &Shared, limit: usize) -> Result<Bytes, ApiError> {
    if !is_type(request.headers(), "application/json") {
        return Err(ApiError::UnsupportedMediaType { wanted: "application/json" });
    }
    let encodings = Encodings::of(request.headers())?;
    DefaultBodyLimit::max(limit).apply(&mut request);
    let bytes: Result<Bytes, BytesRejection> = Bytes::from_request(request, app).await;
    let bytes = bytes.map_err(|error| ApiError::of_body(&error, limit))?;
    encodings.unpack_all(bytes, limit).await
}

/// A JSON body, read.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, ApiError> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, app).await?;
        read(&bytes).map(Self)
    }
}

pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::Invalid(format!("the body does not fit: {error}")))
}

/// Whether the body is of this media type, whatever its parameters.
pub(super) fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split(';').next()).unwrap_or_default();
    given.trim().eq_ignore_ascii_case(wanted)
}
