//! Instants in microseconds or nanoseconds: their units, their range, their local time.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray, TimestampNanosecondArray,
        timezone::Tz,
    },
    compute::cast,
    datatypes::{DataType, Int64Type, TimeUnit},
};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion_common::{Result, exec_datafusion_err};

const DAY_SECONDS: i64 = 86_400;

/// 0000-01-01T00:00:00 and 9999-12-31T23:59:59, in seconds since the epoch.
const SECONDS_MIN: i64 = -719_528 * DAY_SECONDS;
const SECONDS_MAX: i64 = 2_932_897 * DAY_SECONDS - 1;

/// The zone of the instants that a topic holds.
pub(super) const UTC: &str = "+00:00";

/// The zone of TIMESTAMP(9) while a plan is made. It is UTC in other letters, by
/// which the type differs from that of `AT TIME ZONE '+00:00'`.
pub(super) const UTC_OF_NANOS: &str = "+00";

/// The type of an instant of a topic.
pub(in crate::transform::sql) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// TIMESTAMP(9), as the planner hands it to [`super::keep_times`].
pub(in crate::transform::sql) fn nanoseconds() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC_OF_NANOS.into()))
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(super) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// The type in which functions work on a value of `data_type`: an instant in
/// its zone, to the microsecond unless it has nanoseconds. `None` where it is
/// no instant and does not become one.
pub(super) fn as_instant(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(data_type.clone()),
        DataType::Timestamp(_, zone) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        DataType::Null => Some(instant()),
        other if is_date(other) || is_text(other) => Some(instant()),
        _ => None,
    }
}

/// Units in a second.
pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// An instant's value, if it lies in the years 0000 to 9999.
///
/// # Errors
///
/// A value outside of these years, or outside of those that its unit holds.
pub(super) fn in_range(value: i128, unit: TimeUnit) -> Result<i64> {
    let seconds = value.div_euclid(per_second(unit).into());
    let fits = (SECONDS_MIN.into()..=SECONDS_MAX.into()).contains(&seconds);
    i64::try_from(value).ok().filter(|_| fits).ok_or_else(|| {
        let years = match unit {
            TimeUnit::Nanosecond => "1677 to 2262, which nanoseconds hold",
            _ => "0000 to 9999",
        };
        exec_datafusion_err!("a timestamp out of the years {years}")
    })
}

/// How the instants of an array count, and by which clocks they are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) unit: TimeUnit,
    /// None is UTC, or a local time without a zone.
    zone: Option<Tz>,
}

impl Scale {
    pub(super) fn of(data_type: &DataType) -> Result<Self> {
        let DataType::Timestamp(unit, zone) = data_type else {
            return Err(exec_datafusion_err!("expected a timestamp, found {data_type}"));
        };
        let zone = zone.as_deref().filter(|zone| *zone != UTC);
        Ok(Self { unit: *unit, zone: zone.map(str::parse).transpose()? })
    }

    fn seconds(self, value: i64) -> i64 {
        value.div_euclid(per_second(self.unit))
    }

    /// Seconds that the clocks of the zone are ahead of UTC.
    pub(super) fn offset(self, value: i64) -> i64 {
        let Some(zone) = self.zone else { return 0 };
        let utc = DateTime::from_timestamp(self.seconds(value), 0).unwrap_or_default();
        zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc().into()
    }

    /// What the clocks of the zone show.
    pub(super) fn local(self, value: i64) -> NaiveDateTime {
        let seconds = self.seconds(value) + self.offset(value);
        DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc()
    }

    /// The instant at which the clocks of the zone show `local`. As in
    /// Postgres, the later one where they show it twice; where they skip it,
    /// the one by the clocks before they change.
    pub(super) fn instant(self, local: NaiveDateTime) -> Result<i64> {
        let utc = match self.zone {
            None => local.and_utc().timestamp(),
            Some(zone) => match zone.from_local_datetime(&local) {
                LocalResult::Single(instant) | LocalResult::Ambiguous(_, instant) => {
                    instant.timestamp()
                }
                LocalResult::None => {
                    let before = zone.offset_from_utc_datetime(&(local - TimeDelta::days(1)));
                    local.and_utc().timestamp() - i64::from(before.fix().local_minus_utc())
                }
            },
        };
        in_range(i128::from(utc) * i128::from(per_second(self.unit)), self.unit)
    }
}

/// The counts of an array of timestamps.
pub(super) fn counts(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Counts as an array of a timestamp type.
pub(super) fn timestamps(counts: Int64Array, data_type: &DataType) -> ArrayRef {
    let (_, values, nulls) = counts.into_parts();
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(_, zone) => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(Int64Array::new(values, nulls)),
    }
}
