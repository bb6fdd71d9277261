//! A function that computes the size of its result first.

use std::sync::Arc;

use arrow::{
    array::new_empty_array,
    datatypes::{DataType, FieldRef},
};
use datafusion_common::Result;
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::{
    charge, check_value,
    growth::{Arguments, Growth},
};

/// Calls the other function if the limits allow its result.
///
/// It does not pass on how the function simplifies itself: `concat` would
/// become one without limits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounded {
    function: Arc<ScalarUDF>,
    growth: Growth,
}

impl Bounded {
    pub(super) fn new(function: Arc<ScalarUDF>, growth: Growth) -> Self {
        Self { function, growth }
    }

    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let name = self.function.name();
        let arguments = Arguments::new(&args.args)?;
        // A constant is counted for each row: what reads it may repeat it.
        let constant = arguments.all_constant();
        let rows = if constant { args.number_rows.min(1) } else { args.number_rows };
        let copies = if constant { args.number_rows as u64 } else { 1 };
        if let Some(total) = self.growth.sum(&arguments, rows)
            && total <= super::VALUE_MAX
        {
            return charge(total.saturating_mul(copies));
        }
        let mut total: u64 = 0;
        for row in 0..rows {
            let bytes = self.growth.bytes(&arguments, row)?;
            check_value(name, bytes)?;
            total = total.saturating_add(bytes);
            // A batch that is over the limit need not be gone through to its end.
            if total > super::BATCH_MAX {
                break;
            }
        }
        charge(total.saturating_mul(copies))
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        #[expect(deprecated, reason = "what the function itself prints")]
        self.function.display_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.number_rows == 0 {
            // Of no row: a constant that no row can hold does not matter, and is not made.
            let one = ScalarFunctionArgs { number_rows: 1, ..args.clone() };
            let all_constant = Arguments::new(&args.args)?.all_constant();
            if all_constant && self.check(&one).is_err() {
                return Ok(ColumnarValue::Array(new_empty_array(args.return_field.data_type())));
            }
        } else {
            self.check(&args)?;
        }
        self.function.invoke_with_args(args)
    }
}
