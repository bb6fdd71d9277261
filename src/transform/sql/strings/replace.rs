//! `regexp_replace` whose replacement is PostgreSQL's: `\1` is a group, `\&` the match, `$` a dollar.
//!
//! DataFusion hands the text to Rust's regular expressions, to which `$5` and `$name` are groups:
//! of a group that the pattern lacks nothing is left.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion_common::{
    Result, ScalarValue, plan_err,
    tree_node::{TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_functions::regex::regexpreplace::RegexpReplaceFunc;

const REPLACEMENT: usize = 2;

pub(super) fn function() -> ScalarUDF {
    Replace { theirs: RegexpReplaceFunc::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Replace {
    theirs: RegexpReplaceFunc,
}

impl ScalarUDFImpl for Replace {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(replacement) = args.args.get_mut(REPLACEMENT) {
            *replacement = in_rust(replacement)?;
        }
        self.theirs.invoke_with_args(args)
    }
}

/// Refuses a written replacement in which other engines would read a group.
///
/// # Errors
///
/// `$` before a digit or a brace.
pub(in crate::transform::sql) fn check_replacements(written: &LogicalPlan) -> Result<()> {
    written.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| match part {
                Expr::ScalarFunction(call) if call.name() == "regexp_replace" => {
                    check_replacement(call.args.get(REPLACEMENT))
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

fn check_replacement(replacement: Option<&Expr>) -> Result<TreeNodeRecursion> {
    if let Some(Expr::Literal(text, _)) = replacement
        && let Some(text) = text.try_as_str().flatten()
        && names_a_group(text)
    {
        return plan_err!(
            "`$` names no group in the replacement `{text}`; write \\1 for a group, or \
             concat('$', …) for a dollar before a digit or a brace"
        );
    }
    Ok(TreeNodeRecursion::Continue)
}

/// Whether Rust, Java and Spark would read a group there.
fn names_a_group(text: &str) -> bool {
    let groups = |rest: &str| rest.starts_with(|next: char| next == '{' || next.is_ascii_digit());
    text.split('$').skip(1).any(groups)
}

fn in_rust(replacement: &ColumnarValue) -> Result<ColumnarValue> {
    match replacement {
        ColumnarValue::Scalar(scalar) => match scalar.try_as_str().flatten() {
            Some(text) if text.contains(['$', '\\']) => {
                let text =
                    ScalarValue::from(escaped(text).as_ref()).cast_to(&scalar.data_type())?;
                Ok(ColumnarValue::Scalar(text))
            }
            _ => Ok(replacement.clone()),
        },
        ColumnarValue::Array(array) => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts: StringArray =
                texts.as_string::<i32>().iter().map(|text| text.map(escaped)).collect();
            let texts: ArrayRef = Arc::new(texts);
            Ok(ColumnarValue::Array(cast(&texts, array.data_type())?))
        }
    }
}

/// The replacement with `$` as text and `\&` as DataFusion's `\0`, the whole match.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['$', '\\']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('$', "$$").replace("\\&", "\\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_is_text_and_the_match_has_a_name() {
        assert_eq!(escaped("US$ 5"), "US$$ 5");
        assert_eq!(escaped(r"<\&\1>"), r"<\0\1>");
        assert_eq!(escaped("plain"), "plain");
        for (text, names) in
            [("$1", true), ("${a}", true), ("a$", false), ("$ 5", false), ("$x", false)]
        {
            assert_eq!(names_a_group(text), names, "{text}");
        }
    }
}
