//! The producer of a stage's task: one Kafka transaction at a time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};

use super::{
    Broker, BrokerError, OffsetCommit, OutBatch, OutRecord, OutRow, Produce, context, epoch, flush,
    membership::GroupContext,
};
use crate::record::Topic;

/// The consumer group whose offsets a transaction commits.
#[derive(Clone)]
pub struct Group {
    pub(super) client: Arc<BaseConsumer<GroupContext>>,
    pub(super) topic: Topic,
}

impl Group {
    /// Commits offsets outside of any transaction.
    pub fn commit(&self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let list = self.list(offsets)?;
        self.client
            .commit(&list, rdkafka::consumer::CommitMode::Sync)
            .map_err(|source| BrokerError::of("commit offsets", source))
    }

    fn list(&self, offsets: &[OffsetCommit]) -> Result<TopicPartitionList, BrokerError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for commit in offsets {
            let mut element = list.add_partition(&self.topic, commit.partition);
            element
                .set_offset(Offset::Offset(commit.next_offset))
                .map_err(|source| BrokerError::of("commit offsets", source))?;
            element.set_metadata(&commit.metadata);
        }
        Ok(list)
    }
}

/// How to make the producer of a task.
#[derive(Debug, Clone)]
pub struct TransactionalOptions {
    /// Stable for a replica's task: a restart fences its own zombie at once.
    /// `None`: at least once, without transactions.
    pub transactional_id: Option<String>,
    /// After this the broker aborts a transaction whose producer is gone.
    pub transaction_timeout: Duration,
    /// Longest one request of a transaction is waited for before it is tried again.
    pub request_timeout: Duration,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: String,
    /// Bytes that may wait in the producer.
    pub buffer_bytes: usize,
    /// Most bytes of one batch of records; under the limit of every topic written to.
    pub batch_bytes: usize,
}

/// One wait for deliveries or an abort; the reports of records that failed or were
/// purged are taken in between.
const SLICE: Duration = Duration::from_millis(50);

/// A short wait for room in the queue.
const REST: Duration = Duration::from_millis(5);

/// Milliseconds that librdkafka may keep a record back to fill a batch: so long that
/// it is the producer that says when to send, by a flush. While a batch of an
/// idempotent producer is under way the next one of its partition has to wait, and
/// librdkafka's thread spins through that wait once the next one is full or its
/// linger is over.
const LINGER: &str = "1000";

/// How often a request of a transaction is tried again before the transaction is given up.
const ATTEMPTS_MAX: u32 = 3;

/// [`Produce`] over librdkafka.
pub struct TransactionalProducer {
    broker: Broker,
    options: TransactionalOptions,
    /// None for a producer that commits no offsets.
    group: Option<Group>,
    client: BaseProducer<Deliveries>,
    in_transaction: bool,
    /// Losses of the consumer after which all was assigned anew.
    losses: u64,
    /// Bytes of rows handed over since all was delivered.
    handed_over: usize,
}

impl TransactionalProducer {
    /// Connects, and ends whatever an earlier producer of the id left open.
    pub fn connect(
        broker: &Broker,
        group: Option<Group>,
        options: TransactionalOptions,
    ) -> Result<Self, BrokerError> {
        let client = make(broker, &options)?;
        let producer = Self {
            broker: broker.clone(),
            options,
            group,
            client,
            in_transaction: false,
            losses: 0,
            handed_over: 0,
        };
        producer.initialize()?;
        Ok(producer)
    }

    fn id(&self) -> &str {
        self.options.transactional_id.as_deref().unwrap_or("without a transactional id")
    }

    fn is_transactional(&self) -> bool {
        self.options.transactional_id.is_some()
    }

    fn initialize(&self) -> Result<(), BrokerError> {
        if !self.is_transactional() {
            return Ok(());
        }
        self.retried("begin with transactions", || {
            self.client.init_transactions(self.options.request_timeout)
        })
    }

    /// Repeats what librdkafka calls retriable; each call waits by itself.
    fn retried(
        &self,
        action: &'static str,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), BrokerError> {
        let mut attempt = 1;
        loop {
            match call() {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && attempt < ATTEMPTS_MAX =>
                {
                    tracing::debug!(action, attempt, %error, "trying again");
                    attempt += 1;
                }
                Err(error) => return Err(self.sorted(action, error)),
            }
        }
    }

