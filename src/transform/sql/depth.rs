//! Deep nesting: bounded, and planned where there is room for it.
//!
//! Parser and planner recurse once or more for each level of the SQL; a chain
//! of a few hundred ORs is as many levels and would overflow a thread's usual
//! stack, which ends the process.

use std::{ops::ControlFlow, panic, thread};

use datafusion_sql::sqlparser::{
    ast::{Expr, Query, Spanned, Visit, Visitor},
    tokenizer::{Location, Span},
};

use super::SqlError;

/// Most levels of operators, calls and subqueries within each other. What is
/// planned must also run, and drop, on a task's usual stack.
const LEVELS_MAX: usize = 250;

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

/// Refuses a query or an expression that is nested too deeply.
pub(super) fn check(tree: &impl Visit) -> Result<(), SqlError> {
    match tree.visit(&mut Levels(0)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(span) => {
            let message = format!("the SQL is nested over {LEVELS_MAX} levels deep");
            Err(SqlError::new(span.start, message)
                .with_hint("for many values write IN (…); split the SELECT into two stages"))
        }
    }
}

struct Levels(usize);

impl Levels {
    fn enter(&mut self, tree: &impl Spanned) -> ControlFlow<Span> {
        self.0 += 1;
        if self.0 > LEVELS_MAX {
            ControlFlow::Break(tree.span())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn leave(&mut self) -> ControlFlow<Span> {
        self.0 -= 1;
        ControlFlow::Continue(())
    }
}

impl Visitor for Levels {
    type Break = Span;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        self.enter(expr)
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Span> {
        self.leave()
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Span> {
        self.enter(query)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Span> {
        self.leave()
    }
}
