//! The group coordinator: members, generations, assignments.
//!
//! [`group::Group`] is the state machine of one group, without I/O and without a
//! clock of its own; this module holds the groups, answers requests and lets
//! time pass. The broker does not look into assignments: eager and cooperative
//! rebalancing are the members' affair.
//!
//! # Not here
//!
//! Committed offsets: they live in the ledger, this module only says who may
//! commit.

pub(crate) mod group;
mod member;
mod rebalance;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::state::ledger::{Ledger, SavedGroup};
use group::Group;
pub(crate) use member::{Joined, Profile, Synced};

#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: Mutex<HashMap<String, Arc<Mutex<Group>>>>,
}

impl Groups {
    /// The groups as they were before the restart; members have a whole session
    /// to be heard of again.
    pub(crate) fn restore(ledger: &Ledger, now: Instant) -> Self {
        let saved = ledger.groups.iter().map(|(id, saved)| (id, saved.clone()));
        let offsets_only = ledger.offsets.keys().filter(|id| !ledger.groups.contains_key(*id));
        let all = saved.chain(offsets_only.map(|id| (id, SavedGroup::default())));
        let groups = all.map(|(id, saved)| {
            (id.clone(), Arc::new(Mutex::new(Group::restore(id.clone(), saved, now))))
        });
        Self { by_id: Mutex::new(groups.collect()) }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Mutex<Group>>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn get_or_create(&self, id: &str) -> Arc<Mutex<Group>> {
        let mut groups = self.lock();
        let group = groups
            .entry(id.to_owned())
            .or_insert_with(|| Arc::new(Mutex::new(Group::new(id.to_owned()))));
        Arc::clone(group)
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Drops groups that have never had a member or an offset; nobody holds them.
    pub(crate) fn drop_unused(&self) {
        self.lock().retain(|_, group| Arc::strong_count(group) > 1 || !lock(group).is_unused());
    }

    /// All groups in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Mutex<Group>>> {
        let groups = self.lock();
        let mut sorted: Vec<_> = groups.iter().collect();
        sorted.sort_unstable_by_key(|(id, _)| *id);
        sorted.into_iter().map(|(_, group)| Arc::clone(group)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<Group>>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks a group; what a panic left is as good as what a lost client leaves.
pub(crate) fn lock(group: &Mutex<Group>) -> MutexGuard<'_, Group> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}
