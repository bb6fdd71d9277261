//! Connections: accepted up to a bound, served, and cut off when their client stalls.
//!
//! ```text
//! accept -> [connections] open: the API
//!       `-> [refusals] full: one answer, 503 to all but /health
//! ```
//!
//! Beyond both, connections wait in the kernel: so the process never runs out of file
//! descriptors, which its Kafka clients need, too.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::bounds::Bounds;
use crate::runtime::Shutdown;

/// Longest that a refusal takes, and how long it lingers: their places are few.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(10);
const REFUSAL_LINGER: Duration = Duration::from_millis(100);
/// Longest that a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of one connection that may wait to be sent.
const BUFFER_BYTES: usize = 64 << 10;
/// Longest that a stop waits for requests under way.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest that what still comes in is read of a connection that ends.
const LINGER: Duration = Duration::from_secs(2);
/// After a failure to accept, as where there are no file descriptors left.
const REST: Duration = Duration::from_millis(100);

/// What stands behind a connection.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) open: Router,
    /// For those that are too many.
    pub(super) full: Router,
}

/// Serves until shutdown; then requests under way may end.
pub(super) async fn serve(listener: TcpListener, doors: Doors, bounds: Bounds, shutdown: Shutdown) {
    let room = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(bounds.refusals));
    // Streams heed the shutdown themselves; this ends what is left.
    let connections = tokio_util::task::TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &refusals) => accepted,
        };
        match accepted {
            Ok((stream, refusal)) => {
                let mut stream = Stalling::new(stream, bounds.stall_timeout);
                if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                    let served = connection(stream, doors.open.clone(), true, shutdown.clone());
                    connections.spawn(holding(place, served));
                } else {
                    stream.linger = REFUSAL_LINGER;
                    let served = connection(stream, doors.full.clone(), false, shutdown.clone());
                    let refused = tokio::time::timeout(REFUSAL_TIMEOUT, served);
                    connections.spawn(holding(refusal, async { drop(refused.await) }));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                sleep(REST).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::debug!(left = connections.len(), "requests under way are left");
    }
}

/// The next connection, once there is room to refuse it at least.
async fn accept(
    listener: &TcpListener,
    refusals: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let refusal = Arc::clone(refusals).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, refusal))
}

/// A place is given back when whoever holds it has ended.
async fn holding(place: OwnedSemaphorePermit, served: impl Future<Output = ()>) {
    served.await;
    drop(place);
}

async fn connection(stream: Stalling, router: Router, keep_alive: bool, shutdown: Shutdown) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    http.keep_alive(keep_alive);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A connection whose client must take what it is sent: a write that gets nowhere
/// for too long is an error, and the connection is closed.
struct Stalling {
    stream: TcpStream,
    timeout: Duration,
    /// Since when nothing could be written, as the time when that is too long.
    stalled: Option<Pin<Box<Sleep>>>,
    /// For how long what still comes in at the end is read and thrown away, and until
    /// when.
    linger: Duration,
    lingers: Option<Pin<Box<Sleep>>>,
}

impl Stalling {
    fn new(stream: TcpStream, timeout: Duration) -> Self {
        // Events are small, and wanted at once.
        let _ = stream.set_nodelay(true);
        Self { stream, timeout, stalled: None, linger: LINGER, lingers: None }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let until = Instant::now() + self.timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket closed with bytes unread takes its last answer back: so a request
        // that was refused before its body had come would not hear why.
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        let until = Instant::now() + self.linger;
        let mut lingers = self.lingers.take().unwrap_or_else(|| Box::pin(sleep_until(until)));
        let mut room = [0; 8 << 10];
        while lingers.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    self.lingers = Some(lingers);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
