//! A member of a consumer group, read in blocks.
//!
//! Rebalances are served inside [`GroupConsumer::poll`]: before partitions are
//! given up the hook given at the start is called and waited for, so that what
//! is under way can be committed first.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::TopicPartitionListElem,
};

use super::{
    Broker, BrokerError,
    fetched::{Fetch, Fetched},
    membership::{GroupContext, Rebalance, RevokeHook},
    transactional::Group,
};
use crate::record::{Block, Room, Topic};

/// How often a consumer that waits for records looks for rebalances.
const LOOK: Duration = Duration::from_millis(20);

/// How to join the group.
pub struct GroupOptions {
    pub group: String,
    pub topic: Topic,
    /// A stable name makes a restart of this member no rebalance.
    pub static_member: Option<String>,
    pub session_timeout: Duration,
    /// Bytes that librdkafka may fetch ahead.
    pub prefetch_bytes: usize,
    /// Most bytes of a partition in one answer of the broker, compressed; unpacked it
    /// is several times as much, and is kept until the last of its records is taken.
    pub fetch_bytes: usize,
    pub on_revoke: RevokeHook,
}

/// What the group has committed for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    pub partition: i32,
    /// `None`: nothing committed yet, reading begins at the start of the partition.
    pub next_offset: Option<i64>,
    pub metadata: String,
}

/// Time between two polls after which librdkafka leaves the group: its own default.
const MAX_POLL_INTERVAL: Duration = Duration::from_mins(5);

/// Partitions that a member holds, as [`GroupConsumer::committed`] answers.
pub type Assignment = Vec<CommittedOffset>;

/// A consumer of one topic in a group; reads committed records only.
pub struct GroupConsumer {
    /// Before the client: it must go first.
    fetched: Arc<Fetched>,
    client: Arc<BaseConsumer<GroupContext>>,
    topic: Topic,
    paused: bool,
    /// What the largest block of the last poll took.
    room: Room,
}

