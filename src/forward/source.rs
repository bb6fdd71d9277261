//! The lineage topic as a [`Source`]: a thread polls, the task is handed blocks.
//!
//! At most [`QUEUE`] polls wait for the task; then the thread waits, too, and
//! pauses its partitions rather than miss a poll.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Sender as AckSender, bounded};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::{Advance, Input, PIPELINE, Partition, Refusal, Report, Source};
use crate::{
    broker::{
        Broker, BrokerError, Group, GroupConsumer, GroupOptions, OffsetCommit, OutRecord,
        PollLimits, Producer, Revocation, RevokeHook,
    },
    dead_letter::Envelope,
    record::{HeaderBytes, Record, Topic},
    runtime::Shutdown,
};

/// Polls that wait for the task.
const QUEUE: usize = 4;
/// A forwarder that died is missed for so long. Short, as being taken for dead
/// costs no more than to send a few events again.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest the task is waited for before partitions are given up unsettled:
/// events are delivered at least once, so another may repeat them.
const REVOKE_PATIENCE: Duration = Duration::from_secs(10);
const PARK_TIMEOUT: Duration = Duration::from_secs(30);

/// From the polling thread to the task.
enum Delivered {
    Input(Input),
    /// Partitions are being given up; the answer is waited for.
    Lost(Vec<Partition>, AckSender<()>),
    Failed(BrokerError),
}

/// The lineage topic of a cluster, read by one consumer group.
pub struct KafkaSource {
    inbox: Receiver<Delivered>,
    group: Group,
    producer: Producer,
    dead_letters: Topic,
    /// The revocation that waits until the task has settled it.
    settle: Option<AckSender<()>>,
}

impl KafkaSource {
    /// Joins `group` and polls until `shutdown`.
    pub fn join(
        broker: &Broker,
        topic: &Topic,
        dead_letters: &Topic,
        group: String,
        shutdown: &Shutdown,
    ) -> Result<Self, BrokerError> {
        let (outbox, inbox) = channel(QUEUE);
        let consumer = GroupConsumer::join(
            broker,
            GroupOptions {
                group,
                topic: topic.clone(),
                static_member: None,
                session_timeout: SESSION_TIMEOUT,
                prefetch_bytes: 4 << 20,
                on_revoke: revoke_hook(outbox.clone(), topic.clone()),
            },
        )?;
        let group = consumer.group();
        let polls = Polls { consumer, outbox, shutdown: shutdown.clone() };
        thread::Builder::new().name("lineage".to_owned()).spawn(move || polls.run()).map_err(
            |error| BrokerError::Refused {
                action: "start a thread to read the lineage topic",
                reason: error.to_string(),
            },
        )?;
        let producer = Producer::connect(broker)?;
        Ok(Self { inbox, group, producer, dead_letters: dead_letters.clone(), settle: None })
    }
}

fn revoke_hook(outbox: Sender<Delivered>, topic: Topic) -> RevokeHook {
    Box::new(move |revocation| {
        let (Revocation::Asked(partitions) | Revocation::Lost(partitions)) = revocation;
        let (settled, answer) = bounded(1);
        let lost = partitions
            .iter()
            .map(|number| Partition { topic: topic.clone(), number: *number })
            .collect();
        let deadline = Instant::now() + REVOKE_PATIENCE;
        let mut message = Delivered::Lost(lost, settled);
        while let Err(error) = outbox.try_send(message) {
            let TrySendError::Full(unsent) = error else { return true };
            if Instant::now() > deadline {
                return false;
            }
            message = unsent;
            thread::sleep(Duration::from_millis(10));
        }
        answer.recv_deadline(deadline).is_ok()
    })
}

struct Polls {
    consumer: GroupConsumer,
    outbox: Sender<Delivered>,
    shutdown: Shutdown,
}

impl Polls {
    fn run(mut self) {
        let limits = PollLimits {
            records_max: 512,
            bytes_max: 4 << 20,
            linger: Duration::from_millis(5),
            idle: Duration::from_millis(100),
        };
        let mut blocks = BTreeMap::new();
        while !self.shutdown.is_cancelled() && !self.outbox.is_closed() {
            if let Err(error) = self.consumer.poll(&mut blocks, limits) {
                // The task ends with it; whoever started it starts it again.
                let _ = self.outbox.blocking_send(Delivered::Failed(error));
                break;
            }
            if !blocks.is_empty() {
                let read = std::mem::take(&mut blocks).into_values().collect();
                self.hand_over(Delivered::Input(Input::Records(read)));
            }
        }
        drop(self.outbox);
        self.consumer.leave(Duration::from_secs(2));
    }

    /// Waits for room with the partitions paused; polling goes on.
    fn hand_over(&mut self, input: Delivered) {
        let mut input = input;
        let mut held = BTreeMap::new();
        while let Err(TrySendError::Full(unsent)) = self.outbox.try_send(input) {
            input = unsent;
            let paused = PollLimits {
                records_max: 1,
                bytes_max: 1,
                linger: Duration::ZERO,
                idle: Duration::from_millis(20),
            };
            if self.shutdown.is_cancelled()
                || self.consumer.set_paused(true).is_err()
                || self.consumer.poll(&mut held, paused).is_err()
            {
                return;
            }
        }
        let _ = self.consumer.set_paused(false);
        if !held.is_empty() {
            let read = held.into_values().collect();
            self.hand_over(Delivered::Input(Input::Records(read)));
        }
    }
}

impl Source for KafkaSource {
    type Error = BrokerError;

    async fn next(&mut self) -> Result<Input, BrokerError> {
        // Being asked again is the word that the last revocation is settled.
        if let Some(settled) = self.settle.take() {
            let _ = settled.send(());
        }
        match self.inbox.recv().await {
            Some(Delivered::Input(input)) => Ok(input),
            Some(Delivered::Lost(partitions, settled)) => {
                self.settle = Some(settled);
                Ok(Input::Lost(partitions))
            }
            Some(Delivered::Failed(error)) => Err(error),
            // The thread ended at shutdown; the task hears of that by itself.
            None => std::future::pending().await,
        }
    }

    async fn park(
        &mut self,
        record: Record<'_>,
        backend: &str,
        refusal: &Refusal,
    ) -> Result<(), BrokerError> {
        let mut headers = HeaderBytes::default();
        let error = refusal.to_string();
        let envelope =
            Envelope { pipeline: PIPELINE, stage: backend, step: "forward", error: &error };
        envelope.headers(&record, &mut headers);
        let out = OutRecord {
            topic: &self.dead_letters,
            partition: None,
            key: record.key(),
            value: record.value(),
            headers: &headers,
            timestamp: record.timestamp(),
        };
        tokio::task::block_in_place(|| {
            self.producer.send(&out)?;
            self.producer.flush(PARK_TIMEOUT)
        })
    }

    async fn commit(&mut self, advances: &[Advance], report: &Report) -> Result<(), BrokerError> {
        let metadata = report.to_json();
        let offsets: Vec<OffsetCommit> = advances
            .iter()
            .map(|advance| OffsetCommit {
                partition: advance.partition.number,
                next_offset: advance.next_offset,
                metadata: metadata.clone(),
            })
            .collect();
        tokio::task::block_in_place(|| self.group.commit(&offsets))
    }
}
