//! SQL without its literals, for a lineage that others may read.

use datafusion_sql::sqlparser::tokenizer::{Token, Whitespace};

use super::parse::Tokens;

/// The SQL with `?` for each string and number, and without comments.
///
/// The name of a field in brackets (`item['qty']`) stays. SQL that cannot be
/// read becomes `?` as a whole.
pub fn strip_literals(sql: &str) -> String {
    let Ok(tokens) = Tokens::read(sql) else {
        return "?".to_owned();
    };
    let tokens: Vec<&Token> = tokens.iter().map(|token| &token.token).collect();
    let mut text = String::with_capacity(sql.len());
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Whitespace(
                Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
            ) => text.push(' '),
            Token::SingleQuotedString(_) if is_field(&tokens, index) => {
                text.push_str(&token.to_string());
            }
            token if is_literal(token) => text.push('?'),
            token => text.push_str(&token.to_string()),
        }
    }
    text
}

/// Whether the token stands alone in brackets that follow a value: `item['qty']`.
fn is_field(tokens: &[&Token], index: usize) -> bool {
    let Some(before) = index.checked_sub(2) else {
        return false;
    };
    let follows = match tokens[before] {
        Token::Word(word) => {
            word.keyword == datafusion_sql::sqlparser::keywords::Keyword::NoKeyword
                || word.quote_style.is_some()
        }
        Token::RBracket | Token::RParen => true,
        _ => false,
    };
    follows
        && *tokens[index - 1] == Token::LBracket
        && tokens.get(index + 1) == Some(&&Token::RBracket)
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_and_comments_go_and_names_stay() {
        let cases = [
            ("SELECT a FROM input WHERE b = 'secret'", "SELECT a FROM input WHERE b = ?"),
            ("SELECT a + 1.5e3 AS x, -7 AS y", "SELECT a + ? AS x, -? AS y"),
            ("SELECT item['qty'] * 2 AS \"Total 2\"", "SELECT item['qty'] * ? AS \"Total 2\""),
            ("SELECT ['qty'] AS x", "SELECT [?] AS x"),
            ("SELECT a IN ['qty'] AS x", "SELECT a IN [?] AS x"),
            ("SELECT a -- key 123\nFROM input /* 'x' */", "SELECT a  FROM input  "),
            ("SELECT x'ff', $$s$$, 'it''s', e'b'", "SELECT ?, ?, ?, e?"),
            ("SELECT 'open", "?"),
        ];
        for (sql, expected) in cases {
            assert_eq!(strip_literals(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn a_string_never_survives_and_never_panics(
            before in "[ -~]{0,20}", secret in "[A-Z]{8}", after in "[ -~\\n]{0,20}",
        ) {
            let stripped = strip_literals(&format!("SELECT a = '{secret}' {after}"));
            let quoted = format!("'{secret}'");
            prop_assert!(!stripped.contains(&quoted));
            strip_literals(&before);
        }
    }
}
