//! CASE and `nullif` of doubles compare as `=` does.
//!
//! DataFusion compares the bits there, so that `CASE x WHEN 0` misses -0.0.

use datafusion_common::{
    DFSchema, Result, ScalarValue,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Case, Expr, ExprSchemable, LogicalPlan, expr_rewriter::NamePreserver, utils::merge_schema,
};

/// Writes out each comparison of floating-point values that CASE or `nullif` makes.
pub(super) fn compare_by_value(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let written = expr.transform_up(|part| Ok(written_out(part, &schema)))?;
            Ok(written.update_data(|expr| name.restore(expr)))
        })
    })?;
    rewritten.data.recompute_schema()
}

fn written_out(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_floating = |expr: &Expr| {
        expr.get_type(schema).is_ok_and(|kind| kind.is_floating()) && !expr.is_volatile()
    };
    match expr {
        Expr::Case(Case { expr: Some(base), when_then_expr, else_expr }) if is_floating(&base) => {
            let equals = |(when, then): (Box<Expr>, _)| (Box::new((*base).clone().eq(*when)), then);
            let when_then_expr = when_then_expr.into_iter().map(equals).collect();
            Transformed::yes(Expr::Case(Case { expr: None, when_then_expr, else_expr }))
        }
        Expr::ScalarFunction(call)
            if call.name() == "nullif" && call.args.iter().any(is_floating) =>
        {
            let [left, right] = call.args.as_slice() else {
                return Transformed::no(Expr::ScalarFunction(call));
            };
            let null = Expr::Literal(ScalarValue::Null, None);
            Transformed::yes(Expr::Case(Case {
                expr: None,
                when_then_expr: vec![(Box::new(left.clone().eq(right.clone())), Box::new(null))],
                else_expr: Some(Box::new(left.clone())),
            }))
        }
        other => Transformed::no(other),
    }
}
