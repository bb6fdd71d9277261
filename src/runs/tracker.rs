//! Reads the lineage topic on and on, and writes the ends that books call for.

use std::{
    thread,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    Runs,
    close::{close, close_pipeline},
};
use crate::{
    broker::{Broker, BrokerError, Reader, StartAt},
    record::{Recovery, Topic},
    runtime::{Backoff, Shutdown},
};

/// How long one look into the topic waits for a record.
const LOOK: Duration = Duration::from_millis(50);

/// How long one who follows a single run waits for others to write its end.
const GRACE: Duration = Duration::from_millis(500);

/// Longest that the last events are read for.
const LAST: Duration = Duration::from_secs(10);

/// Why a tracker cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("the lineage topic `{topic}` could not be read to its end in {waited:?}")]
    Slow { topic: Topic, waited: Duration },
}

/// Follows a lineage topic.
pub struct Tracker {
    broker: Broker,
    topic: Topic,
    reader: Reader,
    runs: Runs,
    /// Since when the one run that is followed waits for its end.
    due: Option<Instant>,
}

impl Tracker {
    pub fn open(broker: &Broker, topic: &Topic, start: StartAt) -> Result<Self, TrackerError> {
        let reader = Reader::open(broker, topic, start)?;
        let (broker, topic) = (broker.clone(), topic.clone());
        Ok(Self { broker, topic, reader, runs: Runs::default(), due: None })
    }

    /// The runs as far as the topic has been read.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Reads what is in the topic by now.
    pub fn read_on(&mut self, longest: Duration) -> Result<(), TrackerError> {
        self.reader.reach_on()?;
        self.read_to_end(longest)
    }

    /// Reads what was in the topic when it was opened.
    pub fn read_to_end(&mut self, longest: Duration) -> Result<(), TrackerError> {
        let deadline = Instant::now() + longest;
        while !self.reader.is_at_end() {
            read_on(&mut self.reader, &mut self.runs, LOOK)?;
            if Instant::now() > deadline {
                return Err(TrackerError::Slow { topic: self.topic.clone(), waited: longest });
            }
        }
        Ok(())
    }

    /// Reads what has come, and writes the ends that are due: of every run, or
    /// of `only` one. Who follows one run leaves its end to a tracker of all for a
    /// while: there mostly is one.
    pub fn follow(&mut self, only: Option<Uuid>) -> Result<(), TrackerError> {
        if !read_on(&mut self.reader, &mut self.runs, LOOK)? {
            return Ok(());
        }
        if only.is_none() {
            for run in self.runs.abandoned() {
                let (broker, topic) = (&self.broker, &self.topic);
                let closed = close_pipeline(broker, topic, run, &mut self.runs, &mut self.reader);
                self.settle(run, closed)?;
            }
        }
        for run in self.runs.take_due() {
            if only.is_some_and(|only| only != run) {
                continue;
            }
            if only.is_some() && self.due.get_or_insert_with(Instant::now).elapsed() < GRACE {
                self.runs.mark_changed(run);
                continue;
            }
            let closed = close(&self.broker, &self.topic, run, &mut self.runs, &mut self.reader);
            self.settle(run, closed)?;
        }
        Ok(())
    }

    /// Another tracker may be at it; its end will be read, or this comes again.
    fn settle(&mut self, run: Uuid, closed: Result<(), TrackerError>) -> Result<(), TrackerError> {
        match closed {
            Err(TrackerError::Broker(error)) if error.recovery() != Recovery::Stop => {
                tracing::debug!(%run, error = &error as &dyn std::error::Error, "not closed yet");
                self.runs.mark_changed(run);
                thread::sleep(LOOK);
                Ok(())
            }
            closed => closed,
        }
    }

    /// Follows until shutdown, and at last ends what the last events call for; what
    /// fails is tried again.
    pub fn run(mut self, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        while !shutdown.is_cancelled() {
            match self.follow(None) {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the run tracker was interrupted; trying again");
                    thread::sleep(backoff.next_wait());
                }
            }
        }
        // Where it fails, the next tracker to come ends them.
        if let Err(error) = self.read_on(LAST).and_then(|()| self.follow(None)) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the run tracker did not read the last events");
        }
    }
}

/// Folds the records that are there, for at most about `wait` where none is.
/// Whether the reader has caught up for now.
pub(super) fn read_on(
    reader: &mut Reader,
    runs: &mut Runs,
    wait: Duration,
) -> Result<bool, BrokerError> {
    /// Records folded at a time, so that ends are not put off for ever.
    const BATCH: usize = 1000;
    let mut wait = wait;
    for _ in 0..BATCH {
        let Some(block) = reader.next(wait)? else { return Ok(true) };
        runs.fold_block(&block);
        wait = Duration::ZERO;
    }
    Ok(false)
}
