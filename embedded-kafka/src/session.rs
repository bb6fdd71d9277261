//! The data folder in use: by one broker at a time, and how the last use ended.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Lies in the folder while a broker uses it, with the boot of the machine.
const RUNNING_FILE: &str = "running";

/// How the broker that used the folder before came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastEnd {
    /// It was closed, or there was none.
    Clean,
    /// Its process died: all that it wrote is there.
    Killed,
    /// The machine died with it, or may have: unsynced bytes are lost.
    MachineDied,
}

/// Holds the data folder.
#[derive(Debug)]
pub(crate) struct Session {
    running: PathBuf,
    /// Unlocked when closed, also by the end of the process.
    _lock: File,
}

impl Session {
    /// Takes the folder. `None`: another broker has it.
    pub(crate) fn begin(dir: &Path) -> io::Result<Option<(Self, LastEnd)>> {
        fs::create_dir_all(dir)?;
        let lock = File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let running = dir.join(RUNNING_FILE);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let last_end = match fs::read_to_string(&running) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => LastEnd::Clean,
            Ok(last) if !boot.is_empty() && last == boot => LastEnd::Killed,
            _ => LastEnd::MachineDied,
        };
        let file = File::create(&running)?;
        io::Write::write_all(&mut &file, boot.as_bytes())?;
        file.sync_all()?;
        Ok(Some((Self { running, _lock: lock }, last_end)))
    }

    /// Notes that everything was written and synced.
    pub(crate) fn end(self) -> io::Result<()> {
        fs::remove_file(&self.running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(dir: &Path) -> (Session, LastEnd) {
        Session::begin(dir).unwrap().unwrap()
    }

    #[test]
    fn a_folder_is_taken_once_and_tells_how_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let (session, last) = begin(dir.path());
        assert_eq!(last, LastEnd::Clean);
        assert!(Session::begin(dir.path()).unwrap().is_none());
        session.end().unwrap();

        let (session, last) = begin(dir.path());
        assert_eq!(last, LastEnd::Clean);
        drop(session);
        let (session, last) = begin(dir.path());
        assert_eq!(last, LastEnd::Killed);
        drop(session);
        fs::write(dir.path().join(RUNNING_FILE), "another boot").unwrap();
        assert_eq!(begin(dir.path()).1, LastEnd::MachineDied);
    }
}
