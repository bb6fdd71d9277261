//! `date_bin` for instants of every year, and strides in months.
//!
//! The bin of an instant begins at the last multiple of the stride from the
//! origin up to it. Without an origin it is 1970-01-01T00:00:00Z.

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    compute::cast,
    datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit},
};
use chrono::{DateTime, Datelike, Months, Utc};
use datafusion_common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_functions::datetime::date_bin::DateBinFunc;

use super::{
    instant::{as_instant, counts, in_range, is_text, per_second, timestamps},
    span::{DAY_NANOS, INTERVAL},
};

pub(super) fn function() -> ScalarUDF {
    DateBin {
        theirs: DateBinFunc::new(),
        signature: Signature::user_defined(Volatility::Immutable),
    }
    .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    /// Bins times of day.
    theirs: DateBinFunc,
    signature: Signature,
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (stride, times) = match types {
            [stride, times @ ..] if (1..=2).contains(&times.len()) => (stride, times),
            _ => return plan_err!("date_bin takes a stride, a timestamp and perhaps an origin"),
        };
        let spans = matches!(stride, DataType::Interval(_) | DataType::Duration(_));
        if !spans && !is_text(stride) && !stride.is_null() {
            return plan_err!("date_bin takes an interval as its stride, not {stride}");
        }
        let mut coerced = vec![INTERVAL];
        for time in times {
            coerced.push(match time {
                DataType::Time32(_) | DataType::Time64(_) => time.clone(),
                other => match as_instant(other) {
                    Some(instant) => instant,
                    None => return plan_err!("date_bin takes a timestamp or a date, not {other}"),
                },
            });
        }
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.args[1].data_type();
        let DataType::Timestamp(unit, _) = data_type else {
            return self.theirs.invoke_with_args(args);
        };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let strides = cast(&arrays[0], &INTERVAL)?;
        let strides = strides.as_primitive::<IntervalMonthDayNanoType>();
        let times = counts(&arrays[1])?;
        let origins = arrays.get(2).map(origins).transpose()?;
        let mut bins = Int64Array::builder(times.len());
        for row in 0..times.len() {
            let origin = match &origins {
                None => Some(0),
                Some((nanos, origins)) => {
                    origins.is_valid(row).then(|| i128::from(origins.value(row)) * nanos)
                }
            };
            let (Some(origin), true, true) = (origin, strides.is_valid(row), times.is_valid(row))
            else {
                bins.append_null();
                continue;
            };
            let nanos = i128::from(1_000_000_000 / per_second(unit));
            let time = i128::from(times.value(row)) * nanos;
            let bin = bin_of(strides.value(row), time, origin)?;
            bins.append_value(in_range(bin.div_euclid(nanos), unit)?);
        }
        Ok(ColumnarValue::Array(timestamps(bins.finish(), &data_type)))
    }
}

/// The counts of the origins, and the nanoseconds of one.
fn origins(array: &ArrayRef) -> Result<(i128, Int64Array)> {
    let unit = match array.data_type() {
        DataType::Timestamp(unit, _) => *unit,
        other => return exec_err!("date_bin takes a timestamp as its origin, not {other}"),
    };
    Ok((i128::from(1_000_000_000 / per_second(unit)), counts(array)?))
}

/// The start of the bin, in nanoseconds since the epoch, as the other arguments.
fn bin_of(stride: IntervalMonthDayNano, time: i128, origin: i128) -> Result<i128> {
    let nanos = i128::from(stride.days) * DAY_NANOS + i128::from(stride.nanoseconds);
    match (stride.months, nanos) {
        (0, 1..) => Ok(origin + (time - origin).div_euclid(nanos) * nanos),
        (1.., 0) => bin_of_months(stride.months, time, origin),
        (0, _) | (_, 0) => exec_err!("the stride of date_bin must be over zero"),
        _ => exec_err!("the stride of date_bin is of months, or of days and hours, not both"),
    }
}

fn bin_of_months(stride: i32, time: i128, origin: i128) -> Result<i128> {
    let (at, from) = (date_time(time)?, date_time(origin)?);
    let months = |date: DateTime<Utc>| i64::from(date.year()) * 12 + i64::from(date.month0());
    let distance = months(at) - months(from);
    let stride = i64::from(stride);
    let shifted = |months: i64| {
        let size = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
        let date =
            if months < 0 { from.checked_sub_months(size) } else { from.checked_add_months(size) };
        date.ok_or_else(out_of_range)
    };
    let start = distance.div_euclid(stride) * stride;
    let bin = shifted(start)?;
    // An origin late in its month makes the bin begin after the instant.
    let bin = if bin > at { shifted(start - stride)? } else { bin };
    Ok(i128::from(bin.timestamp()) * 1_000_000_000 + i128::from(bin.timestamp_subsec_nanos()))
}

fn date_time(nanos: i128) -> Result<DateTime<Utc>> {
    let seconds = in_range(nanos.div_euclid(1_000_000_000), TimeUnit::Second)?;
    let fraction = nanos.rem_euclid(1_000_000_000) as u32;
    DateTime::from_timestamp(seconds, fraction).ok_or_else(out_of_range)
}

fn out_of_range() -> datafusion_common::DataFusionError {
    exec_datafusion_err!("date_bin: a timestamp out of range")
}
