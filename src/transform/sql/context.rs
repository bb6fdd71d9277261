//! What DataFusion's planner asks of its surroundings: one table, our functions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use datafusion_common::{Result, TableReference, config::ConfigOptions, plan_err};
use datafusion_expr::{
    AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
    planner::{ContextProvider, ExprPlanner, TypePlanner},
};
use datafusion_sql::{planner::ParserOptions, sqlparser::ast};

use super::{Functions, parse::INPUT, time};

/// The surroundings of one planning.
pub(super) struct Context<'a> {
    input: Arc<dyn TableSource>,
    functions: &'a Functions,
    planners: Vec<Arc<dyn ExprPlanner>>,
    types: Arc<dyn TypePlanner>,
    options: ConfigOptions,
}

impl<'a> Context<'a> {
    pub(super) fn new(input: SchemaRef, functions: &'a Functions) -> Self {
        Self {
            input: Arc::new(InputTable(input)),
            functions,
            planners: vec![
                Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
                Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
                Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
                Arc::new(time::Extract),
                Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
            ],
            types: Arc::new(Types),
            options: ConfigOptions::default(),
        }
    }

    /// Text stays Utf8, as the decoder gives it: a view of it would be a conversion. Fractional
    /// literals keep their digits until it is known what is beside them.
    pub(super) fn parser_options() -> ParserOptions {
        ParserOptions::new()
            .with_collect_spans(true)
            .with_map_string_types_to_utf8view(false)
            .with_parse_float_as_decimal(true)
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if name.schema().is_none() && name.table() == INPUT {
            return Ok(Arc::clone(&self.input));
        }
        plan_err!("no table `{name}`")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.functions.higher_order(name)
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.scalar_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.functions.higher_order_names()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The records of the stage's topic; filters stay in the plan.
struct InputTable(SchemaRef);

impl TableSource for InputTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }
}

/// TIMESTAMP and TIME are what they are in a topic: to the microsecond, or with
/// `(9)` to the nanosecond.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        use ast::DataType::{Datetime, Time, Timestamp};
        let (name, digits) = match sql_type {
            Timestamp(digits, _) | Datetime(digits) => ("TIMESTAMP", digits),
            Time(digits, _) => ("TIME", digits),
            _ => return Ok(None),
        };
        let data_type = match (name, digits) {
            ("TIME", None | Some(6)) => DataType::Time64(TimeUnit::Microsecond),
            ("TIME", Some(9)) => DataType::Time64(TimeUnit::Nanosecond),
            (_, None | Some(6)) => time::instant(),
            (_, Some(9)) => time::nanoseconds(),
            (_, Some(digits)) => {
                return plan_err!(
                    "no type {name}({digits}): write {name}, which has microseconds, or {name}(9); \
                     date_trunc('millisecond', …) and the like cut a value"
                );
            }
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}
