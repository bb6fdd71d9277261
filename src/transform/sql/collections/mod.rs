//! Functions of lists and maps that replace DataFusion's where their results are wrong.

mod average;
mod lookup;
mod overlap;

use datafusion_expr::ScalarUDF;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![average::function(), lookup::function(), overlap::function()]
}
