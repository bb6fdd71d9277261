//! What stands before every handler: token, time limit, trace, CORS, security headers.

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use super::{ApiError, app::Shared, config::Token};
use crate::{record::TRACE_HEADER, telemetry::Served};

/// Asks for the token.
pub(super) async fn authorize(
    State(token): State<Option<Token>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| {
        let (scheme, token) = value.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    // In constant time, so that nobody learns the token a byte at a time.
    let fits = given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into());
    if fits { next.run(request).await } else { ApiError::Unauthorized.into_response() }
}

/// Bounds the time of a request that is neither a stream nor an upload.
pub(super) async fn limit_time(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let limit = app.request_timeout();
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut { seconds: limit.as_secs() }.into_response(),
    }
}

/// Answers in a span of the caller's trace. What the handler finds as the caller's
/// header is this span.
pub(super) async fn trace(route: MatchedPath, mut request: Request, next: Next) -> Response {
    let parent = request.headers().get(TRACE_HEADER).map(HeaderValue::as_bytes);
    let served = Served::start(request.method().as_str(), route.as_str(), parent);
    if let Some(header) = served.header().and_then(|own| HeaderValue::from_bytes(&own).ok()) {
        request.headers_mut().insert(TRACE_HEADER, header);
    }
    let response = next.run(request).await;
    served.end(response.status().as_u16());
    response
}

/// Counts requests by their answers.
pub(super) async fn count(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.metrics.answered(response.status());
    response
}

/// For browsers: no guessing of types, no framing, nothing from elsewhere.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        // The page at /docs sets styles and shows images of its own.
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
];

pub(super) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets the pages of the origins that are listed use the API.
pub(super) async fn allow_origins(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| {
        app.parts.config.cors.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    });
    let Some(origin) = origin.cloned() else { return next.run(request).await };
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, DELETE"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "authorization, content-encoding, content-type, idempotency-key",
            ),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, retry-after"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}
