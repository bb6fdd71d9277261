//! `date_part`, which EXTRACT becomes, exact for intervals.
//!
//! Of an interval, a part is what Postgres says: a difference of timestamps
//! has days and the time beside them, `epoch` is its length in seconds with a
//! month of 30 days and a year of 365.25. Instants, dates and times are left to
//! DataFusion, whose answers hold for every year.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray},
    compute::cast,
    datatypes::{
        DataType, Field, FieldRef, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    },
};
use datafusion_common::{Result, exec_err, plan_err, utils::take_function_args};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
    expr::ScalarFunction,
    planner::{ExprPlanner, PlannerResult},
    preimage::PreimageResult,
    simplify::SimplifyContext,
};
use datafusion_functions::datetime::date_part::DatePartFunc;

use super::{
    instant::{as_instant, is_date},
    span::{DAY_NANOS, INTERVAL, is_span, nanoseconds},
};

const SECOND: i128 = 1_000_000_000;
const DAYS_IN_MONTH: i128 = 30;
/// Seconds of 365.25 days.
const YEAR_SECONDS: i128 = 31_557_600;

pub(super) fn function() -> ScalarUDF {
    DatePart {
        theirs: DatePartFunc::new(),
        signature: Signature::user_defined(Volatility::Immutable),
    }
    .into()
}

/// Plans EXTRACT with our `date_part`.
#[derive(Debug)]
pub(in crate::transform::sql) struct Extract;

impl ExprPlanner for Extract {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let part = ScalarFunction::new_udf(Arc::new(function()), args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(part)))
    }
}

/// A part of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

/// An interval as Postgres writes it.
#[derive(Debug, Clone, Copy)]
struct Span {
    months: i32,
    days: i64,
    nanos: i128,
}

impl Part {
    fn from_name(name: &str) -> Option<Self> {
        let name = name.trim_matches(['\'', '"']).to_lowercase();
        Some(match name.strip_suffix('s').filter(|name| name.len() > 2).unwrap_or(&name) {
            "millennium" | "millennia" => Self::Millennium,
            "century" | "centurie" => Self::Century,
            "decade" => Self::Decade,
            "year" | "yr" | "y" => Self::Year,
            "quarter" | "qtr" => Self::Quarter,
            "month" | "mon" => Self::Month,
            "day" | "d" => Self::Day,
            "hour" | "hr" | "h" => Self::Hour,
            "minute" | "min" | "m" => Self::Minute,
            "second" | "sec" | "s" => Self::Second,
            "millisecond" | "msec" | "msecond" | "ms" => Self::Millisecond,
            "microsecond" | "usec" | "usecond" | "us" => Self::Microsecond,
            "nanosecond" | "nsec" | "nsecond" | "ns" => Self::Nanosecond,
            "epoch" => Self::Epoch,
            _ => return None,
        })
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Second | Self::Millisecond | Self::Epoch => DataType::Float64,
            Self::Microsecond | Self::Nanosecond => DataType::Int64,
            _ => DataType::Int32,
        }
    }

    /// The part as a whole number; of those with fractions, in nanoseconds.
    fn of(self, span: Span) -> i128 {
        let (year, month) = (i128::from(span.months / 12), i128::from(span.months % 12));
        match self {
            Self::Millennium => year / 1_000,
            Self::Century => year / 100,
            Self::Decade => year / 10,
            Self::Year => year,
            Self::Quarter => month / 3 + 1,
            Self::Month => month,
            Self::Day => span.days.into(),
            Self::Hour => span.nanos / (3_600 * SECOND),
            Self::Minute => span.nanos / (60 * SECOND) % 60,
            Self::Second | Self::Millisecond | Self::Nanosecond => span.nanos % (60 * SECOND),
            Self::Microsecond => span.nanos % (60 * SECOND) / 1_000,
            Self::Epoch => {
                let days = month * DAYS_IN_MONTH + i128::from(span.days);
                year * YEAR_SECONDS * SECOND + days * DAY_NANOS + span.nanos
            }
        }
    }

    fn array(self, spans: &ArrayRef) -> Result<ArrayRef> {
        let spans = decomposed(spans)?;
        // Microseconds are exact in a double for 285 years, nanoseconds for 104 days.
        let over = |nanos: i128, unit: i128| match nanos % 1_000 {
            0 => (nanos / 1_000) as f64 / (unit / 1_000) as f64,
            _ => nanos as f64 / unit as f64,
        };
        Ok(match self {
            Self::Second | Self::Epoch => {
                collect::<Float64Type>(&spans, |span| Some(over(self.of(span), SECOND)))?
            }
            Self::Millisecond => {
                collect::<Float64Type>(&spans, |span| Some(over(self.of(span), SECOND / 1_000)))?
            }
            Self::Microsecond | Self::Nanosecond => {
                collect::<Int64Type>(&spans, |span| i64::try_from(self.of(span)).ok())?
            }
            _ => collect::<Int32Type>(&spans, |span| i32::try_from(self.of(span)).ok())?,
        })
    }
}

