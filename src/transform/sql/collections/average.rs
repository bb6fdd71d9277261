//! `array_avg` that adds integers up exactly: DataFusion's makes a double of each before.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, Float64Array, ListArray},
    datatypes::{DataType, Field, Int64Type},
};
use datafusion_common::{Result, utils::take_function_args};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions_nested::array_avg::ArrayAvg;

pub(super) fn function() -> ScalarUDF {
    Average { theirs: ArrayAvg::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    theirs: ArrayAvg,
}

impl ScalarUDFImpl for Average {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::List(item)] if item.data_type().is_integer() => {
                let item = Field::new_list_field(DataType::Int64, true);
                Ok(vec![DataType::List(Arc::new(item))])
            }
            _ => self.theirs.coerce_types(types),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [list] = take_function_args(self.name(), &args.args)?;
        match list.data_type() {
            DataType::List(item) if *item.data_type() == DataType::Int64 => {
                let list = list.to_array(args.number_rows)?;
                Ok(ColumnarValue::Array(Arc::new(averages(list.as_list::<i32>()))))
            }
            _ => self.theirs.invoke_with_args(args),
        }
    }
}

fn averages(lists: &ListArray) -> Float64Array {
    let of = |list: Option<_>| {
        let list: arrow::array::ArrayRef = list?;
        let numbers = list.as_primitive::<Int64Type>();
        let count = numbers.len() - numbers.null_count();
        let sum: i128 = numbers.iter().flatten().map(i128::from).sum();
        (count > 0).then(|| sum as f64 / count as f64)
    };
    lists.iter().map(of).collect()
}
