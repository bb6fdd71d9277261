//! One event, or some of different runs, to a backend: tried until it is taken,
//! refused, or no longer ours.
//!
//! # When an event is parked
//!
//! When the backend refuses it (a 4xx that is of the event), or when it alone
//! gets 500 while others pass: `poison_attempts` times, each after another
//! event passed since the time before. So a backend that answers 500 to all
//! parks nothing, however long it does.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use governor::{DefaultDirectRateLimiter, Quota};
use tokio_util::sync::CancellationToken;

use super::{
    config::ForwardConfig,
    gate::{Gate, Pass},
    lanes::Event,
    retry::Backoff,
    status::Status,
    transport::{Answer, BatchAnswer, Failure, Transport},
};
use crate::{lineage::validate::Invalid, telemetry::Request};

/// A second's worth of events is not sent in one go.
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// Failures of one event after which its being held is worth a warning.
const FAILURES_TO_WARN: u32 = 10;

/// Why an event goes to the dead letter topic.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("{0}")]
    Invalid(Invalid),
    #[error("the backend refused the event with {0}")]
    Refused(Answer),
    #[error("the backend failed on this event alone, {attempts} times, with {answer}")]
    Poison { answer: Answer, attempts: u32 },
}

/// What became of an event.
#[derive(Debug)]
pub(super) enum Outcome {
    Delivered,
    Refused(Refusal),
    /// Not sent: the backend takes no batches, so it goes alone.
    Again,
    /// Not taken, and given up because of a shutdown or a lost partition.
    Stopped,
}

/// What sends to one backend; shared by all requests under way.
#[derive(Debug)]
pub(super) struct Deliverer {
    backend: String,
    transport: Box<dyn Transport>,
    gate: Gate,
    limiter: Option<DefaultDirectRateLimiter>,
    batches: AtomicBool,
    config: ForwardConfig,
    backoff: Backoff,
    status: Arc<Status>,
}

/// What is known of one event's failures.
#[derive(Default)]
struct Tries {
    failures: u32,
    /// Answers of 500 that came after others passed since the one before.
    doubts: u32,
    /// Events that had passed at the last answer of 500.
    passed: Option<u64>,
}

