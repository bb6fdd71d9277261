//! What every running part needs: waiting between attempts, the word to stop, memory,
//! and bounds on open files.

mod backoff;
mod files;
#[cfg(feature = "jemalloc")]
mod memory;

pub use backoff::Backoff;
pub use files::raise_open_files;
pub use tokio_util::sync::CancellationToken as Shutdown;
