//! The type of fractional literals: decimal beside a decimal, double beside a double.
//!
//! The planner makes a decimal of each, of the digits that are written. Here it is settled what
//! it becomes: a decimal where a decimal is beside it, at any depth and through subqueries; else
//! the nearest double, so that `SELECT 0.5 AS x` and `qty * 1.19` are doubles.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion_common::{
    DFSchema, Result, ScalarValue, plan_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Between, BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, Operator,
    expr::{Alias, HigherOrderFunction, InList, ScalarFunction},
    expr_rewriter::NamePreserver,
    utils::merge_schema,
};

use super::{
    constant::Constant,
    kind::{HOLDING, Kind, UNITING, doubled, kind_of},
    lists::united,
};

/// How values meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    Arithmetic,
    Comparison,
    /// One of them is the result.
    Union,
}

/// Settles the types of all fractional literals of a plan.
pub(super) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(node(plan, true)?.0)
}

/// The plan, and which of its columns are free. The columns of the `output` are not.
fn node(plan: LogicalPlan, output: bool) -> Result<(LogicalPlan, BTreeSet<usize>)> {
    let mut free = BTreeSet::new();
    let plan = plan
        .map_children(|child| {
            let (child, columns) = node(child, false)?;
            free = columns;
            Ok(Transformed::yes(child))
        })?
        .data;
    let free = match &plan {
        LogicalPlan::Unnest(unnest) => {
            let from = unnest.dependency_indices.iter().enumerate();
            from.filter(|(_, from)| free.contains(from)).map(|(to, _)| to).collect()
        }
        _ => free,
    };
    let schema = merge_schema(&plan.inputs());
    let scope = Scope { schema: &schema, free: &free };
    let names = NamePreserver::new(&plan);
    let projects = matches!(plan, LogicalPlan::Projection(_));
    let (mut index, mut given) = (0, BTreeSet::new());
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let (mut expr, kind) = scope.settle(expr)?;
        if projects && output {
            expr = scope.outermost(expr, kind)?;
        } else if projects && matches!(kind, Kind::Free | Kind::Ratio) {
            given.insert(index);
        }
        index += 1;
        Ok(Transformed::yes(name.restore(expr)))
    })?;
    let plan = plan.data.recompute_schema()?;
    Ok((plan, if projects { given } else { free }))
}

struct Scope<'a> {
    schema: &'a DFSchema,
    /// The columns of the schema that come from literals only.
    free: &'a BTreeSet<usize>,
}

