//! LIKE with any escape character, and SIMILAR TO, as in `PostgreSQL`.
//!
//! ```text
//! s LIKE '10!%' ESCAPE '!'  ->  s LIKE '10\%'
//! s SIMILAR TO 'a(b|c)%'    ->  s ~ '^(?s:a(?:b|c).*)$'
//! ```
//!
//! DataFusion's LIKE knows the backslash only, and it takes the pattern of SIMILAR
//! TO for a regular expression that may match a part of the text. A pattern that
//! is no literal is translated for each row.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion_common::{
    Result, ScalarValue, exec_err,
    tree_node::{Transformed, TransformedResult, TreeNode},
    utils::take_function_args,
};
use datafusion_expr::{
    BinaryExpr, ColumnarValue, Expr, Like, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
};

/// Translates all patterns of a plan.
pub(super) fn translate(plan: LogicalPlan) -> Result<LogicalPlan> {
    let translated = plan.transform_up(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let translated = expr.transform_up(translate_expr)?;
            Ok(translated.update_data(|expr| name.restore(expr)))
        })
    });
    translated.data()
}

fn translate_expr(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Like(like) => {
            let pattern = Pattern::new(Kind::Like, like.escape_char).of(*like.pattern)?;
            let pattern = Box::new(pattern);
            Transformed::yes(Expr::Like(Like { pattern, escape_char: None, ..like }))
        }
        Expr::SimilarTo(like) => {
            let pattern = Pattern::new(Kind::SimilarTo, like.escape_char).of(*like.pattern)?;
            let op = if like.negated { Operator::RegexNotMatch } else { Operator::RegexMatch };
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(like.expr, op, Box::new(pattern))))
        }
        other => Transformed::no(other),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Like,
    SimilarTo,
}

/// The translation of patterns of one kind, as a function from text to text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pattern {
    kind: Kind,
    escape: char,
    signature: Signature,
}

impl Pattern {
    fn new(kind: Kind, escape: Option<char>) -> Self {
        let signature = Signature::string(1, Volatility::Immutable);
        Self { kind, escape: escape.unwrap_or('\\'), signature }
    }

    /// The translated literal, or a call that translates what the expression gives.
    fn of(self, pattern: Expr) -> Result<Expr> {
        if let Expr::Literal(value, metadata) = pattern {
            let text = value.try_as_str().flatten();
            let text = text.map(|text| self.translate(text)).transpose()?;
            return Ok(Expr::Literal(ScalarValue::Utf8(text), metadata));
        }
        let function = Arc::new(ScalarUDF::from(self));
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![pattern])))
    }

    fn translate(&self, pattern: &str) -> Result<String> {
        match self.kind {
            Kind::Like => like(pattern, self.escape),
            Kind::SimilarTo => similar_to(pattern, self.escape),
        }
    }
}

impl ScalarUDFImpl for Pattern {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Like => "like_pattern",
            Kind::SimilarTo => "similar_to_pattern",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [patterns] = take_function_args(self.name(), &args.args)?;
        let constant = matches!(patterns, ColumnarValue::Scalar(_));
        let patterns = patterns.to_array(if constant { 1 } else { args.number_rows })?;
        let patterns = cast(&patterns, &DataType::Utf8)?;
        let translated = patterns.as_string::<i32>().iter();
        let translated = translated.map(|text| text.map(|text| self.translate(text)).transpose());
        let translated: ArrayRef = Arc::new(translated.collect::<Result<StringArray>>()?);
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&translated, 0)?)
        } else {
            ColumnarValue::Array(translated)
        })
    }
}

fn escaped(kind: &str, rest: &mut impl Iterator<Item = char>) -> Result<char> {
    let Some(next) = rest.next() else {
        return exec_err!("the pattern of {kind} must not end with the escape character");
    };
    Ok(next)
}

