//! The order in which conditions are evaluated: as written, inner queries first.
//!
//! ```text
//! Filter(outer) over Projection over Filter(inner) -> Projection over Filter(inner AND outer)
//! ```
//!
//! A condition may guard a later one, as in `kind = 'int' AND CAST(raw AS BIGINT) > 5`.
//! DataFusion's rules for filters sort conditions by their cost, so a cheap CAST
//! would run before the text match that guards it.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, FieldRef};
use datafusion_common::{
    Column, DFSchema, DFSchemaRef, Result, internal_err,
    tree_node::{Transformed, TransformedResult, TreeNode},
};
use datafusion_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, Projection, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SubqueryAlias, Volatility,
    expr::ScalarFunction,
    expr_rewriter::NamePreserver,
    logical_plan::{Filter, Unnest},
    simplify::SimplifyContext,
    utils::merge_schema,
};
use datafusion_optimizer::{
    ApplyOrder, OptimizerConfig, OptimizerRule, simplify_expressions::ExprSimplifier,
};

use super::merge::is_between;

/// Maximum number of conditions of one filter. The conditions of many subqueries
/// remain several filters: an expression is as deep as it has conditions.
const CONDITIONS_MAX: usize = 200;

/// Maximum size of a condition in which columns are replaced by what a
/// subquery computes: each level of subqueries can double it.
pub(super) const NODES_MAX: usize = 200;

/// Simplifies expressions, and keeps the order of conditions.
#[derive(Debug)]
pub(super) struct Simplify;

impl OptimizerRule for Simplify {
    fn name(&self) -> &'static str {
        "simplify_in_order"
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
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let inputs = plan.inputs();
        let schema = match inputs.as_slice() {
            [] => return Ok(Transformed::no(plan)),
            [input] => Arc::clone(input.schema()),
            _ => DFSchemaRef::new(merge_schema(&inputs)),
        };
        let context = SimplifyContext::builder()
            .with_schema(schema)
            .with_config_options(config.options())
            .build();
        let simplifier = ExprSimplifier::new(context);
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let (expr, _) = simplifier.simplify_with_cycle_count_transformed(fix_order(expr)?)?;
            let unmarked = expr.data.transform_up(without_mark).data()?;
            Ok(Transformed::new_transformed(name.restore(unmarked), expr.transformed))
        })
    }
}

/// Makes the order of conditions one that the simplifier keeps.
///
/// It keeps the first of two equal conditions if they are in one chain, not if
/// the second is in parentheses. And it moves a condition that both sides of an
/// OR share to the front, before the guards of either: it leaves marked ones alone.
fn fix_order(expr: Expr) -> Result<Expr> {
    let chained = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_chained(&right, op) => {
                let mut parts = vec![*left];
                split(*right, op, &mut parts);
                chain(parts, op).map_or_else(|| internal("an empty chain"), Ok)?
            }
            other => Transformed::no(other),
        })
    });
    let marked = chained.data()?.transform_up(|expr| {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let (left, right) = (Box::new(mark(*left)), Box::new(mark(*right)));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(left, Operator::Or, right)))
            }
            other => Transformed::no(other),
        })
    });
    marked.data()
}

fn internal<T>(what: &str) -> Result<T> {
    internal_err!("{what}")
}

fn is_chained(expr: &Expr, op: Operator) -> bool {
    matches!(op, Operator::And | Operator::Or)
        && matches!(expr, Expr::BinaryExpr(binary) if binary.op == op)
}

/// The parts of a chain of ANDs or of ORs, in their order.
fn split(expr: Expr, op: Operator, parts: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryExpr(binary) if binary.op == op => {
            split(*binary.left, op, parts);
            split(*binary.right, op, parts);
        }
        Expr::Alias(alias) => split(*alias.expr, op, parts),
        part => parts.push(part),
    }
}

fn chain(parts: Vec<Expr>, op: Operator) -> Option<Transformed<Expr>> {
    let chain = parts.into_iter().reduce(|left, right| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    });
    chain.map(Transformed::yes)
}

