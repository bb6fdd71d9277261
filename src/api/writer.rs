//! Lineage events of other producers, on their way to the lineage topic.
//!
//! ```text
//! requests -> [256] -> one thread: send, flush once -> answers
//! ```
//!
//! Requests that come at the same time share a flush. Nobody is answered before
//! Kafka has acknowledged what was sent. What the topic would not take is not sent:
//! Kafka would refuse it for ever, and all that share the flush with it. An event that
//! fits without what Kafka puts around it is sent alone, since only Kafka knows whether
//! it fits compressed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{ApiError, sending};
use crate::{
    broker::{Admin, Broker, BrokerError, OutRecord, Producer},
    record::{HeaderBytes, Recovery, Topic},
    runtime::{Shutdown, spawn_guarded},
};

/// Requests that wait for the thread.
const QUEUE: usize = 256;
/// Requests that share a flush.
const TOGETHER_MAX: usize = 64;
/// Longest that Kafka's acknowledgement is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The topic's limit is asked for again after this.
const LIMIT_AGE: Duration = Duration::from_secs(5);
/// As [`LIMIT_AGE`], before an event is refused for its size.
const REFUSAL_LIMIT_AGE: Duration = Duration::from_millis(100);
/// More than what Kafka adds to a record, apart from its key and value: the head of its
/// batch (61 bytes), its own lengths and deltas.
const FRAME_BYTES: usize = 128;
/// Bytes of events in one batch; librdkafka's own default.
const BATCH_BYTES: usize = 1_000_000;

/// An event's key and bytes.
pub(super) type Keyed = (String, Vec<u8>);

/// An event that is larger than a record of the topic may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Among the events of its request.
    pub(super) index: usize,
    pub(super) size: usize,
    pub(super) limit: usize,
}

/// What became of the events of a request.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) too_large: Vec<TooLarge>,
    /// The topic's `max.message.bytes`.
    pub(super) limit: usize,
}

struct Request {
    events: Vec<Keyed>,
    answer: oneshot::Sender<Result<Written, Arc<str>>>,
}

/// The queue's near end.
pub(super) struct Writer(mpsc::Sender<Request>);

/// The far end: the clients, and what the topic takes.
struct Link {
    runtime: Handle,
    broker: Broker,
    topic: Topic,
    admin: Admin,
    producer: Producer,
    /// `max.message.bytes`.
    limit: usize,
    limit_read: Instant,
}

impl Writer {
    /// Writes on a thread of its own until shutdown.
    pub(super) fn start(
        broker: &Broker,
        topic: &Topic,
        shutdown: &Shutdown,
    ) -> std::io::Result<Self> {
        let (requests, mut queue) = mpsc::channel(QUEUE);
        let (broker, topic, stop) = (broker.clone(), topic.clone(), shutdown.clone());
        let runtime = Handle::current();
        spawn_guarded("api-lineage", shutdown, move || {
            let mut link = None;
            loop {
                let mut together = Vec::new();
                let next = async {
                    tokio::select! {
                        count = queue.recv_many(&mut together, TOGETHER_MAX) => count,
                        () = stop.cancelled() => 0,
                    }
                };
                if runtime.block_on(next) == 0 {
                    return;
                }
                let connect = || Link::open(&runtime, &broker, &topic);
                write(&mut link, connect, together);
            }
        })?;
        Ok(Self(requests))
    }

    /// Comes back once Kafka has the events, but for those that are too large. Without
    /// any events it asks for the limit.
    pub(super) async fn write(&self, events: Vec<Keyed>) -> Result<Written, ApiError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { events, answer };
        self.0.try_send(request).map_err(|_| ApiError::Busy)?;
        let answer = answered.await.unwrap_or_else(|_| Err("the hub stops".into()));
        answer.map_err(|reason| ApiError::BrokerUnavailable { reason: reason.to_string() })
    }
}

