//! A function with a lambda that computes first what the lambda reads.
//!
//! A lambda that reads a column of the row, as in `array_transform(l, x -> x || note)`,
//! gets a copy of that column's value for each element.

use std::{cell::Cell, sync::Arc};

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{
    ColumnarValue, Expr, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda,
};

use super::{charge, sizes};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BoundedLambda {
    function: Arc<HigherOrderUDF>,
}

impl BoundedLambda {
    pub(super) fn new(function: Arc<HigherOrderUDF>) -> Self {
        Self { function }
    }
}

/// The bytes of the columns that the lambdas read, for each element of the lists.
fn read(args: &HigherOrderFunctionArgs) -> Result<u64> {
    let Some(ValueOrLambda::Value(lists)) = args.args.first() else {
        return Ok(0);
    };
    let lists = lists.to_array(args.number_rows)?;
    let bytes = Cell::new(0_u64);
    for lambda in &args.args {
        let ValueOrLambda::Lambda(lambda) = lambda else {
            continue;
        };
        // Without its parameters a lambda is not computed; it shows what it reads first.
        let shown = lambda.evaluate(&[], |columns| {
            for row in 0..lists.len() {
                let elements = sizes::list_length(lists.as_ref(), row);
                for column in columns {
                    let copies = sizes::bytes(column.as_ref(), row, 1).saturating_mul(elements);
                    bytes.set(bytes.get().saturating_add(copies));
                }
            }
            exec_err!("seen")
        });
        drop(shown);
    }
    Ok(bytes.get())
}

impl HigherOrderUDFImpl for BoundedLambda {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &HigherOrderSignature {
        self.function.signature()
    }

    fn lambda_parameters(
        &self,
        step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        self.function.lambda_parameters(step, fields)
    }

    fn coerce_values_for_lambdas(
        &self,
        fields: &[ValueOrLambda<DataType, DataType>],
    ) -> Result<Option<Vec<DataType>>> {
        self.function.coerce_values_for_lambdas(fields)
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn clear_null_values(&self) -> bool {
        self.function.clear_null_values()
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        charge(read(&args)?)?;
        self.function.invoke_with_args(args)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    /// A lambda is computed for no element of an empty list.
    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        let (lambdas, values): (Vec<&Expr>, Vec<&Expr>) =
            args.iter().partition(|arg| matches!(arg, Expr::Lambda(_)));
        Some((values, lambdas))
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_value_types(types)
    }
}
