//! When each record is due: evenly spread, and never shifted by what came before.

use std::time::{Duration, Instant};

const NANOS: u128 = 1_000_000_000;

pub struct Schedule {
    rate: u128,
    begin: Instant,
}

impl Schedule {
    /// So many records a second from this moment on; at least one.
    pub fn new(rate: u32, begin: Instant) -> Self {
        Self { rate: u128::from(rate.max(1)), begin }
    }

    /// When the record of this number is due. From the number, not from the record
    /// before it: rounding does not add up.
    pub fn moment(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * NANOS / self.rate;
        self.begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many records are due at this moment.
    pub fn due_by(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.begin).as_nanos();
        u64::try_from(nanos * self.rate / NANOS).map_or(u64::MAX, |passed| passed + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_evenly_and_a_stall_moves_none_of_them() {
        let begin = Instant::now();
        let schedule = Schedule::new(1000, begin);
        assert_eq!(schedule.moment(0), begin);
        assert_eq!(schedule.moment(1500), begin + Duration::from_millis(1500));
        assert_eq!(schedule.due_by(begin), 1);
        assert_eq!(schedule.due_by(begin + Duration::from_micros(1999)), 2);
        assert_eq!(schedule.due_by(begin + Duration::from_millis(250)), 251);
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let begin = Instant::now();
        let schedule = Schedule::new(3, begin);
        assert_eq!(schedule.moment(3 * 3600), begin + Duration::from_hours(1));
    }
}
