//! Refuses at plan time what a streaming stage cannot do, and says what to do instead.
//!
//! A stage works on a batch at a time and keeps nothing between batches, so
//! whatever needs all rows, an order among them or another table has no
//! meaning in it.

use std::{collections::HashSet, ops::ControlFlow};

use datafusion_sql::sqlparser::{
    ast::{
        AccessExpr, Distinct, Expr, Function, GroupByExpr, Query, Select, SelectItem, SetExpr,
        SetOperator, Spanned, Subscript, TableFactor, TableWithJoins, Value, ValueWithSpan, Visit,
        Visitor, visit_expressions,
    },
    keywords::Keyword,
    tokenizer::{Location, Span},
};

use super::{
    Functions, SqlError,
    parse::{INPUT, Tokens, bare_name, normal},
};

const AGGREGATES: [&str; 32] = [
    "any_value",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "list",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "nth_value",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
];

const WINDOW_FUNCTIONS: [&str; 8] =
    ["cume_dist", "dense_rank", "lag", "lead", "ntile", "percent_rank", "rank", "row_number"];

const EACH_ROW: &str = "a stage works on each record by itself; do this where the topic is read";

/// Walks a query and stops at the first construct that a stage cannot run.
pub(super) struct Refuse<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) functions: &'a Functions,
}

