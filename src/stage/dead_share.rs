//! A wrong schema must not empty a topic into its dead letters.

use std::mem;

use super::{Processed, StageError};
use crate::record::Topic;

/// When a stage stops rather than dead-letter more.
#[derive(Debug, Clone, Copy)]
pub struct DeadShare {
    pub share_max: f64,
    /// Records that the share is taken of.
    pub window: u64,
}

/// Dead letters among the records of the window under way.
#[derive(Debug, Default)]
pub(super) struct Window {
    read: u64,
    dead: u64,
}

impl Window {
    /// Counts a block in. Fails where a window is full, and too many of it died.
    pub(super) fn judge(
        &mut self,
        share: DeadShare,
        topic: &Topic,
        processed: &Processed,
    ) -> Result<(), StageError> {
        let DeadShare { share_max, window } = share;
        self.read += processed.counts.read;
        self.dead += processed.counts.dead_lettered;
        if self.read < window {
            return Ok(());
        }
        let Self { read, dead } = mem::take(self);
        if dead as f64 <= share_max * read as f64 {
            return Ok(());
        }
        let last = processed.dead.last().map_or_else(String::new, |dead| dead.error.clone());
        Err(StageError::DeadLetterShare { topic: topic.clone(), dead, read, share_max, last })
    }
}
