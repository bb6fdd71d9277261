//! Makes the operands of an expression fit each other before DataFusion's coercion does.
//!
//! DataFusion makes a string or a date beside an instant nanoseconds, which end
//! in 2262; here it becomes what the instant is. Intervals that are compared are
//! compared by their length, and where that cannot be done the SELECT is refused.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::{
    DFSchema, Result, ScalarValue, plan_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Between, BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast,
    expr::{InList, ScalarFunction},
    expr_rewriter::NamePreserver,
    utils::merge_schema,
};

use super::{
    instant::{UTC, UTC_OF_NANOS, instant, is_date, is_text},
    span::{INTERVAL, comparable, holds_intervals, interval, is_span},
    unix,
};

/// Functions whose result is one of their arguments.
const CHOOSING: [&str; 7] =
    ["coalesce", "greatest", "ifnull", "least", "make_array", "nullif", "nvl"];

/// Functions of lists that compare elements, or put them beside others.
const COMPARING: [&str; 19] = [
    "array_append",
    "array_compact",
    "array_concat",
    "array_distinct",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_max",
    "array_min",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_replace",
    "array_sort",
    "array_union",
    "map_extract",
];

/// Rewrites every expression of the plan.
///
/// # Errors
///
/// A comparison of intervals that cannot be made right.
pub(in crate::transform::sql) fn keep_times(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|part| rewrite(part, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    })?;
    rewritten.data.recompute_schema()
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let operands = Operands { schema };
    Ok(match expr {
        Expr::BinaryExpr(binary) => operands.binary(binary)?,
        Expr::Between(Between { expr, negated, low, high }) => {
            match operands.compared(vec![*expr, *low, *high])? {
                Fitted(mut list, changed) => {
                    let (high, low, expr) = (list.remove(2), list.remove(1), list.remove(0));
                    let between =
                        Between::new(Box::new(expr), negated, Box::new(low), Box::new(high));
                    transformed(Expr::Between(between), changed)
                }
            }
        }
        Expr::InList(InList { expr, list, negated }) => {
            let all = std::iter::once(*expr).chain(list).collect();
            let Fitted(mut list, changed) = operands.compared(all)?;
            let expr = Box::new(list.remove(0));
            transformed(Expr::InList(InList::new(expr, list, negated)), changed)
        }
        Expr::Case(case) => operands.case(case)?,
        Expr::Cast(cast) => operands.cast(cast),
        Expr::TryCast(TryCast { expr, field }) => {
            let target = operands.cast_target(&expr, field.data_type());
            match target {
                Some(target) => Transformed::yes(Expr::TryCast(TryCast::new(expr, target))),
                None => Transformed::no(Expr::TryCast(TryCast { expr, field })),
            }
        }
        Expr::ScalarFunction(function) => operands.function(function)?,
        other => Transformed::no(other),
    })
}

/// Expressions that fit each other, and whether one of them had to be changed.
struct Fitted(Vec<Expr>, bool);

fn transformed(expr: Expr, changed: bool) -> Transformed<Expr> {
    if changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

fn cast_to(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), data_type))
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

fn is_nanos(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Nanosecond, _))
}

/// Works on expressions over the columns of a schema.
struct Operands<'a> {
    schema: &'a DFSchema,
}

