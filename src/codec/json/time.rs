//! Dates, times and instants: RFC 3339 text to counts since the epoch, and back.
//!
//! The calendar is the proleptic Gregorian one, years 0000 to 9999, days of 24
//! hours: no leap seconds.

use arrow::datatypes::TimeUnit;

const DAY_SECONDS: i64 = 86_400;

/// 0000-01-01 and 9999-12-31, in days since 1970-01-01.
const DAYS_MIN: i64 = -719_528;
const DAYS_MAX: i64 = 2_932_896;

/// Units in a second.
pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// `2026-01-05` as days since the epoch.
pub(super) fn parse_date(text: &[u8]) -> Option<i32> {
    let (days, rest) = take_date(text)?;
    rest.is_empty().then_some(days as i32)
}

/// `10:00:00.25` as units since midnight.
pub(super) fn parse_time(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (seconds, fraction, rest) = take_time(text, unit)?;
    rest.is_empty().then_some(seconds * per_second(unit) + fraction)
}

/// `2026-01-05T10:00:00.25+01:00` as units since the epoch. `T` may be a
/// space, and `T` and `Z` small letters, as RFC 3339 allows.
pub(super) fn parse_timestamp(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (days, rest) = take_date(text)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (seconds, fraction, rest) = take_time(rest, unit)?;
    let seconds = days * DAY_SECONDS + seconds - parse_offset(rest)?;
    in_years(seconds).then_some(())?;
    seconds.checked_mul(per_second(unit))?.checked_add(fraction)
}

/// Milliseconds since the epoch as units since the epoch.
pub(super) fn from_millis(millis: i64, unit: TimeUnit) -> Option<i64> {
    in_years(millis.div_euclid(1_000)).then_some(())?;
    match unit {
        TimeUnit::Second => (millis % 1_000 == 0).then_some(millis / 1_000),
        _ => millis.checked_mul(per_second(unit) / 1_000),
    }
}

fn in_years(seconds: i64) -> bool {
    (DAYS_MIN..=DAYS_MAX).contains(&seconds.div_euclid(DAY_SECONDS))
}

fn take_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return None };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    ((1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day)).then_some(())?;
    Some((days_from_civil(year, month, day), rest))
}

/// Seconds since midnight, the fraction in units, and what follows.
fn take_time(text: &[u8], unit: TimeUnit) -> Option<(i64, i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => take_fraction(rest, unit)?,
        _ => (0, rest),
    };
    Some((hour * 3_600 + minute * 60 + second, fraction, rest))
}

/// Digits under the unit must be zeros: nothing is cut off.
fn take_fraction(text: &[u8], unit: TimeUnit) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    (!digits.is_empty()).then_some(())?;
    let mut value = 0;
    let mut weight = per_second(unit);
    for digit in digits {
        weight /= 10;
        let digit = i64::from(digit - b'0');
        if weight == 0 && digit != 0 {
            return None;
        }
        value += digit * weight;
    }
    Some((value, rest))
}

/// `Z` or `±hh:mm` in seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
            (hour < 24 && minute < 60).then_some(())?;
            let seconds = hour * 3_600 + minute * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Why a text is not a timestamp, where it looks like one.
pub(super) fn refusal(text: &[u8], unit: TimeUnit) -> Option<&'static str> {
    const ZONE: &str = "the zone is missing: end it with Z, or with an offset such as +02:00";
    const OFFSET: &str = "an offset is written as +02:00, and UTC as Z or +00:00";
    const LONG: &str = "at most 9 digits in the fraction of a second";
    const NANOS: &str = "at most 6 digits in the fraction of a second; declare the field as \
                         `timestamp(9)` for up to 9 digits";
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    if text.len() >= 9 && text.iter().all(is_digit) {
        return Some("epoch milliseconds are a number, without quotes");
    }
    let Some((_, rest)) = take_date(text) else { return looks_like_date(text) };
    let [b'T' | b't' | b' ', rest @ ..] = rest else {
        return Some("the time of day is missing, as in 2026-01-05T10:00:00Z");
    };
    let [h1, h2, b':', m1, m2, rest @ ..] = rest else { return None };
    let [b':', s1, s2, rest @ ..] = rest else {
        return Some("the seconds are missing, as in 2026-01-05T10:00:00Z");
    };
    let within = |tens, ones, end| two(tens, ones).is_some_and(|value| value < end);
    if [*s1, *s2] == *b"60" {
        return Some("leap seconds do not exist here: the second is from 00 to 59");
    }
    if !within(*h1, *h2, 24) || !within(*m1, *m2, 60) || !within(*s1, *s2, 60) {
        return Some("a time of day is from 00:00:00 to 23:59:59");
    }
    let rest = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| is_digit(byte)).count();
            let is_beyond =
                |held: usize| rest[held.min(digits)..digits].iter().any(|digit| *digit != b'0');
            match unit {
                _ if is_beyond(9) => return Some(LONG),
                TimeUnit::Nanosecond => {}
                _ if is_beyond(6) => return Some(NANOS),
                _ => {}
            }
            &rest[digits..]
        }
        rest => rest,
    };
    match (rest.is_empty(), parse_offset(rest)) {
        (true, _) => Some(ZONE),
        (_, None) => Some(OFFSET),
        (_, Some(_)) if unit == TimeUnit::Nanosecond => {
            Some("`timestamp(9)` holds the years 1678 to 2261; declare the field as `timestamp`")
        }
        (_, Some(_)) => Some("the year is from 0000 to 9999 in UTC"),
    }
}

