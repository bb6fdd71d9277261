//! Whether Kafka answers, known before anyone asks: so that a request is refused
//! at once with the reason, not after a client library's own patience.

use std::{sync::Arc, thread, time::Duration};

use tokio::sync::watch;

use super::ApiError;
use crate::{
    broker::{Broker, BrokerError, Pulse},
    record::Topic,
    runtime::{Shutdown, spawn_guarded},
};

/// Between two questions.
const EVERY: Duration = Duration::from_millis(300);
/// Longest that an answer is waited for. With `EVERY` under the 2 s in which a read
/// must be refused.
const ANSWER_MAX: Duration = Duration::from_millis(1200);

/// What the last question was answered with.
type Felt = Result<(), Arc<str>>;

/// The last answer, and word of the next.
#[derive(Clone)]
pub(super) struct Watch {
    felt: watch::Receiver<Felt>,
}

impl Watch {
    /// Asks on a thread of its own until shutdown.
    pub(super) fn start(
        broker: &Broker,
        topic: &Topic,
        shutdown: &Shutdown,
    ) -> std::io::Result<Self> {
        let first: Arc<str> = "the hub has just begun to ask".into();
        let (told, felt) = watch::channel(Err(first));
        let (broker, topic, stop) = (broker.clone(), topic.clone(), shutdown.clone());
        spawn_guarded("api-pulse", shutdown, move || {
            let mut pulse = None;
            while !stop.is_cancelled() {
                let answer = feel(&broker, &topic, &mut pulse);
                told.send_if_modified(|felt| {
                    let now = answer.map_err(|error| Arc::from(reason(&error)));
                    let changed = *felt != now;
                    if felt.is_ok() != now.is_ok() {
                        tracing::debug!(?now, "whether Kafka answers has changed");
                    }
                    *felt = now;
                    changed
                });
                thread::sleep(EVERY);
            }
        })?;
        Ok(Self { felt })
    }

    /// An error where Kafka did not answer when it was last asked.
    pub(super) fn require(&self) -> Result<(), ApiError> {
        self.felt.borrow().clone().map_err(|reason| unavailable(&reason))
    }

    /// Comes back once Kafka does not answer, with the error to refuse with.
    pub(super) async fn lost(&self) -> ApiError {
        let mut felt = self.felt.clone();
        match felt.wait_for(Result::is_err).await {
            Ok(felt) => unavailable(felt.as_ref().err().map_or("", |reason| reason)),
            Err(_) => unavailable("the hub stops"),
        }
    }
}

fn unavailable(reason: &str) -> ApiError {
    ApiError::BrokerUnavailable { reason: reason.to_owned() }
}

fn feel(broker: &Broker, topic: &Topic, pulse: &mut Option<Pulse>) -> Result<(), BrokerError> {
    let client = match pulse {
        Some(client) => client,
        None => pulse.insert(Pulse::connect(broker, topic)?),
    };
    client.feel(ANSWER_MAX)
}

fn reason(error: &BrokerError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})"));
    format!("{error}{}", cause.unwrap_or_default())
}