impl Operands<'_> {
    /// The type, or null where the planner will say what is wrong.
    fn type_of(&self, expr: &Expr) -> DataType {
        expr.get_type(self.schema).unwrap_or(DataType::Null)
    }

    fn types_of(&self, list: &[Expr]) -> Vec<DataType> {
        list.iter().map(|expr| self.type_of(expr)).collect()
    }

    fn binary(&self, binary: BinaryExpr) -> Result<Transformed<Expr>> {
        let BinaryExpr { left, op, right } = binary;
        let Fitted(mut list, changed) = if is_comparison(op) {
            self.compared(vec![*left, *right])?
        } else if op.is_numerical_operators() {
            self.calculated(op, *left, *right)
        } else {
            Fitted(vec![*left, *right], false)
        };
        let (right, left) = (list.remove(1), list.remove(0));
        let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
        Ok(transformed(expr, changed))
    }

    /// Operands that are compared with each other.
    fn compared(&self, list: Vec<Expr>) -> Result<Fitted> {
        let types = self.types_of(&list);
        if types.iter().any(|kind| !is_span(kind) && holds_intervals(kind)) {
            return plan_err!(
                "intervals inside of a list or a struct cannot be compared: compare numbers, such \
                 as CAST(b - a AS BIGINT), the microseconds between two timestamps"
            );
        }
        if types.iter().any(is_span) {
            let spans = |kind: &DataType| is_span(kind) || is_text(kind) || kind.is_null();
            if !types.iter().all(spans) {
                return Ok(Fitted(list, false));
            }
            let compared = list.into_iter().zip(&types).map(|(expr, kind)| {
                comparable(if is_span(kind) { expr } else { cast_to(expr, INTERVAL) })
            });
            return Ok(Fitted(compared.collect(), true));
        }
        let Fitted(list, changed) = Self::instants(list, &types);
        let types = self.types_of(&list);
        let is_instant = |kind: &DataType| matches!(kind, DataType::Timestamp(..));
        let mixed = types.iter().any(is_nanos)
            && types.iter().any(|kind| is_instant(kind) && !is_nanos(kind));
        if mixed && types.iter().all(|kind| is_instant(kind) || kind.is_null()) {
            return Ok(Fitted(list.into_iter().map(comparable).collect(), true));
        }
        Ok(Fitted(list, changed))
    }

    /// Makes strings and dates beside an instant what it is.
    fn instants(list: Vec<Expr>, types: &[DataType]) -> Fitted {
        let first = types.iter().find_map(|kind| match kind {
            DataType::Timestamp(unit, zone) => Some((*unit, zone.clone())),
            _ => None,
        });
        let Some((unit, zone)) = first else { return Fitted(list, false) };
        let mut changed = false;
        let fitted = list.into_iter().zip(types).map(|(expr, kind)| {
            // A literal has the digits that are written, also TIMESTAMP '…'.
            if unit == TimeUnit::Nanosecond
                && let Some(literal) = nanos_literal(&expr)
            {
                changed = true;
                return cast_to(literal, DataType::Timestamp(unit, zone.clone()));
            }
            if !is_text(kind) && !is_date(kind) {
                return expr;
            }
            changed = true;
            let target = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            if is_text(kind) && target == instant() {
                unix::from_text(expr)
            } else {
                cast_to(expr, target)
            }
        });
        let fitted = fitted.collect();
        Fitted(fitted, changed)
    }

    /// Values of which one becomes the result.
    fn chosen(&self, list: Vec<Expr>) -> Fitted {
        let types = self.types_of(&list);
        let durations = types.iter().any(|kind| matches!(kind, DataType::Duration(_)));
        let intervals = types.iter().any(|kind| matches!(kind, DataType::Interval(_)));
        if durations && intervals {
            let spans = list.into_iter().zip(&types);
            return Fitted(spans.map(|(expr, kind)| as_interval(expr, kind)).collect(), true);
        }
        Self::instants(list, &types)
    }

    fn case(&self, case: Case) -> Result<Transformed<Expr>> {
        let Case { expr, when_then_expr, else_expr } = case;
        let mut changed = false;
        let mut note = |Fitted(list, differs): Fitted| {
            changed |= differs;
            list
        };
        let (when, mut then): (Vec<_>, Vec<_>) =
            when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
        let (expr, when) = match expr {
            None => (None, when),
            Some(expr) => {
                let all = std::iter::once(*expr).chain(when).collect();
                let mut fitted = note(self.compared(all)?);
                let expr = Box::new(fitted.remove(0));
                (Some(expr), fitted)
            }
        };
        let otherwise = else_expr.is_some();
        then.extend(else_expr.map(|expr| *expr));
        let mut then = note(self.chosen(then));
        let else_expr = if otherwise { then.pop().map(Box::new) } else { None };
        let when = when.into_iter().map(Box::new);
        let when_then_expr = when.zip(then.into_iter().map(Box::new)).collect();
        Ok(transformed(Expr::Case(Case { expr, when_then_expr, else_expr }), changed))
    }

    /// Operands of `+`, `-`, `*` and `/`.
    fn calculated(&self, op: Operator, left: Expr, right: Expr) -> Fitted {
        let types = (self.type_of(&left), self.type_of(&right));
        match (&types.0, op, &types.1) {
            (kind, Operator::Plus | Operator::Minus, span)
                if is_date(kind) && is_interval(span) =>
            {
                if is_of_days(&right) {
                    return Fitted(vec![left, right], false);
                }
                Fitted(vec![cast_to(left, instant()), right], true)
            }
            (span, Operator::Plus, kind) if is_date(kind) && is_interval(span) => {
                if is_of_days(&left) {
                    return Fitted(vec![left, right], false);
                }
                Fitted(vec![left, cast_to(right, instant())], true)
            }
            (kind, Operator::Plus, DataType::Time64(_)) if is_date(kind) => {
                Fitted(vec![cast_to(left, instant()), since_midnight(right)], true)
            }
            (DataType::Time64(_), Operator::Plus, kind) if is_date(kind) => {
                Fitted(vec![since_midnight(left), cast_to(right, instant())], true)
            }
            (DataType::Timestamp(..), Operator::Minus, kind)
            | (kind, Operator::Minus, DataType::Timestamp(..))
                if is_date(kind) =>
            {
                Self::instants(vec![left, right], &[types.0.clone(), types.1.clone()])
            }
            (DataType::Duration(_), Operator::Plus | Operator::Minus, DataType::Interval(_))
            | (DataType::Interval(_), Operator::Plus | Operator::Minus, DataType::Duration(_)) => {
                Fitted(vec![as_interval(left, &types.0), as_interval(right, &types.1)], true)
            }
            _ => Fitted(vec![left, right], false),
        }
    }

    fn cast(&self, cast: Cast) -> Transformed<Expr> {
        let target = cast.field.data_type();
        let kind = self.type_of(&cast.expr);
        if *target == instant() && is_text(&kind) {
            return Transformed::yes(unix::from_text(*cast.expr));
        }
        if matches!(target, DataType::Timestamp(TimeUnit::Microsecond, _)) && is_nanos(&kind) {
            let rounded = unix::rounded(*cast.expr);
            return Transformed::yes(cast_to(rounded, cast.field.data_type().clone()));
        }
        match self.cast_target(&cast.expr, cast.field.data_type()) {
            Some(target) => Transformed::yes(Expr::Cast(Cast::new(cast.expr, target))),
            None => Transformed::no(Expr::Cast(cast)),
        }
    }

    /// AT TIME ZONE is planned as a cast to nanoseconds in that zone: what has
    /// none stays in microseconds. TIMESTAMP(9) gets the zone that topics have.
    fn cast_target(&self, expr: &Expr, target: &DataType) -> Option<DataType> {
        match target {
            DataType::Timestamp(TimeUnit::Nanosecond, Some(zone))
                if zone.as_ref() == UTC_OF_NANOS =>
            {
                Some(DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, Some(zone))
                if !is_nanos(&self.type_of(expr)) =>
            {
                Some(DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone())))
            }
            _ => None,
        }
    }

    fn function(&self, function: ScalarFunction) -> Result<Transformed<Expr>> {
        let ScalarFunction { func, args } = function;
        let name = func.name();
        let types = self.types_of(&args);
        if COMPARING.contains(&name) && types.iter().any(holds_intervals) {
            return plan_err!(
                "{name} cannot compare intervals: make them numbers, such as CAST(b - a AS \
                 BIGINT), the microseconds between two timestamps"
            );
        }
        if name == "to_time" {
            // Theirs has nanoseconds whatever is in the text.
            let time = Expr::ScalarFunction(ScalarFunction { func, args });
            return Ok(Transformed::yes(cast_to(time, DataType::Time64(TimeUnit::Microsecond))));
        }
        if types.iter().any(is_span) && matches!(name, "greatest" | "least" | "nullif") {
            return self.of_spans(name, args);
        }
        let Fitted(args, changed) = if CHOOSING.contains(&name) {
            self.chosen(args)
        } else if name == "nvl2" && args.len() == 3 {
            let mut args = args;
            let chosen = args.split_off(1);
            let Fitted(chosen, changed) = self.chosen(chosen);
            args.extend(chosen);
            Fitted(args, changed)
        } else if COMPARING.contains(&name) {
            Self::elements(args, &types)
        } else {
            Fitted(args, false)
        };
        Ok(transformed(Expr::ScalarFunction(ScalarFunction { func, args }), changed))
    }

    /// Makes dates beside a list of instants what its elements are.
    fn elements(args: Vec<Expr>, types: &[DataType]) -> Fitted {
        let element = types.iter().find_map(|kind| match kind {
            DataType::List(item) if matches!(item.data_type(), DataType::Timestamp(..)) => {
                Some(item.data_type().clone())
            }
            _ => None,
        });
        let Some(element) = element else { return Fitted(args, false) };
        let mut changed = false;
        let args = args.into_iter().zip(types).map(|(expr, kind)| {
            changed |= is_date(kind);
            if is_date(kind) { cast_to(expr, element.clone()) } else { expr }
        });
        let args = args.collect();
        Fitted(args, changed)
    }

    /// `greatest`, `least` and `nullif` by the length of intervals.
    fn of_spans(&self, name: &str, args: Vec<Expr>) -> Result<Transformed<Expr>> {
        let types = self.types_of(&args);
        if !types.iter().all(|kind| is_span(kind) || kind.is_null()) {
            return plan_err!("{name} takes intervals only, or none");
        }
        let mut args = args.into_iter().zip(&types);
        let Some((first, kind)) = args.next() else { return plan_err!("{name} takes arguments") };
        let as_chosen = |expr, kind: &DataType| {
            if name == "nullif" { expr } else { as_interval(expr, kind) }
        };
        let chosen = args.fold(as_chosen(first, kind), |so_far, (next, kind)| {
            let (left, right) = (comparable(so_far.clone()), comparable(next.clone()));
            let keeps = match name {
                "nullif" => {
                    return case(left.eq(right), Expr::Literal(ScalarValue::Null, None), so_far);
                }
                "greatest" => next.clone().is_null().or(left.gt_eq(right)),
                _ => next.clone().is_null().or(left.lt_eq(right)),
            };
            case(keeps, so_far, as_chosen(next, kind))
        });
        Ok(Transformed::yes(chosen))
    }
}

