//! Arithmetic that fails rather than lies.
//!
//! DataFusion lets integers wrap around, and turns a decimal beside a literal
//! such as `0.92` into a double. Here an overflow is an error of its row, and a
//! decimal stays one.

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
    Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator,
    execution_props::ExecutionProps, expr::InList,
    physical_planning_context::PhysicalPlanningContext, utils::merge_schema,
};
use datafusion_physical_expr::{
    PhysicalExpr, create_physical_expr,
    expressions::{self, Literal, NegativeExpr},
};

use super::{bounds, guard};

/// A physical expression whose integer arithmetic fails on overflow, in lambdas too,
/// and whose conditions guard each other.
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

/// Makes a fractional literal beside a decimal a decimal of the same digits.
pub(super) fn keep_decimals(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let schema = merge_schema(&node.inputs());
        node.map_expressions(|expr| expr.transform_up(|part| Ok(decimal_operands(part, &schema))))
    })?;
    // The types of the columns may have changed with the literals.
    rewritten.data.recompute_schema()
}

fn decimal_operands(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_decimal = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_decimal());
    let beside = |number: Expr| as_decimal(&number).unwrap_or(number);
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_decimal(&left) => {
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(beside(*right)))))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_decimal(&right) => {
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(beside(*left)), op, right)))
        }
        Expr::Between(Between { expr, negated, low, high }) if is_decimal(&expr) => {
            let (low, high) = (Box::new(beside(*low)), Box::new(beside(*high)));
            Transformed::yes(Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::InList(InList { expr, list, negated }) if is_decimal(&expr) => {
            let list = list.into_iter().map(beside).collect();
            Transformed::yes(Expr::InList(InList { expr, list, negated }))
        }
        other => Transformed::no(other),
    }
}

/// A fractional literal, or a CASE that chooses among literals, as a decimal.
fn as_decimal(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Float64(_), _) => decimal_literal(expr),
        Expr::Literal(ScalarValue::Int64(_), _) => Some(expr.clone()),
        Expr::Negative(number) => Some(Expr::Negative(Box::new(as_decimal(number)?))),
        Expr::Case(case) => {
            let mut case = case.clone();
            for (_, then) in &mut case.when_then_expr {
                **then = as_decimal(then)?;
            }
            if let Some(otherwise) = &mut case.else_expr {
                **otherwise = as_decimal(otherwise)?;
            }
            Some(Expr::Case(case))
        }
        _ => None,
    }
}

/// The literal's shortest decimal digits, which are the ones that were written.
fn decimal_literal(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Float64(Some(value)), metadata) = expr else {
        return None;
    };
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = i8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(digits.unsigned_abs().to_string().len()).ok()?.max(scale as u8);
    let value = ScalarValue::try_new_decimal128(digits, precision, scale).ok()?;
    Some(Expr::Literal(value, metadata.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::lit;

    #[test]
    fn a_fractional_literal_becomes_the_decimal_that_was_written() {
        let cases = [
            (0.92, Some((92, 2, 2))),
            (1.0, Some((1, 1, 0))),
            (12.5, Some((125, 3, 1))),
            (-0.05, Some((-5, 2, 2))),
            (1e300, None),
            (f64::NAN, None),
        ];
        for (value, expected) in cases {
            let decimal = match decimal_literal(&lit(value)) {
                Some(Expr::Literal(ScalarValue::Decimal128(Some(digits), precision, scale), _)) => {
                    Some((digits, precision, scale))
                }
                _ => None,
            };
            assert_eq!(decimal, expected, "{value}");
        }
    }
}