/// As [`refusal`], for a text without a valid date at its start.
fn looks_like_date(text: &[u8]) -> Option<&'static str> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ..] = text else { return None };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
    digits.iter().all(|byte| byte.is_ascii_digit()).then_some("the calendar has no such date")
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch. Years are counted from March, so that the leap day is
/// their last; 400 of them have 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// Year, month and day; the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

/// Appends `2026-01-05`; none where the year has not four digits.
pub(super) fn write_date(out: &mut Vec<u8>, days: i64) -> Option<()> {
    (DAYS_MIN..=DAYS_MAX).contains(&days).then_some(())?;
    let (year, month, day) = civil_from_days(days);
    write_two(out, year / 100);
    write_two(out, year % 100);
    out.push(b'-');
    write_two(out, month);
    out.push(b'-');
    write_two(out, day);
    Some(())
}

/// Appends `10:00:00.25`, given units since midnight; none outside a day.
pub(super) fn write_time(out: &mut Vec<u8>, value: i64, unit: TimeUnit) -> Option<()> {
    let seconds = value.div_euclid(per_second(unit));
    (0..DAY_SECONDS).contains(&seconds).then_some(())?;
    write_two(out, seconds / 3_600);
    out.push(b':');
    write_two(out, seconds / 60 % 60);
    out.push(b':');
    write_two(out, seconds % 60);
    write_fraction(out, value.rem_euclid(per_second(unit)), unit);
    Some(())
}

/// Appends `2026-01-05T10:00:00.25Z`; none outside the years 0000 to 9999.
pub(super) fn write_timestamp(out: &mut Vec<u8>, value: i64, unit: TimeUnit) -> Option<()> {
    let day = DAY_SECONDS * per_second(unit);
    write_date(out, value.div_euclid(day))?;
    out.push(b'T');
    write_time(out, value.rem_euclid(day), unit)?;
    out.push(b'Z');
    Some(())
}

/// Appends the fraction of a second in 3, 6 or 9 digits, the fewest that hold
/// it; nothing for zero.
pub(super) fn write_fraction(out: &mut Vec<u8>, fraction: i64, unit: TimeUnit) {
    let nanos = fraction * (1_000_000_000 / per_second(unit));
    let groups = [nanos / 1_000_000, nanos / 1_000 % 1_000, nanos % 1_000];
    let Some(last) = groups.iter().rposition(|group| *group != 0) else { return };
    out.push(b'.');
    for group in &groups[..=last] {
        out.push(b'0' + (group / 100) as u8);
        write_two(out, group % 100);
    }
}

