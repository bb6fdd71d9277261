//! CAST between decimals, doubles and text, by the digits that are written or printed.
//!
//! Arrow refuses text with an exponent, gives a decimal the binary digits of a double
//! (0.1 becomes 0.1000000000000000090…), and rounds twice on the way to a double.

use std::{
    fmt::{self, Write},
    hash::Hash,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array},
    compute,
    datatypes::{
        ArrowPrimitiveType, DataType, Decimal128Type, FieldRef, Float32Type, Float64Type, Schema,
    },
    error::ArrowError,
    record_batch::RecordBatch,
};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{CastExpr, TryCastExpr},
};

use super::digits::{self, NotDecimal};

/// A CAST or `TRY_CAST` that is computed here in place of DataFusion's.
#[derive(Debug, Clone)]
pub(in crate::transform::sql) struct ExactCast {
    /// For its text and its type.
    theirs: Arc<dyn PhysicalExpr>,
    from: Arc<dyn PhysicalExpr>,
    to: DataType,
    /// Null takes the place of what cannot be cast.
    tries: bool,
}

impl ExactCast {
    /// `None` where DataFusion's is exact.
    pub(in crate::transform::sql) fn of(
        expr: &Arc<dyn PhysicalExpr>,
        schema: &Schema,
    ) -> Result<Option<Self>> {
        let (from, to, tries) = if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            (cast.expr(), cast.cast_type(), false)
        } else if let Some(cast) = expr.downcast_ref::<TryCastExpr>() {
            (cast.expr(), cast.cast_type(), true)
        } else {
            return Ok(None);
        };
        let applies = match (from.data_type(schema)?, to) {
            (from, DataType::Decimal128(_, scale)) => {
                *scale >= 0 && (from.is_string() || is_double(&from))
            }
            (DataType::Decimal128(..), to) => is_double(to),
            _ => false,
        };
        Ok(applies.then(|| Self {
            theirs: Arc::clone(expr),
            from: Arc::clone(from),
            to: to.clone(),
            tries,
        }))
    }

    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match (array.data_type(), &self.to) {
            (DataType::Float64, DataType::Decimal128(precision, scale)) => {
                Arc::new(self.double_as_decimal::<Float64Type>(array, *precision, *scale)?)
            }
            (DataType::Float32, DataType::Decimal128(precision, scale)) => {
                Arc::new(self.double_as_decimal::<Float32Type>(array, *precision, *scale)?)
            }
            (_, DataType::Decimal128(precision, scale)) => {
                Arc::new(self.text_as_decimal(array, *precision, *scale)?)
            }
            (DataType::Decimal128(_, scale), DataType::Float32) => {
                let mut buffer = String::new();
                let values = array.as_primitive::<Decimal128Type>();
                let values = values
                    .iter()
                    .map(|value| value.map(|value| digits::to_f32(value, *scale, &mut buffer)));
                Arc::new(values.collect::<Float32Array>())
            }
            (DataType::Decimal128(_, scale), _) => {
                let mut buffer = String::new();
                let values = array.as_primitive::<Decimal128Type>();
                let values = values
                    .iter()
                    .map(|value| value.map(|value| digits::to_f64(value, *scale, &mut buffer)));
                Arc::new(values.collect::<Float64Array>())
            }
            _ => compute::cast(array, &self.to)?,
        })
    }

    fn text_as_decimal(
        &self,
        array: &ArrayRef,
        precision: u8,
        scale: i8,
    ) -> Result<Decimal128Array> {
        let text = compute::cast(array, &DataType::Utf8)?;
        let text = text.as_string::<i32>();
        let mut values = Decimal128Array::builder(text.len());
        for text in text {
            values.append_option(match text {
                None => None,
                Some(text) => self.value(text, digits::parse(text, precision, scale))?,
            });
        }
        Ok(values.finish().with_precision_and_scale(precision, scale)?)
    }

    fn double_as_decimal<T: ArrowPrimitiveType<Native: fmt::LowerExp>>(
        &self,
        array: &ArrayRef,
        precision: u8,
        scale: i8,
    ) -> Result<Decimal128Array> {
        let numbers = array.as_primitive::<T>();
        let mut values = Decimal128Array::builder(numbers.len());
        let mut text = String::new();
        for number in numbers {
            values.append_option(match number {
                None => None,
                Some(number) => {
                    text.clear();
                    // The shortest digits that are this double and no other.
                    let _ = write!(text, "{number:e}");
                    self.value(&text, digits::parse(&text, precision, scale))?
                }
            });
        }
        Ok(values.finish().with_precision_and_scale(precision, scale)?)
    }

    fn value(&self, text: &str, parsed: Result<i128, NotDecimal>) -> Result<Option<i128>> {
        let reason = match parsed {
            Ok(value) => return Ok(Some(value)),
            Err(_) if self.tries => return Ok(None),
            Err(NotDecimal::NotANumber) => "it is not a number",
            Err(NotDecimal::TooLarge) => "it has more digits before the point",
        };
        let (text, to) = (text.trim(), &self.to);
        let message = format!("Cannot cast string '{text}' to value of {to} type: {reason}");
        Err(ArrowError::CastError(message).into())
    }
}

fn is_double(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float64 | DataType::Float32)
}

impl fmt::Display for ExactCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.theirs.fmt(f)
    }
}

impl PartialEq for ExactCast {
    fn eq(&self, other: &Self) -> bool {
        self.theirs.eq(&other.theirs)
    }
}

impl Eq for ExactCast {}

impl Hash for ExactCast {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.theirs.hash(state);
    }
}

impl PhysicalExpr for ExactCast {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.theirs.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.from.evaluate(batch)? {
            ColumnarValue::Array(array) => ColumnarValue::Array(self.cast(&array)?),
            ColumnarValue::Scalar(scalar) => {
                let array = self.cast(&scalar.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
        })
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.theirs.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.from]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let from = Arc::clone(&children[0]);
        let theirs = Arc::clone(&self.theirs).with_new_children(children)?;
        Ok(Arc::new(Self { theirs, from, to: self.to.clone(), tries: self.tries }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.theirs.fmt_sql(f)
    }
}