impl Scope<'_> {
    fn settle(&self, expr: Expr) -> Result<(Expr, Kind)> {
        Ok(match expr {
            Expr::Alias(alias) => {
                let (inner, kind) = self.settle(*alias.expr)?;
                (Expr::Alias(Alias { expr: Box::new(inner), ..alias }), kind)
            }
            Expr::Column(column) => {
                let index = self.schema.index_of_column(&column)?;
                let kind = if self.free.contains(&index) {
                    Kind::Free
                } else {
                    kind_of(self.schema.field(index).data_type())
                };
                (Expr::Column(column), kind)
            }
            Expr::Literal(value, metadata) => {
                let kind = match value.data_type() {
                    kind if kind.is_decimal() => Kind::Free,
                    other => kind_of(&other),
                };
                (Expr::Literal(value, metadata), kind)
            }
            Expr::Cast(cast) => self.cast(cast)?,
            Expr::Negative(number) => {
                let (number, kind) = self.settle(*number)?;
                let negated =
                    literal(&number).and_then(Constant::negated).and_then(Constant::literal);
                match negated {
                    Some(value) if kind == Kind::Free => (Expr::Literal(value, None), kind),
                    _ => (Expr::Negative(Box::new(number)), kind),
                }
            }
            Expr::BinaryExpr(binary) => self.binary(binary)?,
            Expr::Between(Between { expr, negated, low, high }) => {
                let parts = self.each([*expr, *low, *high])?;
                let (parts, _) = self.meet(parts, Meeting::Comparison)?;
                let mut parts = parts.into_iter().map(Box::new);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(expr), Some(low), Some(high)) => {
                        (Expr::Between(Between { expr, negated, low, high }), Kind::Foreign)
                    }
                    _ => unreachable_parts()?,
                }
            }
            Expr::InList(InList { expr, list, negated }) => {
                let parts = self.each(std::iter::once(*expr).chain(list))?;
                let (mut list, _) = self.meet(parts, Meeting::Comparison)?;
                let expr = Box::new(list.remove(0));
                (Expr::InList(InList { expr, list, negated }), Kind::Foreign)
            }
            Expr::Case(case) => self.case(case)?,
            Expr::ScalarFunction(function) => self.function(function)?,
            Expr::HigherOrderFunction(function) => self.higher_order(function)?,
            Expr::LambdaVariable(_) => self.by_type(expr),
            other => {
                let other = other.map_children(|part| {
                    let (part, _) = self.settle(part)?;
                    Ok(Transformed::yes(part))
                })?;
                self.by_type(other.data)
            }
        })
    }

    fn by_type(&self, expr: Expr) -> (Expr, Kind) {
        let kind = expr.get_type(self.schema).map_or(Kind::Foreign, |kind| kind_of(&kind));
        (expr, kind)
    }

    fn each(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<Vec<(Expr, Kind)>> {
        exprs.into_iter().map(|expr| self.settle(expr)).collect()
    }

    /// What is cast keeps the digits that are written.
    fn cast(&self, cast: Cast) -> Result<(Expr, Kind)> {
        if let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = cast.expr.as_ref()
            && *cast.field.data_type() == DataType::Float64
            && let Ok(number) = text.trim().parse::<f64>()
        {
            // A literal that no decimal holds is planned as this.
            return Ok((Expr::Literal(ScalarValue::Float64(Some(number)), None), Kind::Double));
        }
        let (inner, kind) = self.settle(*cast.expr)?;
        let inner = match kind_of(cast.field.data_type()) {
            Kind::Double if matches!(kind, Kind::Free | Kind::Ratio) => self.as_double(inner)?,
            _ => inner,
        };
        Ok(self.by_type(Expr::Cast(Cast { expr: Box::new(inner), ..cast })))
    }

    fn binary(&self, binary: BinaryExpr) -> Result<(Expr, Kind)> {
        let BinaryExpr { left, op, right } = binary;
        let parts = self.each([*left, *right])?;
        let meeting = match op {
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => Meeting::Arithmetic,
            op if op.supports_propagation() => Meeting::Comparison,
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => Meeting::Comparison,
            _ => {
                let mut parts = parts.into_iter().map(|(part, _)| Box::new(part));
                return match (parts.next(), parts.next()) {
                    (Some(left), Some(right)) => {
                        Ok(self.by_type(Expr::BinaryExpr(BinaryExpr { left, op, right })))
                    }
                    _ => unreachable_parts(),
                };
            }
        };
        let (parts, mut kind) = self.meet(parts, meeting)?;
        if kind == Kind::Free
            && meeting == Meeting::Arithmetic
            && let [left, right] = parts.as_slice()
        {
            if let Some(value) = computed(left, op, right) {
                return Ok((Expr::Literal(value, None), Kind::Free));
            }
            if op == Operator::Divide {
                kind = Kind::Ratio;
            }
        }
        let mut parts = parts.into_iter().map(Box::new);
        match (parts.next(), parts.next()) {
            (Some(left), Some(right)) => {
                let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
                match (meeting, kind) {
                    (
                        Meeting::Arithmetic,
                        Kind::Free | Kind::Ratio | Kind::Exact | Kind::Double,
                    ) => Ok((expr, kind)),
                    (Meeting::Arithmetic, _) => Ok(self.by_type(expr)),
                    _ => Ok((expr, Kind::Foreign)),
                }
            }
            _ => unreachable_parts(),
        }
    }

    fn case(&self, case: Case) -> Result<(Expr, Kind)> {
        let (whens, thens): (Vec<Expr>, Vec<Expr>) =
            case.when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
        let has_operand = case.expr.is_some();
        let conditions = self.each(case.expr.map(|operand| *operand).into_iter().chain(whens))?;
        let decimal = conditions.iter().any(|(_, kind)| *kind == Kind::Exact);
        let mut conditions = if has_operand {
            self.meet(conditions, Meeting::Comparison)?.0.into_iter()
        } else {
            conditions.into_iter().map(|(when, _)| when).collect::<Vec<_>>().into_iter()
        };
        let expr = has_operand.then(|| conditions.next()).flatten();
        let (expr, conditions): (_, Vec<_>) = match expr {
            // Comparisons by themselves can be of more digits than one type has.
            Some(operand) if decimal => {
                (None, conditions.map(|when| operand.clone().eq(when)).collect())
            }
            operand => (operand.map(Box::new), conditions.collect()),
        };
        let count = thens.len();
        let results = thens.into_iter().chain(case.else_expr.map(|otherwise| *otherwise));
        let (results, kind) = self.meet(self.each(results)?, Meeting::Union)?;
        let mut results = self.of_one_type(results, kind)?;
        let else_expr = results.split_off(count).pop().map(Box::new);
        let when_then_expr = conditions
            .into_iter()
            .zip(results)
            .map(|(when, then)| (Box::new(when), Box::new(then)))
            .collect();
        Ok((Expr::Case(Case { expr, when_then_expr, else_expr }), kind))
    }

    /// DataFusion takes the type of a CASE from its first result until types are made to fit.
    fn of_one_type(&self, results: Vec<Expr>, kind: Kind) -> Result<Vec<Expr>> {
        if !matches!(kind, Kind::Exact | Kind::Double) {
            return Ok(results);
        }
        let types = results.iter().map(|result| result.get_type(self.schema));
        let types = types.collect::<Result<Vec<_>>>()?;
        let Some(one) = united(&types) else {
            return Ok(results);
        };
        let cast = |(result, kind): (Expr, DataType)| {
            if kind == one || kind.is_null() { result } else { cast_to(result, one.clone()) }
        };
        Ok(results.into_iter().zip(types).map(cast).collect())
    }

    fn function(&self, function: ScalarFunction) -> Result<(Expr, Kind)> {
        let ScalarFunction { func, args } = function;
        let args = self.each(args)?;
        let name = func.name();
        match name {
            // DataFusion's take no decimals.
            "nvl" => {
                let func = datafusion_functions::core::coalesce();
                return self.united(ScalarFunction { func, args: Vec::new() }, args);
            }
            "nvl2" if args.len() == 3 => return self.nvl2(args),
            "nullif" if args.iter().any(|(_, kind)| *kind == Kind::Exact) => {
                return self.nullif(args);
            }
            name if UNITING.contains(&name) => {
                return self.united(ScalarFunction { func, args: Vec::new() }, args);
            }
            _ => {}
        }
        // A rate in a struct or a map may meet a decimal when it is taken out.
        let exact = HOLDING.contains(&name) || args.iter().any(|(_, kind)| *kind == Kind::Exact);
        let args = args.into_iter().map(|(arg, kind)| match kind {
            Kind::Free | Kind::Ratio if !exact => self.as_double(arg),
            _ => Ok(arg),
        });
        let args = args.collect::<Result<_>>()?;
        Ok(self.by_type(Expr::ScalarFunction(ScalarFunction { func, args })))
    }

    fn united(&self, function: ScalarFunction, args: Vec<(Expr, Kind)>) -> Result<(Expr, Kind)> {
        let (args, kind) = self.meet(args, Meeting::Union)?;
        let (expr, by_type) =
            self.by_type(Expr::ScalarFunction(ScalarFunction { args, ..function }));
        let kind = match kind {
            Kind::Free | Kind::Ratio if by_type == Kind::Exact => kind,
            _ => by_type,
        };
        Ok((expr, kind))
    }

    fn nvl2(&self, args: Vec<(Expr, Kind)>) -> Result<(Expr, Kind)> {
        let mut args = args.into_iter();
        let tested = args.next().map(|(tested, _)| tested);
        let (results, kind) = self.meet(args.collect(), Meeting::Union)?;
        let mut results = self.of_one_type(results, kind)?;
        let Some(((tested, otherwise), then)) = tested.zip(results.pop()).zip(results.pop()) else {
            return unreachable_parts();
        };
        let case = Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(tested.is_not_null()), Box::new(then))],
            else_expr: Some(Box::new(otherwise)),
        });
        Ok((case, kind))
    }

    /// As the CASE that it is short for, whose comparison can be of more digits.
    fn nullif(&self, args: Vec<(Expr, Kind)>) -> Result<(Expr, Kind)> {
        let (args, kind) = self.meet(args, Meeting::Comparison)?;
        let mut args = args.into_iter();
        let (Some(value), Some(other)) = (args.next(), args.next()) else {
            return plan_err!("nullif takes two values");
        };
        let null = Expr::Literal(ScalarValue::Null, None);
        let case = Expr::Case(Case {
            expr: None,
            when_then_expr: vec![(Box::new(value.clone().eq(other)), Box::new(null))],
            else_expr: Some(Box::new(value)),
        });
        Ok(if kind == Kind::Double { (case, kind) } else { self.by_type(case) })
    }

    /// The elements of a list of literals are decimals in a lambda.
    fn higher_order(&self, function: HigherOrderFunction) -> Result<(Expr, Kind)> {
        let HigherOrderFunction { func, args } = function;
        let lists = args.into_iter().map(|arg| match arg {
            lambda @ Expr::Lambda(_) => Ok(lambda),
            list => Ok(self.settle(list)?.0),
        });
        let args = lists.collect::<Result<Vec<_>>>()?;
        // The types of the elements may have changed with those of the lists.
        let planned = Expr::HigherOrderFunction(HigherOrderFunction { func, args });
        let resolved = match planned.clone().resolve_lambda_variables(self.schema) {
            Ok(resolved) => resolved.data,
            // Within a lambda whose variable it uses: that one resolved it.
            Err(_) => planned,
        };
        let Expr::HigherOrderFunction(HigherOrderFunction { func, args }) = resolved else {
            return unreachable_parts();
        };
        let args = args.into_iter().map(|arg| match arg {
            Expr::Lambda(mut lambda) => {
                let (body, kind) = self.settle(*lambda.body)?;
                lambda.body = Box::new(match kind {
                    Kind::Free | Kind::Ratio => self.as_double(body)?,
                    _ => body,
                });
                Ok(Expr::Lambda(lambda))
            }
            list => Ok(list),
        });
        let args = args.collect::<Result<_>>()?;
        Ok(self.by_type(Expr::HigherOrderFunction(HigherOrderFunction { func, args })))
    }

    /// Gives values that meet the type of the strongest: a double takes all along, as in
    /// PostgreSQL, and a decimal the literals.
    fn meet(&self, parts: Vec<(Expr, Kind)>, meeting: Meeting) -> Result<(Vec<Expr>, Kind)> {
        let has = |kind: Kind| parts.iter().any(|(_, other)| *other == kind);
        let double = has(Kind::Double);
        let foreign = has(Kind::Foreign) && meeting != Meeting::Union && !has(Kind::Exact);
        let ratio = meeting == Meeting::Comparison && has(Kind::Ratio) && !has(Kind::Exact);
        let kind = [Kind::Exact, Kind::Ratio, Kind::Free].into_iter().find(|kind| has(*kind));
        let kind = match kind {
            _ if double => Kind::Double,
            _ if foreign => Kind::Foreign,
            Some(kind) => kind,
            None if has(Kind::Foreign) => Kind::Foreign,
            None => Kind::Whole,
        };
        let parts = parts.into_iter().map(|(part, kind)| match kind {
            Kind::Free | Kind::Ratio if double || foreign || ratio => self.as_double(part),
            // Arithmetic does so by itself.
            Kind::Exact if double && meeting != Meeting::Arithmetic => self.cast_to_double(part),
            _ => Ok(part),
        });
        Ok((parts.collect::<Result<_>>()?, kind))
    }

    /// What is still free in an output column becomes a double.
    fn outermost(&self, expr: Expr, kind: Kind) -> Result<Expr> {
        match expr {
            expr if matches!(kind, Kind::Free | Kind::Ratio) => self.as_double(expr),
            Expr::Alias(alias) => {
                let inner = self.outermost(*alias.expr, kind)?;
                Ok(Expr::Alias(Alias { expr: Box::new(inner), ..alias }))
            }
            Expr::ScalarFunction(ScalarFunction { func, args })
                if HOLDING.contains(&func.name()) =>
            {
                let args = args.into_iter().map(|arg| {
                    let (arg, kind) = self.settle(arg)?;
                    self.outermost(arg, kind)
                });
                let args = args.collect::<Result<_>>()?;
                Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            other => Ok(other),
        }
    }

    /// A free value as doubles: its literals, where it can be taken apart.
    fn as_double(&self, expr: Expr) -> Result<Expr> {
        let boxed = |expr: Box<Expr>| self.as_double(*expr).map(Box::new);
        Ok(match expr {
            Expr::Alias(alias) => Expr::Alias(Alias { expr: boxed(alias.expr.clone())?, ..alias }),
            Expr::Literal(value, metadata) if value.data_type().is_decimal() => {
                match Constant::of(&value).and_then(Constant::to_f64) {
                    Some(number) => Expr::Literal(ScalarValue::Float64(Some(number)), metadata),
                    None => self.cast_to_double(Expr::Literal(value, metadata))?,
                }
            }
            Expr::Negative(number) => Expr::Negative(boxed(number)?),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                Expr::BinaryExpr(BinaryExpr { left: boxed(left)?, op, right: boxed(right)? })
            }
            Expr::Case(mut case) => {
                for (_, then) in &mut case.when_then_expr {
                    *then = boxed(then.clone())?;
                }
                case.else_expr = case.else_expr.map(boxed).transpose()?;
                Expr::Case(case)
            }
            Expr::ScalarFunction(function) if UNITING.contains(&function.func.name()) => {
                let ScalarFunction { func, args } = function;
                let args = args.into_iter().map(|arg| self.as_double(arg));
                let args = args.collect::<Result<_>>()?;
                Expr::ScalarFunction(ScalarFunction { func, args })
            }
            other if kind_of(&other.get_type(self.schema)?) == Kind::Exact => {
                self.cast_to_double(other)?
            }
            other => other,
        })
    }

    fn cast_to_double(&self, expr: Expr) -> Result<Expr> {
        let data_type = doubled(&expr.get_type(self.schema)?);
        Ok(cast_to(expr, data_type))
    }
}

fn cast_to(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), data_type))
}

fn unreachable_parts<T>() -> Result<T> {
    datafusion_common::internal_err!("an expression lost a part")
}

fn literal(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Literal(value, _) => Constant::of(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

fn computed(left: &Expr, op: Operator, right: &Expr) -> Option<ScalarValue> {
    literal(left)?.compute(op, literal(right)?)?.literal()
}