fn write_two(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: TimeUnit = TimeUnit::Microsecond;

    fn micros(text: &str) -> Option<i64> {
        parse_timestamp(text.as_bytes(), US)
    }

    #[test]
    fn timestamps_are_instants() {
        let noon = micros("2026-01-05T12:00:00Z");
        assert_eq!(noon, Some(1_767_614_400_000_000));
        for same in [
            "2026-01-05T13:30:00+01:30",
            "2026-01-04T12:00:00-24:00",
            "2026-01-05t12:00:00z",
            "2026-01-05 12:00:00.000000000-00:00",
        ] {
            let expected = if same.contains("-24") { None } else { noon };
            assert_eq!(micros(same), expected, "{same}");
        }
        assert_eq!(micros("1969-12-31T23:59:59.999999Z"), Some(-1));
        assert_eq!(micros("0000-01-01T00:00:00Z"), Some(DAYS_MIN * 86_400_000_000));
        assert_eq!(
            micros("9999-12-31T23:59:59Z"),
            Some((DAYS_MAX + 1) * 86_400_000_000 - 1_000_000)
        );
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for bad in [
            "",
            "2026-01-05",
            "2026-01-05T12:00:00",
            "2026-01-05T12:00Z",
            "2026-1-5T12:00:00Z",
            "2026-13-05T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2026-00-05T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T12:60:00Z",
            "2026-01-05T12:00:60Z",
            "2026-01-05T12:00:00.Z",
            "2026-01-05T12:00:00.0000001Z",
            "2026-01-05T12:00:00+0100",
            "2026-01-05T12:00:00+24:00",
            "2026-01-05T12:00:00Z ",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:30:00-01:00",
            "+026-01-05T12:00:00Z",
        ] {
            assert_eq!(micros(bad), None, "{bad}");
        }
        let far = b"2300-01-01T00:00:00Z";
        assert_eq!(parse_timestamp(far, TimeUnit::Nanosecond), None);
        assert!(parse_timestamp(far, US).is_some());
    }

    /// Corvus.JsonSchema issue 584 and its kind: texts that look like the example.
    #[test]
    fn a_text_that_is_almost_a_timestamp_is_refused_with_the_reason() {
        for (text, reason) in [
            ("2024-03-01T10:00:00.1234567Z", "`timestamp(9)`"),
            ("2024-03-01T10:00:00.123456789Z", "`timestamp(9)`"),
            ("2024-03-01T10:00:00.1234567891Z", "at most 9 digits"),
            ("2024-03-01T10:00:00+0200", "an offset is written as +02:00"),
            ("2024-03-01T10:00:00+02", "an offset is written as +02:00"),
            ("2024-03-01 10:00:00 UTC", "UTC as Z"),
            ("2024-03-01 10:00:00.5 +02:00", "an offset is written as +02:00"),
            ("2024-03-01T10:00:00+24:00", "an offset is written as +02:00"),
            ("2024-03-01T10:00:00", "the zone is missing"),
            ("2024-03-01 10:00:00.123", "the zone is missing"),
            ("2024-03-01T10:00Z", "the seconds are missing"),
            ("2024-03-01", "the time of day is missing"),
            ("2016-12-31T23:59:60Z", "leap seconds"),
            ("2016-12-31T24:00:00Z", "a time of day"),
            ("2023-02-29T10:00:00Z", "no such date"),
            ("9999-12-31T23:30:00-01:00", "0000 to 9999"),
            ("1709287200000", "a number, without quotes"),
        ] {
            assert_eq!(micros(text), None, "{text}");
            let found = refusal(text.as_bytes(), US).unwrap_or_default();
            assert!(found.contains(reason), "{text}: {found}");
        }
        for text in ["", "yesterday", "01/03/2024 10:00", "2024-03-01T1", "20240301"] {
            assert_eq!(refusal(text.as_bytes(), US), None, "{text}");
        }
        let nanos = |text: &str| refusal(text.as_bytes(), TimeUnit::Nanosecond).unwrap();
        assert!(nanos("2024-03-01T10:00:00.1234567891Z").contains("at most 9 digits"));
        assert!(nanos("2300-01-01T00:00:00Z").contains("declare the field as `timestamp`"));
    }

    #[test]
    fn milliseconds_are_checked_against_the_same_years() {
        assert_eq!(from_millis(1_767_614_400_123, US), Some(1_767_614_400_123_000));
        assert_eq!(from_millis(-1, US), Some(-1_000));
        assert_eq!(from_millis(i64::MAX, US), None);
        assert_eq!(from_millis(i64::MIN, US), None);
    }

    #[test]
    fn fractions_take_as_many_digits_as_they_need() {
        let written = |nanos: i64| {
            let mut out = Vec::new();
            write_timestamp(&mut out, nanos, TimeUnit::Nanosecond)
                .map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(written(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(written(500_000_000).as_deref(), Some("1970-01-01T00:00:00.500Z"));
        assert_eq!(written(1_000).as_deref(), Some("1970-01-01T00:00:00.000001Z"));
        assert_eq!(written(-1).as_deref(), Some("1969-12-31T23:59:59.999999999Z"));
        assert_eq!(write_timestamp(&mut Vec::new(), i64::MAX, US), None);
        assert_eq!(write_time(&mut Vec::new(), 86_400_000_000, US), None);
    }

    #[test]
    fn every_day_of_the_calendar_reads_back() {
        let mut text = Vec::new();
        for days in DAYS_MIN..=DAYS_MAX {
            text.clear();
            assert_eq!(write_date(&mut text, days), Some(()));
            assert_eq!(parse_date(&text), Some(days as i32), "{days}");
        }
        assert_eq!(write_date(&mut text, DAYS_MIN - 1), None);
        assert_eq!(write_date(&mut text, DAYS_MAX + 1), None);
    }

    proptest! {
        #[test]
        fn timestamps_read_back_as_they_were_written(
            micros in DAYS_MIN * 86_400_000_000..(DAYS_MAX + 1) * 86_400_000_000,
            nanos in any::<i64>(),
        ) {
            let mut text = Vec::new();
            prop_assert_eq!(write_timestamp(&mut text, micros, US), Some(()));
            prop_assert_eq!(parse_timestamp(&text, US), Some(micros));
            text.clear();
            prop_assert_eq!(write_timestamp(&mut text, nanos, TimeUnit::Nanosecond), Some(()));
            // The last second of the range ends before its whole seconds fit.
            if nanos > i64::MIN + 1_000_000_000 {
                prop_assert_eq!(parse_timestamp(&text, TimeUnit::Nanosecond), Some(nanos));
            }
        }

        #[test]
        fn any_bytes_are_an_instant_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_timestamp(&bytes, US);
            let _ = refusal(&bytes, US);
            let _ = parse_date(&bytes);
            let _ = parse_time(&bytes, US);
        }
    }
}
