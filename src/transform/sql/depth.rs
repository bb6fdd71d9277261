//! Deep nesting and long chains: bounded, and planned where there is room for them.
//!
//! Parser and planner recurse once or more for each level of the SQL; a chain
//! of a few hundred ORs is as many levels and would overflow a thread's usual
//! stack, which ends the process.

use std::{ops::ControlFlow, panic, thread};

use datafusion_sql::sqlparser::{
    ast::{Expr, Query, SetExpr, Spanned, Visit, Visitor},
    keywords::Keyword,
    tokenizer::{Location, Span, Token, TokenWithSpan},
};

use super::SqlError;

/// Most levels of operators, calls and subqueries within each other. What is
/// planned must also run, and drop, on a task's usual stack.
const LEVELS_MAX: usize = 250;

/// Maximum number of queries in a SELECT: subqueries and those that WITH names.
/// A plan is as deep as it has queries in a row.
const QUERIES_MAX: usize = 250;

/// Maximum number of columns that a query reads or makes: the planner searches
/// among all of them for each.
const COLUMNS_MAX: usize = 2_000;

/// Maximum depth of a type, as in a topic file.
const TYPE_LEVELS_MAX: usize = 32;

/// Maximum number of brackets in a row, as in `a['b'][1]` and `int[][]`.
const SUBSCRIPTS_MAX: usize = 2 * TYPE_LEVELS_MAX;

/// Room for planning that many levels; the system gives memory only as it is used.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Runs a planning on a stack of its own, and waits for it.
pub(super) fn with_room<T: Send>(
    plan: impl FnOnce() -> Result<T, SqlError> + Send,
) -> Result<T, SqlError> {
    thread::scope(|scope| {
        let planning = thread::Builder::new()
            .name("sql-plan".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, plan);
        match planning.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(planned)) => planned,
            Ok(Err(panicked)) => panic::resume_unwind(panicked),
            Err(error) => {
                let message = format!("cannot start a thread to plan the SQL: {error}");
                Err(SqlError::new(Location::new(0, 0), message))
            }
        }
    })
}

/// Refuses tokens that would make the parser itself recurse too deeply: it has no
/// limit of its own for types.
pub(super) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let is_blank = |token: &Token| matches!(token, Token::Whitespace(_));
    let mut words = tokens.iter().filter(|token| !is_blank(&token.token)).peekable();
    let (mut open, mut subscripts, mut types) = (0_usize, 0_usize, 0_usize);
    while let Some(TokenWithSpan { token, span }) = words.next() {
        let next = words.peek().map(|next| &next.token);
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => open += 1,
            Token::RParen | Token::RBrace => open = open.saturating_sub(1),
            Token::RBracket => {
                open = open.saturating_sub(1);
                let in_a_row = next == Some(&Token::LBracket);
                subscripts = if in_a_row { subscripts + 1 } else { 0 };
            }
            Token::Word(word) if next == Some(&Token::Lt) => {
                let nests = matches!(word.keyword, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP);
                types += usize::from(nests);
            }
            Token::Gt => types = types.saturating_sub(1),
            Token::ShiftRight => types = types.saturating_sub(2),
            _ => {}
        }
        if types > TYPE_LEVELS_MAX {
            return Err(type_too_deep(span.start));
        }
        if subscripts > SUBSCRIPTS_MAX {
            let message = format!("more than {SUBSCRIPTS_MAX} brackets in a row");
            return Err(SqlError::new(span.start, message)
                .with_hint("a type may be nested 32 levels deep, and a value of it as deep"));
        }
        if open > LEVELS_MAX {
            return Err(too_deep(span.start));
        }
    }
    Ok(())
}

/// Refuses a table with too many columns.
pub(super) fn check_columns(count: usize) -> Result<(), SqlError> {
    if count <= COLUMNS_MAX {
        return Ok(());
    }
    Err(too_many_columns("the topic", count, Location::new(1, 1)))
}

fn too_many_columns(what: &str, count: usize, place: Location) -> SqlError {
    SqlError::new(place, format!("{what} has {count} columns, over {COLUMNS_MAX}"))
        .with_hint("group fields into structs, or use several topics")
}

fn type_too_deep(place: Location) -> SqlError {
    SqlError::new(place, format!("the type is nested over {TYPE_LEVELS_MAX} levels deep"))
        .with_hint("a topic holds at most so many levels of lists and structs")
}

fn too_deep(place: Location) -> SqlError {
    SqlError::new(place, format!("the SQL is nested over {LEVELS_MAX} levels deep"))
        .with_hint("for many values write IN (…); split the SELECT into two stages")
}

/// Refuses a query or an expression that is nested too deeply, or has too many queries.
pub(super) fn check(tree: &impl Visit) -> Result<(), SqlError> {
    match tree.visit(&mut Levels { depth: 0, queries: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break((Excess::Depth, span)) => Err(too_deep(span.start)),
        ControlFlow::Break((Excess::Queries, span)) => {
            let message = format!("the SELECT has over {QUERIES_MAX} queries");
            Err(SqlError::new(span.start, message)
                .with_hint("write several stages, each with some of them"))
        }
        ControlFlow::Break((Excess::Columns(count), span)) => {
            Err(too_many_columns("the SELECT", count, span.start))
        }
    }
}

enum Excess {
    Depth,
    Queries,
    Columns(usize),
}

struct Levels {
    depth: usize,
    queries: usize,
}

impl Levels {
    fn enter(&mut self, tree: &impl Spanned) -> ControlFlow<(Excess, Span)> {
        self.depth += 1;
        if self.depth > LEVELS_MAX {
            ControlFlow::Break((Excess::Depth, tree.span()))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn leave(&mut self) -> ControlFlow<(Excess, Span)> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

impl Visitor for Levels {
    type Break = (Excess, Span);

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        self.enter(expr)
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Self::Break> {
        self.leave()
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.queries += 1;
        if self.queries > QUERIES_MAX {
            return ControlFlow::Break((Excess::Queries, query.span()));
        }
        if let SetExpr::Select(select) = query.body.as_ref()
            && select.projection.len() > COLUMNS_MAX
        {
            let columns = Excess::Columns(select.projection.len());
            return ControlFlow::Break((columns, query.span()));
        }
        self.enter(query)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.leave()
    }
}
