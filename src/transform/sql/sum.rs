//! `array_sum` that keeps the kind of number it adds up.
//!
//! DataFusion's makes every element a double, which changes large integers and
//! decimals. Here integers give a bigint, decimals a decimal of 38 digits,
//! both failing on overflow; doubles are added in the order of the list. Null
//! elements are passed over; a list without a number in it sums up to null.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, ListArray, PrimitiveArray,
    },
    datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type},
};
use datafusion_common::{Result, plan_err, utils::take_function_args};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Digits of the sum of decimals: the most that the type has.
const PRECISION: u8 = 38;

pub(super) fn function() -> ScalarUDF {
    ArraySum {
        signature: Signature::user_defined(Volatility::Immutable),
        aliases: vec!["list_sum".to_owned()],
    }
    .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArraySum {
    signature: Signature,
    aliases: Vec<String>,
}

/// The type that elements are added up in.
fn sum_type(element: &DataType) -> DataType {
    match element {
        kind if kind.is_integer() => DataType::Int64,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale) => DataType::Decimal128(PRECISION, *scale),
        _ => DataType::Float64,
    }
}

impl ScalarUDFImpl for ArraySum {
    fn name(&self) -> &'static str {
        "array_sum"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [list] = take_function_args(self.name(), types)?;
        let element = match list {
            DataType::Null => DataType::Float64,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
                if item.data_type().is_numeric() || item.data_type().is_null() =>
            {
                sum_type(item.data_type())
            }
            other => return plan_err!("array_sum adds up a list of numbers, and this is {other}"),
        };
        Ok(vec![DataType::List(Arc::new(Field::new_list_field(element, true)))])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::List(item)] => Ok(item.data_type().clone()),
            other => plan_err!("array_sum takes one list, not {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [list] = take_function_args(self.name(), &args.args)?;
        let list = list.to_array(args.number_rows)?;
        let list = list.as_list::<i32>();
        let sums: ArrayRef = match list.value_type() {
            DataType::Int64 => Arc::new(sums::<Int64Type>(list)?),
            DataType::Decimal128(precision, scale) => {
                let sums =
                    sums::<Decimal128Type>(list)?.with_precision_and_scale(precision, scale)?;
                sums.validate_decimal_precision(precision)?;
                Arc::new(sums)
            }
            _ => Arc::new(sums::<Float64Type>(list)?),
        };
        Ok(ColumnarValue::Array(sums))
    }
}

fn sums<T: ArrowPrimitiveType>(list: &ListArray) -> Result<PrimitiveArray<T>> {
    let values = list.values().as_primitive::<T>();
    let mut sums = PrimitiveArray::<T>::builder(list.len());
    for (row, ends) in list.value_offsets().windows(2).enumerate() {
        let mut sum = None;
        if list.is_valid(row) {
            for index in ends[0] as usize..ends[1] as usize {
                if values.is_valid(index) {
                    let before = sum.unwrap_or(T::Native::ZERO);
                    sum = Some(before.add_checked(values.value(index))?);
                }
            }
        }
        sums.append_option(sum);
    }
    Ok(sums.finish())
}
