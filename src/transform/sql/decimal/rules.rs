//! Exact forms of what DataFusion computes inexactly with decimals.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field};
use datafusion_common::{
    DFSchema, Result, ScalarValue, plan_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    Between, BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast,
    expr::{InList, ScalarFunction},
    expr_rewriter::NamePreserver,
    type_coercion::functions::fields_with_udf,
    utils::merge_schema,
};

use super::{constant::Constant, digits, division};

/// Functions that make doubles of decimals, though their result could be exact; and what does it.
const INEXACT: [(&str, &str); 4] = [
    ("array_avg", "write array_sum(…) / cardinality(…)"),
    ("nanvl", "a decimal is never NaN; write the decimal by itself"),
    ("power", "multiply the decimal by itself, or CAST it to DOUBLE"),
    ("array_product", "CAST the elements to DOUBLE"),
];

/// Rewrites every expression of the plan.
pub(super) fn apply(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|part| Ok(Transformed::yes(exact(part, &schema)?)))?;
            Ok(Transformed::yes(name.restore(expr.data)))
        })?;
        Ok(Transformed::yes(node.data.recompute_schema()?))
    })?;
    Ok(rewritten.data)
}

fn exact(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(binary) => self::binary(binary, schema),
        Expr::Between(Between { expr, negated, low, high }) => {
            let [expr, low, high] = comparable([*expr, *low, *high], schema)?.map(Box::new);
            Ok(Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let mut parts = vec![*expr];
            parts.extend(list);
            let mut list = comparable_all(parts, schema)?;
            let expr = Box::new(list.remove(0));
            Ok(Expr::InList(InList { expr, list, negated }))
        }
        Expr::Cast(Cast { expr, field }) => {
            let to = field.data_type();
            if let Some(value) = decimal_of_text(&expr, to) {
                return Ok(Expr::Literal(value?, None));
            }
            let expr = rounded(*expr, to, schema, |expr, to| Expr::Cast(Cast::new(expr, to)));
            Ok(Expr::Cast(Cast { expr: Box::new(expr), field }))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            let to = field.data_type();
            if let Some(value) = decimal_of_text(&expr, to) {
                return Ok(Expr::Literal(value.or_else(|_| ScalarValue::try_from(to))?, None));
            }
            let expr = rounded(*expr, to, schema, |expr, to| Expr::TryCast(TryCast::new(expr, to)));
            Ok(Expr::TryCast(TryCast { expr: Box::new(expr), field }))
        }
        Expr::ScalarFunction(function) => {
            refuse_inexact(&function, schema)?;
            Ok(Expr::ScalarFunction(function))
        }
        other => Ok(other),
    }
}