fn write(
    link: &mut Option<Link>,
    connect: impl FnOnce() -> Result<Link, BrokerError>,
    together: Vec<Request>,
) {
    let connected = match link {
        Some(link) => Ok(link),
        None => connect().map(|connected| link.insert(connected)),
    };
    let written = connected.and_then(|link| link.send(&together));
    let written = written.map_err(|error| {
        // What it still holds would come later, when nobody counts on it any more.
        *link = None;
        tracing::debug!(error = &error as &dyn std::error::Error, "lineage was not written");
        Arc::from(error.to_string())
    });
    for (number, request) in together.into_iter().enumerate() {
        let answer = written.clone().map(|mut all: Vec<Written>| all.swap_remove(number));
        // A client that has gone asks again.
        let _ = request.answer.send(answer);
    }
}

impl Link {
    fn open(runtime: &Handle, broker: &Broker, topic: &Topic) -> Result<Self, BrokerError> {
        let admin = Admin::connect(broker)?;
        let limit = read_limit(runtime, &admin, topic)?;
        Ok(Self {
            runtime: runtime.clone(),
            broker: broker.clone(),
            topic: topic.clone(),
            producer: connect_producer(broker, limit)?,
            admin,
            limit,
            limit_read: Instant::now(),
        })
    }

    /// Reads the topic's limit where what is known of it is older than `age`.
    fn refresh(&mut self, age: Duration) -> Result<(), BrokerError> {
        if self.limit_read.elapsed() <= age {
            return Ok(());
        }
        let limit = read_limit(&self.runtime, &self.admin, &self.topic)?;
        if limit.min(BATCH_BYTES) != self.limit.min(BATCH_BYTES) {
            self.producer = connect_producer(&self.broker, limit)?;
        }
        (self.limit, self.limit_read) = (limit, Instant::now());
        Ok(())
    }

    /// For each request, which of its events were left out.
    fn send(&mut self, together: &[Request]) -> Result<Vec<Written>, BrokerError> {
        self.refresh(LIMIT_AGE)?;
        let is_over = |(_, value): &Keyed| value.len() > self.limit;
        if together
            .iter()
            .any(|Request { events, .. }| events.is_empty() || events.iter().any(is_over))
        {
            self.refresh(REFUSAL_LIMIT_AGE)?;
        }
        let mut written = Vec::with_capacity(together.len());
        for Request { events, .. } in together {
            let mut too_large = Vec::new();
            for (index, event) in events.iter().enumerate() {
                if !self.send_event(event)? {
                    too_large.push(TooLarge { index, size: event.1.len(), limit: self.limit });
                }
            }
            written.push(Written { too_large, limit: self.limit });
        }
        self.producer.flush(FLUSH_TIMEOUT)?;
        Ok(written)
    }

    /// Sends an event; `false` where the topic does not take it.
    fn send_event(&self, (key, value): &Keyed) -> Result<bool, BrokerError> {
        if value.len() > self.limit {
            return Ok(false);
        }
        let is_in_doubt = key.len() + value.len() + FRAME_BYTES > self.limit;
        if is_in_doubt {
            self.producer.flush(FLUSH_TIMEOUT)?;
        }
        self.producer.send(&OutRecord {
            topic: &self.topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: &HeaderBytes::default(),
            timestamp: None,
        })?;
        if is_in_doubt {
            match self.producer.flush(FLUSH_TIMEOUT) {
                Err(error) if error.recovery() == Recovery::DeadLetter => return Ok(false),
                flushed => flushed?,
            }
        }
        Ok(true)
    }
}

fn read_limit(runtime: &Handle, admin: &Admin, topic: &Topic) -> Result<usize, BrokerError> {
    let described = runtime.block_on(admin.describe(topic))?;
    let described = described.ok_or_else(|| BrokerError::TopicMissing { topic: topic.clone() })?;
    let limit = described.config.get("max.message.bytes");
    let limit = limit.and_then(|entry| entry.value.parse().ok());
    Ok(limit.unwrap_or(sending::MESSAGE_BYTES_DEFAULT))
}

/// Its batches fit into the topic however many events they hold.
fn connect_producer(broker: &Broker, limit: usize) -> Result<Producer, BrokerError> {
    Producer::with_batches(broker, limit.min(BATCH_BYTES))
}
