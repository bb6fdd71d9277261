//! `date_trunc` for instants of every year.
//!
//! Units under a day are cut at the offset that the clocks of the zone have at
//! that instant, days and longer units at a local midnight, as in Postgres.

use arrow::{
    array::{ArrowPrimitiveType, Int64Array},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use chrono::{Datelike, NaiveDate, TimeDelta};
use datafusion_common::{Result, exec_datafusion_err, plan_err, utils::take_function_args};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_functions::datetime::date_trunc::DateTruncFunc;

use super::instant::{Scale, as_instant, counts, in_range, per_second, timestamps};

pub(super) fn function() -> ScalarUDF {
    DateTrunc {
        theirs: DateTruncFunc::new(),
        signature: Signature::user_defined(Volatility::Immutable),
    }
    .into()
}

/// A unit that instants are cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many in a second.
    Fraction(i64),
    /// So many seconds, less than a day.
    Seconds(i64),
    Day,
    Week,
    /// So many months, which divide a year.
    Months(u32),
}

impl Unit {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "microsecond" | "microseconds" => Self::Fraction(1_000_000),
            "millisecond" | "milliseconds" => Self::Fraction(1_000),
            "second" | "seconds" => Self::Seconds(1),
            "minute" | "minutes" => Self::Seconds(60),
            "hour" | "hours" => Self::Seconds(3_600),
            "day" | "days" => Self::Day,
            "week" | "weeks" => Self::Week,
            "month" | "months" => Self::Months(1),
            "quarter" | "quarters" => Self::Months(3),
            "year" | "years" => Self::Months(12),
            _ => return None,
        })
    }

    fn cut(self, value: i64, scale: Scale) -> Result<i64> {
        let second = per_second(scale.unit);
        match self {
            Self::Fraction(parts) => cut_even(value, (second / parts).max(1), 0, scale),
            Self::Seconds(seconds) => {
                cut_even(value, seconds * second, scale.offset(value) * second, scale)
            }
            Self::Day | Self::Week | Self::Months(_) => {
                let day = self.first_day(scale.local(value).date());
                let midnight = day.and_hms_opt(0, 0, 0);
                scale.instant(midnight.ok_or_else(|| exec_datafusion_err!("no such day"))?)
            }
        }
    }

    /// The first day of the unit that `day` is in.
    fn first_day(self, day: NaiveDate) -> NaiveDate {
        let first = match self {
            Self::Week => {
                let since_monday = day.weekday().num_days_from_monday();
                day.checked_sub_signed(TimeDelta::days(since_monday.into()))
            }
            Self::Months(months) => {
                NaiveDate::from_ymd_opt(day.year(), day.month0() / months * months + 1, 1)
            }
            _ => Some(day),
        };
        first.unwrap_or(day)
    }
}

/// The last multiple of `step` up to `value`, both counted from `offset` before the epoch.
fn cut_even(value: i64, step: i64, offset: i64, scale: Scale) -> Result<i64> {
    let (value, step, offset) = (i128::from(value), i128::from(step), i128::from(offset));
    in_range((value + offset).div_euclid(step) * step - offset, scale.unit)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    /// Truncates times of day.
    theirs: DateTruncFunc,
    signature: Signature,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time] = take_function_args(self.name(), types)?;
        let time = match time {
            DataType::Time32(_) | DataType::Time64(_) => Some(time.clone()),
            other => as_instant(other),
        };
        let Some(time) = time else {
            return plan_err!("date_trunc takes a timestamp, a date or a time, not {}", types[1]);
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [_, time] = take_function_args(self.name(), args.arg_fields)?;
        Ok(Field::new(self.name(), time.data_type().clone(), time.is_nullable()).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [unit, time] = take_function_args(self.name(), &args.args)?;
        let data_type = time.data_type();
        if !matches!(data_type, DataType::Timestamp(..)) {
            return self.theirs.invoke_with_args(args);
        }
        let name = match unit {
            ColumnarValue::Scalar(name) => name.try_as_str().flatten(),
            ColumnarValue::Array(_) => None,
        };
        let Some(unit) = name.and_then(Unit::from_name) else {
            return plan_err!(
                "date_trunc takes one of 'microsecond', 'millisecond', 'second', 'minute', 'hour', \
                 'day', 'week', 'month', 'quarter', 'year' as its first argument"
            );
        };
        let scale = Scale::of(&data_type)?;
        let cut: Int64Array = counts(&time.to_array(args.number_rows)?)?
            .try_unary::<_, Int64Type, _>(|value: <Int64Type as ArrowPrimitiveType>::Native| {
                unit.cut(value, scale)
            })?;
        Ok(ColumnarValue::Array(timestamps(cut, &data_type)))
    }
}