fn binary(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    match op {
        Operator::Divide => {
            let is_decimal = |part: &Expr| {
                part.get_type(schema).map(|kind| matches!(kind, DataType::Decimal128(..)))
            };
            if is_decimal(&left)? || is_decimal(&right)? {
                let parts = [left.as_ref(), right.as_ref()]
                    .map(|part| as_decimal(of_few_digits(part.clone()), schema));
                if let [Some(left), Some(right)] = parts {
                    return Ok(division::quotient(left, right));
                }
            }
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Operator::BitwiseAnd
        | Operator::BitwiseOr
        | Operator::BitwiseXor
        | Operator::BitwiseShiftLeft
        | Operator::BitwiseShiftRight => {
            let types = (left.get_type(schema)?, right.get_type(schema)?);
            if has_decimal(&types.0) || has_decimal(&types.1) {
                return plan_err!(
                    "a decimal has no bits: the operators `&`, `|`, `^`, `<<` and `>>` are for integers"
                );
            }
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        op if op.supports_propagation()
            || matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) =>
        {
            let [left, right] = comparable([*left, *right], schema)?.map(Box::new);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        _ => Ok(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    }
}

fn comparable<const N: usize>(parts: [Expr; N], schema: &DFSchema) -> Result<[Expr; N]> {
    comparable_all(parts.into(), schema)?
        .try_into()
        .or_else(|_| datafusion_common::internal_err!("a comparison lost a part"))
}

/// Makes decimals comparable with integers and decimals of every size, and with literals in text.
fn comparable_all(parts: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let types = parts.iter().map(|part| part.get_type(schema)).collect::<Result<Vec<_>>>()?;
    if !types.iter().any(DataType::is_decimal) {
        return Ok(parts);
    }
    let mut numbers = Vec::with_capacity(parts.len());
    for (part, kind) in parts.into_iter().zip(&types) {
        numbers.push(if kind.is_string() { number_of_text(&part)? } else { part });
    }
    let types = numbers.iter().map(|part| part.get_type(schema)).collect::<Result<Vec<_>>>()?;
    let (mut whole, mut scale) = (0, 0);
    for kind in &types {
        match whole_type(kind).as_ref().unwrap_or(kind) {
            DataType::Decimal128(p, s) | DataType::Decimal256(p, s) if *s >= 0 => {
                whole = whole.max(*p - s.unsigned_abs());
                scale = scale.max(*s);
            }
            DataType::Null => {}
            _ => return Ok(numbers),
        }
    }
    let precision = whole + scale.unsigned_abs();
    if precision <= DECIMAL128_MAX_PRECISION {
        return Ok(numbers);
    }
    // What no type of a topic holds can still be compared.
    let wide = DataType::Decimal256(precision.min(DECIMAL256_MAX_PRECISION), scale);
    let cast = |part| Expr::Cast(Cast::new(Box::new(part), wide.clone()));
    Ok(numbers.into_iter().map(cast).collect())
}

/// A literal in text beside a decimal is a number, as in PostgreSQL.
fn number_of_text(part: &Expr) -> Result<Expr> {
    match part {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => {
            let Some(number) = Constant::parse(text).and_then(Constant::literal) else {
                return plan_err!("a decimal is compared with '{text}', which is not a number");
            };
            Ok(Expr::Literal(number, None))
        }
        Expr::Literal(null, _) if null.is_null() => Ok(Expr::Literal(ScalarValue::Null, None)),
        _ => plan_err!("a decimal is compared with text: CAST one to the type of the other"),
    }
}

/// The decimal that holds every integer of the type.
pub(super) fn whole_type(kind: &DataType) -> Option<DataType> {
    let digits = match kind {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    };
    Some(DataType::Decimal128(digits, 0))
}

/// The operands of a division with no more digits for literals than they have: digits that are
/// not there would be missing behind the point of the quotient.
fn of_few_digits(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply),
            right,
        }) => Expr::BinaryExpr(BinaryExpr {
            left: Box::new(of_few_digits(*left)),
            op,
            right: Box::new(of_few_digits(*right)),
        }),
        Expr::Literal(value, metadata) => match Constant::of(&value).and_then(Constant::literal) {
            Some(decimal) => Expr::Literal(decimal, metadata),
            None => Expr::Literal(value, metadata),
        },
        other => other,
    }
}

/// A number as a decimal, where it can be one.
fn as_decimal(number: Expr, schema: &DFSchema) -> Option<Expr> {
    match number.get_type(schema).ok()? {
        DataType::Decimal128(..) => Some(number),
        kind => Some(Expr::Cast(Cast::new(Box::new(number), whole_type(&kind)?))),
    }
}

/// A CAST of a literal in text to a decimal.
fn decimal_of_text(expr: &Expr, to: &DataType) -> Option<Result<ScalarValue>> {
    let (Expr::Literal(ScalarValue::Utf8(Some(text)), _), DataType::Decimal128(precision, scale)) =
        (expr, to)
    else {
        return None;
    };
    let (precision, scale) = (*precision, *scale);
    let Ok(unscaled) = digits::parse(text, precision, scale) else {
        return Some(plan_err!("'{text}' is not a decimal({precision},{scale})"));
    };
    Some(Ok(ScalarValue::Decimal128(Some(unscaled), precision, scale)))
}

/// A decimal becomes an integer by rounding half away from zero, as in PostgreSQL.
fn rounded(
    expr: Expr,
    to: &DataType,
    schema: &DFSchema,
    cast: impl Fn(Box<Expr>, DataType) -> Expr,
) -> Expr {
    match expr.get_type(schema) {
        Ok(DataType::Decimal128(precision, scale)) if scale > 0 && to.is_integer() => {
            // One more digit for what is rounded up.
            let whole = precision.saturating_sub(scale.unsigned_abs()) + 1;
            cast(Box::new(expr), DataType::Decimal128(whole, 0))
        }
        _ => expr,
    }
}

fn has_decimal(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_decimal(item.data_type())
        }
        kind => kind.is_decimal(),
    }
}

fn refuse_inexact(function: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    let types = function.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
    if !types.iter().any(has_decimal) {
        return Ok(());
    }
    let name = function.func.name();
    if let Some((_, hint)) = INEXACT.iter().find(|(inexact, _)| *inexact == name) {
        return plan_err!("`{name}` would make a double of a decimal: {hint}");
    }
    let fields = types.iter().map(|kind| Arc::new(Field::new("", kind.clone(), true)));
    let Ok(coerced) = fields_with_udf(&fields.collect::<Vec<_>>(), function.func.as_ref()) else {
        // The planner reports it with the types.
        return Ok(());
    };
    let mut pairs = types.iter().zip(&coerced);
    let cut = pairs.any(|(is, to)| has_decimal(is) && to.data_type().is_integer());
    if cut {
        return plan_err!("`{name}` takes an integer, and this is a decimal: CAST it");
    }
    Ok(())
}
