//! The walk over a logical plan: each column of each node as a [`Value`].

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion_common::{
    Column, DFSchema, Result, ScalarValue, plan_err,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Case, Expr, ExprSchemable, LogicalPlan,
    expr::{HigherOrderFunction, ScalarFunction},
    logical_plan::Unnest,
};

use super::{
    ColumnLineage, Transformation,
    value::{Sources, Value},
};
use crate::transform::{Functions, MetadataColumn, error::shorten};

/// Functions that give elements of their first argument, a list, as they are.
const PICK: [&str; 11] = [
    "array_any_value",
    "array_compact",
    "array_distinct",
    "array_element",
    "array_pop_back",
    "array_pop_front",
    "array_resize",
    "array_reverse",
    "array_slice",
    "flatten",
    "array_remove",
];

/// Functions that make one value of all elements of their first argument, a list.
const REDUCE: [&str; 13] = [
    "array_avg",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_length",
    "array_max",
    "array_min",
    "array_position",
    "array_product",
    "array_sum",
    "array_to_string",
    "cardinality",
    "empty",
];

/// Functions that make one number of two lists.
const REDUCE_BOTH: [&str; 3] = ["array_distance", "cosine_distance", "inner_product"];

const GET_FIELD: &str = "get_field";

/// How the planner begins the name of a column that an UNNEST gives.
const UNNESTED: &str = "__unnest_placeholder(";

/// Reads the lineage of a plan as it was written, before it is optimised.
///
/// # Errors
///
/// A node that no stage can run.
pub(in crate::transform) fn trace(
    plan: &LogicalPlan,
    functions: &Functions,
) -> Result<ColumnLineage> {
    let mut tracer = Tracer { functions, dataset: Sources::default() };
    let values = tracer.node(plan)?;
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    let sources = values.into_iter().map(|value| value.into_sources().into_list());
    Ok(ColumnLineage { fields: names.zip(sources).collect(), dataset: tracer.dataset.into_list() })
}

struct Tracer<'a> {
    functions: &'a Functions,
    dataset: Sources,
}

/// What the names in an expression stand for.
struct Scope<'a> {
    schema: &'a DFSchema,
    columns: &'a [Value],
    lambda: HashMap<String, Value>,
}