    /// Aborts in short waits: librdkafka waits for all records to be reported as
    /// purged, and only a poll takes the reports in.
    fn abort_open(&self) -> Result<(), BrokerError> {
        let deadline = Instant::now() + self.options.request_timeout * ATTEMPTS_MAX;
        loop {
            match self.client.abort_transaction(SLICE) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && Instant::now() < deadline =>
                {
                    self.rest();
                }
                Err(error) => return Err(self.sorted("abort a transaction", error)),
            }
        }
    }

    /// A transaction fails with little to say when one of its records could not
    /// be delivered; the record's own error is the one that helps.
    fn sorted(&self, action: &'static str, error: KafkaError) -> BrokerError {
        self.client.poll(Duration::ZERO);
        match self.client.context().take_failure() {
            Some(failure) => failure,
            None => BrokerError::of_transaction(action, self.id(), error),
        }
    }

    /// A short wait. Not a poll of that length: librdkafka's queue is asked in whole
    /// milliseconds, so that would spin through the last one.
    fn rest(&self) {
        thread::sleep(Duration::from_millis(1));
        self.client.poll(Duration::ZERO);
    }

    fn enqueue(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), BrokerError> {
        loop {
            match epoch::send(&self.client, record)? {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected)) => {
                    record = rejected;
                    // What fills the queue may be kept back for its linger.
                    flush::flush(&self.client, REST);
                    self.client.poll(Duration::ZERO);
                }
                Err((error, rejected)) => {
                    let size = rejected.payload.map_or(0, <[u8]>::len)
                        + rejected.key.map_or(0, <[u8]>::len);
                    return Err(match error.rdkafka_error_code() {
                        Some(code) => delivery_error(rejected.topic, size, code)
                            .unwrap_or_else(|| self.sorted("send a record", error)),
                        None => self.sorted("send a record", error),
                    });
                }
            }
        }
    }

    /// Sends what is kept back, and waits until all is delivered or failed, in
    /// short waits: a record that failed is under way until its report is taken.
    fn settle(&mut self) -> Result<(), BrokerError> {
        self.handed_over = 0;
        let deadline = Instant::now() + self.options.transaction_timeout;
        while !flush::flush(&self.client, SLICE) {
            self.client.poll(Duration::ZERO);
            if let Some(failure) = self.client.context().take_failure() {
                return Err(failure);
            }
            if Instant::now() > deadline {
                return Err(BrokerError::Passing {
                    action: "deliver the records of a transaction",
                    source: KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut),
                });
            }
        }
        self.client.poll(Duration::ZERO);
        self.client.context().take_failure().map_or(Ok(()), Err)
    }

    fn commit_group_offsets(&self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let Some(group) = self.group.as_ref().filter(|_| !offsets.is_empty()) else {
            return Ok(());
        };
        if !self.is_transactional() {
            return group.commit(offsets);
        }
        let list = group.list(offsets)?;
        // Taken before the question whether partitions were given up: see `GroupContext`.
        let Some(member) = group.client.group_metadata() else {
            return Err(BrokerError::Refused {
                action: "commit offsets",
                reason: "the consumer is in no group".to_owned(),
            });
        };
        if group.client.context().losses() > self.losses {
            return Err(BrokerError::Passing {
                action: "commit offsets of partitions that are given up",
                source: KafkaError::Rebalance(RDKafkaErrorCode::RebalanceInProgress),
            });
        }
        self.retried("add the offsets to the transaction", || {
            self.client.send_offsets_to_transaction(&list, &member, self.options.request_timeout)
        })
    }
}

impl Produce for TransactionalProducer {
    fn begin(&mut self) -> Result<(), BrokerError> {
        if !self.is_transactional() {
            return Ok(());
        }
        self.client
            .begin_transaction()
            .map_err(|error| self.sorted("begin a transaction", error))?;
        self.in_transaction = true;
        Ok(())
    }

