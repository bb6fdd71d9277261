//! The lineage topic as a [`Source`]: a thread polls, the task is handed blocks.
//!
//! At most [`QUEUE`] polls wait for the task; then the thread pauses its
//! partitions and polls on. What the task must hear of whatever room it has goes
//! by a channel of its own, with at most [`NOTICES`] in it: partitions that go,
//! and the failure that ends the reading.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Sender as AckSender, bounded};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::{Advance, Input, PIPELINE, Partition, Refusal, Report, Source};
use crate::{
    broker::{
        Broker, BrokerError, Group, GroupConsumer, GroupOptions, OffsetCommit, OutRecord,
        PollLimits, Producer, Rebalance, Revocation, RevokeHook,
    },
    dead_letter::Envelope,
    record::{Block, HeaderBytes, Record, Topic},
    runtime::Shutdown,
};

/// Polls that wait for the task.
const QUEUE: usize = 4;
/// A revocation waits for the task, so there is a second one only where the task
/// was not fast enough.
const NOTICES: usize = 4;
/// A forwarder that died is missed for so long. Short, as being taken for dead
/// costs no more than to send a few events again.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest the task is waited for before partitions are given up unsettled:
/// events are delivered at least once, so another may repeat them.
const REVOKE_PATIENCE: Duration = Duration::from_secs(10);
const PARK_TIMEOUT: Duration = Duration::from_secs(30);

/// What the task must hear of in any case.
enum Notice {
    /// Partitions are being given up; the answer is waited for.
    Lost(Lost, AckSender<()>),
    Failed(BrokerError),
}

/// Partitions that go, and which of the revocations this is.
struct Lost {
    partitions: Vec<i32>,
    revocation: u64,
}

/// Blocks, and how many revocations there had been when they were read.
struct Read {
    blocks: Vec<Block>,
    revocations: u64,
}

/// How long room is waited for before the partitions are paused. Pausing for less
/// costs more: librdkafka takes up to a second to fetch again.
const ROOM_PATIENCE: Duration = Duration::from_millis(500);

/// The lineage topic of a cluster, read by one consumer group.
pub struct KafkaSource {
    topic: Topic,
    inbox: Receiver<Read>,
    notices: Receiver<Notice>,
    /// The last revocation of each partition: what was read before and waits in
    /// the inbox is another's by now.
    lost: BTreeMap<i32, u64>,
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
        let (notify, notices) = channel(NOTICES);
        let revocations = Arc::default();
        let consumer = GroupConsumer::join(
            broker,
            GroupOptions {
                group,
                topic: topic.clone(),
                static_member: None,
                session_timeout: SESSION_TIMEOUT,
                prefetch_bytes: 4 << 20,
                fetch_bytes: 256 << 10,
                on_revoke: revoke_hook(notify.clone(), Arc::clone(&revocations)),
            },
        )?;
        let group = consumer.group();
        let polls = Polls { consumer, outbox, notify, revocations, shutdown: shutdown.clone() };
        thread::Builder::new().name("lineage".to_owned()).spawn(move || polls.run()).map_err(
            |error| BrokerError::Refused {
                action: "start a thread to read the lineage topic",
                reason: error.to_string(),
            },
        )?;
        let producer = Producer::connect(broker)?;
        Ok(Self {
            topic: topic.clone(),
            inbox,
            notices,
            lost: BTreeMap::new(),
            group,
            producer,
            dead_letters: dead_letters.clone(),
            settle: None,
        })
    }
}

fn revoke_hook(notify: Sender<Notice>, revocations: Arc<AtomicU64>) -> RevokeHook {
    Box::new(move |revocation| {
        let (Revocation::Asked(partitions) | Revocation::Lost(partitions)) = revocation;
        let revocation = revocations.fetch_add(1, Ordering::SeqCst) + 1;
        let (settled, answer) = bounded(1);
        let deadline = Instant::now() + REVOKE_PATIENCE;
        let lost = Lost { partitions: partitions.to_vec(), revocation };
        let mut notice = Notice::Lost(lost, settled);
        while let Err(error) = notify.try_send(notice) {
            let TrySendError::Full(unsent) = error else { return true };
            if Instant::now() > deadline {
                return false;
            }
            notice = unsent;
            thread::sleep(Duration::from_millis(10));
        }
        answer.recv_deadline(deadline).is_ok()
    })
}