impl Refuse<'_> {
    pub(super) fn query(&self, query: &Query) -> Result<(), SqlError> {
        self.query_in(query, &HashSet::new())
    }

    pub(super) fn expression(&self, expr: &Expr) -> Result<(), SqlError> {
        match expr.visit(&mut Expressions { refuse: self, in_where: true }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    /// `tables` are the names of the CTEs in sight.
    fn query_in(&self, query: &Query, tables: &HashSet<String>) -> Result<(), SqlError> {
        let mut tables = tables.clone();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(self.clause("WITH RECURSIVE", Keyword::RECURSIVE, with.span()));
            }
            for cte in &with.cte_tables {
                self.query_in(&cte.query, &tables)?;
                tables.insert(normal(&cte.alias.name));
            }
        }
        let span = query.span();
        let refused = [
            (query.order_by.is_some(), "ORDER BY", Keyword::ORDER),
            (query.limit_clause.is_some(), "LIMIT", Keyword::LIMIT),
            (query.fetch.is_some(), "FETCH", Keyword::FETCH),
            (!query.locks.is_empty(), "FOR UPDATE", Keyword::FOR),
        ];
        for (present, name, keyword) in refused {
            if present {
                return Err(self.clause(name, keyword, span));
            }
        }
        match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, &tables),
            SetExpr::Query(inner) => self.query_in(inner, &tables),
            SetExpr::SetOperation { op, .. } => Err(self.set_operation(*op, span)),
            SetExpr::Values(_) => Err(self.clause("VALUES", Keyword::VALUES, span)),
            _ => {
                Err(SqlError::new(span.start, "not a SELECT")
                    .with_hint("write SELECT … FROM input"))
            }
        }
    }

    fn set_operation(&self, op: SetOperator, span: Span) -> SqlError {
        let (name, keyword) = match op {
            SetOperator::Union => ("UNION", Keyword::UNION),
            SetOperator::Intersect => ("INTERSECT", Keyword::INTERSECT),
            SetOperator::Except | SetOperator::Minus => ("EXCEPT", Keyword::EXCEPT),
        };
        self.clause(name, keyword, span)
            .with_hint("write one stage for each SELECT; they may write to one topic")
    }

    fn select(&self, select: &Select, tables: &HashSet<String>) -> Result<(), SqlError> {
        let span = select.span();
        let grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(exprs, modifiers) => {
                !exprs.is_empty() || !modifiers.is_empty()
            }
        };
        // SELECT ALL is SELECT.
        let is_distinct = !matches!(select.distinct, None | Some(Distinct::All));
        let refused = [
            (is_distinct, "DISTINCT", Keyword::DISTINCT),
            (select.top.is_some(), "TOP", Keyword::TOP),
            (select.into.is_some(), "INTO", Keyword::INTO),
            (!select.lateral_views.is_empty(), "LATERAL VIEW", Keyword::LATERAL),
            (select.prewhere.is_some(), "PREWHERE", Keyword::PREWHERE),
            (!select.connect_by.is_empty(), "CONNECT BY", Keyword::CONNECT),
            (grouped, "GROUP BY", Keyword::GROUP),
            (!select.cluster_by.is_empty(), "CLUSTER BY", Keyword::CLUSTER),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY", Keyword::DISTRIBUTE),
            (!select.sort_by.is_empty(), "SORT BY", Keyword::SORT),
            (select.having.is_some(), "HAVING", Keyword::HAVING),
            (!select.named_window.is_empty(), "WINDOW", Keyword::WINDOW),
            (select.qualify.is_some(), "QUALIFY", Keyword::QUALIFY),
        ];
        for (present, name, keyword) in refused {
            if present {
                return Err(self.clause(name, keyword, span));
            }
        }
        if select.projection.is_empty() {
            return Err(SqlError::new(span.start, "the SELECT names no columns")
                .with_hint("write SELECT * FROM input"));
        }
        self.from(&select.from, span, tables)?;
        let mut expressions = Expressions { refuse: self, in_where: false };
        let projection = select.projection.visit(&mut expressions);
        expressions.in_where = true;
        let walked = match projection {
            ControlFlow::Continue(()) => select.selection.visit(&mut expressions),
            broken @ ControlFlow::Break(_) => broken,
        };
        match walked {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    fn from(
        &self,
        from: &[TableWithJoins],
        span: Span,
        tables: &HashSet<String>,
    ) -> Result<(), SqlError> {
        let Some(first) = from.first() else {
            return Err(SqlError::new(span.start, "a SELECT without FROM reads no records")
                .with_hint("write FROM input"));
        };
        let other = first.joins.first().map(|join| &join.relation);
        if let Some(other) = other.or(from.get(1).map(|other| &other.relation)) {
            let error = SqlError::new(other.span().start, "a stage cannot do JOIN");
            return Err(error.with_hint(if is_unnest(other) {
                "write unnest(…) in the select list: SELECT unnest(items) AS item FROM input"
            } else {
                "a stage reads one topic; put what it needs from elsewhere into its records"
            }));
        }
        match &first.relation {
            TableFactor::Derived { subquery, .. } => self.query_in(subquery, tables),
            TableFactor::Table { name, args: None, sample: None, .. } => match bare_name(name) {
                Some(name) if name == INPUT || tables.contains(&name) => Ok(()),
                _ => Err(SqlError::new(name.span().start, format!("no table `{name}`"))
                    .with_hint("a stage reads the table `input`: the records of its `from` topic")),
            },
            other => {
                let error =
                    SqlError::new(other.span().start, "a stage cannot read from this in FROM");
                Err(error.with_hint(if is_unnest(other) {
                    "write unnest(…) in the select list: SELECT unnest(items) AS item FROM input"
                } else {
                    "a stage reads the table `input`, or a subquery over it"
                }))
            }
        }
    }

    fn clause(&self, name: &str, keyword: Keyword, span: Span) -> SqlError {
        let location = self.tokens.keyword(keyword, span.start).unwrap_or(span.start);
        refused(name, location)
    }

    fn function(&self, function: &Function) -> Result<(), SqlError> {
        let location = function.name.span().start;
        let Some(name) = bare_name(&function.name) else {
            return Ok(());
        };
        if function.over.is_some() || WINDOW_FUNCTIONS.contains(&name.as_str()) {
            return Err(refused(&format!("the window function `{name}`"), location));
        }
        if AGGREGATES.contains(&name.as_str()) && !self.functions.contains(&name) {
            return Err(refused(&format!("the aggregate function `{name}`"), location).with_hint(
                "for a list within a record take array_sum, array_min, array_max, cardinality",
            ));
        }
        Ok(())
    }
}

