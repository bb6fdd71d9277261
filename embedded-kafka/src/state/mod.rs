//! The ledger behind its lock, with the journal that makes it last.
//!
//! A change is written to the journal before it is applied, so that nothing is
//! acknowledged which the death of the process could take back. The disk is
//! waited for ([`State::sync`]) where a transaction commits.

mod journal;
pub(crate) mod ledger;

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kafka_protocol::ResponseError;

use journal::Journal;
use ledger::{Change, Ledger, WrittenMarker};

/// The journal is rewritten when it is this long and four times as long as the
/// ledger was at the last rewrite.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    /// Held while the disk is waited for; see `Partition::sync`.
    sync: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    /// `None`: in memory.
    journal: Option<Journal>,
    unsynced: bool,
    rewritten_bytes: u64,
}

/// What opening the journal found.
pub(crate) struct Opened {
    pub state: State,
    /// Markers that completed transactions wrote, for the partitions to check.
    pub written: Vec<WrittenMarker>,
    /// Something behind the last whole record was cut off.
    pub was_torn: bool,
}

/// The locked ledger: read as a [`Ledger`], changed by [`StateGuard::commit`].
pub(crate) struct StateGuard<'a>(MutexGuard<'a, Inner>);

impl State {
    pub(crate) fn in_memory() -> Self {
        Self::new(Ledger::default(), None)
    }

    /// Opens the journal.
    pub(crate) fn open(path: &Path) -> io::Result<Opened> {
        let (mut ledger, mut written) = (Ledger::default(), Vec::new());
        let journal = Journal::open(path, |change| ledger.apply(change, Some(&mut written)))?;
        let was_torn = journal.was_torn();
        Ok(Opened { state: Self::new(ledger, Some(journal)), written, was_torn })
    }

    fn new(ledger: Ledger, journal: Option<Journal>) -> Self {
        let inner = Inner { ledger, journal, unsynced: false, rewritten_bytes: 0 };
        Self { inner: Mutex::new(inner), sync: Mutex::default() }
    }

    /// A change is applied whole or not at all, so the ledger outlives a panic.
    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when all changes made before the call are on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let _one_at_a_time = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
        let store = {
            let mut guard = self.lock();
            if !std::mem::take(&mut guard.0.unsynced) {
                return Ok(());
            }
            guard.0.journal.as_ref().map(Journal::store)
        };
        let synced = store.map_or(Ok(()), |store| store.sync());
        if synced.is_err() {
            self.lock().0.unsynced = true;
        }
        synced
    }

    /// Whether the journal has grown enough to be worth [`State::rewrite`].
    pub(crate) fn rewrite_is_due(&self) -> bool {
        let guard = self.lock();
        let size = guard.0.journal.as_ref().map_or(0, Journal::size);
        size > REWRITE_BYTES_MIN.max(guard.0.rewritten_bytes * 4)
    }

    /// Replaces the journal by the shortest one, after `sync` has brought the logs
    /// to the disk. Nothing changes in between.
    pub(crate) fn rewrite_after(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut guard = self.lock();
        let Inner { ledger, journal: Some(journal), rewritten_bytes, .. } = &mut *guard.0 else {
            return Ok(());
        };
        sync()?;
        journal.rewrite(ledger.changes())?;
        *rewritten_bytes = journal.size();
        Ok(())
    }
}

impl StateGuard<'_> {
    /// Writes a change to the journal and applies it.
    pub(crate) fn commit(&mut self, change: Change) -> Result<(), ResponseError> {
        if let Some(journal) = &mut self.0.journal {
            journal.append(&change).map_err(|error| {
                tracing::error!(%error, "journal cannot be written");
                ResponseError::KafkaStorageError
            })?;
            self.0.unsynced = true;
        }
        self.0.ledger.apply(change, None);
        Ok(())
    }
}

impl Deref for StateGuard<'_> {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0.ledger
    }
}
