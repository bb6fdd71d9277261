//! SQL text to one query that a stage can run, or an error that says where.

use std::collections::{BTreeSet, HashSet};

use datafusion_sql::sqlparser::{
    ast::{
        AccessExpr, ExcludeSelectItem, Expr, Ident, ObjectName, ObjectNamePart, Query, SelectItem,
        SetExpr, Statement, Subscript, TableFactor, WildcardAdditionalOptions,
    },
    dialect::DuckDbDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use super::{SqlError, decimal, depth};
use crate::transform::MetadataColumn;

/// Deepest nesting of expressions and queries: a planner recurses as deep.
const NESTING_MAX: usize = 100;

/// The table that a stage reads.
pub(super) const INPUT: &str = "input";

/// A parsed text, with its tokens to find places by.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    pub(super) tree: T,
    pub(super) tokens: Tokens,
}

/// The words of a text and where each stands.
#[derive(Debug)]
pub(super) struct Tokens(Vec<TokenWithSpan>);

impl Tokens {
    pub(super) fn read(sql: &str) -> Result<Self, SqlError> {
        let tokens = Tokenizer::new(&DuckDbDialect {}, sql).tokenize_with_location();
        let tokens = tokens.map_err(|error| {
            SqlError::new(error.location, format!("cannot read the SQL: {}", error.message))
        })?;
        depth::check_tokens(&tokens)?;
        Ok(Self(tokens))
    }

    fn parser(&self) -> Parser<'static> {
        Parser::new(&DuckDbDialect {})
            .with_recursion_limit(NESTING_MAX)
            .with_tokens_with_locations(self.0.clone())
    }

    /// The parser's error, with what to write instead of a construct of other databases.
    fn parse_error(&self, error: &ParserError) -> SqlError {
        let error = SqlError::from_parser(error);
        let words = self.0.iter().filter(|word| !matches!(word.token, Token::Whitespace(_)));
        let words: Vec<&Token> = words.map(|word| &word.token).collect();
        let after_star = words.windows(2).find_map(|pair| match pair {
            [Token::Mul, Token::Word(word)] => Some(word.keyword),
            _ => None,
        });
        match after_star {
            Some(Keyword::EXCEPT) => error.with_hint("to leave columns out write * EXCLUDE (a, b)"),
            Some(Keyword::RENAME) => {
                error.with_hint("to rename columns write * EXCLUDE (a), a AS b")
            }
            _ => error,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TokenWithSpan> {
        self.0.iter()
    }

    /// Where a keyword first stands at or after a location.
    pub(super) fn keyword(&self, keyword: Keyword, from: Location) -> Option<Location> {
        self.0
            .iter()
            .filter(|token| token.span.start >= from)
            .find(|token| matches!(&token.token, Token::Word(word) if word.keyword == keyword))
            .map(|token| token.span.start)
    }

    /// The metadata columns that stand anywhere in the text as a name.
    pub(super) fn metadata_columns(&self) -> Vec<MetadataColumn> {
        let names: BTreeSet<MetadataColumn> = self
            .0
            .iter()
            .filter_map(|token| match &token.token {
                Token::Word(word) if word.quote_style.is_some() => {
                    MetadataColumn::from_name(&word.value)
                }
                Token::Word(word) => MetadataColumn::from_name(&word.value.to_lowercase()),
                _ => None,
            })
            .collect();
        names.into_iter().collect()
    }
}

/// Parses exactly one query.
pub(super) fn query(sql: &str) -> Result<Parsed<Query>, SqlError> {
    let tokens = Tokens::read(sql)?;
    let mut parser = tokens.parser();
    let statements = parser.parse_statements().map_err(|error| tokens.parse_error(&error))?;
    let start = Location::new(1, 1);
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Query(query)), None) => Ok(Parsed { tree: *query, tokens }),
        (Some(Statement::Query(_)), Some(_)) => {
            let second = tokens.0.iter().find(|token| token.token == Token::SemiColon);
            let location = second.map_or(start, |token| token.span.start);
            Err(SqlError::new(location, "a stage is one SELECT, and here are more"))
        }
        (Some(_), _) => Err(SqlError::new(start, "not a SELECT")
            .with_hint("write SELECT … FROM input; the result goes to the stage's topic")),
        (None, _) => {
            Err(SqlError::new(start, "the SQL is empty").with_hint("write SELECT … FROM input"))
        }
    }
}

/// Parses exactly one expression.
pub(super) fn expression(sql: &str) -> Result<Parsed<Expr>, SqlError> {
    let tokens = Tokens::read(sql)?;
    let mut parser = tokens.parser();
    let tree = parser.parse_expr().map_err(|error| tokens.parse_error(&error))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let message = format!("expected the end of the expression, found `{}`", rest.token);
        return Err(SqlError::new(rest.span.start, message));
    }
    Ok(Parsed { tree, tokens })
}

/// The query that computes one expression, as the column `that`.
pub(super) fn select_that(that: Expr) -> Result<Query, SqlError> {
    let mut query = query("SELECT 1 AS that FROM input")?.tree;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(SelectItem::ExprWithAlias { expr, .. }) = select.projection.first_mut()
    {
        *expr = that;
    }
    Ok(query)
}

/// A name as SQL means it: lower-case unless quoted.
pub(super) fn normal(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The one part of a bare table name.
pub(super) fn bare_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(normal(ident)),
        _ => None,
    }
}

/// Makes the query mean what a stage's user means by it: `*` is the declared
/// fields without the metadata columns, and a field of a struct
/// (`address.city`, `address['city']`) is called by its own name. Numbers are without exponents.
pub(super) fn prepare(query: &mut Query, metadata: &[MetadataColumn]) {
    decimal::plain_exponents(query);
    prepare_in(query, metadata, &HashSet::new());
}

fn prepare_in(query: &mut Query, metadata: &[MetadataColumn], outer: &HashSet<String>) {
    let mut tables = outer.clone();
    for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        prepare_in(&mut cte.query, metadata, &tables);
        tables.insert(normal(&cte.alias.name));
    }
    match query.body.as_mut() {
        SetExpr::Query(inner) => prepare_in(inner, metadata, &tables),
        SetExpr::Select(select) => {
            let mut reads_input = false;
            for from in &mut select.from {
                match &mut from.relation {
                    TableFactor::Derived { subquery, .. } => {
                        prepare_in(subquery, metadata, &tables);
                    }
                    TableFactor::Table { name, .. } => {
                        let name = bare_name(name);
                        reads_input |= name.is_some_and(|name| !tables.contains(&name));
                    }
                    _ => {}
                }
            }
            for item in &mut select.projection {
                match item {
                    SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)
                        if reads_input && !metadata.is_empty() =>
                    {
                        exclude(options, metadata);
                    }
                    SelectItem::UnnamedExpr(expr) => {
                        if let Some(alias) = own_name(expr) {
                            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The last name of a path of names.
fn own_name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(Expr::Identifier(name)) => Some(name.clone()),
            AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) }) => {
                let name = value.value.clone().into_string()?;
                Some(Ident::with_quote_and_span('"', value.span, name))
            }
            _ => None,
        },
        _ => None,
    }
}

fn exclude(options: &mut WildcardAdditionalOptions, columns: &[MetadataColumn]) {
    let mut names = match options.opt_exclude.take() {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
    };
    let written: HashSet<String> = names.iter().filter_map(bare_name).collect();
    let hidden = columns.iter().filter(|column| !written.contains(column.name()));
    names.extend(hidden.map(|column| ObjectName::from(vec![Ident::new(column.name())])));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
}
