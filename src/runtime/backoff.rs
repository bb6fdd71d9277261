//! Waiting between attempts: exponential, with full jitter.

use std::time::Duration;

/// Waits that double up to a limit, each drawn between nothing and the whole.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempts: u32,
    random: u64,
}

impl Backoff {
    pub fn new(min: Duration, max: Duration) -> Self {
        // Any two that retry together should draw differently; nothing secret hangs on it.
        let random = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
        Self { min, max, attempts: 0, random }
    }

    /// Attempts that failed since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let whole = self.min.saturating_mul(1 << self.attempts.min(20)).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        // xorshift64: enough to spread attempts over time.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        whole.mul_f64(share).max(self.min.min(Duration::from_millis(10)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_small_again_after_a_success() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(min, max);
        for attempt in 0..40 {
            let whole = min.saturating_mul(1 << attempt.min(20)).min(max);
            assert!(backoff.next_wait() <= whole);
        }
        assert_eq!(backoff.attempts(), 40);
        backoff.reset();
        assert!(backoff.next_wait() <= min);
    }
}
