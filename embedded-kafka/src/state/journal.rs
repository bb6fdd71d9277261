//! The file that the ledger's changes are appended to.
//!
//! One record a change: length (u32), CRC-32C (u32), JSON. Reading ends at the
//! first record that is cut short or fails its checksum, and the file is cut there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ledger::Change;
use crate::log::{Store, write_atomically};

const PREFIX_BYTES: usize = 8;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    store: Store,
    size: u64,
    was_torn: bool,
    scratch: Vec<u8>,
}

impl Journal {
    /// Opens the journal and gives each change of it to `replay`.
    pub(super) fn open(path: &Path, mut replay: impl FnMut(Change)) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let mut rest = bytes.as_slice();
        while let Some((change, behind)) = read(rest) {
            replay(change);
            rest = behind;
        }
        let size = (bytes.len() - rest.len()) as u64;
        let store = Store::open(path)?;
        if !rest.is_empty() {
            tracing::warn!(bytes = rest.len(), path = %path.display(), "cut a torn tail off the journal");
            store.truncate(size)?;
        }
        let was_torn = !rest.is_empty();
        Ok(Self { path: path.to_owned(), store, size, was_torn, scratch: Vec::new() })
    }

    /// Writes a change behind the others. On an error the journal is as before.
    pub(super) fn append(&mut self, change: &Change) -> io::Result<()> {
        self.scratch.clear();
        write(change, &mut self.scratch)?;
        self.store.write_at(&self.scratch, self.size)?;
        self.size += self.scratch.len() as u64;
        Ok(())
    }

    /// Replaces the journal as a whole by `changes`.
    pub(super) fn rewrite(&mut self, changes: impl Iterator<Item = Change>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for change in changes {
            write(&change, &mut bytes)?;
        }
        write_atomically(&self.path, &bytes)?;
        self.store = Store::open(&self.path)?;
        self.size = bytes.len() as u64;
        Ok(())
    }

    /// Whether opening cut something off.
    pub(super) fn was_torn(&self) -> bool {
        self.was_torn
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Handle to sync by, outside the ledger's lock.
    pub(super) fn store(&self) -> Store {
        self.store.clone()
    }
}

fn write(change: &Change, into: &mut Vec<u8>) -> io::Result<()> {
    let start = into.len();
    into.extend_from_slice(&[0; PREFIX_BYTES]);
    serde_json::to_writer(&mut *into, change).map_err(io::Error::other)?;
    let json = start + PREFIX_BYTES;
    let length = (into.len() - json) as u32;
    let crc = crc32c::crc32c(&into[json..]);
    into[start..start + 4].copy_from_slice(&length.to_be_bytes());
    into[start + 4..json].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// The first record, and the bytes behind it.
fn read(bytes: &[u8]) -> Option<(Change, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (json, behind) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    if crc32c::crc32c(json) != u32::from_be_bytes(*crc) {
        return None;
    }
    Some((serde_json::from_slice(json).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(path: &Path) -> Vec<Change> {
        let mut changes = Vec::new();
        Journal::open(path, |change| changes.push(change)).unwrap();
        changes
    }

    #[test]
    fn a_journal_cut_anywhere_keeps_its_whole_records_and_takes_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, |_| ()).unwrap();
        let changes: Vec<_> = (0..3).map(|next| Change::ProducerIds { next }).collect();
        for change in &changes {
            journal.append(change).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        let one = whole.len() / 3;
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(replayed(&path), changes[..cut / one], "cut at {cut}");
            let mut journal = Journal::open(&path, |_| ()).unwrap();
            journal.append(&changes[0]).unwrap();
            assert_eq!(replayed(&path).len(), cut / one + 1);
        }
    }

    #[test]
    fn a_rewritten_journal_holds_the_new_changes_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, |_| ()).unwrap();
        journal.append(&Change::ProducerIds { next: 1 }).unwrap();
        journal.rewrite([Change::ProducerIds { next: 2 }].into_iter()).unwrap();
        journal.append(&Change::ProducerIds { next: 3 }).unwrap();
        let expected = [2, 3].map(|next| Change::ProducerIds { next });
        assert_eq!(replayed(&path), expected);
    }
}
