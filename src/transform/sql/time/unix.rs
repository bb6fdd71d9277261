//! `to_timestamp` and its kin, and `to_unixtime`: numbers and text to instants, and back.
//!
//! Exact in the years 0000 to 9999; outside of them is an error of the row. A
//! fraction under a microsecond is rounded; a whole unit is the last one up to
//! the instant, before 1970 too.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, StringArray},
    compute::{cast, kernels::cast_utils::string_to_datetime},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit},
};
use chrono::{
    DateTime, Utc,
    format::{Parsed, StrftimeItems, parse},
};
use datafusion_common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    expr::ScalarFunction,
};

use super::{
    instant::{as_instant, in_range, instant, is_date, is_text, timestamps},
    span::{DAY_NANOS, nanoseconds},
};

pub(super) fn functions() -> Vec<ScalarUDF> {
    let kinds = [Kind::Timestamp, Kind::Seconds, Kind::Millis, Kind::Micros, Kind::Unix];
    kinds
        .into_iter()
        .map(|kind| {
            ToInstant { kind, signature: Signature::user_defined(Volatility::Immutable) }.into()
        })
        .collect()
}

/// Nanoseconds rounded to microseconds.
pub(super) fn rounded(instant: Expr) -> Expr {
    call(Kind::Micros, instant)
}

/// Text read as an instant, to the microsecond.
pub(super) fn from_text(text: Expr) -> Expr {
    call(Kind::Timestamp, text)
}

/// What [`from_text`] was given.
pub(super) fn text_of(function: &ScalarFunction) -> Option<&Expr> {
    match function.args.as_slice() {
        [text] if function.name() == Kind::Timestamp.name() => Some(text),
        _ => None,
    }
}

fn call(kind: Kind, argument: Expr) -> Expr {
    let signature = Signature::user_defined(Volatility::Immutable);
    let function = Arc::new(ScalarUDF::from(ToInstant { kind, signature }));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![argument]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Timestamp,
    Seconds,
    Millis,
    Micros,
    /// Seconds since the epoch, as a number.
    Unix,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "to_timestamp",
            Self::Seconds => "to_timestamp_seconds",
            Self::Millis => "to_timestamp_millis",
            Self::Micros => "to_timestamp_micros",
            Self::Unix => "to_unixtime",
        }
    }

    /// Nanoseconds in one of the unit that numbers are in.
    fn unit(self) -> i128 {
        match self {
            Self::Timestamp | Self::Seconds | Self::Unix => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
        }
    }

    /// Nanoseconds as the result.
    fn result(self, nanos: i128) -> Result<i64> {
        let micros = match self {
            Self::Unix => return seconds(nanos),
            Self::Timestamp | Self::Micros => (nanos + 500).div_euclid(1_000),
            Self::Seconds | Self::Millis => nanos.div_euclid(self.unit()) * (self.unit() / 1_000),
        };
        in_range(micros, TimeUnit::Microsecond)
    }
}

fn seconds(nanos: i128) -> Result<i64> {
    i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| out_of_range())
}

