//! The topics and their open partitions.
//!
//! The ledger says which topics there are; the catalog holds their logs. Both
//! change together, under the ledger's lock.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use crate::log::options::LogOptions;
use crate::log::{Partition, now_ms};
use crate::session::LastEnd;
use crate::state::ledger::TopicEntry;

/// In memory a segment is one allocation: keep it small.
const MEMORY_SEGMENT_BYTES: u64 = 8 << 20;

/// A topic with its logs.
#[derive(Debug)]
pub(crate) struct Topic {
    pub name: String,
    pub id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Default)]
struct Topics {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

#[derive(Debug)]
pub(crate) struct Catalog {
    /// Folder of the topics' folders; `None`: in memory.
    folder: Option<PathBuf>,
    /// The disk has all that the indexes of the logs speak of.
    trust_indexes: bool,
    topics: RwLock<Topics>,
}

impl Catalog {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, trust_indexes: true, topics: RwLock::default() }
    }

    /// Opens every topic of the ledger, and removes folders that no topic owns:
    /// what a deletion left behind. `trusted`: the ledger is known to be whole;
    /// otherwise such folders stay.
    pub(crate) fn open(
        folder: PathBuf,
        topics: &BTreeMap<String, TopicEntry>,
        trusted: bool,
        last_end: LastEnd,
    ) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let owned: Vec<String> = topics.values().map(|topic| topic.id.to_string()).collect();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if owned.iter().any(|id| *id == *entry.file_name().to_string_lossy()) {
                continue;
            }
            if trusted {
                fs::remove_dir_all(entry.path())?;
            } else {
                tracing::warn!(folder = %entry.path().display(), "folder of no known topic is left");
            }
        }
        let trust_indexes = last_end != LastEnd::MachineDied;
        let catalog = Self { trust_indexes, ..Self::new(Some(folder)) };
        for (name, topic) in topics {
            catalog.add(name, topic)?;
        }
        Ok(catalog)
    }

    /// Opens the logs of a topic, made when missing.
    pub(crate) fn add(&self, name: &str, entry: &TopicEntry) -> io::Result<Arc<Topic>> {
        let partitions = (0..entry.partitions)
            .map(|index| self.open_partition(name, index, entry))
            .collect::<io::Result<Vec<_>>>()?;
        let topic = Arc::new(Topic {
            name: name.to_owned(),
            id: entry.id,
            partitions: RwLock::new(partitions),
        });
        let mut topics = self.write();
        topics.by_id.insert(topic.id, Arc::clone(&topic));
        topics.by_name.insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    /// Opens the partitions that an enlarged topic lacks.
    pub(crate) fn enlarge(&self, topic: &Topic, entry: &TopicEntry) -> io::Result<()> {
        let mut partitions = topic.partitions.write().unwrap_or_else(PoisonError::into_inner);
        for index in partitions.len() as i32..entry.partitions {
            partitions.push(self.open_partition(&topic.name, index, entry)?);
        }
        Ok(())
    }

    /// Takes a topic out; fetches that wait for it are woken to see that.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let topic = {
            let mut topics = self.write();
            let Some(topic) = topics.by_name.remove(name) else { return Ok(()) };
            topics.by_id.remove(&topic.id);
            topic
        };
        for partition in topic.partitions() {
            partition.wake();
        }
        match &self.folder {
            Some(folder) => fs::remove_dir_all(folder.join(topic.id.to_string())),
            None => Ok(()),
        }
    }

    fn open_partition(
        &self,
        name: &str,
        index: i32,
        entry: &TopicEntry,
    ) -> io::Result<Arc<Partition>> {
        let options = self.options(&entry.configs);
        let full_name = format!("{name}-{index}");
        let start = entry.log_starts.get(&index).copied().unwrap_or(0);
        let partition = match self.partition_folder(entry.id, index) {
            Some(folder) => {
                Partition::open(full_name, &folder, options, start, self.trust_indexes, now_ms())?
            }
            None => Partition::in_memory(full_name, options, now_ms())?,
        };
        Ok(Arc::new(partition))
    }

    fn partition_folder(&self, topic: Uuid, index: i32) -> Option<PathBuf> {
        let folder: &Path = self.folder.as_deref()?;
        Some(folder.join(topic.to_string()).join(index.to_string()))
    }

    pub(crate) fn options(&self, configs: &BTreeMap<String, String>) -> LogOptions {
        let mut options = LogOptions::new(configs);
        if self.folder.is_none() {
            options.segment_bytes = options.segment_bytes.min(MEMORY_SEGMENT_BYTES);
        }
        options
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.read().by_name.get(topic)?.partition(index)
    }

    /// All topics in the order of their names.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    /// All partitions of all topics.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.topics().iter().flat_map(|topic| topic.partitions()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}
