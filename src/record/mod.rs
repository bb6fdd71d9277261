//! What travels between the parts: records in blocks, and where they stand.
//!
//! A [`Block`] is what one poll took from one partition: one buffer of bytes,
//! with offsets, keys, timestamps and headers beside it, so that neither the
//! door to Kafka nor a stage allocates for a record.

mod block;
mod headers;
mod rows;

pub use block::{Block, Record};
pub use headers::{HeaderBytes, HeaderIter, RUN_HEADER};
pub use rows::EncodedRows;

use std::{fmt, sync::Arc};

/// The name of a topic; cheap to clone.
pub type Topic = Arc<str>;

/// Where a record stands: `orders/3@1287`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// What a failure asks of whoever meets it; decided where the cause is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Passing: abort, rewind to the committed offsets, try again with backoff.
    Retry,
    /// The producer or consumer is lost (fenced, fatal): build it anew.
    Rebuild,
    /// This record's own fault: it goes to the dead letters, its neighbours go on.
    DeadLetter,
    /// Ours or the operator's to mend: the stage ends with the error.
    Stop,
}
