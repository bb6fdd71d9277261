//! What every running part needs: waiting between attempts, and the word to stop.

mod backoff;

pub use backoff::Backoff;
pub use tokio_util::sync::CancellationToken as Shutdown;
