//! What travels between the parts: records in blocks, and where they stand.
//!
//! A [`Block`] is what one poll took from one partition: one buffer of bytes,
//! with offsets, keys, timestamps and headers beside it, so that neither the
//! door to Kafka nor a stage allocates for a record.

mod block;
mod headers;
mod partition;
mod room;
mod rows;

pub use block::{Block, Record, RowParts, SharedParts};
pub use headers::{
    HeaderBytes, HeaderIter, OF_THE_RECORD, REPLAY_HEADER, RUN_HEADER, TRACE_HEADER,
};
pub use partition::partition_of;
pub use room::Room;
pub use rows::EncodedRows;

use std::{fmt, str::FromStr, sync::Arc};

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

/// The text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no position; write TOPIC/PARTITION@OFFSET, such as orders/3@1287")]
pub struct NoPosition(String);

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let parse = || {
            let (topic, place) = text.rsplit_once('/')?;
            let (partition, offset) = place.split_once('@')?;
            let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            (!topic.is_empty()).then(|| Self { topic: topic.into(), partition, offset })
        };
        parse().ok_or_else(|| NoPosition(text.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_and_other_text_is_refused() {
        let position = Position { topic: "a.b".into(), partition: 3, offset: 1287 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "a", "a/1", "a@1", "/1@2", "a/-1@2", "a/1@-2", "a/x@2"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
