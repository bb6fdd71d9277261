//! The name of a replica that was given none: the first free slot of this machine.
//!
//! A lock file per stage and slot in the data directory, held while the replica
//! runs; the system lets go of it when the process dies, however it dies. So a
//! restart takes its old name, and with it its transactional ids, and fences
//! its own zombie at once; two replicas on one machine never share a name.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use super::StageError;

/// A name, ours while this value lives.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    _lock: File,
}

/// More replicas of one stage than this on one machine are a mistake.
const SLOTS_MAX: usize = 1000;

impl Slot {
    /// Takes `wanted`, or the first free number, for the stage `job`.
    pub(super) fn take(
        data_dir: &Path,
        job: &str,
        wanted: Option<&str>,
    ) -> Result<Self, StageError> {
        let dir = data_dir.join("replicas");
        let unusable = |source| StageError::DataDir { path: dir.display().to_string(), source };
        fs::create_dir_all(&dir).map_err(unusable)?;
        let numbers = (0..SLOTS_MAX).map(|slot| slot.to_string());
        let names: Box<dyn Iterator<Item = String>> = match wanted {
            Some(name) => Box::new(std::iter::once(name.to_owned())),
            None => Box::new(numbers),
        };
        for name in names {
            let path = dir.join(format!("{job}.{name}.lock"));
            let lock = File::create(path).map_err(unusable)?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { name, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        Err(StageError::ReplicaTaken { name: wanted.unwrap_or("any").to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_replicas_never_share_a_name_and_a_restart_takes_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = Slot::take(dir.path(), "orders-extract", None).unwrap();
        let second = Slot::take(dir.path(), "orders-extract", None).unwrap();
        let other_stage = Slot::take(dir.path(), "orders-load", None).unwrap();
        assert_eq!([&first.name, &second.name, &other_stage.name], ["0", "1", "0"]);
        drop(first);
        assert_eq!(Slot::take(dir.path(), "orders-extract", None).unwrap().name, "0");
    }

    #[test]
    fn a_name_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let held = Slot::take(dir.path(), "orders-load", Some("east")).unwrap();
        assert!(matches!(
            Slot::take(dir.path(), "orders-load", Some("east")),
            Err(StageError::ReplicaTaken { name }) if name == "east"
        ));
        drop(held);
        Slot::take(dir.path(), "orders-load", Some("east")).unwrap();
    }
}
