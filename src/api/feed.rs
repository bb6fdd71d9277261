//! The lineage topic, folded for all who ask: one reader for the whole API.

use std::{
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    broker::{Broker, BrokerError, Reader, StartAt},
    record::Topic,
    runs::Runs,
    runtime::{Backoff, Shutdown, spawn_guarded},
};

/// Longest that an answer waits until the feed tells what has been done.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
/// How long one look into the topic waits for a record.
const LOOK: Duration = Duration::from_millis(100);
/// Records folded under one lock, so that those who ask need not wait long.
const BATCH: usize = 256;

/// What the topic tells, as far as it has been read.
pub(super) struct Feed {
    runs: RwLock<Runs>,
    /// Read to its end once: before that, what is not known may still come.
    caught_up: AtomicBool,
    /// Events folded so far.
    folded: watch::Sender<u64>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            runs: RwLock::default(),
            caught_up: AtomicBool::new(false),
            folded: watch::Sender::new(0),
        }
    }

    pub(super) fn runs(&self) -> RwLockReadGuard<'_, Runs> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Word of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    /// Waits until `holds`, for `longest` at most; whether it does.
    pub(super) async fn wait_until(
        &self,
        longest: Duration,
        mut holds: impl FnMut(&Runs) -> bool,
    ) -> bool {
        let mut changes = self.changes();
        let wait = async {
            while !holds(&self.runs()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(longest, wait).await.unwrap_or(false)
    }

    /// Reads until shutdown; what fails is tried again.
    pub(super) fn follow(
        self: &std::sync::Arc<Self>,
        broker: &Broker,
        topic: &Topic,
        shutdown: &Shutdown,
    ) -> std::io::Result<()> {
        let (feed, broker, topic) = (std::sync::Arc::clone(self), broker.clone(), topic.clone());
        let stop = shutdown.clone();
        spawn_guarded("api-feed", shutdown, move || {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
            while !stop.is_cancelled() {
                if let Err(error) = feed.read(&broker, &topic, &stop) {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, "the lineage topic is not read for now");
                    thread::sleep(backoff.next_wait());
                }
            }
        })?;
        Ok(())
    }

    fn read(&self, broker: &Broker, topic: &Topic, shutdown: &Shutdown) -> Result<(), BrokerError> {
        // Nothing is kept of a reading that failed: it is folded again from the start.
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = Runs::default();
        let mut reader = Reader::open(broker, topic, StartAt::Beginning)?;
        while !shutdown.is_cancelled() {
            let mut blocks = Vec::new();
            let mut wait = LOOK;
            while blocks.len() < BATCH
                && let Some(block) = reader.next(wait)?
            {
                blocks.push(block);
                wait = Duration::ZERO;
            }
            if !blocks.is_empty() {
                let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
                for block in &blocks {
                    runs.fold_block(block);
                }
            }
            if reader.is_at_end() {
                self.caught_up.store(true, Ordering::Release);
            }
            if !blocks.is_empty() {
                self.folded.send_modify(|folded| *folded += blocks.len() as u64);
            }
        }
        Ok(())
    }
}
