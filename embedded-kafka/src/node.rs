//! The one node of the cluster: what request handlers and background work share.
//!
//! Locks are taken in this order, and none is held while the disk or a client is
//! waited for: a group, the state, a partition.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;

use crate::catalog::Catalog;
use crate::config::{Config, Fsync};
use crate::groups::group::Group;
use crate::groups::{self, Groups};
use crate::log::Partition;
use crate::state::State;
use crate::state::ledger::Change;

/// The node leads every partition and coordinates every group and transaction.
pub(crate) const NODE_ID: BrokerId = BrokerId(0);

#[derive(Debug)]
pub(crate) struct Node {
    pub config: Config,
    /// Host and port that clients are told.
    pub host: String,
    pub port: u16,
    pub state: State,
    pub catalog: Catalog,
    pub groups: Groups,
    /// Transactional ids whose outcome is being written.
    pub(crate) finishing: Mutex<HashSet<String>>,
    fetches: AtomicU64,
}

impl Node {
    pub(crate) fn new(
        config: Config,
        (host, port): (String, u16),
        state: State,
        catalog: Catalog,
    ) -> Self {
        let groups = Groups::restore(&state.lock(), Instant::now());
        Self {
            config,
            host,
            port,
            state,
            catalog,
            groups,
            finishing: Mutex::default(),
            fetches: AtomicU64::new(0),
        }
    }

    /// A number for a fetch that waits.
    pub(crate) fn next_fetch(&self) -> u64 {
        self.fetches.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.config.data_dir.is_some()
    }

    /// Writes a group's membership to the journal, when it has changed.
    pub(crate) fn save_group(&self, group: &mut Group) -> Result<(), ResponseError> {
        let Some(saved) = group.take_changed() else { return Ok(()) };
        self.state.lock().commit(Change::GroupSaved { group: group.id.clone(), saved })
    }

    /// Replaces the journal by the shortest one. The logs are synced first: the
    /// journal forgets which markers they may have lost with the machine.
    pub(crate) fn rewrite_journal(&self) -> io::Result<()> {
        let partitions = self.catalog.partitions();
        self.state.rewrite_after(|| partitions.iter().try_for_each(|partition| partition.sync()))
    }

    /// Lets time pass for all groups.
    pub(crate) fn tick_groups(&self) {
        let now = Instant::now();
        for group in self.groups.all() {
            let mut group = groups::lock(&group);
            group.tick(now);
            // The error is in the log; the change is written with the next one.
            let _ = self.save_group(&mut group);
        }
    }

    /// Waits for the disk to have the partitions' batches, and the journal.
    pub(crate) async fn sync(self: &Arc<Self>, partitions: Vec<Arc<Partition>>) -> io::Result<()> {
        if !self.is_durable() {
            return Ok(());
        }
        let mut syncing = tokio::task::JoinSet::new();
        for partition in partitions {
            syncing.spawn_blocking(move || partition.sync());
        }
        let node = Arc::clone(self);
        syncing.spawn_blocking(move || node.state.sync());
        while let Some(synced) = syncing.join_next().await {
            synced.map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// As [`Node::sync`] where each append is to be on the disk; else nothing.
    pub(crate) async fn sync_append(
        self: &Arc<Self>,
        partitions: Vec<Arc<Partition>>,
    ) -> Result<(), ResponseError> {
        if self.config.fsync != Fsync::EachAppend {
            return Ok(());
        }
        self.sync(partitions).await.map_err(|error| {
            tracing::error!(%error, "disk cannot be synced");
            ResponseError::KafkaStorageError
        })
    }
}
