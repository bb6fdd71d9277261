//! What nobody has used for long: groups without members, transactional ids,
//! and groups that were only asked about.

use std::time::Instant;

use crate::groups::{self, group::Phase};
use crate::log::now_ms;
use crate::node::Node;
use crate::state::ledger::{Change, Phase as TxnPhase};

impl Node {
    /// Forgets what has outlived its retention. An error is in the log; the next
    /// turn tries again.
    pub(crate) fn expire(&self) {
        self.expire_groups();
        self.expire_transactional_ids();
        self.groups.drop_unused();
    }

    /// A group goes with its offsets when it has been empty for long and none of
    /// them is newer.
    fn expire_groups(&self) {
        let retention = self.config.offsets_retention;
        let oldest_kept = now_ms() - retention.as_millis() as i64;
        for group in self.groups.all() {
            let group = groups::lock(&group);
            let long_empty = group.phase == Phase::Empty
                && Instant::now().saturating_duration_since(group.empty_since) >= retention;
            if !long_empty {
                continue;
            }
            let mut state = self.state.lock();
            let offsets = state.offsets.get(&group.id);
            let is_old = offsets.is_none_or(|all| all.values().all(|one| one.at_ms < oldest_kept));
            let in_use = state.txns.values().any(|txn| txn.groups.contains(&group.id));
            if !is_old || in_use {
                continue;
            }
            if state.commit(Change::GroupDeleted { group: group.id.clone() }).is_ok() {
                self.groups.remove(&group.id);
            }
        }
    }

    fn expire_transactional_ids(&self) {
        let oldest_kept = now_ms() - self.config.transactional_id_retention.as_millis() as i64;
        let mut state = self.state.lock();
        let is_done = |phase| {
            matches!(phase, TxnPhase::Empty | TxnPhase::CompleteCommit | TxnPhase::CompleteAbort)
        };
        let old: Vec<String> = state
            .txns
            .iter()
            .filter(|(_, txn)| is_done(txn.phase) && txn.updated_ms < oldest_kept)
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            let _ = state.commit(Change::TxnDeleted { id });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::catalog::Catalog;
    use crate::config::Config;
    use crate::state::State;
    use crate::state::ledger::tests::{committed, txn};

    use super::*;

    fn node(retention: Duration) -> Node {
        let config = Config {
            offsets_retention: retention,
            transactional_id_retention: retention,
            ..Config::default()
        };
        let address = ("127.0.0.1".to_owned(), 9_092);
        let state = State::in_memory();
        let mut ledger = state.lock();
        let offsets = vec![("t".to_owned(), 0, Some(committed(1)))];
        ledger.commit(Change::Offsets { group: "g".to_owned(), offsets }).unwrap();
        ledger.commit(Change::TxnSet { id: "id".to_owned(), txn: txn(1) }).unwrap();
        drop(ledger);
        Node::new(config, address, state, Catalog::new(None))
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_not_stays() {
        let node = node(Duration::ZERO);
        node.expire();
        assert!(node.state.lock().offsets.is_empty() && node.state.lock().txns.is_empty());
        assert!(node.groups.get("g").is_none());

        let node = self::node(Duration::from_hours(1));
        node.expire();
        assert!(node.groups.get("g").is_some());
        assert_eq!(node.state.lock().offsets.len(), 1);
    }

    #[test]
    fn a_group_that_was_only_asked_about_is_dropped() {
        let node = node(Duration::from_hours(1));
        let held = node.groups.get_or_create("asked");
        node.expire();
        assert!(node.groups.get("asked").is_some(), "someone is about to use it");
        drop(held);
        node.expire();
        assert!(node.groups.get("asked").is_none());
        assert!(node.groups.get("g").is_some());
    }
}
