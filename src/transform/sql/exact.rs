//! Arithmetic that fails rather than lies.
//!
//! DataFusion lets integers wrap around. Here an overflow is an error of its row.
//! What it computes inexactly with decimals is computed by [`super::decimal`].

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::Schema,
};
use datafusion_common::{
    DFSchema, Result, ScalarValue,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Expr, LogicalPlan, Operator, execution_props::ExecutionProps,
    physical_planning_context::PhysicalPlanningContext,
};
use datafusion_physical_expr::{
    PhysicalExpr, create_physical_expr,
    expressions::{self, Literal, NegativeExpr},
};

use super::{
    bounds,
    decimal::{Arithmetic, ExactCast},
    guard,
};

/// A physical expression whose arithmetic fails on overflow and keeps decimals exact, in
/// lambdas too, and whose conditions guard each other.
pub(super) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let context = PhysicalPlanningContext::default();
    let expr = create_physical_expr(expr, schema, &ExecutionProps::new(), &context)?;
    let checked = expr.transform_up(|expr| checked(expr, schema.as_arrow()))?;
    guard::guarded(checked.data)
}

fn checked(
    expr: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    let wraps = |op: &Operator| matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply);
    let subtract = |left: Arc<dyn PhysicalExpr>, op: Operator, right: Arc<dyn PhysicalExpr>| {
        let expr = expressions::BinaryExpr::new(left, op, right).with_fail_on_overflow(true);
        Transformed::yes(Arc::new(expr) as Arc<dyn PhysicalExpr>)
    };
    if let Some(cast) = ExactCast::of(&expr, schema)? {
        return Ok(Transformed::yes(Arc::new(cast)));
    }
    if let Some(binary) = expr.downcast_ref::<expressions::BinaryExpr>()
        && let Some(arithmetic) = Arithmetic::of(binary, schema)?
    {
        return Ok(Transformed::yes(Arc::new(arithmetic)));
    }
    if let Some(binary) = expr.downcast_ref::<expressions::BinaryExpr>()
        && wraps(binary.op())
    {
        let (left, right) = (Arc::clone(binary.left()), Arc::clone(binary.right()));
        return Ok(subtract(left, *binary.op(), right));
    }
    if let Some(binary) = expr.downcast_ref::<expressions::BinaryExpr>()
        && *binary.op() == Operator::StringConcat
    {
        return Ok(Transformed::yes(bounds::joined(binary)));
    }
    if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        // `0 - x` is checked where `-x` would wrap; a float keeps its sign of zero.
        let data_type = negative.arg().data_type(schema)?;
        if data_type.is_integer() {
            let zero = Arc::new(Literal::new(ScalarValue::new_zero(&data_type)?));
            return Ok(subtract(zero, Operator::Minus, Arc::clone(negative.arg())));
        }
    }
    Ok(Transformed::no(expr))
}

/// Computes the constant parts of a plan, as the optimiser would without a look at overflow.
///
/// # Errors
///
/// The overflow of a constant such as `9223372036854775807 + 1`.
pub(super) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
        for expr in node.expressions() {
            expr.apply(|part| {
                if !matches!(part, Expr::BinaryExpr(_) | Expr::Negative(_)) || !is_constant(part)? {
                    return Ok(TreeNodeRecursion::Continue);
                }
                evaluate_constant(part)?;
                Ok(TreeNodeRecursion::Jump)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn is_constant(expr: &Expr) -> Result<bool> {
    let varies = expr.exists(|part| {
        Ok(match part {
            Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Negative(_)
            | Expr::Cast(_)
            | Expr::Alias(_) => false,
            // Functions are left to the optimiser: some exist only for it to replace.
            _ => true,
        })
    })?;
    Ok(!varies)
}

/// Computes an expression without columns, and drops the result.
pub(super) fn evaluate_constant(expr: &Expr) -> Result<()> {
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &options)?;
    physical(expr, &DFSchema::empty())?.evaluate(&row)?;
    Ok(())
}