impl GroupConsumer {
    pub fn join(broker: &Broker, options: GroupOptions) -> Result<Self, BrokerError> {
        let session = options.session_timeout.as_millis().to_string();
        let heartbeat = (options.session_timeout.as_millis() / 4).max(100).to_string();
        // librdkafka refuses a session timeout above it, and its default is 5 minutes.
        let poll = options.session_timeout.max(MAX_POLL_INTERVAL).as_millis().to_string();
        let fetch = options.fetch_bytes.to_string();
        let prefetch = (options.prefetch_bytes / 1024).max(1024).to_string();
        let mut config = broker.client_config(&[
            ("group.id", &options.group),
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", &session),
            ("heartbeat.interval.ms", &heartbeat),
            ("max.poll.interval.ms", &poll),
            ("queued.max.messages.kbytes", &prefetch),
            ("queued.min.messages", "20000"),
            ("fetch.message.max.bytes", &fetch),
            ("fetch.wait.max.ms", "50"),
            ("fetch.error.backoff.ms", "50"),
            // Looks often whether the queue has room: the default of a second stalls.
            ("fetch.queue.backoff.ms", "10"),
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("allow.auto.create.topics", "false"),
        ]);
        if let Some(name) = &options.static_member {
            config.set("group.instance.id", name);
        }
        let context = GroupContext::new(options.topic.clone(), options.on_revoke);
        let client = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|source| BrokerError::Setup { source })?;
        let fetched = Arc::new(Fetched::new(client.client()));
        client.context().lead_into(Arc::downgrade(&fetched));
        client
            .subscribe(&[&*options.topic])
            .map_err(|source| BrokerError::of("subscribe to the input topic", source))?;
        let room = Room::default();
        Ok(Self { fetched, client: Arc::new(client), topic: options.topic, paused: false, room })
    }

    /// What a transaction needs to commit this group's offsets.
    pub fn group(&self) -> Group {
        Group { client: Arc::clone(&self.client), topic: self.topic.clone() }
    }

    /// Reads into `blocks`, one a partition, as `limits` say. Changes of the
    /// assignment end the poll at once, before any record of a newly assigned
    /// partition.
    pub fn poll(
        &mut self,
        blocks: &mut BTreeMap<i32, Block>,
        limits: PollLimits,
    ) -> Result<Vec<Rebalance>, BrokerError> {
        let (mut records, mut bytes) = (0, 0);
        let mut deadline = Instant::now() + limits.idle;
        let mut wait = Duration::ZERO;
        let mut failure = None;
        while records < limits.records_max && bytes < limits.bytes_max {
            match self.client.poll(Duration::ZERO) {
                None => {}
                Some(Err(error)) => passing(error)?,
                Some(Ok(record)) => return Err(past_its_queue(record.partition())),
            }
            let changes = self.client.context().take_changes();
            if !changes.is_empty() {
                if self.paused {
                    // New partitions come unpaused.
                    self.pause_or_resume()?;
                }
                return Ok(changes);
            }
            let (topic, room) = (&self.topic, self.room);
            let taken =
                self.fetched.take(limits.records_max - records, wait, |fetch| match fetch {
                    Ok(fetch) => {
                        bytes += append(blocks, topic, room, fetch);
                        records += 1;
                    }
                    Err(error) => failure = failure.take().or(passing(error).err()),
                });
            if let Some(failure) = failure.take() {
                return Err(failure);
            }
            wait = Duration::ZERO;
            if records > 0 && records == taken {
                deadline = deadline.min(Instant::now() + limits.linger);
            }
            if taken == 0 {
                wait = deadline.saturating_duration_since(Instant::now()).min(LOOK);
                if wait.is_zero() {
                    break;
                }
            }
        }
        if records > 0 {
            self.room = blocks.values().map(Block::room).fold(Room::default(), Room::max);
        }
        Ok(Vec::new())
    }

    /// What the group has committed for `partitions`, with the metadata beside it.
    pub fn committed(
        &self,
        partitions: &[i32],
        timeout: Duration,
    ) -> Result<Assignment, BrokerError> {
        let mut wanted = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            wanted.add_partition(&self.topic, *partition);
        }
        let found = self
            .client
            .committed_offsets(wanted, timeout)
            .map_err(|source| BrokerError::of("read the committed offsets", source))?;
        found
            .elements()
            .into_iter()
            .map(|element| {
                element
                    .error()
                    .map_err(|source| BrokerError::of("read the committed offsets", source))?;
                let next_offset = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                let metadata = element.metadata().to_owned();
                Ok(CommittedOffset { partition: element.partition(), next_offset, metadata })
            })
            .collect()
    }

    /// How often partitions went while records of theirs were still under way.
    pub fn losses(&self) -> u64 {
        self.client.context().losses()
    }

    /// Partitions held now.
    pub fn assigned(&self) -> Result<Vec<i32>, BrokerError> {
        let list = self
            .client
            .assignment()
            .map_err(|source| BrokerError::of("read the assignment", source))?;
        Ok(list.elements().iter().map(TopicPartitionListElem::partition).collect())
    }

    /// Goes back to the committed offsets; what was fetched ahead is forgotten.
    pub fn rewind(&self, to: &[CommittedOffset], timeout: Duration) -> Result<(), BrokerError> {
        // All partitions may have gone meanwhile, and librdkafka refuses an empty list.
        if to.is_empty() {
            return Ok(());
        }
        let fail = |source| BrokerError::of("go back to the committed offsets", source);
        let mut list = TopicPartitionList::with_capacity(to.len());
        for committed in to {
            let offset = committed.next_offset.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.topic, committed.partition, offset).map_err(fail)?;
        }
        let answer = self.client.seek_partitions(list, timeout).map_err(fail)?;
        answer.elements().iter().try_for_each(TopicPartitionListElem::error).map_err(fail)
    }

    /// Stops or resumes fetching; polling must go on, or the group drops this member.
    pub fn set_paused(&mut self, paused: bool) -> Result<(), BrokerError> {
        if self.paused == paused {
            return Ok(());
        }
        self.paused = paused;
        self.pause_or_resume()
    }

    fn pause_or_resume(&self) -> Result<(), BrokerError> {
        let fail = |source| BrokerError::of("pause or resume the input", source);
        let held = self.client.assignment().map_err(fail)?;
        if self.paused { self.client.pause(&held) } else { self.client.resume(&held) }.map_err(fail)
    }

    /// Leaves the group. Bounded in time: closing a member of a group whose
    /// broker is away can hang for long inside librdkafka.
    pub fn leave(self, timeout: Duration) {
        self.client.unsubscribe();
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            let _ = self.client.poll(Duration::from_millis(20));
            if self.client.assignment().is_ok_and(|list| list.count() == 0) {
                break;
            }
        }
    }
}

/// Appends a record to its partition's block; the bytes of its key and value.
fn append(blocks: &mut BTreeMap<i32, Block>, topic: &Topic, room: Room, fetch: Fetch<'_>) -> usize {
    let partition = fetch.partition();
    let new = || Block::with_room(topic.clone(), partition, room);
    let block = blocks.entry(partition).or_insert_with(new);
    let (key, value) = (fetch.key(), fetch.value());
    block.push(fetch.offset(), fetch.timestamp(), key, value, fetch.headers());
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
}

/// Its block would be out of order.
fn past_its_queue(partition: i32) -> BrokerError {
    BrokerError::Refused {
        action: "read the input topic",
        reason: format!("a record of partition {partition} came past its queue"),
    }
}

/// When a poll returns: at the first of these.
#[derive(Debug, Clone, Copy)]
pub struct PollLimits {
    pub records_max: usize,
    /// Bytes of keys and values.
    pub bytes_max: usize,
    /// Time after the first record.
    pub linger: Duration,
    /// Time without any record.
    pub idle: Duration,
}

/// What librdkafka reports and mends by itself is no error of ours.
fn passing(error: KafkaError) -> Result<(), BrokerError> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::PollExceeded
            | Code::RebalanceInProgress
            | Code::UnknownMemberId
            | Code::IllegalGeneration
            | Code::OffsetOutOfRange
            | Code::AutoOffsetReset,
        ) => {
            tracing::debug!(target: "kafka", %error, "the consumer recovers by itself");
            Ok(())
        }
        _ => Err(BrokerError::of("read the input topic", error)),
    }
}
