//! All that the broker knows besides the logs, as a value: topics, committed
//! offsets, transactions, groups. It changes only by [`Ledger::apply`].
//!
//! Live requests and recovery apply the same changes, so what is in memory is
//! what a restart would find. [`Ledger::changes`] is the shortest way back to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Topic and partition.
pub(crate) type TopicPartition = (String, i32);

/// A change of the ledger, and a record of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Cluster {
        id: String,
    },
    TopicCreated {
        name: String,
        topic: TopicEntry,
    },
    TopicDeleted {
        name: String,
    },
    PartitionsSet {
        name: String,
        count: i32,
    },
    ConfigsSet {
        name: String,
        configs: BTreeMap<String, String>,
    },
    LogStart {
        name: String,
        partition: i32,
        offset: i64,
    },
    ProducerIds {
        next: i64,
    },
    /// `None` deletes an offset.
    Offsets {
        group: String,
        offsets: Vec<(String, i32, Option<Committed>)>,
    },
    GroupSaved {
        group: String,
        saved: SavedGroup,
    },
    GroupDeleted {
        group: String,
    },
    /// A transactional id with all there is to it.
    TxnSet {
        id: String,
        txn: Txn,
    },
    TxnJoined {
        id: String,
        partitions: Vec<TopicPartition>,
        group: Option<String>,
        now_ms: i64,
    },
    TxnOffsets {
        id: String,
        group: String,
        offsets: Vec<(String, i32, Committed)>,
    },
    /// The outcome is decided. `ends`: what the partitions held then.
    TxnPrepared {
        id: String,
        commit: bool,
        epoch: i16,
        ends: Vec<(String, i32, i64)>,
    },
    /// The markers are written, at these offsets.
    TxnCompleted {
        id: String,
        markers: Vec<(String, i32, i64)>,
    },
    TxnDeleted {
        id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TopicEntry {
    pub id: Uuid,
    pub partitions: i32,
    pub configs: BTreeMap<String, String>,
    /// Starts of logs that were moved on request.
    #[serde(default)]
    pub log_starts: BTreeMap<i32, i64>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    pub at_ms: i64,
}

/// A member of a group as it was when the group last became stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedMember {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocols: Vec<(String, Vec<u8>)>,
    pub assignment: Vec<u8>,
}

/// A group as it was when it last became stable or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedGroup {
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub members: Vec<SavedMember>,
}

/// Where a transaction stands; Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

/// A transactional id, its producer, and its transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Txn {
    pub producer_id: i64,
    pub epoch: i16,
    /// Epoch before the last bump, to know a repeated `InitProducerId`.
    pub last_epoch: i16,
    pub timeout_ms: i32,
    pub phase: Phase,
    pub started_ms: i64,
    pub updated_ms: i64,
    pub partitions: BTreeSet<TopicPartition>,
    pub groups: BTreeSet<String>,
    /// Group, topic, partition: in the order they came.
    pub offsets: Vec<(String, String, i32, Committed)>,
    pub ends: Vec<(String, i32, i64)>,
}

/// A marker that a completed transaction wrote, while the journal is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenMarker {
    pub partition: TopicPartition,
    pub offset: i64,
    pub producer_id: i64,
    pub epoch: i16,
    pub commit: bool,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Ledger {
    pub cluster_id: String,
    pub topics: BTreeMap<String, TopicEntry>,
    pub next_producer_id: i64,
    pub offsets: BTreeMap<String, BTreeMap<TopicPartition, Committed>>,
    pub groups: BTreeMap<String, SavedGroup>,
    pub txns: BTreeMap<String, Txn>,
}

