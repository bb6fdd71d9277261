//! Limits on what the functions of a SELECT may make, checked before it is made.
//!
//! ```text
//! call -> growth: size of the result, from the arguments -> charge -> the function
//! ```
//!
//! `range(0, n)` with `n` from a record can be larger than any memory, and an
//! allocation that fails ends the process. So each call of a function whose
//! result can be much larger than its arguments is wrapped: it fails its row if
//! one value would be over [`VALUE_MAX`], or if the values made for the batch
//! would be over [`BATCH_MAX`] together. Then the batch is tried in halves, and a
//! good row passes with fewer neighbours.
//!
//! # Not here
//!
//! The size of an encoded record, which the codec and the broker limit.

mod growth;
mod joined;
mod lambda;
mod scalar;
mod sizes;

use std::{cell::Cell, sync::Arc};

use arrow::{array::ArrayRef, datatypes::DataType};
use datafusion_common::{
    Result, ScalarValue, exec_err, plan_err,
    tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Expr, HigherOrderUDF, LogicalPlan, Operator, ScalarUDF,
    expr::{BinaryExpr, HigherOrderFunction, ScalarFunction},
};

pub(super) use self::joined::joined;
use self::{growth::Growth, lambda::BoundedLambda, scalar::Bounded};
use super::exact;

/// Maximum size of one value that a function makes, in bytes.
const VALUE_MAX: u64 = 32 * 1024 * 1024;

/// Maximum size of all values that functions make for one batch, in bytes.
const BATCH_MAX: u64 = 128 * 1024 * 1024;

/// Maximum size of a value that is computed when the SELECT is planned, in
/// bytes: a plan may hold many of them. A larger constant is computed per batch.
const CONSTANT_MAX: u64 = 64 * 1024;

/// Maximum number of elements or bytes of a type of fixed size.
const FIXED_MAX: i64 = 10_000;

thread_local! {
    /// What is left of [`BATCH_MAX`] while this thread works on a batch.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The limit of the batch under way, which ends when this is dropped.
pub(super) struct Budget(());

impl Budget {
    pub(super) fn begin() -> Self {
        LEFT.set(Some(BATCH_MAX));
        Self(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        LEFT.set(None);
    }
}

/// Takes the bytes from what the batch may still make.
fn charge(bytes: u64) -> Result<()> {
    let Some(left) = LEFT.get() else {
        if bytes > CONSTANT_MAX {
            return exec_err!("the constant is over {CONSTANT_MAX} bytes");
        }
        return Ok(());
    };
    let Some(left) = left.checked_sub(bytes) else {
        return exec_err!("the row makes values of over {BATCH_MAX} bytes together");
    };
    LEFT.set(Some(left));
    Ok(())
}

fn check_value(name: &str, bytes: u64) -> Result<()> {
    if bytes > VALUE_MAX {
        return exec_err!(
            "{name} would make a value of {bytes} bytes, over the limit of {VALUE_MAX}"
        );
    }
    Ok(())
}

/// Takes what a constant needs if each of so many rows holds it.
pub(super) fn charge_constant(value: &ScalarValue, rows: usize) -> Result<()> {
    let bytes = value.size().saturating_sub(size_of::<ScalarValue>());
    charge((bytes as u64).saturating_mul(rows as u64))
}

/// Takes what a column needs if each row is repeated as often as `rows` names it.
pub(super) fn charge_rows(column: &ArrayRef, rows: &[u32]) -> Result<()> {
    let mut bytes: u64 = 0;
    let mut last = (u32::MAX, 0);
    for &row in rows {
        if row != last.0 {
            last = (row, sizes::bytes(column.as_ref(), row as usize, 1));
        }
        bytes = bytes.saturating_add(last.1);
    }
    charge(bytes)
}

/// Wraps the calls in a plan whose results can be much larger than their arguments.
pub(super) fn bind(plan: LogicalPlan) -> Result<LogicalPlan> {
    let bound = plan.transform_up(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|part| {
                check_cast(&part)?;
                Ok(bind_call(part))
            })
        })
    });
    bound.data()
}

/// Refuses types whose every value has a size that no memory holds.
fn check_cast(expr: &Expr) -> Result<()> {
    let too_large = match expr {
        Expr::Cast(cast) => is_too_large(cast.field.data_type()),
        Expr::TryCast(cast) => is_too_large(cast.field.data_type()),
        // Its type is a text: `FixedSizeList(1000, Int64)`.
        Expr::ScalarFunction(call) if call.func.name().starts_with("arrow_") => {
            let texts = call.args.iter().filter_map(|arg| arg.as_literal()?.try_as_str()?);
            texts.filter(|text| text.contains("FixedSize")).any(|text| {
                let numbers = text.split(|char: char| !char.is_ascii_digit());
                numbers.filter_map(|digits| digits.parse().ok()).any(|size: i64| size > FIXED_MAX)
            })
        }
        _ => false,
    };
    if too_large {
        return plan_err!("a type with values of over {FIXED_MAX} elements each");
    }
    Ok(())
}

fn is_too_large(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeList(item, size) => {
            i64::from(*size) > FIXED_MAX || is_too_large(item.data_type())
        }
        DataType::FixedSizeBinary(size) => i64::from(*size) > FIXED_MAX,
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            is_too_large(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| is_too_large(field.data_type())),
        _ => false,
    }
}

fn bind_call(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(call) if !call.func.inner().is::<Bounded>() => {
            match Growth::of(call.func.name()) {
                Some(growth) => {
                    let func = Arc::new(ScalarUDF::from(Bounded::new(call.func, growth)));
                    let call = ScalarFunction::new_udf(func, call.args);
                    Transformed::yes(Expr::ScalarFunction(call))
                }
                None => Transformed::no(Expr::ScalarFunction(call)),
            }
        }
        Expr::HigherOrderFunction(HigherOrderFunction { func, args }) => {
            let func = Arc::new(HigherOrderUDF::from(BoundedLambda::new(func)));
            Transformed::yes(Expr::HigherOrderFunction(HigherOrderFunction { func, args }))
        }
        other => Transformed::no(other),
    }
}

/// Computes the constant calls of a plan that every row would compute.
///
/// # Errors
///
/// A constant such as `repeat('x', 1000000000)`, which no row can hold.
pub(super) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
        for expr in node.expressions() {
            expr.apply(|part| {
                Ok(match part {
                    // A part of these may be computed for no row.
                    Expr::Case(_)
                    | Expr::HigherOrderFunction(_)
                    | Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }) => {
                        TreeNodeRecursion::Jump
                    }
                    Expr::ScalarFunction(call) if call.func.short_circuits() => {
                        TreeNodeRecursion::Jump
                    }
                    Expr::ScalarFunction(call)
                        if call.func.inner().is::<Bounded>() && is_constant(part) =>
                    {
                        let _budget = Budget::begin();
                        exact::evaluate_constant(part)?;
                        TreeNodeRecursion::Jump
                    }
                    _ => TreeNodeRecursion::Continue,
                })
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether the expression consists of literals, casts, operators and calls that are wrapped.
fn is_constant(expr: &Expr) -> bool {
    let varies = expr.exists(|part| {
        Ok(match part {
            Expr::Literal(..) | Expr::Negative(_) | Expr::Cast(_) | Expr::Alias(_) => false,
            Expr::BinaryExpr(binary) => matches!(binary.op, Operator::And | Operator::Or),
            Expr::ScalarFunction(call) => !call.func.inner().is::<Bounded>(),
            _ => true,
        })
    });
    !varies.unwrap_or(true)
}
