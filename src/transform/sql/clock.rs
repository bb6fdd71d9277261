//! `now()` and its kin, read once for each batch.
//!
//! DataFusion's are turned into a constant when a plan is made; a plan of ours
//! is made once and runs for months. Within a batch the time stands still, so
//! that two calls agree.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

thread_local! {
    /// Microseconds since the epoch, while a batch is worked on in this thread.
    static BATCH: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The time of the batch under way; the clock goes on when this is dropped.
pub(super) struct BatchTime(());

impl BatchTime {
    pub(super) fn begin() -> Self {
        BATCH.set(Some(system_time()));
        Self(())
    }
}

impl Drop for BatchTime {
    fn drop(&mut self) {
        BATCH.set(None);
    }
}

fn system_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    [Kind::Timestamp, Kind::Date, Kind::Time]
        .into_iter()
        .map(|kind| Clock::new(kind).into())
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Timestamp,
    Date,
    Time,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    kind: Kind,
    aliases: Vec<String>,
    signature: Signature,
}

impl Clock {
    fn new(kind: Kind) -> Self {
        let aliases = match kind {
            Kind::Timestamp => vec!["current_timestamp".to_owned()],
            Kind::Date => vec!["today".to_owned()],
            Kind::Time => Vec::new(),
        };
        // Volatile is what keeps the optimiser from computing it at plan time.
        Self { kind, aliases, signature: Signature::nullary(Volatility::Volatile) }
    }

    fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
        }
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Timestamp => "now",
            Kind::Date => "current_date",
            Kind::Time => "current_time",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Field::new(self.name(), self.data_type(), false).into())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let now = BATCH.get().unwrap_or_else(system_time);
        Ok(ColumnarValue::Scalar(match self.kind {
            Kind::Timestamp => ScalarValue::TimestampMicrosecond(Some(now), Some("+00:00".into())),
            Kind::Date => ScalarValue::Date32(Some(now.div_euclid(DAY) as i32)),
            Kind::Time => ScalarValue::Time64Microsecond(Some(now.rem_euclid(DAY))),
        }))
    }
}