fn refused(construct: &str, location: Location) -> SqlError {
    SqlError::new(location, format!("a stage cannot do {construct}")).with_hint(EACH_ROW)
}

fn is_function(function: &Function, name: &str) -> bool {
    bare_name(&function.name).is_some_and(|called| called == name)
}

fn is_unnest(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::UNNEST { .. } => true,
        TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
            bare_name(name).is_some_and(|name| name == "unnest")
        }
        TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
            is_function(function, "unnest")
        }
        _ => false,
    }
}

/// Finds what is refused inside expressions.
struct Expressions<'a> {
    refuse: &'a Refuse<'a>,
    /// Whether it is a condition: there is no row for each element in it.
    in_where: bool,
}

impl Visitor for Expressions<'_> {
    type Break = Box<SqlError>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let checked = match expr {
            Expr::Function(function) if self.in_where && is_function(function, "unnest") => {
                let error = refused("unnest in a condition", function.name.span().start);
                Err(error.with_hint(
                    "test the list with array_any_match(items, i -> i > 1), or unnest it in a \
                     subquery and filter its rows",
                ))
            }
            Expr::Function(function) => self.refuse.function(function),
            Expr::Collate { collation, .. } => {
                let error = refused("COLLATE", collation.span().start);
                Err(error.with_hint(
                    "texts are compared by their bytes; compare lower(…) to ignore case",
                ))
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                let error = refused("a subquery in an expression", expr.span().start);
                Err(error
                    .with_hint("subqueries stand in FROM; for a fixed set write IN ('a', 'b')"))
            }
            Expr::Value(ValueWithSpan { value: Value::Placeholder(name), span }) => {
                let message = format!("the placeholder `{name}` has no value here");
                Err(SqlError::new(span.start, message).with_hint("write the value"))
            }
            _ => Ok(()),
        };
        match checked {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Refuses output columns without a name that a person chose, or with one
/// name: they become the fields of a topic.
pub(super) fn check_names(query: &Query) -> Result<(), SqlError> {
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => return check_names(inner),
        _ => return Ok(()),
    };
    let mut names = HashSet::new();
    for item in &select.projection {
        let name = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name,
            SelectItem::ExprWithAlias { alias, .. } => alias,
            SelectItem::UnnamedExpr(expr) => {
                let message = format!("the column `{expr}` has no name");
                return Err(SqlError::new(expr.span().start, message)
                    .with_hint("give it one with AS: it becomes a field of the topic"));
            }
            _ => continue,
        };
        if !names.insert(normal(name)) {
            let message = format!("two columns are named `{}`", normal(name));
            return Err(SqlError::new(item.span().start, message)
                .with_hint("give each column a name of its own with AS"));
        }
    }
    Ok(())
}

/// The first key in brackets that is computed, which only a list may have:
/// `props[name]`. Gives its place and what to write for a map.
pub(super) fn computed_key(query: &Query) -> Option<(Location, String)> {
    let walked = visit_expressions(query, |expr| {
        if let Expr::CompoundFieldAccess { root, access_chain } = expr
            && let Some(AccessExpr::Subscript(Subscript::Index { index })) = access_chain.first()
            && !matches!(index, Expr::Value(_))
        {
            return ControlFlow::Break((
                root.span().start,
                format!("map_extract({root}, {index})[1]"),
            ));
        }
        ControlFlow::Continue(())
    });
    match walked {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

/// Where the output column of that name is written, if it is by itself.
pub(super) fn place_of(query: &Query, column: &str) -> Option<Location> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let item = select.projection.iter().find(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name))
        | SelectItem::ExprWithAlias { alias: name, .. } => normal(name) == column,
        _ => false,
    });
    item.map(|item| item.span().start)
}