fn collect<T: ArrowPrimitiveType>(
    spans: &[Option<Span>],
    part: impl Fn(Span) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let mut parts = PrimitiveArray::<T>::builder(spans.len());
    for span in spans {
        match span.map(&part) {
            None => parts.append_null(),
            Some(Some(part)) => parts.append_value(part),
            Some(None) => return exec_err!("a part of an interval is out of range"),
        }
    }
    Ok(Arc::new(parts.finish()))
}

fn decomposed(array: &ArrayRef) -> Result<Vec<Option<Span>>> {
    if let DataType::Duration(_) = array.data_type() {
        let lengths = nanoseconds(array)?;
        return Ok(lengths
            .iter()
            .map(|length| {
                length.map(|nanos| Span {
                    months: 0,
                    days: (nanos / DAY_NANOS) as i64,
                    nanos: nanos % DAY_NANOS,
                })
            })
            .collect());
    }
    let spans = cast(array, &INTERVAL)?;
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    Ok(spans
        .iter()
        .map(|span| {
            span.map(|span| Span {
                months: span.months,
                days: span.days.into(),
                nanos: span.nanoseconds.into(),
            })
        })
        .collect())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DatePart {
    theirs: DatePartFunc,
    signature: Signature,
}

impl ScalarUDFImpl for DatePart {
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
            other if is_span(other) || is_date(other) => Some(other.clone()),
            other => as_instant(other),
        };
        let Some(time) = time else {
            return plan_err!("{} takes no part of {}", self.name(), types[1]);
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the first argument of {} must be a literal", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [_, time] = take_function_args(self.name(), args.arg_fields)?;
        if !is_span(time.data_type()) {
            return self.theirs.return_field_from_args(args);
        }
        let name = args.scalar_arguments[0].and_then(|name| name.try_as_str().flatten());
        let Some(part) = name.and_then(Part::from_name) else {
            return plan_err!("an interval has no part `{}`", name.unwrap_or("NULL"));
        };
        Ok(Field::new(self.name(), part.data_type(), time.is_nullable()).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [part, time] = take_function_args(self.name(), &args.args)?;
        if !is_span(&time.data_type()) {
            return self.theirs.invoke_with_args(args);
        }
        let name = match part {
            ColumnarValue::Scalar(name) => name.try_as_str().flatten(),
            ColumnarValue::Array(_) => None,
        };
        let Some(part) = name.and_then(Part::from_name) else {
            return exec_err!("the first argument of {} must name a part", self.name());
        };
        Ok(ColumnarValue::Array(part.array(&time.to_array(args.number_rows)?)?))
    }

    fn preimage(
        &self,
        args: &[Expr],
        literal: &Expr,
        info: &SimplifyContext,
    ) -> Result<PreimageResult> {
        self.theirs.preimage(args, literal, info)
    }
}
