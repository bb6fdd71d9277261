//! Times, dates and intervals as Postgres computes them, for the years 0000 to 9999.
//!
//! DataFusion takes many of its functions and conversions through nanoseconds,
//! which end in 1677 and 2262, and compares intervals part by part. Here an
//! instant stays in its own unit, and an interval is compared by its length: a
//! month counts 30 days and a day 24 hours.
//!
//! ```text
//! logical plan -> operands -> DataFusion's coercion -> …
//!                  |-> casts of strings and dates beside an instant
//!                  `-> span::comparable around intervals that are compared
//! ```
//!
//! # Not here
//!
//! How times are read from records and written to them (`codec`).

mod bin;
mod format;
mod instant;
mod operands;
mod part;
mod span;
mod trunc;
mod unix;

use datafusion_expr::ScalarUDF;

pub(super) use instant::{instant, nanoseconds};
pub(super) use operands::keep_times;
pub(super) use part::Extract;

/// The functions that replace those of the same names in DataFusion.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![bin::function(), format::function(), part::function()];
    functions.push(trunc::function());
    functions.extend(unix::functions());
    functions
}
