//! A transform and a function, as a program of one's own has them.

use std::sync::Arc;

use lineage_hub::transform::{
    ColumnLineage, Input, Origin, Output, PlanError, SchemaRef, Source, Transform, TransformError,
    Transformation,
    arrow::{
        array::{Array, AsArray, Float64Array, RecordBatch},
        compute::cast,
        datatypes::{DataType, Field, Float64Type, Schema},
    },
    expr::{ColumnarValue, ScalarUDF, Volatility, create_udf},
};

/// Amount from which on a payment is surely looked at.
const LARGE: f64 = 10_000.0;

/// Each payment with a share that tells how much it looks like a fraud.
#[derive(Clone)]
pub(crate) struct FraudScore {
    output: SchemaRef,
    lineage: ColumnLineage,
    /// Where the columns stand in a batch.
    payment_id: usize,
    amount: usize,
    country: usize,
}

impl FraudScore {
    /// Over the fields of the input topic, which must have those that it reads.
    pub(crate) fn over(input: &SchemaRef) -> Result<Self, PlanError> {
        let [payment_id, amount, country] =
            ["payment_id", "amount", "country"].map(|name| input.index_of(name));
        let (payment_id, amount, country) = (payment_id?, amount?, country?);
        if input.field(amount).data_type() != &DataType::Float64 {
            return Err("`amount` must be a double".into());
        }
        let output = Schema::new(vec![
            input.field(payment_id).clone(),
            Field::new("score", DataType::Float64, false),
        ]);
        let lineage = ColumnLineage {
            fields: vec![
                ("payment_id".to_owned(), vec![source("payment_id", Transformation::Identity, "")]),
                (
                    "score".to_owned(),
                    vec![
                        source("amount", Transformation::Transformation, "fraud score"),
                        source("country", Transformation::Conditional, "fraud score"),
                    ],
                ),
            ],
            dataset: Vec::new(),
        };
        Ok(Self { output: Arc::new(output), lineage, payment_id, amount, country })
    }
}

fn source(field: &str, transformation: Transformation, description: &str) -> Source {
    let (field, description) = (field.to_owned(), description.to_owned());
    Source { field, transformation, description, masking: false }
}

impl Transform for FraudScore {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    fn column_lineage(&self) -> Option<&ColumnLineage> {
        Some(&self.lineage)
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
        let amounts = input.batch.column(self.amount).as_primitive::<Float64Type>();
        // The row at fault is found by halves, and goes to the dead letters alone.
        if let Some(amount) = amounts.values().iter().find(|amount| **amount < 0.0) {
            return Err(TransformError::compute("score", &format!("{amount} is no amount")));
        }
        let countries = input.batch.column(self.country);
        let scores = amounts.values().iter().enumerate().map(|(row, amount)| {
            let share = (amount / LARGE).min(1.0);
            if countries.is_null(row) { share.max(0.5) } else { share }
        });
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::clone(input.batch.column(self.payment_id)),
            Arc::new(Float64Array::from_iter_values(scores)),
        ];
        let batch = RecordBatch::try_new(self.output_schema(), columns)
            .map_err(|error| TransformError::Input { message: error.to_string() })?;
        Ok(Output { batch, origin: Origin::Identity })
    }
}

/// `percent(share)`, for SELECTs.
pub(crate) fn percent() -> ScalarUDF {
    let percent = |arguments: &[ColumnarValue]| {
        let shares = ColumnarValue::values_to_arrays(arguments)?;
        let shares = shares[0].as_primitive::<Float64Type>();
        let percent: Float64Array = shares.unary(|share: f64| (share * 100.0).round());
        Ok(ColumnarValue::Array(cast(&percent, &DataType::Int64)?))
    };
    let (takes, gives) = (vec![DataType::Float64], DataType::Int64);
    create_udf("percent", takes, gives, Volatility::Immutable, Arc::new(percent))
}
