//! Decimals: exact or refused, from the literals of a SELECT to its results.
//!
//! ```text
//! written  -> numbers with an exponent become plain digits (syntax tree)
//! fraction -> each fractional literal gets the type of what is beside it (plan)
//! rules    -> division, comparisons and casts get exact forms; inexact ones are refused (plan)
//! arithmetic, division, cast -> the values (physical expressions)
//! ```
//!
//! docs/decisions/0017-exact-decimals.md has the reasons.

mod arithmetic;
mod cast;
mod constant;
mod digits;
mod division;
mod fraction;
mod kind;
mod lists;
mod rules;
mod written;

pub(super) use arithmetic::Arithmetic;
pub(super) use cast::ExactCast;
pub(super) use lists::{FUNCTIONS as OF_LISTS, uniting};
pub(super) use written::plain_exponents;

use datafusion_common::Result;
use datafusion_expr::LogicalPlan;

/// Makes every computation of decimals in the plan exact.
///
/// # Errors
///
/// A computation that would turn a decimal into an inexact number.
pub(super) fn keep_decimals(plan: LogicalPlan) -> Result<LogicalPlan> {
    rules::apply(fraction::settle(plan)?)
}
