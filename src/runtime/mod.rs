//! What every running part needs: waiting between attempts, the word to stop, and
//! a bound on memory that is kept for nothing.

mod backoff;
mod memory;

pub use backoff::Backoff;
pub use memory::bound_arenas;
pub use tokio_util::sync::CancellationToken as Shutdown;
