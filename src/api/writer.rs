//! Lineage events of other producers, on their way to the lineage topic.
//!
//! ```text
//! requests -> [256] -> one thread: send, flush once -> answers
//! ```
//!
//! Requests that come at the same time share a flush. Nobody is answered before
//! Kafka has acknowledged what was sent. What the topic would not take is not sent:
//! Kafka would refuse it for ever, and all that share the flush with it.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{ApiError, sending};
use crate::{
    broker::{Admin, Broker, BrokerError, OutRecord, Producer},
    record::{HeaderBytes, Topic},
    runtime::{Shutdown, spawn_guarded},
};

/// Requests that wait for the thread.
const QUEUE: usize = 256;
/// Requests that share a flush.
const TOGETHER_MAX: usize = 64;
/// Longest that Kafka's acknowledgement is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// An event's key and bytes.
pub(super) type Keyed = (String, Vec<u8>);

/// An event that is larger than a record of the topic may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Among the events of its request.
    pub(super) index: usize,
    pub(super) size: usize,
}

struct Request {
    events: Vec<Keyed>,
    answer: oneshot::Sender<Result<Vec<TooLarge>, Arc<str>>>,
}

/// The queue's near end.
pub(super) struct Writer(mpsc::Sender<Request>);

/// The far end: the client, and what the topic takes, asked for when it connects.
struct Link {
    producer: Producer,
    record_bytes_max: usize,
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
                write(&topic, &mut link, connect, together);
            }
        })?;
        Ok(Self(requests))
    }

    /// Comes back once Kafka has the events, but for those that are given back.
    pub(super) async fn write(&self, events: Vec<Keyed>) -> Result<Vec<TooLarge>, ApiError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { events, answer };
        self.0.try_send(request).map_err(|_| ApiError::Busy)?;
        let answer = answered.await.unwrap_or_else(|_| Err("the hub stops".into()));
        answer.map_err(|reason| ApiError::BrokerUnavailable { reason: reason.to_string() })
    }
}

fn write(
    topic: &Topic,
    link: &mut Option<Link>,
    connect: impl FnOnce() -> Result<Link, BrokerError>,
    together: Vec<Request>,
) {
    let connected = match link {
        Some(link) => Ok(link),
        None => connect().map(|connected| link.insert(connected)),
    };
    let sent = connected.and_then(|link| link.send(topic, &together));
    let too_large = sent.map_err(|error| {
        // What it still holds would come later, when nobody counts on it any more.
        *link = None;
        tracing::debug!(error = &error as &dyn std::error::Error, "lineage was not written");
        Arc::from(error.to_string())
    });
    for (number, request) in together.into_iter().enumerate() {
        let answer = too_large.clone().map(|mut all: Vec<Vec<TooLarge>>| all.swap_remove(number));
        // A client that has gone asks again.
        let _ = request.answer.send(answer);
    }
}

impl Link {
    fn open(runtime: &Handle, broker: &Broker, topic: &Topic) -> Result<Self, BrokerError> {
        let admin = Admin::connect(broker)?;
        let described = runtime.block_on(admin.describe(topic))?;
        let described =
            described.ok_or_else(|| BrokerError::TopicMissing { topic: topic.clone() })?;
        let limit = described.config.get("max.message.bytes");
        let limit = limit.and_then(|entry| entry.value.parse().ok());
        let record_bytes_max = sending::room(limit.unwrap_or(sending::MESSAGE_BYTES_DEFAULT));
        Ok(Self { producer: Producer::connect(broker)?, record_bytes_max })
    }

    /// For each request, its events that were left out.
    fn send(&self, topic: &Topic, together: &[Request]) -> Result<Vec<Vec<TooLarge>>, BrokerError> {
        let mut left_out = Vec::with_capacity(together.len());
        for Request { events, .. } in together {
            let mut too_large = Vec::new();
            for (index, (key, value)) in events.iter().enumerate() {
                let size = key.len() + value.len();
                if size > self.record_bytes_max {
                    too_large.push(TooLarge { index, size });
                    continue;
                }
                self.producer.send(&OutRecord {
                    topic,
                    partition: None,
                    key: Some(key.as_bytes()),
                    value: Some(value),
                    headers: &HeaderBytes::default(),
                    timestamp: None,
                })?;
            }
            left_out.push(too_large);
        }
        self.producer.flush(FLUSH_TIMEOUT)?;
        Ok(left_out)
    }
}
