//! The length of an interval, by which intervals are compared.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array},
    compute::cast,
    datatypes::{
        DataType, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
        DurationNanosecondType, DurationSecondType, IntervalMonthDayNano, IntervalMonthDayNanoType,
        IntervalUnit, TimeUnit,
    },
};
use datafusion_common::{Result, exec_err, utils::take_function_args};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    expr::ScalarFunction,
};

use super::instant::{counts, per_second};

pub(super) const DAY_NANOS: i128 = 86_400 * 1_000_000_000;

/// Digits of a length in nanoseconds: more than the longest interval has.
const LENGTH: DataType = DataType::Decimal128(38, 0);

/// The type in which intervals are computed with.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// The interval, or the instant, as one number: nanoseconds.
pub(super) fn comparable(expr: Expr) -> Expr {
    call(Kind::Comparable, expr)
}

/// A difference of timestamps as an interval.
pub(super) fn interval(expr: Expr) -> Expr {
    call(Kind::Interval, expr)
}

fn call(kind: Kind, expr: Expr) -> Expr {
    let function = Span { kind, signature: Signature::any(1, Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::from(function));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr]))
}

pub(super) fn is_span(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

/// Whether the type has intervals inside of it, which arrays compare part by part.
pub(super) fn holds_intervals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => holds_intervals(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_intervals(field.data_type())),
        _ => false,
    }
}

/// The length of an interval as Postgres takes it: months of 30 days, days of 24 hours.
fn length(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * DAY_NANOS + i128::from(interval.nanoseconds)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Comparable,
    Interval,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Span {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Comparable => "comparable",
            Kind::Interval => "interval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Comparable => LENGTH,
            Kind::Interval => INTERVAL,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [span] = take_function_args(self.name(), &args.args)?;
        let nanos = nanoseconds(&span.to_array(args.number_rows)?)?;
        Ok(ColumnarValue::Array(match self.kind {
            Kind::Comparable => Arc::new(nanos.with_data_type(LENGTH)),
            Kind::Interval => Arc::new(nanos.try_unary::<_, IntervalMonthDayNanoType, _>(days)?),
        }))
    }
}

/// A length as days and the time beside them.
fn days(nanos: i128) -> Result<IntervalMonthDayNano> {
    let Ok(days) = i32::try_from(nanos / DAY_NANOS) else {
        return exec_err!("an interval is out of range");
    };
    Ok(IntervalMonthDayNano::new(0, days, (nanos % DAY_NANOS) as i64))
}

/// Each interval's length, each instant's distance from the epoch.
pub(super) fn nanoseconds(array: &ArrayRef) -> Result<Decimal128Array> {
    let scaled = |unit: TimeUnit| i128::from(1_000_000_000 / per_second(unit));
    Ok(match array.data_type() {
        DataType::Interval(_) => {
            let spans = cast(array, &INTERVAL)?;
            spans.as_primitive::<IntervalMonthDayNanoType>().unary(length)
        }
        DataType::Duration(unit) => {
            let scale = scaled(*unit);
            macro_rules! lengths {
                ($kind:ty) => {
                    array.as_primitive::<$kind>().unary(|count| i128::from(count) * scale)
                };
            }
            match unit {
                TimeUnit::Second => lengths!(DurationSecondType),
                TimeUnit::Millisecond => lengths!(DurationMillisecondType),
                TimeUnit::Microsecond => lengths!(DurationMicrosecondType),
                TimeUnit::Nanosecond => lengths!(DurationNanosecondType),
            }
        }
        DataType::Timestamp(unit, _) => {
            let scale = scaled(*unit);
            counts(array)?.unary::<_, Decimal128Type>(|count| i128::from(count) * scale)
        }
        DataType::Null => Decimal128Array::new_null(array.len()),
        other => return exec_err!("expected an interval, found {other}"),
    })
}
