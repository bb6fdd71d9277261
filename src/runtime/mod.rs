//! What every running part needs: waiting between attempts, the word to stop, and
//! bounds on memory that is kept for nothing, and on open files.

mod backoff;
mod files;
mod memory;

pub use backoff::Backoff;
pub use files::raise_open_files;
pub use memory::bound_arenas;
pub use tokio_util::sync::CancellationToken as Shutdown;