impl Deliverer {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        config: ForwardConfig,
        status: Arc<Status>,
    ) -> Self {
        let backoff = Backoff { initial: config.backoff_initial, max: config.backoff_max };
        let quota = config.rate_per_second.map(|rate| Quota::per_second(rate).allow_burst(ONE));
        Self {
            backend: status.snapshot().backend,
            transport,
            gate: Gate::new(backoff, config.breaker_failures),
            limiter: quota.map(DefaultDirectRateLimiter::direct),
            batches: AtomicBool::new(config.batch_events_max > 1),
            config,
            backoff,
            status,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.gate.is_down()
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Most events to give to one [`Deliverer::deliver`].
    pub(super) fn events_max(&self) -> usize {
        // A backend that is down is asked with one event.
        if self.batches.load(Ordering::Relaxed) && !self.gate.is_down() {
            self.config.batch_events_max
        } else {
            1
        }
    }

    /// Sends the events, each of another run, and tells of each what became of it.
    pub(super) async fn deliver(&self, events: Vec<Event>) -> Vec<(Event, Outcome)> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut alone = events;
        if alone.len() > 1 {
            alone = self.deliver_batch(alone, &mut outcomes).await;
        }
        for event in alone {
            let outcome = self.deliver_one(&event).await;
            outcomes.push((event, outcome));
        }
        outcomes
    }

    /// Sends the events at once, once; gives back those to send alone.
    async fn deliver_batch(
        &self,
        events: Vec<Event>,
        outcomes: &mut Vec<(Event, Outcome)>,
    ) -> Vec<Event> {
        let Some(pass) = self.enter(events.len(), &events[0].stop).await else { return events };
        let (events, stopped): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| !event.stop.is_cancelled());
        outcomes.extend(stopped.into_iter().map(|event| (event, Outcome::Stopped)));
        let bodies: Vec<&[u8]> = events.iter().map(Event::bytes).collect();
        let request = Request::start(&self.backend, events.iter().map(Event::trace));
        let answer = request.run(self.transport.send_batch(&bodies)).await;
        request.end(&self.backend, answer.outcome());
        drop(pass);
        match answer {
            BatchAnswer::Unsupported => {
                self.batches.store(false, Ordering::Relaxed);
                tracing::debug!("the lineage backend takes no batches; events go one by one");
                outcomes.extend(events.into_iter().map(|event| (event, Outcome::Again)));
                Vec::new()
            }
            // Of one event in it, or of batches: alone each gets its own answer.
            BatchAnswer::Failed(Failure::Refused(answer)) => {
                tracing::debug!(%answer, "a batch of lineage was refused; its events go one by one");
                events
            }
            BatchAnswer::Failed(failure) => {
                self.note_failure(&failure);
                events
            }
            BatchAnswer::Each(results) => {
                let mut alone = Vec::new();
                for (event, result) in events.into_iter().zip(results) {
                    match result {
                        Ok(()) => {
                            self.note_passed();
                            outcomes.push((event, Outcome::Delivered));
                        }
                        Err(Failure::Refused(answer)) => {
                            outcomes.push((event, Outcome::Refused(Refusal::Refused(answer))));
                        }
                        Err(failure) => {
                            self.status.failed(failure.to_string());
                            alone.push(event);
                        }
                    }
                }
                alone
            }
        }
    }

    async fn deliver_one(&self, event: &Event) -> Outcome {
        let mut tries = Tries::default();
        loop {
            let Some(pass) = self.enter(1, &event.stop).await else { return Outcome::Stopped };
            let request = Request::start(&self.backend, std::iter::once(event.trace()));
            let result = request.run(self.transport.send(event.bytes())).await;
            request.end(&self.backend, result.as_ref().err().map_or("ok", Failure::outcome));
            let failure = match result {
                Ok(()) => {
                    self.note_passed();
                    return Outcome::Delivered;
                }
                // No sign that others pass: events are refused before a store
                // that is down comes into it.
                Err(Failure::Refused(answer)) => {
                    return Outcome::Refused(Refusal::Refused(answer));
                }
                Err(failure) => failure,
            };
            if let Failure::Doubtful(answer) = &failure
                && tries.is_poison(self.gate.count_passed(), self.config.poison_attempts)
            {
                let refusal =
                    Refusal::Poison { answer: answer.clone(), attempts: tries.failures + 1 };
                return Outcome::Refused(refusal);
            }
            self.note_failure(&failure);
            drop(pass);
            tries.failures = tries.failures.saturating_add(1);
            if tries.failures == FAILURES_TO_WARN {
                let position = event.record().position();
                tracing::warn!(%position, error = %failure, "a lineage event holds its partition");
            }
            let wait = self.backoff.wait(tries.failures);
            if event.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Outcome::Stopped;
            }
        }
    }

    /// Waits for leave to send so many events; `None` when it came to `stop` before.
    async fn enter(&self, events: usize, stop: &CancellationToken) -> Option<Pass<'_>> {
        let enter = async {
            if let Some(limiter) = &self.limiter {
                for _ in 0..events {
                    limiter.until_ready().await;
                }
            }
            self.gate.enter().await
        };
        // A token that is cancelled already wins over a gate that is open.
        if stop.is_cancelled() { None } else { stop.run_until_cancelled(enter).await }
    }

    fn note_passed(&self) {
        if self.gate.is_down() {
            tracing::info!("the lineage backend is back");
        }
        self.gate.passed();
        self.status.update(|status| {
            status.down = false;
            status.last_delivered = Some(jiff::Timestamp::now());
        });
    }

    fn note_failure(&self, failure: &Failure) {
        if let Failure::Passing { retry_after: Some(wait), .. } = failure {
            self.gate.hold((*wait).min(self.config.retry_after_max));
        }
        let went_down = self.gate.failed();
        let text = failure.to_string();
        if went_down {
            tracing::warn!(error = text, "the lineage backend is down; its offsets are held");
        } else {
            tracing::debug!(error = text, "lineage was not delivered; it is tried again");
        }
        self.status.failed(text);
        let down = self.gate.is_down();
        self.status.update(|status| {
            status.retries += 1;
            status.down = down;
        });
    }
}

impl Tries {
    /// Counts an answer of 500; whether it is the event's own fault by now.
    fn is_poison(&mut self, passed: u64, poison_attempts: u32) -> bool {
        if self.passed.is_some_and(|before| passed > before) {
            self.doubts += 1;
        }
        self.passed = Some(passed);
        self.doubts >= poison_attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_500_counts_only_after_others_passed_since_the_one_before() {
        let mut tries = Tries::default();
        let answers = [10, 10, 11, 11, 11, 15, 15].map(|passed| tries.is_poison(passed, 2));
        assert_eq!(answers, [false, false, false, false, false, true, true]);
    }
}
