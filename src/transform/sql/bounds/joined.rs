//! `a || b` of texts that computes the size of its result first.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema},
};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{BinaryExpr, Column},
};

use super::{
    charge, check_value,
    growth::{Arguments, Growth},
};

/// The operator with limits.
pub(in crate::transform::sql) fn joined(binary: &BinaryExpr) -> Arc<dyn PhysicalExpr> {
    Arc::new(Joined { binary: binary.clone() })
}

#[derive(Debug, Clone, Eq)]
struct Joined {
    binary: BinaryExpr,
}

// Not derived: a derived comparison would move out of the Arcs (rust-lang/rust issue 78808).
impl PartialEq for Joined {
    fn eq(&self, other: &Self) -> bool {
        self.binary == other.binary
    }
}

impl Hash for Joined {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.binary.hash(state);
    }
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.binary.fmt(f)
    }
}

impl PhysicalExpr for Joined {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.binary.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.binary.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let sides = [self.binary.left().evaluate(batch)?, self.binary.right().evaluate(batch)?];
        let arguments = Arguments::new(&sides)?;
        let total = Growth::Sum.sum(&arguments, rows).unwrap_or(u64::MAX);
        charge(total)?;
        if total > super::VALUE_MAX {
            for row in 0..rows {
                check_value("||", Growth::Sum.bytes(&arguments, row)?)?;
            }
        }
        let [left, right] = sides;
        let sides = vec![left.into_array(rows)?, right.into_array(rows)?];
        let field = |(name, side): (&str, &arrow::array::ArrayRef)| {
            Field::new(name, side.data_type().clone(), true)
        };
        let fields: Vec<Field> = ["left", "right"].into_iter().zip(&sides).map(field).collect();
        let pair = RecordBatch::try_new(Arc::new(Schema::new(fields)), sides)?;
        let join = BinaryExpr::new(
            Arc::new(Column::new("left", 0)),
            Operator::StringConcat,
            Arc::new(Column::new("right", 1)),
        );
        join.evaluate(&pair)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.binary.children()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [left, right] = children.as_slice() else {
            return exec_err!("`||` has two sides");
        };
        let (left, right) = (Arc::clone(left), Arc::clone(right));
        Ok(Arc::new(Self { binary: BinaryExpr::new(left, Operator::StringConcat, right) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.binary.fmt_sql(f)
    }
}
