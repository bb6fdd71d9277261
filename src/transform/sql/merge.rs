//! Makes one SELECT list of two, where the outer reads what the inner computes once.
//!
//! A column of a subquery that is read inside a CASE is then computed only
//! where the CASE needs it. And DataFusion's rule for projections drops one of
//! two that are written alike, although the second computes with what the first
//! made: `SELECT a + 1 AS a FROM (SELECT a + 1 AS a FROM …)`. It never sees two
//! of them in a row: those that remain have a filter between them.

use std::{collections::HashMap, sync::Arc};

use datafusion_common::{
    Result,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Expr, LogicalPlan, Projection, expr_rewriter::NamePreserver, lit, logical_plan::Filter,
};
use datafusion_optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::order::{Computed, NODES_MAX, size};

#[derive(Debug)]
pub(super) struct MergeProjections;

impl OptimizerRule for MergeProjections {
    fn name(&self) -> &'static str {
        "merge_projections"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(outer) = plan else {
            return Ok(Transformed::no(plan));
        };
        let inner = match outer.input.as_ref() {
            LogicalPlan::Projection(inner) => Some(inner),
            LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
                LogicalPlan::Projection(inner) => Some(inner),
                _ => None,
            },
            _ => None,
        };
        let Some(inner) = inner else {
            return Ok(Transformed::no(LogicalPlan::Projection(outer)));
        };
        if let Some(merged) = merged(&outer, inner)? {
            return Ok(Transformed::yes(LogicalPlan::Projection(merged)));
        }
        if !matches!(outer.input.as_ref(), LogicalPlan::Projection(_)) {
            return Ok(Transformed::no(LogicalPlan::Projection(outer)));
        }
        let between = Filter::try_new(lit(true), Arc::clone(&outer.input))?;
        let schema = Arc::clone(&outer.schema);
        let input = Arc::new(LogicalPlan::Filter(between));
        let outer = Projection::try_new_with_schema(outer.expr, input, schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(outer)))
    }
}

/// Whether the filter only keeps two projections apart.
pub(super) fn is_between(filter: &Filter) -> bool {
    filter.predicate == lit(true)
}

fn merged(outer: &Projection, inner: &Projection) -> Result<Option<Projection>> {
    let computed = Computed::new(outer.input.schema(), &inner.expr);
    let mut times = HashMap::new();
    let mut nodes = 0;
    for expr in &outer.expr {
        for (column, count) in expr.column_refs_counts() {
            let index = computed.index_of(column)?;
            *times.entry(index).or_insert(0) += count;
            nodes += count * (size(computed.column(index)) - 1);
        }
        // A lambda computes what it reads for each element.
        if !all_plain(expr, &computed)? {
            return Ok(None);
        }
    }
    let twice = |(index, count): (&usize, &usize)| *count > 1 && !is_plain(computed.column(*index));
    let volatile = |index: &usize| computed.column(*index).is_volatile();
    if nodes > NODES_MAX || times.keys().any(volatile) || times.iter().any(twice) {
        return Ok(None);
    }
    let preserver = NamePreserver::new_for_projection();
    let exprs = outer.expr.iter().map(|expr| {
        let name = preserver.save(expr);
        let new = match expr.clone() {
            Expr::Alias(mut alias) => {
                alias.expr = Box::new(computed.put_into(*alias.expr)?);
                Expr::Alias(alias)
            }
            other => computed.put_into(other)?,
        };
        Ok(name.restore(new))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let input = Arc::clone(&inner.input);
    Projection::try_new_with_schema(exprs, input, Arc::clone(&outer.schema)).map(Some)
}

/// Whether the calls with lambdas read only columns that need no computing.
fn all_plain(expr: &Expr, computed: &Computed<'_>) -> Result<bool> {
    let mut plain = true;
    expr.apply(|part| {
        if !matches!(part, Expr::HigherOrderFunction(_)) {
            return Ok(TreeNodeRecursion::Continue);
        }
        for column in part.column_refs() {
            plain &= is_plain(computed.column(computed.index_of(column)?));
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(plain)
}

/// Whether it costs nothing to compute the expression again.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        other => other.placement().should_push_to_leaves(),
    }
}
