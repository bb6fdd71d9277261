//! The circuit breaker before a backend: open to all while it takes events,
//! and to one at a time, with waits between them, while it takes none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use super::retry::Backoff;

/// The state of one backend, shared by all that send to it.
#[derive(Debug)]
pub(super) struct Gate {
    backoff: Backoff,
    breaker_failures: u32,
    state: Mutex<State>,
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

impl Gate {
    pub(super) fn new(backoff: Backoff, breaker_failures: u32) -> Self {
        let breaker_failures = breaker_failures.max(1);
        let now = Instant::now();
        let state = State { failures: 0, passed: 0, held_until: now, probe_at: now };
        Self { backoff, breaker_failures, state: Mutex::new(state) }
    }

    /// When the next event may be sent; it may have passed.
    pub(super) fn opens_at(&self) -> Instant {
        let is_down = self.is_down();
        let state = self.state();
        if is_down { state.probe_at.max(state.held_until) } else { state.held_until }
    }

    /// The backend took an event.
    pub(super) fn passed(&self) {
        let mut state = self.state();
        state.passed += 1;
        state.failures = 0;
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn gate() -> Gate {
        Gate::new(Backoff { initial: SECOND, max: SECOND * 8 }, 2)
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_close_the_gate_for_a_while_and_a_success_opens_it() {
        let gate = gate();
        assert!(!gate.failed());
        assert!(!gate.is_down(), "one failure is no outage");
        assert!(gate.failed() && gate.is_down());
        assert!(gate.opens_at() <= Instant::now() + SECOND);

        assert!(!gate.failed(), "it went down once");
        assert!(gate.opens_at() <= Instant::now() + SECOND * 2);
        gate.passed();
        assert!(!gate.is_down() && gate.opens_at() <= Instant::now());
        assert_eq!(gate.count_passed(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_asks_for_a_pause_gets_it_also_while_it_is_down() {
        let gate = gate();
        gate.hold(SECOND * 60);
        let held_until = Instant::now() + SECOND * 60;
        assert_eq!(gate.opens_at(), held_until);
        assert!(!gate.is_down());
        gate.failed();
        gate.failed();
        assert_eq!(gate.opens_at(), held_until);
        advance(SECOND * 60).await;
        assert!(gate.opens_at() <= Instant::now());
    }
}
