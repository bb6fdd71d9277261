//! One event, or some of different runs, to a backend: sent once, and judged.
//!
//! # When an event is parked
//!
//! When the backend refuses it (a 4xx that is of the event), or when it alone
//! gets 500 while others pass: `poison_attempts` times, each after another
//! event passed since the time before. So a backend that answers 500 to all
//! parks nothing, however long it does. Between its tries an event waits in its
//! lane and holds no request, or it would keep those from passing who tell it
//! from an outage.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use governor::{DefaultDirectRateLimiter, Quota};
use tokio::time::{Duration, Instant};

use super::{
    config::ForwardConfig,
    gate::Gate,
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
    /// Not sent, for no fault of its own, or given up.
    Again,
    /// Not taken; to be tried again after so long.
    Later(Duration),
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

    /// When the next event may be sent.
    pub(super) fn opens_at(&self) -> Instant {
        self.gate.opens_at()
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Most calls of [`Deliverer::deliver`] to have under way.
    pub(super) fn slots(&self) -> usize {
        // A backend that is down is asked by one.
        if self.gate.is_down() { 1 } else { self.config.concurrency }
    }

    /// Most events to give to one [`Deliverer::deliver`].
    pub(super) fn events_max(&self) -> usize {
        if self.batches.load(Ordering::Relaxed) && !self.gate.is_down() {
            self.config.batch_events_max
        } else {
            1
        }
    }

    /// Sends the events, each of another run, once, and tells of each what became
    /// of it. A `probe` is one event that asks whether the backend is back.
    pub(super) async fn deliver(&self, events: Vec<Event>, probe: bool) -> Vec<(Event, Outcome)> {
        if let Some(limiter) = &self.limiter {
            for event in &events {
                event.stop.run_until_cancelled(limiter.until_ready()).await;
            }
        }
        // It may have gone down, or asked for a pause, while these waited.
        let is_closed = self.gate.opens_at() > Instant::now() || (self.gate.is_down() && !probe);
        let (mut events, unsent): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| !is_closed && !event.stop.is_cancelled());
        let mut outcomes: Vec<_> =
            unsent.into_iter().map(|event| (event, Outcome::Again)).collect();
        if events.len() > 1 {
            outcomes.extend(self.deliver_batch(events).await);
        } else if let Some(mut event) = events.pop() {
            let outcome = self.deliver_one(&mut event).await;
            outcomes.push((event, outcome));
        }
        outcomes
    }

    async fn deliver_batch(&self, events: Vec<Event>) -> Vec<(Event, Outcome)> {
        let bodies: Vec<&[u8]> = events.iter().map(Event::bytes).collect();
        let request = Request::start(&self.backend, events.iter().map(Event::trace));
        let answer = request.run(self.transport.send_batch(&bodies)).await;
        request.end(&self.backend, answer.outcome());
        let results = match answer {
            BatchAnswer::Unsupported => {
                self.batches.store(false, Ordering::Relaxed);
                tracing::debug!("the lineage backend takes no batches; events go one by one");
                return events.into_iter().map(|event| (event, Outcome::Again)).collect();
            }
            // Of one event in it, or of batches: alone each gets its own answer.
            BatchAnswer::Failed(Failure::Refused(answer)) => {
                tracing::debug!(%answer, "a batch of lineage was refused; its events go one by one");
                let alone = |mut event: Event| {
                    event.goes_alone = true;
                    (event, Outcome::Again)
                };
                return events.into_iter().map(alone).collect();
            }
            BatchAnswer::Failed(failure) => {
                self.note_failure(&failure);
                vec![Err(failure); events.len()]
            }
            BatchAnswer::Each(results) => results,
        };
        let judged = events.into_iter().zip(results).map(|(mut event, result)| {
            let outcome = match result {
                Ok(()) => {
                    self.note_passed();
                    Outcome::Delivered
                }
                Err(Failure::Refused(answer)) => Outcome::Refused(Refusal::Refused(answer)),
                Err(failure) => {
                    event.goes_alone = true;
                    self.later(&mut event, &failure)
                }
            };
            (event, outcome)
        });
        judged.collect()
    }

    async fn deliver_one(&self, event: &mut Event) -> Outcome {
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
            Err(Failure::Refused(answer)) => return Outcome::Refused(Refusal::Refused(answer)),
            Err(failure) => failure,
        };
        let tries = &mut event.tries;
        if let Failure::Doubtful(answer) = &failure
            && tries.is_poison(self.gate.count_passed(), self.config.poison_attempts)
        {
            let (answer, attempts) = (answer.clone(), tries.failures + 1);
            return Outcome::Refused(Refusal::Poison { answer, attempts });
        }
        self.note_failure(&failure);
        self.later(event, &failure)
    }

    /// Counts a failure of the event, which waits the longer the more it had.
    fn later(&self, event: &mut Event, failure: &Failure) -> Outcome {
        let failures = event.tries.failures.saturating_add(1);
        event.tries.failures = failures;
        event.met_outage = matches!(failure, Failure::Passing { .. });
        if failures == FAILURES_TO_WARN {
            let position = event.record().position();
            tracing::warn!(%position, error = %failure, "a lineage event holds its partition");
        }
        self.status.failed(failure.to_string());
        Outcome::Later(self.backoff.wait(failures))
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
        if went_down {
            tracing::warn!(error = %failure, "the lineage backend is down; its offsets are held");
        } else {
            tracing::debug!(error = %failure, "lineage was not delivered; it is tried again");
        }
        let down = self.gate.is_down();
        self.status.update(|status| {
            status.retries += 1;
            status.down = down;
        });
    }
}
