//! After a start: transactions and logs are made to agree.

use std::io;

use crate::log::{Partition, now_ms};
use crate::node::Node;
use crate::session::LastEnd;
use crate::state::ledger::{Phase, Txn, WrittenMarker};

impl Node {
    /// Finishes what was prepared, lets open transactions go on, and ends those
    /// that nobody can. `written`: the markers of completed transactions.
    pub(crate) fn recover_transactions(
        &self,
        written: &[WrittenMarker],
        last_end: LastEnd,
    ) -> io::Result<()> {
        self.restore_markers(written)?;
        let txns = self.state.lock().txns.clone();
        for (id, txn) in txns {
            match txn.phase {
                // Records that the producer was told are written may be lost.
                Phase::Ongoing if last_end == LastEnd::MachineDied => self.abort(&id, txn)?,
                Phase::Ongoing => self.admit_all(&txn),
                Phase::PrepareCommit | Phase::PrepareAbort => self.finish_prepared(&id, &txn)?,
                Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => {}
            }
        }
        self.abort_ownerless()
    }

    /// The machine may have died after the journal reached the disk and before
    /// the logs did: a marker that a log lost is written again.
    fn restore_markers(&self, written: &[WrittenMarker]) -> io::Result<()> {
        for marker in written {
            let (topic, index) = &marker.partition;
            let Some(partition) = self.catalog.partition(topic, *index) else { continue };
            let open = partition.open_transactions();
            let is_open = open.iter().any(|(producer, _)| *producer == marker.producer_id);
            if is_open && partition.bounds().end <= marker.offset {
                partition.append_marker(
                    marker.producer_id,
                    marker.epoch,
                    marker.commit,
                    now_ms(),
                )?;
            }
        }
        Ok(())
    }

    fn admit_all(&self, txn: &Txn) {
        for (topic, index) in &txn.partitions {
            if let Some(partition) = self.catalog.partition(topic, *index) {
                partition.admit(txn.producer_id, txn.epoch);
            }
        }
    }

    fn finish_prepared(&self, id: &str, txn: &Txn) -> io::Result<()> {
        let reached = |(topic, index, end): &(String, i32, i64)| {
            self.catalog.partition(topic, *index).is_none_or(|p| p.bounds().end >= *end)
        };
        if txn.phase == Phase::PrepareCommit && !txn.ends.iter().all(reached) {
            return self.abort(id, txn.clone());
        }
        self.complete_recovered(id, txn)
    }

    /// Aborts a transaction under a higher epoch, so that its producer is fenced.
    fn abort(&self, id: &str, mut txn: Txn) -> io::Result<()> {
        tracing::warn!(
            transactional_id = id,
            "records of a transaction may be lost, it is aborted"
        );
        (txn.phase, txn.epoch) = (Phase::PrepareAbort, txn.epoch.saturating_add(1));
        self.prepare(&mut self.state.lock(), id, false, txn.epoch).map_err(io::Error::other)?;
        self.complete_recovered(id, &txn)
    }

    /// Markers go where they are missing.
    fn complete_recovered(&self, id: &str, txn: &Txn) -> io::Result<()> {
        let takes_part = |partition: &Partition| partition.takes_part(txn.producer_id);
        self.complete(id, txn, takes_part).map_err(io::Error::other)
    }

