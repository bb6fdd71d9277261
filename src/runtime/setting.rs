//! Ranges of settings: a value outside of its range is reported with the range.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use humantime_serde::re::humantime::format_duration;

/// Reports `setting` to `problem` (setting, what is wrong) if its value is outside of `range`.
pub fn check_number<T: PartialOrd + Display>(
    setting: &str,
    value: T,
    range: &RangeInclusive<T>,
    problem: &mut impl FnMut(&str, String),
) {
    if !range.contains(&value) {
        let (start, end) = (range.start(), range.end());
        problem(setting, format!("must be from {start} to {end}, found {value}"));
    }
}

/// As [`check_number`], for a duration.
pub fn check_time(
    setting: &str,
    value: Duration,
    range: &RangeInclusive<Duration>,
    problem: &mut impl FnMut(&str, String),
) {
    if !range.contains(&value) {
        let [start, end, value] = [*range.start(), *range.end(), value].map(format_duration);
        problem(setting, format!("must be from {start} to {end}, found {value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_of_its_range_is_reported_with_the_range() {
        let mut problems = Vec::new();
        let mut problem = |setting: &str, message: String| {
            problems.push(format!("{setting} {message}"));
        };
        for value in [0, 1, 5, 6] {
            check_number("n", value, &(1..=5), &mut problem);
        }
        let range = Duration::from_millis(1)..=Duration::from_hours(1);
        for seconds in [0, 1, 3600, 7200] {
            check_time("t", Duration::from_secs(seconds), &range, &mut problem);
        }
        assert_eq!(
            problems,
            [
                "n must be from 1 to 5, found 0",
                "n must be from 1 to 5, found 6",
                "t must be from 1ms to 1h, found 0s",
                "t must be from 1ms to 1h, found 2h",
            ]
        );
    }
}
