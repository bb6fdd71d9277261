//! Evaluates SELECTs on rows, without a broker: a line of JSON per SELECT in, a line
//! with its rows and errors out. `scripts/differential.sh` compares them with PostgreSQL.
//!
//! ```json
//! {"id": 1, "fields": "a: int, b: string", "sql": "SELECT a + 1 AS v FROM input", "rows": [{"a": 1}]}
//! {"id": 1, "rows": ["{\"v\":2}"], "dead": []}
//! ```

use std::io::{self, BufRead, Write};

use lineage_hub::test_driver::TestDriver;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

#[derive(Deserialize)]
struct Task<'a> {
    id: u64,
    /// As a topic file has them.
    fields: String,
    sql: String,
    /// As they are written: a number that was parsed would lose digits.
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let task: Task<'_> = serde_json::from_str(&line)?;
        let mut answer = evaluate(&task).unwrap_or_else(|error| json!({ "error": error }));
        answer["id"] = task.id.into();
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// The rows of the output as text, and of each dead letter its offset, step and error.
fn evaluate(task: &Task<'_>) -> Result<Value, String> {
    let topic = format!("topic: in\nfields: {{{}}}\n", task.fields);
    let sql = serde_json::to_string(&task.sql).map_err(|error| error.to_string())?;
    let stage = format!("{{ from: in, to: out, dead_letter: {{ share_max: 1 }}, sql: {sql} }}");
    let pipeline = format!("pipeline: p\nstages:\n  s: {stage}\n");
    let files = [("topics/in.yaml", topic), ("pipelines/p.yaml", pipeline)];
    let mut driver = TestDriver::from_files(files).map_err(|error| error.to_string())?;
    let rows: Vec<&str> = task.rows.iter().map(|row| row.get()).collect();
    driver.pipe("in", &rows);
    driver.run_until_idle();
    if let Some(failure) = driver.failure("p/s") {
        return Err(format!("the stage stopped: {failure}"));
    }
    let letters = driver.records("in.dlq");
    let dead: Vec<Value> = letters
        .iter()
        .filter_map(|record| record.dead_letter())
        .map(|letter| json!([letter.position.offset, letter.step.to_string(), letter.error]))
        .collect();
    Ok(json!({ "rows": driver.output("out"), "dead": dead }))
}
