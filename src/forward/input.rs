//! The lineage topic as a task sees it.

use std::{error::Error, future::Future};

use super::{Advance, Refusal, Report};
use crate::record::{Block, Record, Topic};

/// A partition of the lineage topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Topic,
    pub number: i32,
}

/// What comes of a [`Source`].
#[derive(Debug)]
pub enum Input {
    Records(Vec<Block>),
    /// Partitions that are being given up. The task commits what is settled of
    /// them and drops the rest before it calls [`Source::next`] again.
    Lost(Vec<Partition>),
}

/// The lineage topic as a task sees it.
pub trait Source: Send {
    type Error: Error + Send + Sync + 'static;

    /// Waits for the next input, which is no records where there is no room for
    /// them. It is dropped and called again at any time, so it must not lose what
    /// it has read.
    fn next(&mut self, has_room: bool) -> impl Future<Output = Result<Input, Self::Error>> + Send;

    /// Writes a record that `backend` refuses to the dead letter topic, and
    /// returns when it is there.
    fn park(
        &mut self,
        record: Record<'_>,
        backend: &str,
        refusal: &Refusal,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Commits offsets; all records before them are delivered or parked. The
    /// report stands beside them.
    fn commit(
        &mut self,
        advances: &[Advance],
        report: &Report,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
