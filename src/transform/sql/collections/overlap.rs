//! `array_has_any` to which a null is no element that two lists share, as in `PostgreSQL` and `DuckDB`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions_nested::{array_compact::ArrayCompact, array_has::ArrayHasAny};

pub(super) fn function() -> ScalarUDF {
    Overlap { theirs: ArrayHasAny::new(), compact: ArrayCompact::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Overlap {
    theirs: ArrayHasAny,
    compact: ArrayCompact,
}

impl ScalarUDFImpl for Overlap {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [_, right] = args.args.as_slice()
            && matches!(right.data_type(), DataType::List(_) | DataType::LargeList(_))
        {
            let field = Arc::clone(&args.arg_fields[1]);
            args.args[1] = self.compact.invoke_with_args(ScalarFunctionArgs {
                args: vec![right.clone()],
                arg_fields: vec![Arc::clone(&field)],
                number_rows: args.number_rows,
                return_field: field,
                config_options: Arc::clone(&args.config_options),
            })?;
        }
        self.theirs.invoke_with_args(args)
    }
}
