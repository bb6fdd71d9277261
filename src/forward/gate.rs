//! The circuit breaker before a backend: open to all while it takes events,
//! and to one at a time while it takes none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Duration, Instant, sleep_until},
};

use super::retry::Backoff;

/// The state of one backend, shared by all that send to it.
#[derive(Debug)]
pub(super) struct Gate {
    backoff: Backoff,
    breaker_failures: u32,
    state: Mutex<State>,
    /// Held by the one who asks whether the backend is back. It is fair, so an
    /// event that is never taken cannot keep the others from asking.
    probe: Semaphore,
    back: Notify,
}

#[derive(Debug)]
struct State {
    /// Failures of whatever events since one passed.
    failures: u32,
    /// Events that passed in all.
    passed: u64,
    /// Nothing may be sent before: the backend asked for it.
    held_until: Instant,
    /// While it is down: when to ask again.
    probe_at: Instant,
}

/// Leave to send one event.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    _probe: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub(super) fn new(backoff: Backoff, breaker_failures: u32) -> Self {
        let breaker_failures = breaker_failures.max(1);
        let now = Instant::now();
        let state = State { failures: 0, passed: 0, held_until: now, probe_at: now };
        Self {
            backoff,
            breaker_failures,
            state: Mutex::new(state),
            probe: Semaphore::new(1),
            back: Notify::new(),
        }
    }

    /// Waits until an event may be sent. Safe to drop while it waits.
    pub(super) async fn enter(&self) -> Pass<'_> {
        loop {
            let back = self.back.notified();
            if !self.is_down() {
                let held_until = self.state().held_until;
                if held_until <= Instant::now() {
                    return Pass { _probe: None };
                }
                sleep_until(held_until).await;
                continue;
            }
            let probe = tokio::select! {
                () = back => continue,
                probe = self.probe.acquire() => probe.ok(),
            };
            let back = self.back.notified();
            if !self.is_down() {
                continue;
            }
            let probe_at = self.probe_at();
            tokio::select! {
                () = back => {}
                () = sleep_until(probe_at) => return Pass { _probe: probe },
            }
        }
    }

    /// The backend took an event.
    pub(super) fn passed(&self) {
        let mut state = self.state();
        state.passed += 1;
        state.failures = 0;
        drop(state);
        self.back.notify_waiters();
    }

    /// The backend failed an event; whether it counts as down from now on.
    pub(super) fn failed(&self) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let over = state.failures.saturating_sub(self.breaker_failures - 1);
        if over > 0 {
            state.probe_at = Instant::now() + self.backoff.wait(over);
        }
        state.failures == self.breaker_failures
    }

    /// The backend asks for no events for so long.
    pub(super) fn hold(&self, wait: Duration) {
        let mut state = self.state();
        state.held_until = state.held_until.max(Instant::now() + wait);
    }

    /// Events that passed so far, of whatever run.
    pub(super) fn count_passed(&self) -> u64 {
        self.state().passed
    }

    pub(super) fn is_down(&self) -> bool {
        self.state().failures >= self.breaker_failures
    }

    fn probe_at(&self) -> Instant {
        let state = self.state();
        state.probe_at.max(state.held_until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn gate() -> Gate {
        Gate::new(Backoff { initial: SECOND, max: SECOND * 8 }, 2)
    }

    async fn enters(gate: &Gate, within: Duration) -> Option<Pass<'_>> {
        timeout(within, gate.enter()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_backend_is_down_only_one_asks_and_any_success_lets_all_in() {
        let gate = gate();
        assert!(!gate.failed());
        let _one = enters(&gate, Duration::ZERO).await.expect("one failure is no outage");
        assert!(gate.failed() && gate.is_down());

        let probe = enters(&gate, SECOND).await.expect("one may ask after the backoff");
        assert!(enters(&gate, SECOND * 60).await.is_none(), "a second one may not");

        let before = Instant::now();
        let pass = async {
            tokio::task::yield_now().await;
            gate.passed();
        };
        let (waiting, ()) = tokio::join!(enters(&gate, SECOND * 60), pass);
        assert!(waiting.is_some(), "a success lets in those who wait");
        assert_eq!(before.elapsed(), Duration::ZERO, "and wakes them");
        assert!(!gate.is_down());
        drop(probe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_hands_the_next_one_to_another() {
        let gate = gate();
        gate.failed();
        gate.failed();
        let probe = gate.enter().await;
        let fail = async {
            tokio::task::yield_now().await;
            gate.failed();
            drop(probe);
        };
        let (next, ()) = tokio::join!(enters(&gate, SECOND * 8), fail);
        assert!(next.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_asks_for_a_pause_gets_it_from_all() {
        let gate = gate();
        gate.hold(SECOND * 5);
        assert!(enters(&gate, SECOND * 4).await.is_none());
        assert!(enters(&gate, SECOND * 2).await.is_some());
        assert!(!gate.is_down());
    }
}