fn case(when: Expr, then: Expr, otherwise: Expr) -> Expr {
    let when_then_expr = vec![(Box::new(when), Box::new(then))];
    Expr::Case(Case { expr: None, when_then_expr, else_expr: Some(Box::new(otherwise)) })
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// A difference as an interval of days and the time beside them, which every
/// difference of two timestamps fits in.
fn as_interval(expr: Expr, kind: &DataType) -> Expr {
    if matches!(kind, DataType::Duration(_)) { interval(expr) } else { expr }
}

/// A time of day as what has passed since midnight.
fn since_midnight(time: Expr) -> Expr {
    let micros = cast_to(time, DataType::Time64(TimeUnit::Microsecond));
    cast_to(cast_to(micros, DataType::Int64), DataType::Duration(TimeUnit::Microsecond))
}

/// Whether an interval is a literal of whole days: a date plus it is a date.
fn is_of_days(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => value.nanoseconds == 0,
        Expr::Literal(ScalarValue::IntervalDayTime(Some(value)), _) => value.milliseconds == 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => true,
        Expr::Negative(expr) => is_of_days(expr),
        _ => false,
    }
}

/// The text of a literal beside nanoseconds, if it lies in the years that they have.
fn nanos_literal(expr: &Expr) -> Option<Expr> {
    let literal = match expr {
        Expr::ScalarFunction(function) => unix::text_of(function)?,
        other => other,
    };
    let Expr::Literal(value, _) = literal else { return None };
    let fits = |value: &ScalarValue| {
        value.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into()))).is_ok()
    };
    (is_text(&value.data_type()) && fits(value)).then(|| literal.clone())
}