struct Polls {
    consumer: GroupConsumer,
    outbox: Sender<Read>,
    notify: Sender<Notice>,
    revocations: Arc<AtomicU64>,
    shutdown: Shutdown,
}

impl Polls {
    fn run(mut self) {
        if let Err(error) = self.poll() {
            // The task ends with it; whoever started it starts it again.
            let _ = self.notify.blocking_send(Notice::Failed(error));
        }
        drop((self.outbox, self.notify));
        self.consumer.leave(Duration::from_secs(2));
    }

    fn poll(&mut self) -> Result<(), BrokerError> {
        let reading = PollLimits {
            records_max: 512,
            bytes_max: 4 << 20,
            linger: Duration::from_millis(5),
            idle: Duration::from_millis(100),
        };
        let paused = PollLimits {
            records_max: 1,
            bytes_max: 1,
            linger: Duration::ZERO,
            idle: Duration::from_millis(20),
        };
        let mut blocks = BTreeMap::new();
        while !self.shutdown.is_cancelled() && !self.outbox.is_closed() {
            // What is left of the last turn found no room.
            let is_full = !blocks.is_empty();
            self.consumer.set_paused(is_full)?;
            let limits = if is_full { paused } else { reading };
            for change in self.consumer.poll(&mut blocks, limits)? {
                if let Rebalance::Revoked { partitions, .. } = change {
                    blocks.retain(|partition, _| !partitions.contains(partition));
                }
            }
            self.hand_over(&mut blocks);
        }
        Ok(())
    }

    /// Hands the blocks over as soon as the task has room for them. Where it has
    /// none for long, they are kept.
    fn hand_over(&self, blocks: &mut BTreeMap<i32, Block>) {
        if blocks.is_empty() {
            return;
        }
        let deadline = Instant::now() + ROOM_PATIENCE;
        let room = loop {
            match self.outbox.try_reserve() {
                Ok(room) => break room,
                Err(TrySendError::Full(())) if !self.shutdown.is_cancelled() => {
                    if Instant::now() > deadline {
                        return;
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return,
            }
        };
        let blocks = std::mem::take(blocks).into_values().collect();
        room.send(Read { blocks, revocations: self.revocations.load(Ordering::SeqCst) });
    }
}

impl KafkaSource {
    fn lose(&mut self, Lost { partitions, revocation }: Lost) -> Input {
        self.lost.extend(partitions.iter().map(|partition| (*partition, revocation)));
        let topic = &self.topic;
        let lost = partitions.into_iter().map(|number| Partition { topic: topic.clone(), number });
        Input::Lost(lost.collect())
    }

    fn take(&self, Read { mut blocks, revocations }: Read) -> Input {
        blocks.retain(|block| {
            self.lost.get(&block.partition()).is_none_or(|lost| *lost <= revocations)
        });
        Input::Records(blocks)
    }
}

impl Source for KafkaSource {
    type Error = BrokerError;

    async fn next(&mut self, has_room: bool) -> Result<Input, BrokerError> {
        // Being asked again is the word that the last revocation is settled.
        if let Some(settled) = self.settle.take() {
            let _ = settled.send(());
        }
        // `biased`: a block is judged by the revocations before it.
        tokio::select! {
            biased;
            Some(notice) = self.notices.recv() => match notice {
                Notice::Lost(lost, settled) => {
                    self.settle = Some(settled);
                    Ok(self.lose(lost))
                }
                Notice::Failed(error) => Err(error),
            },
            Some(read) = self.inbox.recv(), if has_room => Ok(self.take(read)),
            // The thread ended at shutdown; the task hears of that by itself.
            else => std::future::pending().await,
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
