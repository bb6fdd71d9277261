//! Consumer groups as rdkafka uses them.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use support::*;

fn member(bootstrap: &str, assignor: &str, instance: Option<&str>) -> BaseConsumer {
    let mut config = config(bootstrap);
    config
        .set("group.id", "g")
        .set("partition.assignment.strategy", assignor)
        .set("session.timeout.ms", "3000")
        .set("heartbeat.interval.ms", "200")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    if let Some(instance) = instance {
        config.set("group.instance.id", instance);
    }
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&["t"]).unwrap();
    consumer
}

fn partitions(consumer: &BaseConsumer) -> BTreeSet<i32> {
    let assignment = consumer.assignment().unwrap();
    assignment
        .elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

/// Polls all until each has so many partitions.
fn until_shares(consumers: &[&BaseConsumer], shares: &[usize]) {
    eventually("the assignment", || {
        for consumer in consumers {
            let _ = consumer.poll(Duration::from_millis(20));
        }
        let has: Vec<usize> = consumers.iter().map(|consumer| partitions(consumer).len()).collect();
        has == shares
    });
}

#[test]
fn two_members_share_the_partitions_and_one_takes_all_when_the_other_goes() {
    for assignor in ["range", "cooperative-sticky"] {
        let broker = TestBroker::ephemeral();
        broker.create_topic("t", 4);
        let first = member(&broker.bootstrap, assignor, None);
        until_shares(&[&first], &[4]);
        let second = member(&broker.bootstrap, assignor, None);
        until_shares(&[&first, &second], &[2, 2]);
        let both: BTreeSet<i32> = partitions(&first).union(&partitions(&second)).copied().collect();
        assert_eq!(both.len(), 4, "no partition is owned twice with {assignor}");

        drop(second);
        until_shares(&[&first], &[4]);
        drop(first);
        broker.stop();
    }
}

#[test]
fn a_static_member_that_comes_back_has_its_partitions_without_a_rebalance() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 4);
    let first = member(&broker.bootstrap, "range", Some("one"));
    let second = member(&broker.bootstrap, "range", Some("two"));
    until_shares(&[&first, &second], &[2, 2]);
    let (of_first, of_second) = (partitions(&first), partitions(&second));
    // A static member that goes does not leave the group.
    drop(second);
    let second = member(&broker.bootstrap, "range", Some("two"));
    until_shares(&[&first, &second], &[2, 2]);
    assert_eq!((partitions(&first), partitions(&second)), (of_first, of_second));
    drop((first, second));
    broker.stop();
}

#[test]
fn a_member_that_dies_is_replaced_when_its_session_ends() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 4);
    let survivor = member(&broker.bootstrap, "range", None);
    let dead = member(&broker.bootstrap, "range", Some("dies"));
    until_shares(&[&survivor, &dead], &[2, 2]);
    // A static member does not say that it goes: to the broker it is dead.
    drop(dead);
    until_shares(&[&survivor], &[4]);
    drop(survivor);
    broker.stop();
}

#[test]
fn a_group_goes_on_over_a_restart_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start(folder.path(), "127.0.0.1:0");
    let bootstrap = broker.bootstrap.clone();
    create_topic(&bootstrap, "t", 2);
    produce(&bootstrap, "t", 0, &["a", "b"]);
    let consumer = member(&bootstrap, "cooperative-sticky", None);
    until_shares(&[&consumer], &[2]);
    broker.kill();

    let _broker = BrokerProcess::start(folder.path(), &bootstrap);
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("t", 0, Offset::Offset(1)).unwrap();
    eventually("the commit", || {
        let _ = consumer.poll(Duration::from_millis(20));
        consumer.commit(&offsets, CommitMode::Sync).is_ok()
    });
    assert_eq!(partitions(&consumer).len(), 2);
    assert_eq!(committed(&bootstrap, "g", "t", 0).0, Some(1));
}

#[test]
fn an_empty_group_can_be_deleted_with_its_offsets_and_a_living_one_cannot() {
    let broker = TestBroker::ephemeral();
    broker.create_topic("t", 1);
    let consumer = member(&broker.bootstrap, "range", None);
    until_shares(&[&consumer], &[1]);
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("t", 0, Offset::Offset(5)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    let admin = admin(&broker.bootstrap);
    let delete = || {
        let deleting = admin.delete_groups(&["g"], &AdminOptions::new());
        broker.runtime.block_on(deleting).unwrap().remove(0)
    };
    assert!(delete().is_err());
    drop(consumer);
    eventually("the deletion", || delete().is_ok());
    assert_eq!(committed(&broker.bootstrap, "g", "t", 0).0, None);
    broker.stop();
}
