//! `encode(…, 'base64')` with padding, as PostgreSQL, Spark and the type `binary` of topics write it.

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions::encoding::inner::EncodeFunc;

pub(super) fn function() -> ScalarUDF {
    Encode { theirs: EncodeFunc::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Encode {
    theirs: EncodeFunc,
}

impl ScalarUDFImpl for Encode {
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
        if let Some(ColumnarValue::Scalar(encoding)) = args.args.get_mut(1)
            && encoding
                .try_as_str()
                .flatten()
                .is_some_and(|name| name.eq_ignore_ascii_case("base64"))
        {
            *encoding = ScalarValue::from("base64pad");
        }
        self.theirs.invoke_with_args(args)
    }
}