/// Marks the conditions of an AND that can fail, except the first.
fn mark(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let right = if can_fail(&right) {
                let mark = Arc::new(ScalarUDF::from(Mark::new()));
                Box::new(Expr::ScalarFunction(ScalarFunction::new_udf(mark, vec![*right])))
            } else {
                right
            };
            Expr::BinaryExpr(BinaryExpr::new(Box::new(mark(*left)), Operator::And, right))
        }
        other => other,
    }
}

fn without_mark(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Mark>() => {
            match call.args.into_iter().next() {
                Some(marked) => Transformed::yes(marked),
                None => return internal("a mark without a condition"),
            }
        }
        other => Transformed::no(other),
    })
}

/// Whether the expression can fail for some row.
pub(super) fn can_fail(expr: &Expr) -> bool {
    let fails = expr.exists(|part| {
        Ok(match part {
            Expr::BinaryExpr(binary) => !is_safe(binary.op),
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_) => false,
            _ => true,
        })
    });
    fails.unwrap_or(true)
}

/// Whether the operator has a result for all operands.
pub(super) fn is_safe(op: Operator) -> bool {
    matches!(
        op,
        Operator::And
            | Operator::Or
            | Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Gives back its argument. The simplifier moves no call of a volatile function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mark {
    signature: Signature,
}

impl Mark {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &'static str {
        "in_order"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().map_or_else(|| internal("a mark without a condition"), Ok)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        args.arg_fields.first().cloned().map_or_else(|| internal("a mark of nothing"), Ok)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.into_iter().next().map_or_else(|| internal("a mark of nothing"), Ok)
    }
}

/// Moves filters below subqueries, and makes one filter of several: a row that
/// is filtered is not computed, and lists are unnested for rows that remain.
#[derive(Debug)]
pub(super) struct MoveFilters;

impl OptimizerRule for MoveFilters {
    fn name(&self) -> &'static str {
        "move_filters_in_order"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else {
            return Ok(Transformed::no(plan));
        };
        if is_between(&filter) {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let mut parts = Vec::new();
        split(filter.predicate.clone(), Operator::And, &mut parts);
        let moved = match filter.input.as_ref() {
            LogicalPlan::Filter(inner) => with_inner(inner, parts)?,
            LogicalPlan::SubqueryAlias(alias) => below_alias(alias, parts)?,
            LogicalPlan::Projection(projection) => below_projection(projection, parts)?,
            LogicalPlan::Unnest(unnest) => below_unnest(unnest, parts)?,
            _ => None,
        };
        Ok(match moved {
            Some(plan) => Transformed::yes(plan),
            None => Transformed::no(LogicalPlan::Filter(filter)),
        })
    }
}

fn with_inner(inner: &Filter, outer: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    let mut parts = Vec::new();
    if !is_between(inner) {
        split(inner.predicate.clone(), Operator::And, &mut parts);
    }
    if parts.len() + outer.len() > CONDITIONS_MAX {
        return Ok(None);
    }
    parts.extend(outer);
    filter(parts, Arc::clone(&inner.input)).map(Some)
}

fn below_alias(alias: &SubqueryAlias, parts: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    let columns: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
    let computed = Computed::new(&alias.schema, &columns);
    let parts: Result<Vec<Expr>> = parts.into_iter().map(|part| computed.put_into(part)).collect();
    let input = Arc::new(filter(parts?, Arc::clone(&alias.input))?);
    let mut alias = alias.clone();
    alias.input = input;
    Ok(Some(LogicalPlan::SubqueryAlias(alias)))
}

/// Moves the first conditions that can be moved; a later one stays behind them.
fn below_projection(projection: &Projection, parts: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    let computed = Computed::new(&projection.schema, &projection.expr);
    let mut moved = Vec::new();
    let mut rest = parts.into_iter();
    let mut stay = Vec::new();
    for part in rest.by_ref() {
        let below = computed.put_into_small(&part)?;
        let Some(below) = below.filter(|below| !below.is_volatile()) else {
            stay.push(part);
            break;
        };
        moved.push(below);
    }
    stay.extend(rest);
    if moved.is_empty() {
        return Ok(None);
    }
    let input = Arc::new(filter(moved, Arc::clone(&projection.input))?);
    let projection = Projection::try_new_with_schema(
        projection.expr.clone(),
        input,
        Arc::clone(&projection.schema),
    )?;
    stacked(LogicalPlan::Projection(projection), stay).map(Some)
}

/// Moves the conditions that read no element and cannot fail: it does not
/// matter for them which other conditions, or whether a list has elements.
fn below_unnest(unnest: &Unnest, parts: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    let is_element =
        |column: &&Column| unnest.input.schema().maybe_index_of_column(column).is_none();
    let (stay, moved): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(|part| {
        let elements = unnest.list_type_columns.iter().map(|(_, list)| &list.output_column);
        let columns = part.column_refs();
        can_fail(part)
            || columns.iter().any(is_element)
            || elements.into_iter().any(|element| columns.contains(element))
    });
    if moved.is_empty() {
        return Ok(None);
    }
    let input = Arc::new(filter(moved, Arc::clone(&unnest.input))?);
    stacked(LogicalPlan::Unnest(Unnest { input, ..unnest.clone() }), stay).map(Some)
}

fn stacked(plan: LogicalPlan, parts: Vec<Expr>) -> Result<LogicalPlan> {
    if parts.is_empty() { Ok(plan) } else { filter(parts, Arc::new(plan)) }
}

fn filter(parts: Vec<Expr>, input: Arc<LogicalPlan>) -> Result<LogicalPlan> {
    match chain(parts, Operator::And) {
        Some(predicate) => Ok(LogicalPlan::Filter(Filter::try_new(predicate.data, input)?)),
        None => internal("a filter without a condition"),
    }
}

/// What a query computes, by the names that the query around it reads it by.
pub(super) struct Computed<'a> {
    names: &'a DFSchema,
    columns: Vec<Expr>,
    /// A schema searches a name among all of its fields.
    index: HashMap<Column, usize>,
}

