//! Text that becomes a time: `10:20` or `10:20:30.5`.
//!
//! Arrow takes text without a colon as a number of nanoseconds: `CAST('123' AS TIME)` would be
//! 00:00:00.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion_common::{
    DFSchema, Result, exec_err,
    tree_node::{Transformed, TreeNode},
    utils::take_function_args,
};
use datafusion_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, expr_rewriter::NamePreserver, utils::merge_schema,
};

/// Puts a [`Clock`] around text that is cast to a time.
pub(in crate::transform::sql) fn guard_times(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let guarded = expr.transform_up(|part| Ok(guarded(part, &schema)))?;
            Ok(guarded.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(rewritten.data)
}

fn guarded(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let from_text = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_string());
    match expr {
        Expr::Cast(mut cast) if is_time(cast.field.data_type()) && from_text(&cast.expr) => {
            *cast.expr = clock(*cast.expr, true);
            Transformed::yes(Expr::Cast(cast))
        }
        Expr::TryCast(mut cast) if is_time(cast.field.data_type()) && from_text(&cast.expr) => {
            *cast.expr = clock(*cast.expr, false);
            Transformed::yes(Expr::TryCast(cast))
        }
        other => Transformed::no(other),
    }
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Time32(_) | DataType::Time64(_))
}

fn clock(text: Expr, strict: bool) -> Expr {
    let signature = Signature::string(1, Volatility::Immutable);
    ScalarUDF::from(Clock { strict, signature }).call(vec![text])
}

/// The text itself where it has a colon; else an error, or a null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    strict: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &'static str {
        "time_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [text] = take_function_args(self.name(), &args.args)?;
        let texts = cast(&text.to_array(args.number_rows)?, &DataType::Utf8)?;
        let mut times = Vec::with_capacity(args.number_rows);
        for text in texts.as_string::<i32>() {
            match text {
                Some(text) if !text.contains(':') && self.strict => {
                    return exec_err!("`{text}` is no time; write 10:20 or 10:20:30");
                }
                text => times.push(text.filter(|text| text.contains(':'))),
            }
        }
        let times: ArrayRef = Arc::new(StringArray::from(times));
        Ok(ColumnarValue::Array(times))
    }
}