impl Tracer<'_> {
    fn node(&mut self, plan: &LogicalPlan) -> Result<Vec<Value>> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let fields = scan.projected_schema.fields().iter();
                Ok(fields.map(|field| column(field.name())).collect())
            }
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Projection(projection) => {
                let columns = self.node(&projection.input)?;
                let scope = Scope::new(projection.input.schema(), &columns);
                projection.expr.iter().map(|expr| self.described(expr, &scope)).collect()
            }
            LogicalPlan::Filter(filter) => {
                let columns = self.node(&filter.input)?;
                let scope = Scope::new(filter.input.schema(), &columns);
                let predicate = self.value(&filter.predicate, &scope)?;
                let sources = predicate.into_condition(Transformation::Filter);
                self.dataset.extend(sources.described(&describe(&filter.predicate)));
                Ok(columns)
            }
            LogicalPlan::Unnest(unnest) => {
                let columns = self.node(&unnest.input)?;
                // The length of a list decides how many rows there are.
                for (list, _) in &unnest.list_type_columns {
                    let sources = columns[*list].clone().into_condition(Transformation::Filter);
                    self.dataset.extend(sources.without_order().described("unnest"));
                }
                Ok(unnested(unnest, &columns))
            }
            other => plan_err!("no column lineage through {}", other.display()),
        }
    }

    fn described(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value> {
        let value = self.value(expr, scope)?;
        Ok(match expr.clone().unalias_nested().data {
            Expr::Column(_) => value,
            // What is a field of a struct was described with the struct, if that was made.
            Expr::ScalarFunction(access) if is_struct_access(&access, scope) => {
                value.described_once(&describe(&Expr::ScalarFunction(access)))
            }
            computed => value.described(&describe(&computed)),
        })
    }

    fn value(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Column(column) => scope.columns[scope.schema.index_of_column(column)?].clone(),
            Expr::LambdaVariable(variable) => {
                scope.lambda.get(&variable.name).cloned().unwrap_or_else(Value::none)
            }
            Expr::Alias(alias) => self.value(&alias.expr, scope)?,
            Expr::Literal(..) => Value::none(),
            Expr::Case(case) => self.case(case, scope)?,
            Expr::ScalarFunction(function) => self.function(function, scope)?,
            Expr::HigherOrderFunction(function) => self.higher_order(function, scope)?,
            other => {
                let mut parts = Vec::new();
                other.apply_children(|part| {
                    parts.push(self.value(part, scope)?);
                    Ok(TreeNodeRecursion::Continue)
                })?;
                Value::computed(parts)
            }
        })
    }

    fn values(&self, exprs: &[Expr], scope: &Scope<'_>) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.value(expr, scope)).collect()
    }

    fn case(&self, case: &Case, scope: &Scope<'_>) -> Result<Value> {
        let mut results = Vec::new();
        let mut conditions = Vec::new();
        if let Some(expr) = &case.expr {
            conditions.push(self.value(expr, scope)?);
        }
        for (when, then) in &case.when_then_expr {
            conditions.push(self.value(when, scope)?);
            results.push(self.value(then, scope)?);
        }
        if let Some(expr) = &case.else_expr {
            results.push(self.value(expr, scope)?);
        }
        Ok(chosen(results, conditions))
    }

    fn function(&self, function: &ScalarFunction, scope: &Scope<'_>) -> Result<Value> {
        let name = function.func.name();
        let mut arguments = self.values(&function.args, scope)?;
        match name {
            GET_FIELD if is_struct_access(function, scope) => {
                let mut names = function.args.iter().skip(1);
                let base = arguments.swap_remove(0);
                Ok(names
                    .try_fold(base, |value, name| text(name).map(|name| value.field(name)))
                    .unwrap_or_else(Value::none))
            }
            "named_struct" => {
                let names = function.args.iter().step_by(2).map(|name| text(name).unwrap_or(""));
                let values = arguments.into_iter().skip(1).step_by(2);
                Ok(Value::structure(names.map(str::to_owned).zip(values).collect()))
            }
            "struct" => {
                let fields = arguments.into_iter().enumerate();
                Ok(Value::structure(fields.map(|(i, value)| (format!("c{i}"), value)).collect()))
            }
            name if PICK.contains(&name) => {
                let others = Value::computed(arguments.split_off(1));
                let list = arguments.swap_remove(0);
                Ok(list.picked().decided_by(others, Transformation::Conditional))
            }
            "array_sort" => {
                let order = Value::computed(arguments.clone());
                Ok(arguments.swap_remove(0).picked().decided_by(order, Transformation::Sort))
            }
            // As the CASE that each of them is short for.
            "coalesce" | "nvl" => {
                let tested = arguments.len().saturating_sub(1);
                let conditions = arguments[..tested].to_vec();
                Ok(chosen(arguments, conditions))
            }
            "nvl2" => {
                let results = arguments.split_off(1);
                Ok(chosen(results, arguments))
            }
            "nullif" => {
                let conditions = arguments.clone();
                arguments.truncate(1);
                Ok(chosen(arguments, conditions))
            }
            "greatest" | "least" => {
                let conditions = arguments.clone();
                Ok(chosen(arguments, conditions))
            }
            name if self.functions.masks(name) => Ok(Value::computed(arguments).masked()),
            name if REDUCE.contains(&name) => {
                let others = Value::computed(arguments.split_off(1));
                Ok(Value::computed([arguments.swap_remove(0).aggregated(), others]))
            }
            name if REDUCE_BOTH.contains(&name) => {
                Ok(Value::computed(arguments.into_iter().map(Value::aggregated)))
            }
            _ => Ok(Value::computed(arguments)),
        }
    }

    /// A function over a list with a lambda: its parameter stands for the element.
    fn higher_order(&self, function: &HigherOrderFunction, scope: &Scope<'_>) -> Result<Value> {
        let reduces = function.func.name() == "array_any_match";
        let mut lists = Vec::new();
        let mut bodies = Vec::new();
        for argument in &function.args {
            if let Expr::Lambda(lambda) = argument {
                let mut known = scope.lambda.clone();
                for (index, parameter) in lambda.params.iter().enumerate() {
                    // A parameter without a list is the element's place in it.
                    let element = lists.get(index).cloned().unwrap_or_else(Value::none);
                    known.insert(parameter.clone(), element);
                }
                let inner = Scope { schema: scope.schema, columns: scope.columns, lambda: known };
                bodies.push(self.value(&lambda.body, &inner)?);
            } else {
                let list = self.value(argument, scope)?;
                lists.push(if reduces { list.aggregated() } else { list });
            }
        }
        let reads_elements = bodies.iter().any(Value::has_direct);
        Ok(match function.func.name() {
            "array_transform" if reads_elements && bodies.len() == 1 => {
                bodies.swap_remove(0).picked()
            }
            "array_filter" | "array_first" if !lists.is_empty() => {
                let list = lists.swap_remove(0);
                list.picked().decided_by(Value::computed(bodies), Transformation::Filter)
            }
            _ if reads_elements => Value::computed(bodies),
            _ => Value::computed(lists.into_iter().chain(bodies)),
        })
    }
}