fn out_of_range() -> datafusion_common::DataFusionError {
    exec_datafusion_err!("a timestamp out of the years 0000 to 9999")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToInstant {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for ToInstant {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let Some((value, formats)) = types.split_first() else {
            return plan_err!("{} takes a value", self.name());
        };
        let kind = match value {
            DataType::UInt64 => DataType::Decimal128(20, 0),
            other if other.is_integer() => DataType::Int64,
            other if other.is_floating() => DataType::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
            DataType::Timestamp(..) => as_instant(value).unwrap_or_else(instant),
            other if is_date(other) => DataType::Date32,
            other if is_text(other) || other.is_null() => DataType::Utf8,
            other => return plan_err!("{} takes no {other}", self.name()),
        };
        let patterns = formats.iter().all(|format| is_text(format) || format.is_null());
        if !formats.is_empty() && (!patterns || kind != DataType::Utf8) {
            return plan_err!("{} takes formats, which are text, beside text", self.name());
        }
        let formats = formats.iter().map(|_| DataType::Utf8);
        Ok(std::iter::once(kind).chain(formats).collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.kind == Kind::Unix { DataType::Int64 } else { instant() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (value, formats) = (&arrays[0], &arrays[1..]);
        if self.kind == Kind::Unix && *value.data_type() == DataType::Int64 {
            return Ok(ColumnarValue::Array(Arc::clone(value)));
        }
        let results = self.results(value, formats)?;
        Ok(ColumnarValue::Array(match self.kind {
            Kind::Unix => Arc::new(results),
            _ => timestamps(results, &instant()),
        }))
    }
}

impl ToInstant {
    fn results(&self, value: &ArrayRef, formats: &[ArrayRef]) -> Result<Int64Array> {
        let kind = self.kind;
        match value.data_type() {
            DataType::Int64 => value
                .as_primitive::<Int64Type>()
                .try_unary(|number| kind.result(i128::from(number) * kind.unit())),
            DataType::Float64 => {
                value.as_primitive::<Float64Type>().try_unary(|number| float(number, kind))
            }
            DataType::Decimal128(_, scale) => value
                .as_primitive::<Decimal128Type>()
                .try_unary(|digits| decimal(digits, *scale, kind)),
            DataType::Date32 => value
                .as_primitive::<Date32Type>()
                .try_unary(|days| kind.result(i128::from(days) * DAY_NANOS)),
            DataType::Timestamp(..) => nanoseconds(value)?.try_unary(|nanos| kind.result(nanos)),
            _ => {
                let text = cast(value, &DataType::Utf8)?;
                let formats: Vec<&StringArray> = formats.iter().map(AsArray::as_string).collect();
                parsed(text.as_string(), &formats, kind)
            }
        }
    }
}

fn float(number: f64, kind: Kind) -> Result<i64> {
    let micros = number * (kind.unit() / 1_000) as f64;
    if !micros.is_finite() || micros.abs() > i64::MAX as f64 {
        return exec_err!("{number} is no time");
    }
    kind.result(micros.round() as i128 * 1_000)
}

fn decimal(digits: i128, scale: i8, kind: Kind) -> Result<i64> {
    let power = 10_i128.checked_pow(scale.unsigned_abs().into()).ok_or_else(out_of_range)?;
    let nanos = digits.checked_mul(kind.unit()).ok_or_else(out_of_range)?;
    kind.result(if scale < 0 {
        nanos.checked_mul(power).ok_or_else(out_of_range)?
    } else {
        nanos.div_euclid(power)
    })
}

/// Each text as an instant, by the first of its formats that fits, or by
/// RFC 3339 and what is near it where there are none.
fn parsed(text: &StringArray, formats: &[&StringArray], kind: Kind) -> Result<Int64Array> {
    let mut results = Int64Array::builder(text.len());
    for (row, text) in text.iter().enumerate() {
        let given = formats.iter().filter(|list| list.is_valid(row)).map(|list| list.value(row));
        let instant = match text {
            None => None,
            Some(_) if !formats.is_empty() && given.clone().next().is_none() => None,
            Some(text) if formats.is_empty() => Some(string_to_datetime(&Utc, text)?),
            Some(text) => {
                let found = given.clone().find_map(|format| by_format(text, format));
                Some(found.ok_or_else(|| {
                    let formats: Vec<_> = given.collect();
                    exec_datafusion_err!("'{text}' is no time by '{}'", formats.join("', '"))
                })?)
            }
        };
        let nanos = instant.map(|instant| {
            i128::from(instant.timestamp()) * 1_000_000_000
                + i128::from(instant.timestamp_subsec_nanos())
        });
        results.append_option(nanos.map(|nanos| kind.result(nanos)).transpose()?);
    }
    Ok(results.finish())
}

/// Without an offset the text is a time of UTC, without a time it is midnight.
fn by_format(text: &str, format: &str) -> Option<DateTime<Utc>> {
    let (text, format, zone) = match format.trim_end().strip_suffix(" %Z") {
        None => (text, format, None),
        Some(format) => {
            let (text, zone) = text.trim_end().rsplit_once(' ')?;
            (text, format, Some(zone.parse::<arrow::array::timezone::Tz>().ok()?))
        }
    };
    let mut fields = Parsed::new();
    parse(&mut fields, text, StrftimeItems::new(format)).ok()?;
    if let Some(zone) = zone {
        return Some(fields.to_datetime_with_timezone(&zone).ok()?.with_timezone(&Utc));
    }
    fields.to_datetime().map(|instant| instant.with_timezone(&Utc)).ok().or_else(|| {
        let local = fields.to_naive_datetime_with_offset(0).ok();
        let midnight = || fields.to_naive_date().ok()?.and_hms_opt(0, 0, 0);
        local.or_else(midnight).map(|local| local.and_utc())
    })
}
