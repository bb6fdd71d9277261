//! How often an event failed, and how long it waits before it is tried again.

use std::time::Duration;

use jiff::Timestamp;

/// Waits that double at each failure, each random from none up to the full
/// length: senders that failed together must not come back together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) initial: Duration,
    pub(super) max: Duration,
}

impl Backoff {
    /// The wait after so many failures, which are at least one.
    pub(super) fn wait(self, failures: u32) -> Duration {
        self.longest(failures).mul_f64(fastrand::f64())
    }

    fn longest(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.initial.saturating_mul(doubled).min(self.max)
    }
}

/// What is known of one event's failures.
#[derive(Debug, Default)]
pub(super) struct Tries {
    pub(super) failures: u32,
    /// Answers of 500 that came after others passed since the one before.
    doubts: u32,
    /// Events that had passed at the last answer of 500.
    passed: Option<u64>,
}

impl Tries {
    /// Counts an answer of 500; whether it is the event's own fault by now.
    pub(super) fn is_poison(&mut self, passed: u64, poison_attempts: u32) -> bool {
        if self.passed.is_some_and(|before| passed > before) {
            self.doubts += 1;
        }
        self.passed = Some(passed);
        self.doubts >= poison_attempts
    }
}

/// What a `Retry-After` header asks for at `now`: seconds, or a date of HTTP.
/// `None` for what is neither; a date that has passed asks for no wait.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_never_overflow() {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(10) };
        let longest = [1, 2, 3, 4, 5, u32::MAX].map(|failures| backoff.longest(failures).as_secs());
        assert_eq!(longest, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn waits_are_spread_over_their_whole_length() {
        let backoff = Backoff { initial: Duration::from_secs(8), max: Duration::from_secs(8) };
        let waits: Vec<_> = (0..200).map(|_| backoff.wait(1)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(8)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_secs(2)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_secs(6)));
    }

    #[test]
    fn a_500_counts_only_after_others_passed_since_the_one_before() {
        let mut tries = Tries::default();
        let answers = [10, 10, 11, 11, 11, 15, 15].map(|passed| tries.is_poison(passed, 2));
        assert_eq!(answers, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-06T08:49:00Z".parse().unwrap();
        let asked = |value| retry_after(value, now);
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked(" 0 "), Some(Duration::ZERO));
        assert_eq!(asked("Fri, 06 Nov 2026 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(asked("Fri, 06 Nov 2026 08:48:00 GMT"), Some(Duration::ZERO));
        for neither in ["", "soon", "-1", "1.5"] {
            assert_eq!(asked(neither), None, "{neither}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(value in "\\PC{0,40}") {
            let _ = retry_after(&value, Timestamp::UNIX_EPOCH);
        }
    }
}
