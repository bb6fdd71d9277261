//! HTTP: the hub driven and watched, from what Kafka holds.
//!
//! ```text
//! [520] -> guard (token, time, CORS) -> one file a resource -> app: ask Kafka, [32] at once
//!                                                |                 feed: lineage topic -> Runs
//!                                                `-> start, sending: body -> [4] -> RunSender
//! ```
//!
//! # Guarantees
//!
//! An answer of success means that Kafka has it. Where Kafka is away, whatever
//! needs it is refused with 503 and the reason within 2 s. A body of NDJSON may be
//! larger than memory; a client that stalls is cut off; streams and uploads are
//! bounded, and one too many is refused with 503 and `Retry-After`. Every problem
//! is of RFC 9457, with a stable code.
//!
//! # Not here
//!
//! A stage's memory, and the forwarder's: the API may run in a process of its own,
//! and says the same there.

#![allow(unused_qualifications, reason = "in code that utoipa's macros write")]

mod app;
mod bounds;
mod config;
mod dead_letters;
mod docs;
mod encoding;
mod events;
mod extract;
mod feed;
mod graph;
mod guard;
mod health;
mod lines;
mod metrics;
mod page;
mod pipelines;
mod problem;
mod pulse;
mod records;
mod rows;
mod runs;
mod sending;
mod server;
mod stages;
mod start;
mod stream;
mod topics;
mod views;
mod writer;

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

pub use app::{ApiParts, RunPlans, Samples};
pub use config::{ApiConfig, Token};
use problem::ApiError;

use self::{
    app::{App, Shared},
    bounds::Bounds,
    server::Doors,
};
use crate::runtime::{PanicGuard, Shutdown, raise_open_files};

/// Connections that wait to be accepted; the next ones come again after seconds.
const BACKLOG: u32 = 4096;

/// Why the API could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error("cannot listen on {listen}; is another program there? Set `api.listen`")]
    Listen { listen: String, source: io::Error },
    #[error("cannot read the token of `api.token_file`")]
    TokenFile { source: io::Error },
    #[error("cannot start a thread")]
    Thread { source: io::Error },
}

/// The API, listening.
pub struct Api {
    pub address: SocketAddr,
    /// The port of the configuration was taken, and a free one is used.
    pub moved: bool,
    task: JoinHandle<()>,
}

impl Api {
    /// Starts to serve until shutdown; must be called in a runtime. Where the port is taken it is an error, unless
    /// `may_move`: then a free one is taken.
    pub fn start(parts: ApiParts, may_move: bool, shutdown: &Shutdown) -> Result<Self, StartError> {
        let token = parts.config.read_token().map_err(|source| StartError::TokenFile { source })?;
        let (listener, moved) = bind(&parts.config.listen, may_move)?;
        let failed = |source| StartError::Listen { listen: parts.config.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let bounds = Bounds::of(&parts.config, raise_open_files());
        let app =
            App::start(parts, bounds, shutdown).map_err(|source| StartError::Thread { source })?;
        let doors = Doors { open: router(&app, token), full: full(bounds.connections) };
        let guard = PanicGuard::new(shutdown);
        let served = server::serve(listener, doors, bounds, shutdown.clone());
        let task = tokio::spawn(async move {
            let _guard = guard;
            served.await;
        });
        Ok(Self { address, moved, task })
    }

    /// Waits until what is under way is answered, after the shutdown was asked for.
    pub async fn join(self) {
        if self.task.await.is_err() {
            tracing::error!("the API panicked; this is a bug, please report it");
        }
    }
}

fn bind(listen: &str, may_move: bool) -> Result<(TcpListener, bool), StartError> {
    let failed = |source| StartError::Listen { listen: listen.to_owned(), source };
    let address: SocketAddr = listen.parse().map_err(|error| failed(io::Error::other(error)))?;
    match listen_at(address) {
        Err(error) if may_move && error.kind() == io::ErrorKind::AddrInUse => {
            let free = listen_at(SocketAddr::new(address.ip(), 0)).map_err(failed)?;
            Ok((free, true))
        }
        bound => bound.map(|listener| (listener, false)).map_err(failed),
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A stop leaves connections behind that the next start must not wait for.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// For a connection too many: the process is alive, and that is all.
fn full(limit: usize) -> Router {
    let refuse = async move || ApiError::TooManyConnections { limit };
    Router::new()
        .route("/health", get(health::health))
        .fallback(refuse)
        .layer(from_fn(guard::secure))
}

fn router(app: &Shared, token: Option<Token>) -> Router {
    // Streams and uploads have limits of their own.
    let endless = OpenApiRouter::new()
        .routes(routes!(runs::follow_run))
        .routes(routes!(records::tail_records))
        .routes(routes!(start::run_pipeline));
    let timed = OpenApiRouter::new()
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::show_run, runs::cancel_run))
        .routes(routes!(pipelines::list_pipelines))
        .routes(routes!(pipelines::show_pipeline))
        .routes(routes!(stages::list_stages))
        .routes(routes!(stages::show_stage))
        .routes(routes!(topics::list_topics))
        .routes(routes!(topics::show_topic))
        .routes(routes!(records::list_records))
        .routes(routes!(dead_letters::list_letters))
        .routes(routes!(dead_letters::replay_letters))
        .routes(routes!(graph::show_graph, events::post_event))
        .routes(routes!(graph::show_columns))
        .routes(routes!(events::post_batch))
        .route_layer(from_fn_with_state(app.clone(), guard::limit_time));
    let open = OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .route_layer(from_fn_with_state(app.clone(), guard::limit_time));
    let has_token = token.is_some();
    let guarded = timed
        .merge(endless)
        .route_layer(from_fn_with_state(token, guard::authorize))
        .route_layer(from_fn(guard::trace));
    let (router, mut document) = OpenApiRouter::with_openapi(docs::Document::openapi())
        .merge(guarded)
        .merge(open)
        .split_for_parts();
    docs::complete(&mut document, has_token);
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .fallback(async || ApiError::PathUnknown)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(app.parts.config.body_bytes_max))
        .layer(from_fn_with_state(app.clone(), guard::allow_origins))
        .layer(from_fn(guard::secure))
        .layer(from_fn_with_state(app.clone(), guard::count))
        .with_state(app.clone())
}
