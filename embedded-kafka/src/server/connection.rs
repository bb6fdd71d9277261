//! One connection: requests in, answers out, in order.
//!
//! The next request is read when the one before is answered, as Kafka does; what
//! a client sends ahead waits in the socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dispatch::{self, Refused};
use crate::node::Node;

/// Requests are read in steps of this much, so that memory is taken for bytes
/// that have come and not for those that were promised.
const READ_STEP_BYTES: usize = 1 << 20;
/// Memory of requests is counted in these units.
const UNIT_BYTES: usize = 1 << 10;
/// A request that has begun must keep coming.
const READ_STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection ended, other than by its client.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("request of {size} bytes, at most {limit} are taken")]
    TooLarge { size: usize, limit: usize },
    #[error("connection was idle")]
    Idle,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Memory for the requests under way of all connections.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    most: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        let most = (bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(most)), most }
    }

    async fn take(&self, bytes: usize) -> io::Result<tokio::sync::SemaphorePermit<'_>> {
        let units = (bytes / UNIT_BYTES + 1).min(self.most);
        self.units.acquire_many(units as u32).await.map_err(io::Error::other)
    }
}

/// Serves a client until it goes, or has to.
pub(super) async fn serve(
    node: Arc<Node>,
    mut stream: TcpStream,
    peer: SocketAddr,
    budget: Budget,
) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let client_host = format!("/{}", peer.ip());
    loop {
        let Some(size) = read_size(&mut stream, node.config.idle_max).await? else { return Ok(()) };
        let limit = node.config.request_bytes_max;
        if size > limit {
            return Err(Ended::TooLarge { size, limit });
        }
        let permit = budget.take(size).await?;
        let request = read_request(&mut stream, size).await?;
        let answer = dispatch::answer(&node, &client_host, request).await?;
        drop(permit);
        if let Some(mut answer) = answer {
            stream.write_all_buf(&mut answer).await?;
        }
    }
}

/// Size of the next request; `None` when the client is gone.
async fn read_size(stream: &mut TcpStream, idle_max: Duration) -> Result<Option<usize>, Ended> {
    let mut size = [0; 4];
    match timeout(idle_max, stream.read_exact(&mut size)).await {
        Err(_) => Err(Ended::Idle),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Ok(read) => {
            read?;
            Ok(Some(u32::from_be_bytes(size) as usize))
        }
    }
}

async fn read_request(stream: &mut TcpStream, size: usize) -> Result<Bytes, Ended> {
    let mut request = BytesMut::with_capacity(size.min(READ_STEP_BYTES));
    while request.len() < size {
        let left = size - request.len();
        request.reserve(left.min(READ_STEP_BYTES));
        let mut rest = (&mut *stream).take(left as u64);
        let read = timeout(READ_STEP_TIMEOUT, rest.read_buf(&mut request)).await;
        if read.map_err(|_| Ended::Idle)?? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(request.freeze())
}
