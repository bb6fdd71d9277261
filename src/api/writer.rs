//! Lineage events of other producers, on their way to the lineage topic.
//!
//! ```text
//! requests -> [256] -> one thread: send, flush once -> answers
//! ```
//!
//! Requests that come at the same time share a flush. Nobody is answered before
//! Kafka has acknowledged what was sent.

use std::{sync::Arc, thread, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::ApiError;
use crate::{
    broker::{Broker, BrokerError, OutRecord, Producer},
    record::{HeaderBytes, Topic},
    runtime::Shutdown,
};

/// Requests that wait for the thread.
const QUEUE: usize = 256;
/// Requests that share a flush.
const TOGETHER_MAX: usize = 64;
/// Longest that Kafka's acknowledgement is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// An event's key and bytes.
pub(super) type Keyed = (String, Vec<u8>);

struct Request {
    events: Vec<Keyed>,
    answer: oneshot::Sender<Result<(), Arc<str>>>,
}

/// The queue's near end.
pub(super) struct Writer(mpsc::Sender<Request>);

impl Writer {
    /// Writes on a thread of its own until shutdown.
    pub(super) fn start(
        broker: &Broker,
        topic: &Topic,
        shutdown: &Shutdown,
    ) -> std::io::Result<Self> {
        let (requests, mut queue) = mpsc::channel(QUEUE);
        let (broker, topic, shutdown) = (broker.clone(), topic.clone(), shutdown.clone());
        let runtime = tokio::runtime::Handle::current();
        thread::Builder::new().name("api-lineage".to_owned()).spawn(move || {
            let mut producer = None;
            loop {
                let mut together = Vec::new();
                let next = async {
                    tokio::select! {
                        count = queue.recv_many(&mut together, TOGETHER_MAX) => count,
                        () = shutdown.cancelled() => 0,
                    }
                };
                if runtime.block_on(next) == 0 {
                    return;
                }
                write(&broker, &topic, &mut producer, together);
            }
        })?;
        Ok(Self(requests))
    }

    /// Comes back once Kafka has all of the events.
    pub(super) async fn write(&self, events: Vec<Keyed>) -> Result<(), ApiError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { events, answer };
        self.0.try_send(request).map_err(|_| ApiError::Busy)?;
        let answer = answered.await.unwrap_or_else(|_| Err("the hub stops".into()));
        answer.map_err(|reason| ApiError::BrokerUnavailable { reason: reason.to_string() })
    }
}

fn write(broker: &Broker, topic: &Topic, producer: &mut Option<Producer>, together: Vec<Request>) {
    let sent = send(broker, topic, producer, &together);
    let answer = sent.map_err(|error| {
        // What it still holds would come later, when nobody counts on it any more.
        *producer = None;
        tracing::debug!(error = &error as &dyn std::error::Error, "lineage was not written");
        Arc::from(error.to_string())
    });
    for request in together {
        // A client that has gone asks again.
        let _ = request.answer.send(answer.clone());
    }
}

fn send(
    broker: &Broker,
    topic: &Topic,
    producer: &mut Option<Producer>,
    together: &[Request],
) -> Result<(), BrokerError> {
    let producer = match producer {
        Some(producer) => producer,
        None => producer.insert(Producer::connect(broker)?),
    };
    for (key, value) in together.iter().flat_map(|request| &request.events) {
        producer.send(&OutRecord {
            topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: &HeaderBytes::default(),
            timestamp: None,
        })?;
    }
    producer.flush(FLUSH_TIMEOUT)
}
