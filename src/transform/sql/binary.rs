//! Refuses bytes that a function or an operator would read as text without being asked.
//!
//! DataFusion casts them to text: `length(bytes)` counts characters of UTF-8, and bytes that are
//! no text fail the row.

use arrow::datatypes::DataType;
use datafusion_common::{Result, plan_err, tree_node::TreeNode};
use datafusion_expr::{
    Expr, ExprSchemable, LogicalPlan,
    expr::{Cast, TryCast},
    utils::merge_schema,
};

/// # Errors
///
/// `analysed` casts bytes to text more often than `written`.
pub(super) fn check(written: &LogicalPlan, analysed: &LogicalPlan) -> Result<()> {
    if casts(analysed)? <= casts(written)? {
        return Ok(());
    }
    plan_err!(
        "this needs text, not `binary`; write CAST(… AS VARCHAR) for bytes that are UTF-8 text, \
         or encode(…, 'hex')"
    )
}

/// How often the plan casts bytes to text.
fn casts(plan: &LogicalPlan) -> Result<usize> {
    let mut count = 0;
    plan.apply(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) =
                    part
                    && is_text(field.data_type())
                    && expr.get_type(&schema).is_ok_and(|kind| is_binary(&kind))
                {
                    count += 1;
                }
                Ok(datafusion_common::tree_node::TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(count)
}

fn is_binary(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
