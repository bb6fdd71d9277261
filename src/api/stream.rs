//! Server-Sent Events: streams that are counted, and that say now and then that
//! they live.

use std::{convert::Infallible, pin::Pin, time::Duration};

use axum::response::{
    Sse,
    sse::{Event, KeepAlive},
};
use futures::Stream;

/// A comment after so much silence keeps proxies from closing the stream, and
/// finds out that a client is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(super) type EventStream = KeepAliveStream;
type Boxed = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;
type KeepAliveStream = axum::response::sse::KeepAliveStream<Boxed>;

pub(super) fn sse(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> Sse<EventStream> {
    let events: Boxed = Box::pin(events);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