    /// A transaction in a log that no transactional id speaks for would hold
    /// back who reads committed for ever.
    fn abort_ownerless(&self) -> io::Result<()> {
        let state = self.state.lock();
        for topic in self.catalog.topics() {
            for (index, partition) in topic.partitions().iter().enumerate() {
                let owned = |producer_id: i64| {
                    state.txns.values().any(|txn| {
                        txn.producer_id == producer_id
                            && txn.phase == Phase::Ongoing
                            && txn.partitions.contains(&(topic.name.clone(), index as i32))
                    })
                };
                for producer in partition.producers() {
                    if producer.open_from.is_some() && !owned(producer.producer_id) {
                        partition.append_marker(
                            producer.producer_id,
                            producer.epoch,
                            false,
                            now_ms(),
                        )?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use kafka_protocol::records::Compression;

    use crate::catalog::Catalog;
    use crate::config::Config;
    use crate::log::batch_of;
    use crate::state::ledger::tests::{committed, txn};
    use crate::state::ledger::{Change, TopicEntry};
    use crate::state::{Opened, State};

    use super::*;

    const PRODUCER: i64 = 7;

    fn open(dir: &Path, last_end: LastEnd) -> Node {
        let Opened { state, written, .. } = State::open(&dir.join("journal")).unwrap();
        let catalog =
            Catalog::open(dir.join("topics"), &state.lock().topics, true, last_end).unwrap();
        let config = Config { data_dir: Some(dir.to_owned()), ..Config::default() };
        let node = Node::new(config, ("127.0.0.1".to_owned(), 9_092), state, catalog);
        node.recover_transactions(&written, last_end).unwrap();
        node
    }

    fn commit(node: &Node, change: Change) {
        node.state.lock().commit(change).unwrap();
    }

    /// A broker with an open transaction: one record, one offset.
    fn with_open_transaction(dir: &Path) -> Node {
        let node = open(dir, LastEnd::Clean);
        let topic = TopicEntry {
            id: uuid::Uuid::new_v4(),
            partitions: 1,
            configs: BTreeMap::new(),
            log_starts: BTreeMap::new(),
        };
        commit(&node, Change::TopicCreated { name: "t".to_owned(), topic: topic.clone() });
        node.catalog.add("t", &topic).unwrap();
        let id = "id".to_owned();
        commit(&node, Change::TxnSet { id: id.clone(), txn: txn(PRODUCER) });
        let partitions = vec![("t".to_owned(), 0)];
        let group = Some("g".to_owned());
        commit(&node, Change::TxnJoined { id: id.clone(), partitions, group, now_ms: now_ms() });
        let offsets = vec![("t".to_owned(), 0, committed(5))];
        commit(&node, Change::TxnOffsets { id, group: "g".to_owned(), offsets });
        let partition = node.catalog.partition("t", 0).unwrap();
        partition.admit(PRODUCER, 0);
        let rows = [(None, Some("v"), 1)];
        partition.append(&batch_of(&rows, (PRODUCER, 0, 0), true, Compression::None), 1).unwrap();
        node
    }

    fn prepare(node: &Node) {
        node.prepare(&mut node.state.lock(), "id", true, 0).unwrap();
    }

    /// Phase, stable end, end, whether the offset is visible, aborted transactions.
    fn outcome(node: &Node) -> (Phase, i64, i64, bool, usize) {
        let partition = node.catalog.partition("t", 0).unwrap();
        let bounds = partition.bounds();
        let slice = partition.read(0, 1 << 20, true, true).unwrap();
        let state = node.state.lock();
        let visible = state.offsets.contains_key("g");
        (state.txns["id"].phase, bounds.stable_end, bounds.end, visible, slice.aborted.len())
    }

    #[test]
    fn a_prepared_commit_is_finished_with_its_offsets() {
        let dir = tempfile::tempdir().unwrap();
        prepare(&with_open_transaction(dir.path()));
        for last_end in [LastEnd::Killed, LastEnd::MachineDied, LastEnd::Clean] {
            let node = open(dir.path(), last_end);
            assert_eq!(outcome(&node), (Phase::CompleteCommit, 2, 2, true, 0));
        }
    }

    #[test]
    fn a_prepared_commit_whose_records_are_lost_is_aborted() {
        let dir = tempfile::tempdir().unwrap();
        let node = with_open_transaction(dir.path());
        prepare(&node);
        let topic = node.catalog.topic("t").unwrap().id.to_string();
        drop(node);
        let log = dir.path().join("topics").join(topic).join("0/00000000000000000000.log");
        std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(10).unwrap();

        let node = open(dir.path(), LastEnd::MachineDied);
        let (phase, _, _, visible, _) = outcome(&node);
        assert_eq!((phase, visible), (Phase::CompleteAbort, false));
        assert_eq!(node.state.lock().txns["id"].epoch, 1, "its producer is fenced");
    }

    #[test]
    fn a_marker_that_the_machine_took_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let node = with_open_transaction(dir.path());
        let before = node.catalog.partition("t", 0).unwrap().size();
        prepare(&node);
        let prepared = node.state.lock().txns["id"].clone();
        node.complete("id", &prepared, |_| true).unwrap();
        let topic = node.catalog.topic("t").unwrap().id.to_string();
        drop(node);
        let log = dir.path().join("topics").join(topic).join("0/00000000000000000000.log");
        std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(before).unwrap();

        let node = open(dir.path(), LastEnd::MachineDied);
        assert_eq!(outcome(&node), (Phase::CompleteCommit, 2, 2, true, 0));
    }

    #[test]
    fn an_open_transaction_goes_on_after_a_kill_and_not_after_the_machine_died() {
        let dir = tempfile::tempdir().unwrap();
        drop(with_open_transaction(dir.path()));
        let node = open(dir.path(), LastEnd::Killed);
        assert_eq!(outcome(&node), (Phase::Ongoing, 0, 1, false, 0));
        drop(node);
        let node = open(dir.path(), LastEnd::MachineDied);
        assert_eq!(outcome(&node), (Phase::CompleteAbort, 2, 2, false, 1));
    }
}
