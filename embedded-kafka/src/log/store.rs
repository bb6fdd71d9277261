//! The bytes of one segment: a file, or memory for a broker that keeps nothing.
//!
//! Cloning gives another handle on the same bytes, so a fetch reads outside the
//! partition's lock, and a file that retention has unlinked stays readable to
//! the fetches that began before.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Handle on the bytes of a segment.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    File(Arc<File>),
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Store {
    pub(crate) fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Opens a file for reading and writing, made when missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self::File(Arc::new(file)))
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(locked(bytes).len() as u64),
        }
    }

    /// Writes all of `bytes` at `at`, the end as the caller knows it: what a
    /// failed write left behind it is overwritten by the next.
    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, at),
            Self::Memory(memory) => {
                let mut memory = locked(memory);
                memory.truncate(at as usize);
                memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Reads exactly `len` bytes at `at`.
    pub(crate) fn read_at(&self, at: u64, len: usize) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, at)?;
                Ok(Bytes::from(bytes))
            }
            Self::Memory(memory) => locked(memory)
                .get(at as usize..at as usize + len)
                .map(Bytes::copy_from_slice)
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Returns when the bytes written so far are on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Memory(_) => Ok(()),
        }
    }

    pub(crate) fn truncate(&self, len: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.set_len(len),
            Self::Memory(bytes) => {
                locked(bytes).truncate(len as usize);
                Ok(())
            }
        }
    }
}

/// Bytes stay whole when a holder of the lock panics: each change is one call.
fn locked(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
