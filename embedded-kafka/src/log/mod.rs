//! The log of a partition: record batches in segments, and what follows from them.
//!
//! ```text
//! produce -> partition (one lock) -> segment -> store (file or memory)
//!                 |                     `-> sparse index by offset and time
//!                 `-> producers: sequences, open and aborted transactions
//! fetch   <- partition (position under the lock, bytes outside it)
//! ```
//!
//! # Guarantees
//!
//! A batch is in the file (not necessarily on the disk) when its append returns,
//! so the death of the process loses none. Recovery keeps the longest prefix of
//! whole batches. Offsets only grow.
//!
//! # Not here
//!
//! Who may write a transaction: `txn` admits producers to a partition.

mod admission;
pub(crate) mod batch;
mod compaction;
mod health;
pub(crate) mod options;
mod partition;
pub(crate) mod producers;
mod records;
mod recovery;
mod retention;
mod segment;
mod store;
mod unpack;

pub(crate) use partition::{Appended, Partition, Slice};
pub(crate) use recovery::write_atomically;
pub(crate) use store::Store;

/// Milliseconds since 1970, as Kafka counts time.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
pub(crate) use records::tests::batch_of;