impl Ledger {
    /// Applies a change. `written`: takes the markers of completed transactions.
    pub(crate) fn apply(&mut self, change: Change, written: Option<&mut Vec<WrittenMarker>>) {
        match change {
            Change::Cluster { id } => self.cluster_id = id,
            Change::TopicCreated { name, topic } => {
                self.topics.insert(name, topic);
            }
            Change::TopicDeleted { name } => self.delete_topic(&name),
            Change::PartitionsSet { name, count } => {
                self.topic(&name, |topic| topic.partitions = count);
            }
            Change::ConfigsSet { name, configs } => {
                self.topic(&name, |topic| topic.configs = configs);
            }
            Change::LogStart { name, partition, offset } => self.topic(&name, |topic| {
                topic.log_starts.insert(partition, offset);
            }),
            Change::ProducerIds { next } => self.next_producer_id = next,
            Change::Offsets { group, offsets } => self.set_offsets(group, offsets),
            Change::GroupSaved { group, saved } => {
                self.groups.insert(group, saved);
            }
            Change::GroupDeleted { group } => {
                self.groups.remove(&group);
                self.offsets.remove(&group);
            }
            Change::TxnSet { id, txn } => {
                self.txns.insert(id, txn);
            }
            Change::TxnDeleted { id } => {
                self.txns.remove(&id);
            }
            Change::TxnJoined { id, partitions, group, now_ms } => self.txn(&id, |txn| {
                if txn.phase != Phase::Ongoing {
                    (txn.phase, txn.started_ms) = (Phase::Ongoing, now_ms);
                }
                txn.updated_ms = now_ms;
                txn.partitions.extend(partitions);
                txn.groups.extend(group);
            }),
            Change::TxnOffsets { id, group, offsets } => self.txn(&id, |txn| {
                let of_group = |(topic, at, offset)| (group.clone(), topic, at, offset);
                txn.offsets.extend(offsets.into_iter().map(of_group));
            }),
            Change::TxnPrepared { id, commit, epoch, ends } => self.txn(&id, |txn| {
                txn.phase = if commit { Phase::PrepareCommit } else { Phase::PrepareAbort };
                if txn.epoch != epoch {
                    // The producer was fenced: its epoch is not known again.
                    txn.last_epoch = -1;
                }
                (txn.epoch, txn.ends) = (epoch, ends);
            }),
            Change::TxnCompleted { id, markers } => self.complete(&id, markers, written),
        }
    }

    fn topic(&mut self, name: &str, change: impl FnOnce(&mut TopicEntry)) {
        if let Some(topic) = self.topics.get_mut(name) {
            change(topic);
        }
    }

    fn txn(&mut self, id: &str, change: impl FnOnce(&mut Txn)) {
        if let Some(txn) = self.txns.get_mut(id) {
            change(txn);
        }
    }

    /// A topic takes with it what others kept about it.
    fn delete_topic(&mut self, name: &str) {
        self.topics.remove(name);
        for offsets in self.offsets.values_mut() {
            offsets.retain(|(topic, _), _| topic != name);
        }
        for txn in self.txns.values_mut() {
            txn.partitions.retain(|(topic, _)| topic != name);
            txn.offsets.retain(|(_, topic, _, _)| topic != name);
            txn.ends.retain(|(topic, _, _)| topic != name);
        }
    }

    fn set_offsets(&mut self, group: String, offsets: Vec<(String, i32, Option<Committed>)>) {
        let of_group = self.offsets.entry(group).or_default();
        for (topic, partition, committed) in offsets {
            match committed {
                Some(committed) => of_group.insert((topic, partition), committed),
                None => of_group.remove(&(topic, partition)),
            };
        }
    }

    fn complete(
        &mut self,
        id: &str,
        markers: Vec<(String, i32, i64)>,
        written: Option<&mut Vec<WrittenMarker>>,
    ) {
        let Some(txn) = self.txns.get_mut(id) else { return };
        let commit = txn.phase == Phase::PrepareCommit;
        txn.phase = if commit { Phase::CompleteCommit } else { Phase::CompleteAbort };
        let (producer_id, epoch) = (txn.producer_id, txn.epoch);
        txn.partitions.clear();
        txn.groups.clear();
        txn.ends.clear();
        let offsets = std::mem::take(&mut txn.offsets);
        if commit {
            for (group, topic, partition, committed) in offsets {
                self.offsets.entry(group).or_default().insert((topic, partition), committed);
            }
        }
        if let Some(written) = written {
            written.extend(markers.into_iter().map(|(topic, partition, offset)| WrittenMarker {
                partition: (topic, partition),
                offset,
                producer_id,
                epoch,
                commit,
            }));
        }
    }

    /// Whether a transaction holds an offset of the group back.
    pub(crate) fn is_unstable(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.txns.values().flat_map(|txn| &txn.offsets).any(|(of_group, of_topic, at, _)| {
            of_group == group && of_topic == topic && *at == partition
        })
    }