impl<'a> Scope<'a> {
    fn new(schema: &'a DFSchema, columns: &'a [Value]) -> Self {
        Self { schema, columns, lambda: HashMap::new() }
    }
}

/// One of the results, by the conditions.
fn chosen(results: Vec<Value>, conditions: Vec<Value>) -> Value {
    let condition = Value::computed(conditions);
    Value::computed(results).decided_by(condition, Transformation::Conditional)
}

fn column(name: &str) -> Value {
    match MetadataColumn::from_name(name) {
        Some(_) => Value::none(),
        None => Value::input(name),
    }
}

fn unnested(unnest: &Unnest, columns: &[Value]) -> Vec<Value> {
    let column = |&from: &usize| {
        let is_list = unnest.list_type_columns.iter().any(|(list, _)| *list == from);
        let value = columns[from].clone();
        if is_list { value.picked().described_once("unnest") } else { value }
    };
    unnest.dependency_indices.iter().map(column).collect()
}

/// Whether a function takes fields of a struct by their names, not by the keys of a map.
fn is_struct_access(function: &ScalarFunction, scope: &Scope<'_>) -> bool {
    let is_map = function
        .args
        .first()
        .and_then(|base| base.get_type(scope.schema).ok())
        .is_some_and(|data_type| matches!(data_type, DataType::Map(..)));
    function.func.name() == GET_FIELD
        && !is_map
        && function.args.iter().skip(1).all(|name| text(name).is_some())
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::Utf8View(Some(text))
            | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text),
        _ => None,
    }
}

/// The expression as text, with `?` for its literals: they may be secrets.
fn describe(expr: &Expr) -> String {
    let readable = expr.clone().transform_down(|part| Ok(Transformed::yes(readable(part))));
    readable.map(|expr| shorten(&expr.data.human_display().to_string())).unwrap_or_default()
}

/// One part of an expression as a person would write it.
fn readable(part: Expr) -> Expr {
    let written = |text: String| Expr::Column(Column::new_unqualified(text));
    match part {
        Expr::Literal(..) => written("?".to_owned()),
        Expr::Alias(alias) => readable(*alias.expr),
        // The planner's name for it holds the literals.
        Expr::Column(column) if column.name.starts_with(UNNESTED) => written("unnest".to_owned()),
        Expr::Column(column) => written(column.name),
        Expr::Cast(cast) => {
            written(format!("CAST({} AS {})", describe(&cast.expr), cast.field.data_type()))
        }
        Expr::TryCast(cast) => {
            written(format!("TRY_CAST({} AS {})", describe(&cast.expr), cast.field.data_type()))
        }
        Expr::ScalarFunction(access) if access.func.name() == GET_FIELD => {
            let names = access.args.iter().skip(1);
            let names =
                names.map(|name| text(name).map_or("[?]".to_owned(), |name| format!("['{name}']")));
            written(
                access.args.first().map(describe).unwrap_or_default() + &names.collect::<String>(),
            )
        }
        other => other,
    }
}