impl<'a> Computed<'a> {
    pub(super) fn new(names: &'a DFSchema, exprs: &[Expr]) -> Self {
        let columns = exprs.iter().map(|expr| expr.clone().unalias_nested().data).collect();
        let index = names.columns().into_iter().enumerate();
        let index = index.map(|(index, column)| (column, index)).collect();
        Self { names, columns, index }
    }

    pub(super) fn index_of(&self, column: &Column) -> Result<usize> {
        match self.index.get(column) {
            Some(index) => Ok(*index),
            None => self.names.index_of_column(column),
        }
    }

    pub(super) fn column(&self, index: usize) -> &Expr {
        &self.columns[index]
    }

    /// The expression with what is computed for the names.
    pub(super) fn put_into(&self, expr: Expr) -> Result<Expr> {
        let put = expr.transform_up(|part| match &part {
            Expr::Column(column) => {
                Ok(Transformed::yes(self.columns[self.index_of(column)?].clone()))
            }
            _ => Ok(Transformed::no(part)),
        });
        put.data()
    }

    /// As [`Computed::put_into`]; `None` if the condition would become too large.
    fn put_into_small(&self, part: &Expr) -> Result<Option<Expr>> {
        let mut nodes = 0;
        for (column, count) in part.column_refs_counts() {
            nodes += count * size(&self.columns[self.index_of(column)?]);
        }
        if nodes > NODES_MAX {
            return Ok(None);
        }
        self.put_into(part.clone()).map(Some)
    }
}

pub(super) fn size(expr: &Expr) -> usize {
    let mut nodes = 0;
    let counted = expr.exists(|_| {
        nodes += 1;
        Ok(false)
    });
    counted.map_or(usize::MAX, |_| nodes)
}
