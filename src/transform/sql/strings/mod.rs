//! Functions of text that replace DataFusion's where their results are wrong.

mod base64;
mod clock;
mod pad;
mod replace;

pub(super) use clock::guard_times;
pub(super) use replace::check_replacements;

use datafusion_expr::ScalarUDF;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![base64::function(), replace::function()];
    functions.extend(pad::functions());
    functions
}
