//! AND and OR whose right side counts only for the rows that the left leaves open.
//!
//! DataFusion's operators compute the right side for all rows if most of them
//! need it. Here a failure of the right side is one of a row only if the left
//! side does not decide the row: also in a lambda, where the rows are the
//! elements of a list, which cannot be tried one by one.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array},
    compute::{and_kleene, filter_record_batch, or_kleene, take},
    datatypes::{DataType, Schema},
};
use datafusion_common::{
    Result, exec_err,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{
        BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
    },
};

use super::order::is_safe;

/// The right side is computed for a part of the rows from the start if the left
/// side leaves open at most one of so many.
const FEW: usize = 5;

/// Guards every AND and OR of the expression whose right side can fail.
pub(super) fn guarded(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let guarded = expr.transform_up(|expr| {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else {
            return Ok(Transformed::no(expr));
        };
        if !matches!(binary.op(), Operator::And | Operator::Or) || !can_fail(binary.right()) {
            return Ok(Transformed::no(expr));
        }
        let guarded = Guarded { binary: binary.clone(), null_decides: false };
        Ok(Transformed::yes(Arc::new(guarded) as Arc<dyn PhysicalExpr>))
    });
    Ok(guarded?.data)
}

/// The predicate of a filter: a condition that is null decides as false does,
/// since either leaves the row out.
pub(super) fn predicate(expr: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    let (binary, is_guarded) = match expr.downcast_ref::<Guarded>() {
        Some(guarded) => (&guarded.binary, true),
        None => match expr.downcast_ref::<BinaryExpr>() {
            Some(binary) if matches!(binary.op(), Operator::And | Operator::Or) => (binary, false),
            _ => return Arc::clone(expr),
        },
    };
    let binary = BinaryExpr::new(predicate(binary.left()), *binary.op(), predicate(binary.right()));
    if is_guarded { Arc::new(Guarded { binary, null_decides: true }) } else { Arc::new(binary) }
}

fn can_fail(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let safe = expr.downcast_ref::<BinaryExpr>().map_or_else(
        || {
            expr.is::<Column>()
                || expr.is::<Literal>()
                || expr.is::<NotExpr>()
                || expr.is::<IsNullExpr>()
                || expr.is::<IsNotNullExpr>()
                || expr.is::<InListExpr>()
                || expr.is::<LikeExpr>()
        },
        |binary| is_safe(*binary.op()),
    );
    !safe || expr.children().into_iter().any(can_fail)
}

#[derive(Debug, Clone, Eq)]
struct Guarded {
    binary: BinaryExpr,
    /// Whether a left side that is null decides an AND: only true matters.
    null_decides: bool,
}

// Not derived: a derived comparison would move out of the Arcs (rust-lang/rust issue 78808).
impl PartialEq for Guarded {
    fn eq(&self, other: &Self) -> bool {
        self.binary == other.binary && self.null_decides == other.null_decides
    }
}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.binary.hash(state);
        self.null_decides.hash(state);
    }
}

impl Guarded {
    fn is_and(&self) -> bool {
        *self.binary.op() == Operator::And
    }

    /// The rows that the left side does not decide.
    fn open(&self, left: &BooleanArray) -> BooleanArray {
        let values = left.values();
        let Some(nulls) = left.nulls() else {
            return BooleanArray::new(if self.is_and() { values.clone() } else { !values }, None);
        };
        let known = nulls.inner();
        let open = match (self.is_and(), self.null_decides) {
            (true, true) => values & known,
            (true, false) => values | &!known,
            (false, _) => !&(values & known),
        };
        BooleanArray::new(open, None)
    }

    fn combined(&self, left: &BooleanArray, right: &ArrayRef) -> Result<ColumnarValue> {
        let Some(right) = right.as_boolean_opt() else {
            return exec_err!("a condition must be true or false");
        };
        let combined = if self.is_and() { and_kleene(left, right) } else { or_kleene(left, right) };
        Ok(ColumnarValue::Array(Arc::new(combined?)))
    }

    /// The right side of the open rows, and null for the others.
    fn right_of(&self, open: &BooleanArray, count: usize, batch: &RecordBatch) -> Result<ArrayRef> {
        let selected = filter_record_batch(batch, open)?;
        let right = self.binary.right().evaluate(&selected)?.into_array(count)?;
        let mut next = 0;
        let rows: UInt32Array = open
            .values()
            .iter()
            .map(|is_open| {
                is_open.then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        Ok(take(&right, &rows, None)?)
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.binary.fmt(f)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.binary.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.binary.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let left = self.binary.left().evaluate(batch)?.into_array(rows)?;
        let Some(known) = left.as_boolean_opt() else {
            return exec_err!("a condition must be true or false");
        };
        let open = self.open(known);
        let count = open.true_count();
        if count == 0 {
            return Ok(ColumnarValue::Array(left));
        }
        if count == rows || count > rows / FEW {
            let right = self.binary.right().evaluate(batch);
            if let Ok(right) = right.and_then(|right| right.into_array(rows)) {
                return self.combined(known, &right);
            }
        }
        let right = self.right_of(&open, count, batch)?;
        self.combined(known, &right)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.binary.children()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [left, right] = children.as_slice() else {
            return exec_err!("a condition has two sides");
        };
        let binary = BinaryExpr::new(Arc::clone(left), *self.binary.op(), Arc::clone(right));
        Ok(Arc::new(Self { binary, null_decides: self.null_decides }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In parentheses: what contains the OR does not know that it is one.
        if !self.is_and() {
            f.write_str("(")?;
        }
        self.binary.fmt_sql(f)?;
        f.write_str(if self.is_and() { "" } else { ")" })
    }
}
