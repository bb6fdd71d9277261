//! `lpad` and `rpad` to a negative length give empty text, as in PostgreSQL.
//!
//! DataFusion's reserve room for the length, and fail the row.

use std::sync::Arc;

use arrow::{
    array::AsArray,
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions::unicode::{lpad::LPadFunc, rpad::RPadFunc};

pub(super) fn functions() -> [ScalarUDF; 2] {
    [Pad { theirs: LPadFunc::new() }.into(), Pad { theirs: RPadFunc::new() }.into()]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Pad<F> {
    theirs: F,
}

impl<F: ScalarUDFImpl + Eq + std::hash::Hash + 'static> ScalarUDFImpl for Pad<F> {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(length) = args.args.get_mut(1) {
            let is_scalar = matches!(length, ColumnarValue::Scalar(_));
            let rows = if is_scalar { 1 } else { args.number_rows };
            let lengths = cast(&length.to_array(rows)?, &DataType::Int64)?;
            let lengths = lengths.as_primitive::<Int64Type>().unary::<_, Int64Type>(|n| n.max(0));
            *length = if is_scalar {
                ScalarValue::try_from_array(&lengths, 0)?.into()
            } else {
                ColumnarValue::Array(Arc::new(lengths))
            };
        }
        self.theirs.invoke_with_args(args)
    }
}
