//! `to_char`, which takes an instant as it is, and a pattern that is one.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, plan_err, utils::take_function_args};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_functions::datetime::to_char::ToCharFunc;

use super::instant::{as_instant, is_date, is_text};

pub(super) fn function() -> ScalarUDF {
    ToChar { theirs: ToCharFunc::new(), signature: Signature::user_defined(Volatility::Immutable) }
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    theirs: ToCharFunc,
    signature: Signature,
}

impl ScalarUDFImpl for ToChar {
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
        let [time, pattern] = take_function_args(self.name(), types)?;
        let kind = match time {
            DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => Some(time.clone()),
            other if is_date(other) => Some(other.clone()),
            other => as_instant(other),
        };
        match kind {
            Some(kind) if is_text(pattern) || pattern.is_null() => Ok(vec![kind, DataType::Utf8]),
            _ => plan_err!(
                "to_char takes a timestamp, a date or a time, and a pattern; not {time} and {pattern}"
            ),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [time, _] = take_function_args(self.name(), args.arg_fields)?;
        let pattern = args.scalar_arguments[1].and_then(|pattern| pattern.try_as_str().flatten());
        if let Some(pattern) = pattern
            && !matches!(time.data_type(), DataType::Duration(_))
            && !pattern.contains('%')
            && pattern.contains(|letter: char| letter.is_ascii_alphabetic())
        {
            return plan_err!(
                "the pattern '{pattern}' of to_char names no part of a time: write strftime's, \
                 such as '%Y-%m-%d %H:%M:%S'"
            );
        }
        Ok(Field::new(self.name(), DataType::Utf8, true).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.theirs.invoke_with_args(args)
    }
}
