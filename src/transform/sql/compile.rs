//! Logical plan to program: each node that a stage can run becomes a step.

use std::{collections::BTreeSet, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_common::{Column, DFSchema, DFSchemaRef, Result, internal_err, plan_err};
use datafusion_expr::{Expr, LogicalPlan, logical_plan::TableScan};
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{self, Column as PhysicalColumn},
};

use super::{
    exact, guard, merge,
    program::{Program, Step},
    types::topic_type,
    unnest::Unnest,
};

/// Makes the program of an optimised plan.
pub(super) fn compile(plan: &LogicalPlan) -> Result<Program> {
    let mut compiler = Compiler { input: Vec::new(), input_schema: None, steps: Vec::new() };
    let width = plan.schema().fields().len();
    let level = compiler.node(plan, &(0..width).collect())?;
    let output_schema = compiler.finish(plan.schema(), &level)?;
    let Some(input_schema) = compiler.input_schema else {
        return plan_err!("the SELECT reads no table");
    };
    Ok(Program { input: compiler.input, input_schema, steps: compiler.steps, output_schema })
}

struct Compiler {
    input: Vec<usize>,
    input_schema: Option<SchemaRef>,
    steps: Vec<Step>,
}

/// The columns that a node hands up.
struct Level {
    /// Their names for expressions above.
    names: DFSchema,
    /// Their types as they are at run time.
    schema: SchemaRef,
}

impl Compiler {
    /// Makes the steps of a node, of whose columns only `needed` are read above.
    fn node(&mut self, plan: &LogicalPlan, needed: &BTreeSet<usize>) -> Result<Level> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan, plan.schema(), needed),
            LogicalPlan::SubqueryAlias(alias) => {
                let level = self.node(&alias.input, needed)?;
                Ok(Level { names: select(&alias.schema, needed)?, schema: level.schema })
            }
            LogicalPlan::Projection(projection) => {
                let below = projection.input.schema();
                let level = self.node(&projection.input, &columns(below, &projection.expr)?)?;
                let schema = self.project(&projection.expr, &projection.schema, &level)?;
                Ok(Level { names: projection.schema.as_ref().clone(), schema })
            }
            LogicalPlan::Filter(filter) if merge::is_between(filter) => {
                self.node(&filter.input, needed)
            }
            LogicalPlan::Filter(filter) => {
                let below = filter.input.schema();
                let mut read = columns(below, std::slice::from_ref(&filter.predicate))?;
                read.extend(needed);
                let level = self.node(&filter.input, &read)?;
                let predicate = exact::physical(&filter.predicate, &level.names)?;
                let predicate = guard::predicate(&predicate);
                let keep: Vec<usize> = read
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| needed.contains(column))
                    .map(|(index, _)| index)
                    .collect();
                let schema = Arc::new(level.schema.project(&keep)?);
                self.steps.push(Step::Filter { predicate, keep });
                Ok(Level { names: select(below, needed)?, schema })
            }
            LogicalPlan::Unnest(unnest) => {
                let width = unnest.input.schema().fields().len();
                self.node(&unnest.input, &(0..width).collect())?;
                self.steps.push(Step::Unnest(Unnest::plan(unnest)?));
                // All columns come out; a step above that needs fewer reads fewer.
                let schema = Arc::clone(unnest.schema.inner());
                let keep: Vec<usize> = needed.iter().copied().collect();
                if keep.len() == schema.fields().len() {
                    return Ok(Level { names: unnest.schema.as_ref().clone(), schema });
                }
                let schema = Arc::new(schema.project(&keep)?);
                let pick = keep.iter().zip(schema.fields());
                let columns = pick
                    .map(|(&index, field)| Arc::new(PhysicalColumn::new(field.name(), index)) as _)
                    .collect();
                self.steps.push(Step::Project { columns, schema: Arc::clone(&schema) });
                Ok(Level { names: select(&unnest.schema, needed)?, schema })
            }
            other => plan_err!("a stage cannot do {}", construct(other)),
        }
    }

    fn scan(
        &mut self,
        scan: &TableScan,
        names: &DFSchemaRef,
        needed: &BTreeSet<usize>,
    ) -> Result<Level> {
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return internal_err!("the scan of the input took a filter or a limit");
        }
        let table = scan.source.schema();
        self.input = match &scan.projection {
            None => needed.iter().copied().collect(),
            Some(projection) => needed.iter().map(|&index| projection[index]).collect(),
        };
        let schema = Arc::new(table.project(&self.input)?);
        self.input_schema = Some(table);
        Ok(Level { names: select(names, needed)?, schema })
    }

    fn project(&mut self, exprs: &[Expr], names: &DFSchema, level: &Level) -> Result<SchemaRef> {
        let mut columns = Vec::with_capacity(exprs.len());
        let mut fields = Vec::with_capacity(exprs.len());
        for (expr, field) in exprs.iter().zip(names.fields()) {
            let column = exact::physical(expr, &level.names)?;
            let data_type = column.data_type(&level.schema)?;
            fields.push(Field::new(field.name(), data_type, column.nullable(&level.schema)?));
            columns.push(column);
        }
        let schema = Arc::new(Schema::new(fields));
        self.steps.push(Step::Project { columns, schema: Arc::clone(&schema) });
        Ok(schema)
    }

    /// Casts what a topic cannot hold as it is, and gives the columns their names.
    fn finish(&mut self, names: &DFSchema, level: &Level) -> Result<SchemaRef> {
        let mut columns: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        let mut fields = Vec::new();
        let mut same = true;
        for (index, (field, named)) in level.schema.fields().iter().zip(names.fields()).enumerate()
        {
            let Some(data_type) = topic_type(field.data_type()) else {
                return plan_err!("a topic cannot hold a column of type {}", field.data_type());
            };
            same &= data_type == *field.data_type() && named.name() == field.name();
            let column = Arc::new(PhysicalColumn::new(field.name(), index));
            columns.push(expressions::cast(column, &level.schema, data_type.clone())?);
            fields.push(Field::new(named.name(), data_type, field.is_nullable()));
        }
        let schema = Arc::new(Schema::new(fields));
        if !same {
            self.steps.push(Step::Project { columns, schema: Arc::clone(&schema) });
        } else if let Some(Step::Project { schema: last, .. }) = self.steps.last_mut() {
            *last = Arc::clone(&schema);
        }
        Ok(schema)
    }
}

/// The columns of `schema` that the expressions read.
fn columns(schema: &DFSchema, exprs: &[Expr]) -> Result<BTreeSet<usize>> {
    let refs = exprs.iter().flat_map(Expr::column_refs);
    refs.map(|column: &Column| schema.index_of_column(column)).collect()
}

fn select(schema: &DFSchema, columns: &BTreeSet<usize>) -> Result<DFSchema> {
    let fields = columns.iter().map(|&index| {
        let (qualifier, field) = schema.qualified_field(index);
        (qualifier.cloned(), Arc::clone(field))
    });
    DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())
}

/// The node's name, without what is in it.
fn construct(plan: &LogicalPlan) -> String {
    let text = plan.display().to_string();
    text.split(':').next().unwrap_or_default().to_owned()
}
