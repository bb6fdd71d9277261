//! What a stage does, for whoever watches: committed counts, not hopes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::StageError;
use crate::lineage::Counts;

/// Where a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TaskState {
    /// Connecting, or waiting for partitions.
    #[default]
    Starting,
    Running,
    /// After a failure that may pass.
    Retrying,
    Stopped,
    Failed,
}

/// A look at one task.
#[derive(Debug, Clone, Default)]
pub struct TaskSnapshot {
    pub state: TaskState,
    /// Since the task began.
    pub counts: Counts,
    pub partitions: usize,
    pub transactions: u64,
    pub last_commit: Duration,
    pub last_error: Option<String>,
}

/// Written by one task, read by any.
#[derive(Debug, Default)]
pub struct TaskStatus {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    snapshot: TaskSnapshot,
    open: Counts,
}

impl TaskStatus {
    pub fn snapshot(&self) -> TaskSnapshot {
        self.with(|inner| inner.snapshot.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_partitions(&self, partitions: usize) {
        self.with(|inner| {
            inner.snapshot.partitions = partitions;
            if partitions > 0 {
                inner.snapshot.state = TaskState::Running;
            }
        });
    }

    pub(super) fn open(&self, counts: Counts) {
        self.with(|inner| inner.open += counts);
    }

    pub(super) fn committed(&self, took: Duration) {
        self.with(|inner| {
            inner.snapshot.counts += std::mem::take(&mut inner.open);
            inner.snapshot.transactions += 1;
            inner.snapshot.last_commit = took;
        });
    }

    pub(super) fn aborted(&self) {
        self.with(|inner| inner.open = Counts::default());
    }

    pub(super) fn retrying(&self, error: &StageError) {
        self.with(|inner| {
            inner.snapshot.state = TaskState::Retrying;
            inner.snapshot.last_error = Some(error.to_string());
        });
    }

    pub(super) fn failed(&self, error: &StageError) {
        self.with(|inner| {
            inner.open = Counts::default();
            inner.snapshot.state = TaskState::Failed;
            inner.snapshot.last_error = Some(error.to_string());
        });
    }

    pub(super) fn stopped(&self) {
        self.with(|inner| inner.snapshot.state = TaskState::Stopped);
    }
}

/// A look at all tasks of a stage in this process.
#[derive(Debug, Clone, Default)]
pub struct StageStatus {
    pub tasks: Vec<Arc<TaskStatus>>,
}

impl StageStatus {
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for task in &self.tasks {
            sum += task.snapshot().counts;
        }
        sum
    }

    pub fn snapshots(&self) -> Vec<TaskSnapshot> {
        self.tasks.iter().map(|task| task.snapshot()).collect()
    }
}