    /// The changes that make this ledger out of an empty one.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        let cluster = Change::Cluster { id: self.cluster_id.clone() };
        let producer_ids = Change::ProducerIds { next: self.next_producer_id };
        let topics = self
            .topics
            .iter()
            .map(|(name, topic)| Change::TopicCreated { name: name.clone(), topic: topic.clone() });
        let offsets = self.offsets.iter().map(|(group, offsets)| Change::Offsets {
            group: group.clone(),
            offsets: offsets
                .iter()
                .map(|((topic, at), committed)| (topic.clone(), *at, Some(committed.clone())))
                .collect(),
        });
        let groups = self.groups.iter().map(|(group, saved)| Change::GroupSaved {
            group: group.clone(),
            saved: saved.clone(),
        });
        let txns =
            self.txns.iter().map(|(id, txn)| Change::TxnSet { id: id.clone(), txn: txn.clone() });
        [cluster, producer_ids].into_iter().chain(topics).chain(offsets).chain(groups).chain(txns)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn committed(offset: i64) -> Committed {
        Committed { offset, leader_epoch: 0, metadata: format!("m{offset}"), at_ms: 1 }
    }

    pub(crate) fn txn(producer_id: i64) -> Txn {
        Txn {
            producer_id,
            epoch: 0,
            last_epoch: -1,
            timeout_ms: 1_000,
            phase: Phase::Empty,
            started_ms: 0,
            updated_ms: 0,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let name = prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned);
        (name, 0..14, 0..50i64).prop_map(|(name, kind, n)| match kind {
            0 => Change::Cluster { id: name },
            1 => Change::TopicCreated {
                name,
                topic: TopicEntry {
                    id: Uuid::from_u128(n as u128),
                    partitions: 2,
                    configs: BTreeMap::new(),
                    log_starts: BTreeMap::new(),
                },
            },
            2 => Change::TopicDeleted { name },
            3 => Change::PartitionsSet { name, count: n as i32 },
            4 => Change::LogStart { name, partition: 1, offset: n },
            5 => Change::ProducerIds { next: n },
            6 => {
                Change::Offsets { group: "g".into(), offsets: vec![(name, 0, Some(committed(n)))] }
            }
            7 => Change::Offsets { group: "g".into(), offsets: vec![(name, 0, None)] },
            8 => Change::TxnSet { id: name, txn: txn(n) },
            9 => Change::TxnJoined {
                id: name,
                partitions: vec![("a".into(), n as i32)],
                group: Some("g".into()),
                now_ms: n,
            },
            10 => Change::TxnOffsets {
                id: name,
                group: "g".into(),
                offsets: vec![("a".into(), 0, committed(n))],
            },
            11 => Change::TxnPrepared { id: name, commit: n % 2 == 0, epoch: 1, ends: vec![] },
            12 => Change::TxnCompleted { id: name, markers: vec![] },
            _ => Change::GroupSaved { group: name, saved: SavedGroup::default() },
        })
    }

    proptest! {
        #[test]
        fn a_ledger_is_found_again_by_its_changes(changes in prop::collection::vec(any_change(), 0..60)) {
            let mut ledger = Ledger::default();
            for change in changes {
                ledger.apply(change, None);
            }
            let mut again = Ledger::default();
            for change in ledger.changes() {
                again.apply(change, None);
            }
            // An empty entry says as much as none.
            prop_assert_eq!(again, ledger);
        }
    }

    fn prepared(commit: bool) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.apply(Change::TxnSet { id: "t".into(), txn: txn(7) }, None);
        let joined = Change::TxnJoined {
            id: "t".into(),
            partitions: vec![("out".into(), 3)],
            group: Some("g".into()),
            now_ms: 5,
        };
        ledger.apply(joined, None);
        let offsets = vec![("in".into(), 1, committed(42))];
        ledger.apply(Change::TxnOffsets { id: "t".into(), group: "g".into(), offsets }, None);
        ledger.apply(Change::TxnPrepared { id: "t".into(), commit, epoch: 0, ends: vec![] }, None);
        ledger
    }

    #[test]
    fn offsets_of_a_transaction_show_only_when_it_is_complete_and_committed() {
        for commit in [true, false] {
            let mut ledger = prepared(commit);
            assert!(ledger.offsets.is_empty());
            assert!(ledger.is_unstable("g", "in", 1));
            assert!(!ledger.is_unstable("g", "in", 2));

            let markers = vec![("out".into(), 3, 10)];
            let mut written = Vec::new();
            ledger.apply(Change::TxnCompleted { id: "t".into(), markers }, Some(&mut written));
            let offset = ledger.offsets.get("g").and_then(|g| g.get(&("in".into(), 1)));
            assert_eq!(offset.map(|committed| committed.offset), commit.then_some(42));
            assert!(!ledger.is_unstable("g", "in", 1));
            assert_eq!((written[0].offset, written[0].commit), (10, commit));
        }
    }
}
