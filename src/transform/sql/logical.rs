//! Query to logical plan, as written and as it is run.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_common::{DataFusionError, config::ConfigOptions};
use datafusion_expr::LogicalPlan;
use datafusion_optimizer::{
    Analyzer, Optimizer, OptimizerContext, OptimizerRule,
    common_subexpr_eliminate::CommonSubexprEliminate, optimize_projections::OptimizeProjections,
};
use datafusion_sql::{
    planner::SqlToRel,
    sqlparser::{
        ast::{Query, Select, SelectItem, SetExpr, Spanned, Statement},
        tokenizer::Location,
    },
};

use super::{
    Functions, SqlError, binary, bounds, context::Context, decimal, error::location_of, exact,
    merge, order, parse::normal, patterns, strings, time, zero,
};

/// One query in two forms.
pub(super) struct Logical {
    /// As written: what column lineage is read from.
    pub(super) written: LogicalPlan,
    /// With types made to fit, and optimised: what is run.
    pub(super) optimised: LogicalPlan,
}

impl Logical {
    pub(super) fn plan(
        query: Query,
        input: &SchemaRef,
        functions: &Functions,
    ) -> Result<Self, SqlError> {
        plan(query.clone(), input, functions).map_err(|error| {
            let place = locate(&query, &error, input, functions);
            explain_alias(SqlError::from_planner(&error, place), &query)
        })
    }
}

/// Says of a column that is not found that the SELECT list computes it, if it does:
/// conditions and expressions read the columns of FROM.
fn explain_alias(error: SqlError, query: &Query) -> SqlError {
    let name = error.message.strip_prefix("no column `").and_then(|name| name.strip_suffix('`'));
    let SetExpr::Select(select) = query.body.as_ref() else {
        return error;
    };
    let is_alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normal(alias).as_str()) == name,
        _ => false,
    };
    if !select.projection.iter().any(is_alias) {
        return error;
    }
    error.with_hint(
        "it is the name of a column that the SELECT makes; repeat its expression, or read it in \
         an outer query: SELECT … FROM (SELECT …) WHERE …",
    )
}

fn plan(
    query: Query,
    input: &SchemaRef,
    functions: &Functions,
) -> Result<Logical, DataFusionError> {
    let context = Context::new(Arc::clone(input), functions);
    let planner = SqlToRel::new_with_options(&context, Context::parser_options());
    let written = planner.sql_statement_to_plan(Statement::Query(Box::new(query)))?;
    // Times first: `coalesce` of a timestamp and a string has no type before.
    let exact = decimal::keep_decimals(time::keep_times(written.clone())?)?;
    let exact = bounds::bind(patterns::translate(zero::compare_by_value(exact)?)?)?;
    let analysed =
        Analyzer::new().execute_and_check(exact, &ConfigOptions::default(), |_, _| ())?;
    strings::check_replacements(&written)?;
    binary::check(&written, &analysed)?;
    let analysed = strings::guard_times(analysed)?;
    exact::check_constants(&analysed)?;
    bounds::check_constants(&analysed)?;
    // Without a start time the clock is not made a constant.
    let config =
        OptimizerContext::new().without_query_execution_start_time().with_skip_failing_rules(false);
    let optimised = Optimizer::with_rules(rules()).optimize(analysed, &config, |_, _| ())?;
    Ok(Logical { written, optimised })
}

/// The rules that serve filters and projections; the others work on what is refused.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(order::Simplify),
        Arc::new(order::MoveFilters),
        Arc::new(merge::MergeProjections),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// Where an error is that came without a place: the first part of the SELECT
/// that fails by itself.
fn locate(
    query: &Query,
    error: &DataFusionError,
    input: &SchemaRef,
    functions: &Functions,
) -> Location {
    let start = query.span().start;
    let SetExpr::Select(select) = query.body.as_ref() else {
        return start;
    };
    if location_of(error).is_some() {
        return start;
    }
    let fails = |select: Select| {
        let body = Box::new(SetExpr::Select(Box::new(select)));
        plan(Query { body, ..query.clone() }, input, functions).is_err()
    };
    for item in &select.projection {
        let alone =
            Select { projection: vec![item.clone()], selection: None, ..(**select).clone() };
        if fails(alone) {
            return item.span().start;
        }
    }
    select.selection.as_ref().map_or(start, |selection| selection.span().start)
}
