//! `lineage-hub generate`: records of a known workload, for trying out and measuring.
//!
//! ```text
//! seed -> orders (one reused buffer) -> one line a record
//! ```
//!
//! # Guarantees
//!
//! Same count and seed, same bytes, on every machine and in every version:
//! counts and sums measured once stay comparable.
//!
//! # Not here
//!
//! Kafka: `lineage-hub produce` reads these lines.

pub mod orders;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use self::orders::Orders;

#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    pub workload: Workload,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Workload {
    /// Orders of a shop as JSON, one a line, some of them malformed
    Orders(OrdersArgs),
}

#[derive(Debug, Clone, Args)]
pub struct OrdersArgs {
    /// Records to write
    #[arg(long, default_value_t = 1000)]
    pub count: u64,

    /// Same seed, same records
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// Write the record key and a tab before each value
    #[arg(long)]
    pub with_keys: bool,

    /// Write what a right pipeline makes of these records, not the records
    #[arg(long, conflicts_with = "with_keys")]
    pub summary: bool,
}

/// What a right pipeline makes of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    pub records: u64,
    /// Records that belong in the dead letters.
    pub malformed: u64,
    /// Records that reach the last topic: well formed and paid.
    pub loaded: u64,
    /// Sum of `total` over the loaded records, in EUR.
    pub total: f64,
}

/// Writes the workload to `out`; errors are those of `out`.
pub fn run(args: &GenerateArgs, out: &mut dyn Write) -> io::Result<()> {
    let Workload::Orders(args) = &args.workload;
    if args.summary {
        let summary = summarise(args.count, args.seed);
        serde_json::to_writer(&mut *out, &summary)?;
        return out.write_all(b"\n");
    }
    let mut orders = Orders::new(args.seed);
    let mut value = Vec::new();
    for _ in 0..args.count {
        orders.write_next(&mut value);
        if args.with_keys {
            out.write_all(orders::key(&value))?;
            out.write_all(b"\t")?;
        }
        out.write_all(&value)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Walks the workload without keeping it.
pub fn summarise(count: u64, seed: u64) -> Summary {
    let mut orders = Orders::new(seed);
    let mut value = Vec::new();
    let mut summary = Summary { records: count, ..Summary::default() };
    for _ in 0..count {
        let order = orders.write_next(&mut value);
        summary.malformed += u64::from(order.malformed);
        if let Some(total) = order.total {
            summary.loaded += 1;
            summary.total += total;
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(arguments: &[&str]) -> String {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            generate: GenerateArgs,
        }
        let arguments = ["generate"].iter().chain(arguments);
        let cli = <Cli as clap::Parser>::parse_from(arguments);
        let mut out = Vec::new();
        run(&cli.generate, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_a_line_and_keys_stand_before_a_tab() {
        let plain = output(&["orders", "--count", "20"]);
        let keyed = output(&["orders", "--count", "20", "--with-keys"]);
        assert_eq!(plain.lines().count(), 20);
        for (value, line) in plain.lines().zip(keyed.lines()) {
            let (key, rest) = line.split_once('\t').unwrap();
            assert_eq!(rest, value);
            assert!(value.starts_with(&format!("{{\"order_id\":\"{key}\"")));
        }
    }

    #[test]
    fn the_sample_file_is_the_first_thousand_orders_of_seed_42() {
        let sample = include_str!("../../samples/orders.ndjson");
        assert_eq!(sample, output(&["orders"]));
    }

    #[test]
    fn the_summary_is_one_json_line_without_records() {
        let summary: serde_json::Value =
            serde_json::from_str(&output(&["orders", "--count", "1000", "--summary"])).unwrap();
        assert_eq!(summary["records"], 1000);
        assert_eq!(summary["malformed"], summarise(1000, 42).malformed);
    }
}