/// The same pattern with a backslash before each `%`, `_` and `\` that means itself.
fn like(pattern: &str, escape: char) -> Result<String> {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        let literal = if char == escape {
            Some(escaped("LIKE", &mut rest)?)
        } else {
            (char == '\\').then_some(char)
        };
        match literal {
            Some(literal) => {
                if matches!(literal, '%' | '_' | '\\') {
                    translated.push('\\');
                }
                translated.push(literal);
            }
            None => translated.push(char),
        }
    }
    Ok(translated)
}

/// The regular expression that matches the whole text where SIMILAR TO does.
fn similar_to(pattern: &str, escape: char) -> Result<String> {
    // A point matches a line feed, as `_` does.
    let mut regex = "^(?s:".to_owned();
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        match char {
            _ if char == escape => push_escaped(escaped("SIMILAR TO", &mut rest)?, &mut regex),
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '[' => bracket(&mut rest, escape, &mut regex)?,
            '\\' | '.' | '^' | '$' | '#' | '&' | '~' | '-' => {
                regex.push('\\');
                regex.push(char);
            }
            _ => regex.push(char),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

/// The rest of a set of characters, such as `[^a-z[:digit:]]`.
fn bracket(rest: &mut impl Iterator<Item = char>, escape: char, regex: &mut String) -> Result<()> {
    regex.push('[');
    let mut is_first = true;
    let mut in_name = false;
    let mut previous = ' ';
    while let Some(char) = rest.next() {
        match char {
            _ if char == escape => push_escaped(escaped("SIMILAR TO", rest)?, regex),
            '^' if is_first => {
                regex.push('^');
                continue;
            }
            ']' if in_name => {
                in_name = false;
                regex.push(']');
            }
            ']' if !is_first => {
                regex.push(']');
                return Ok(());
            }
            // The name of a class follows: `[:alpha:]`.
            ':' if previous == '[' => {
                regex.truncate(regex.len() - "\\[".len());
                regex.push_str("[:");
                in_name = true;
            }
            // These mean more in the sets of the regex library than in SQL's.
            '[' | ']' | '\\' | '&' | '~' => {
                regex.push('\\');
                regex.push(char);
            }
            _ => regex.push(char),
        }
        is_first = false;
        previous = char;
    }
    exec_err!("the pattern of SIMILAR TO has a `[` without its `]`")
}

/// A character that means itself. A letter keeps its backslash, as in `\d`.
fn push_escaped(char: char, regex: &mut String) {
    if char.is_ascii() && char != ' ' {
        regex.push('\\');
    }
    regex.push(char);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_like_is_escaped_with_a_backslash() {
        for (pattern, escape, expected) in [
            ("a%b_", '\\', Some("a%b_")),
            (r"50\%", '\\', Some(r"50\%")),
            (r"\a\\", '\\', Some(r"a\\")),
            ("50!%!!!a", '!', Some(r"50\%!a")),
            (r"a\b%", '!', Some(r"a\\b%")),
            ("a%%b", '%', Some(r"a\%b")),
            (r"a\", '\\', None),
            ("a!", '!', None),
        ] {
            assert_eq!(like(pattern, escape).ok().as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_of_similar_to_is_an_anchored_regular_expression() {
        for (pattern, escape, expected) in [
            ("a|b%", '\\', Some("^(?s:a|b.*)$")),
            ("(ab)+_{2,3}", '\\', Some("^(?s:(?:ab)+.{2,3})$")),
            ("a.b^$", '\\', Some(r"^(?s:a\.b\^\$)$")),
            (r"\%\d+", '\\', Some(r"^(?s:\%\d+)$")),
            (r"!%\d", '!', Some(r"^(?s:\%\\d)$")),
            ("[a-z%_.]", '\\', Some("^(?s:[a-z%_.])$")),
            ("[^]a]x[]b]", '\\', Some(r"^(?s:[^\]a]x[\]b])$")),
            ("[[:digit:]&&x]", '\\', Some(r"^(?s:[[:digit:]\&\&x])$")),
            (r"[\]]", '\\', Some(r"^(?s:[\]])$")),
            ("[ab", '\\', None),
            (r"ab\", '\\', None),
        ] {
            assert_eq!(similar_to(pattern, escape).ok().as_deref(), expected, "{pattern}");
        }
    }
}
