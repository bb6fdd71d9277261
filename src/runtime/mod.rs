//! What every running part needs: waiting between attempts, the word to stop, memory,
//! bounds on open files, and checks that settings share.

mod address;
mod backoff;
mod files;
#[cfg(feature = "jemalloc")]
mod memory;
mod panic;
mod setting;

pub use address::{AddressError, parse_address};
pub use backoff::Backoff;
pub use files::raise_open_files;
pub use panic::{PanicGuard, has_panicked, spawn_guarded};
pub use setting::{check_number, check_time};
pub use tokio_util::sync::CancellationToken as Shutdown;
