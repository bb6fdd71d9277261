//! A member of a consumer group, read in blocks.
//!
//! Rebalances are served inside [`GroupConsumer::poll`]: before partitions are
//! given up the hook given at the start is called and waited for, so that what
//! is under way can be committed first.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{self, BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::Headers,
};

use super::{Broker, BrokerError, context, transactional::Group};
use crate::record::{Block, Topic};

/// A change of the partitions that this member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<i32>),
    /// `settled`: all that was under way is committed or aborted. Otherwise it is
    /// a loss: nothing that was read before may be committed any more, and commits
    /// fail until [`super::Produce::allow_commits`].
    Revoked {
        partitions: Vec<i32>,
        settled: bool,
    },
}

/// How partitions go.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// Nobody else has them before this member has given them up.
    Asked(&'a [i32]),
    /// This member was thought dead: others may have them already.
    Lost(&'a [i32]),
}

/// Called inside `poll` before partitions are given up; answers whether all
/// that was under way is settled.
pub type RevokeHook = Box<dyn Fn(Revocation<'_>) -> bool + Send + Sync>;

/// How to join the group.
pub struct GroupOptions {
    pub group: String,
    pub topic: Topic,
    /// A stable name makes a restart of this member no rebalance.
    pub static_member: Option<String>,
    pub session_timeout: Duration,
    /// Bytes that librdkafka may fetch ahead.
    pub prefetch_bytes: usize,
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

/// Partitions that a member holds, as [`GroupConsumer::committed`] answers.
pub type Assignment = Vec<CommittedOffset>;

/// A consumer of one topic in a group; reads committed records only.
pub struct GroupConsumer {
    client: Arc<BaseConsumer<GroupContext>>,
    topic: Topic,
    paused: bool,
}

impl GroupConsumer {
    pub fn join(broker: &Broker, options: GroupOptions) -> Result<Self, BrokerError> {
        let session = options.session_timeout.as_millis().to_string();
        let heartbeat = (options.session_timeout.as_millis() / 4).max(100).to_string();
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
            ("queued.max.messages.kbytes", &prefetch),
            ("queued.min.messages", "20000"),
            // Of each partition in one answer, compressed; unpacked it is several times
            // as much, and is kept until the last of its records is taken.
            ("fetch.message.max.bytes", "262144"),
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
        let context = GroupContext {
            on_revoke: options.on_revoke,
            rebalances: Mutex::new(Vec::new()),
            losses: AtomicU64::new(0),
        };
        let client = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|source| BrokerError::Setup { source })?;
        client
            .subscribe(&[&*options.topic])
            .map_err(|source| BrokerError::of("subscribe to the input topic", source))?;
        Ok(Self { client: Arc::new(client), topic: options.topic, paused: false })
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
        // The clock is read where nothing waits: for each record it would cost as
        // much as the record's copy.
        let mut wait = Duration::ZERO;
        while records < limits.records_max && bytes < limits.bytes_max {
            match self.client.poll(wait) {
                Some(Ok(message)) => {
                    if records == 0 {
                        deadline = deadline.min(Instant::now() + limits.linger);
                    }
                    wait = Duration::ZERO;
                    bytes += message.payload_len() + message.key_len();
                    records += 1;
                    self.append(blocks, &message);
                }
                Some(Err(error)) => passing(error)?,
                None => {
                    wait = deadline.saturating_duration_since(Instant::now());
                    if wait.is_zero() {
                        break;
                    }
                }
            }
            let changes = self.client.context().take_changes();
            if !changes.is_empty() {
                if self.paused {
                    // New partitions come unpaused.
                    self.pause_or_resume()?;
                }
                return Ok(changes);
            }
        }
        Ok(Vec::new())
    }

    fn append(&self, blocks: &mut BTreeMap<i32, Block>, message: &impl Message) {
        let partition = message.partition();
        let block =
            blocks.entry(partition).or_insert_with(|| Block::new(self.topic.clone(), partition));
        let headers = message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter().map(|header| (header.key, header.value)));
        block.push(
            message.offset(),
            message.timestamp().to_millis(),
            message.key(),
            message.payload(),
            headers,
        );
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
        Ok(list
            .elements()
            .iter()
            .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
            .collect())
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
        answer
            .elements()
            .iter()
            .try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)
            .map_err(fail)
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

/// Serves rebalances for [`GroupConsumer`].
pub(super) struct GroupContext {
    on_revoke: RevokeHook,
    rebalances: Mutex<Vec<Rebalance>>,
    /// How often partitions went while records of theirs were still under way.
    /// Counted before the group learns that they are given up, so a commit that
    /// does not see it still carries the old generation, which the group refuses
    /// afterwards.
    losses: AtomicU64,
}

impl GroupContext {
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    fn count_loss(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    fn take_changes(&self) -> Vec<Rebalance> {
        std::mem::take(&mut self.rebalances.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: Rebalance) {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        context::log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &consumer::Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| {
            list.elements()
                .iter()
                .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
                .collect()
        };
        match rebalance {
            consumer::Rebalance::Assign(list) => self.note(Rebalance::Assigned(partitions(list))),
            consumer::Rebalance::Revoke(given_up) => {
                let partitions: Vec<i32> = partitions(given_up);
                let settled = if client.assignment_lost() {
                    // Before the hook, which may wait: others commit by now.
                    self.count_loss();
                    (self.on_revoke)(Revocation::Lost(&partitions));
                    false
                } else {
                    let settled = (self.on_revoke)(Revocation::Asked(&partitions));
                    if !settled {
                        self.count_loss();
                    }
                    settled
                };
                self.note(Rebalance::Revoked { partitions, settled });
            }
            consumer::Rebalance::Error(error) => {
                tracing::debug!(target: "kafka", %error, "rebalance failed");
            }
        }
    }
}
