//! Evaluates SQL expressions over JSON rows as a stage does; the differential suite compares the
//! values with those of other engines.
//!
//! The first line of stdin is `{"fields": {NAME: TYPE, ..}, "rows": [{..}, ..]}`, each other line
//! an expression as a JSON string. For each expression stdout gets one line: `{"type": ..,
//! "rows": [{"value": ..} | {"error": ..}, ..], "passes": [..]}`, or `{"refused": .., "hint": ..}`.
//! `passes` has the rows that remain with the expression as the filter, where it is boolean.
//!
//! ```text
//! cargo run --example evaluate < expressions.ndjson
//! ```

use std::{
    error::Error,
    io::{self, BufRead as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
};

use lineage_hub::{
    codec::{
        json::{DecodeConfig, Decoder, Encoder},
        schema::{format_type, parse_field},
    },
    record::EncodedRows,
    transform::{
        Functions, Input, Output, SqlPlan, TransformError, apply_isolating,
        arrow::{
            array::RecordBatch,
            datatypes::{DataType, Schema},
        },
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

#[derive(Deserialize)]
struct Table {
    fields: Map<String, Value>,
    rows: Vec<Box<RawValue>>,
}

impl Table {
    fn batch(&self) -> Result<RecordBatch, Box<dyn Error>> {
        let mut fields = Vec::new();
        for (name, kind) in &self.fields {
            fields.push(parse_field(name, kind.as_str().unwrap_or_default())?);
        }
        let mut decoder = Decoder::new(&Schema::new(fields), DecodeConfig::default())?;
        for (index, row) in self.rows.iter().enumerate() {
            decoder
                .decode(row.get().as_bytes())
                .map_err(|error| format!("row {index}: {error}"))?;
        }
        Ok(decoder.finish())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = io::stdin().lock().lines();
    let table: Table = serde_json::from_str(&lines.next().ok_or("no table on stdin")??)?;
    let batch = table.batch()?;
    let mut stdout = io::stdout().lock();
    for line in lines {
        let expression: String = serde_json::from_str(&line?)?;
        let answer = catch_unwind(AssertUnwindSafe(|| evaluate(&expression, &batch)))
            .unwrap_or_else(|_| Ok(json!({ "panic": expression })))?;
        writeln!(stdout, "{answer}")?;
    }
    Ok(())
}

fn evaluate(expression: &str, batch: &RecordBatch) -> Result<Value, Box<dyn Error>> {
    let functions = Functions::default();
    let sql = format!("SELECT {expression} AS v FROM input");
    let plan = match SqlPlan::plan(&sql, &batch.schema(), &functions) {
        Ok(plan) => plan,
        Err(error) => return Ok(json!({ "refused": error.message, "hint": error.hint })),
    };
    let schema = plan.output_schema();
    let (output, bad) = run(&plan, batch)?;
    let mut rows = vec![Value::Null; batch.num_rows()];
    for (row, error) in bad {
        rows[row as usize] = json!({ "error": error.to_string() });
    }
    let mut encoded = EncodedRows::default();
    let failed = Encoder::new(schema)?.encode(&output.batch, &mut encoded);
    for row in 0..output.batch.num_rows() {
        // The text as printed, so that its digits are compared and not those of a double.
        let value = String::from_utf8(encoded.row(row).to_vec())?;
        rows[output.origin.of(row)] = json!({ "value": value });
    }
    for (row, error) in failed {
        rows[output.origin.of(row)] = json!({ "error": error.to_string() });
    }
    let mut answer = json!({ "type": format_type(schema.field(0)), "rows": rows });
    if *schema.field(0).data_type() == DataType::Boolean {
        answer["passes"] = passes(expression, batch, &functions)?;
    }
    Ok(answer)
}

/// The rows that pass the expression as a filter.
fn passes(
    expression: &str,
    batch: &RecordBatch,
    functions: &Functions,
) -> Result<Value, Box<dyn Error>> {
    let sql = format!("SELECT 1 AS v FROM input WHERE {expression}");
    let plan = match SqlPlan::plan(&sql, &batch.schema(), functions) {
        Ok(plan) => plan,
        Err(error) => return Ok(json!({ "refused": error.message })),
    };
    let (output, _) = run(&plan, batch)?;
    let rows = 0..output.batch.num_rows();
    Ok(rows.map(|row| output.origin.of(row)).collect::<Vec<_>>().into())
}

type Isolated = (Output, Vec<(u32, TransformError)>);

fn run(plan: &SqlPlan, batch: &RecordBatch) -> Result<Isolated, TransformError> {
    let metadata = plan.metadata_columns();
    if !metadata.is_empty() {
        return Err(TransformError::compute("metadata", "the rows have no metadata"));
    }
    apply_isolating(&mut plan.transform(), &Input { partition: 0, batch })
}