    fn send_batch(&mut self, topic: &Topic, batch: &OutBatch) -> Result<(), BrokerError> {
        // Half a batch of librdkafka's: rows of several partitions that make one each.
        if self.handed_over >= self.options.batch_bytes / 2 {
            self.settle()?;
        }
        self.handed_over += batch.rows.size();
        for OutRow { key, value, partition, timestamp, headers } in batch.records() {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic);
            record.partition = partition;
            record.payload = value;
            record.key = key;
            record.timestamp = timestamp;
            record.headers = owned_headers(headers);
            self.enqueue(record)?;
        }
        // Serves errors early; successes are not reported.
        self.client.poll(Duration::ZERO);
        Ok(())
    }

    fn send(&mut self, out: &OutRecord<'_>) -> Result<(), BrokerError> {
        let mut record = BaseRecord::<[u8], [u8]>::to(out.topic);
        record.partition = out.partition;
        record.payload = out.value;
        record.key = out.key;
        record.timestamp = out.timestamp;
        record.headers = owned_headers(out.headers.iter());
        self.enqueue(record)
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        self.settle()?;
        self.commit_group_offsets(offsets)?;
        if !self.is_transactional() {
            return Ok(());
        }
        self.retried("commit a transaction", || {
            self.client.commit_transaction(self.options.request_timeout)
        })?;
        self.in_transaction = false;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        if self.in_transaction {
            self.abort_open()?;
            self.in_transaction = false;
        }
        self.client.poll(Duration::ZERO);
        self.client.context().take_failure();
        self.handed_over = 0;
        Ok(())
    }

    fn rebuild(&mut self) -> Result<(), BrokerError> {
        self.handed_over = 0;
        self.client = make(&self.broker, &self.options)?;
        self.in_transaction = false;
        self.initialize()
    }

    fn allow_commits(&mut self, losses: u64) {
        self.losses = losses;
    }
}

fn make(
    broker: &Broker,
    options: &TransactionalOptions,
) -> Result<BaseProducer<Deliveries>, BrokerError> {
    let timeout = options.transaction_timeout.as_millis().to_string();
    let batch = options.batch_bytes.to_string();
    let buffer = (options.buffer_bytes / 1024).max(1024).to_string();
    let mut config = broker.client_config(&[
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("compression.type", &options.compression),
        ("linger.ms", LINGER),
        ("batch.size", &batch),
        ("queue.buffering.max.messages", "20000"),
        ("batch.num.messages", "20000"),
        ("queue.buffering.max.kbytes", &buffer),
        // Sizes are checked before a row is sent, against the topic's own limit.
        ("message.max.bytes", "67108864"),
        // Java's default partitioner for records with a key.
        ("partitioner", "murmur2_random"),
        // Success is the transaction's, not the record's: no report, no cost.
        ("delivery.report.only.error", "true"),
        ("allow.auto.create.topics", "false"),
    ]);
    if let Some(id) = &options.transactional_id {
        config.set("transactional.id", id).set("transaction.timeout.ms", timeout);
    }
    BaseProducer::from_config_and_context(&config, Deliveries::default())
        .map_err(|source| BrokerError::Setup { source })
}

/// `None` where there are none: nothing is allocated for those.
pub(super) fn owned_headers<'a>(
    mut headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Option<OwnedHeaders> {
    let insert = |owned: OwnedHeaders, (key, value)| owned.insert(Header { key, value });
    let first = headers.next()?;
    Some(headers.fold(insert(OwnedHeaders::new(), first), insert))
}

/// The error that a record met, if it is one that says what to do.
fn delivery_error(topic: &str, size: usize, code: RDKafkaErrorCode) -> Option<BrokerError> {
    use RDKafkaErrorCode as Code;
    let topic: Topic = topic.into();
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            Some(BrokerError::TopicMissing { topic })
        }
        Code::MessageSizeTooLarge => Some(BrokerError::RecordTooLarge {
            topic,
            size,
            source: KafkaError::MessageProduction(code),
        }),
        // Sent again, it would be refused again.
        Code::InvalidTimestamp | Code::InvalidRecord => Some(BrokerError::RecordRefused {
            topic,
            reason: if code == Code::InvalidTimestamp {
                "its timestamp is out of the range that `message.timestamp.after.max.ms` and \
                 `message.timestamp.before.max.ms` of the topic allow"
            } else {
                "a topic with `cleanup.policy: compact` needs a key in each record; give the \
                 topic a `key`, or set `_key` in the SELECT"
            },
            source: KafkaError::MessageProduction(code),
        }),
        _ => None,
    }
}

/// The error of a record that was not delivered.
pub(super) fn delivery_failure(message: &BorrowedMessage<'_>, error: &KafkaError) -> BrokerError {
    let known = error
        .rdkafka_error_code()
        .and_then(|code| delivery_error(message.topic(), message.payload_len(), code));
    known.unwrap_or_else(|| BrokerError::of("deliver a record", error.clone()))
}

/// Keeps the first record that could not be delivered, for the error to tell.
#[derive(Default)]
pub(super) struct Deliveries {
    failure: Mutex<Option<BrokerError>>,
}

impl Deliveries {
    fn take_failure(&self) -> Option<BrokerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        context::log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        let Some(code) = error.rdkafka_error_code() else { return };
        // What an abort purges failed for no reason of its own.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        let failure = delivery_failure(message, error);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }
}
