//! The repository's own pipeline on its sample, against a second computation
//! of what it says.

use std::{collections::BTreeMap, fs, path::Path};

use lineage_hub::test_driver::{NewRecord, TestRecord};
use serde_json::Value;

use super::TestDriver;

const STAGES: [&str; 3] = ["orders/extract", "orders/transform", "orders/load"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> String {
    fs::read_to_string(root().join("samples/orders.ndjson")).unwrap()
}

/// The sample through all stages, keyed as the shop keys it.
fn driven() -> TestDriver {
    let mut driver = TestDriver::from_project(root()).unwrap();
    for line in sample().lines() {
        let order: Option<Value> = serde_json::from_str(line).ok();
        let key = order.as_ref().and_then(|order| order["order_id"].as_str()).map(str::as_bytes);
        let record = NewRecord { key, value: Some(line.as_bytes()), ..NewRecord::default() };
        driver.pipe_record("raw.orders", record);
    }
    driver.run_until_idle();
    driver
}

/// Whether extract lets an order through.
fn well_formed(line: &str) -> Option<Value> {
    let order: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| order[name].as_str();
    order["customer_id"].as_i64()?;
    for name in ["order_id", "ts", "country", "status", "email"] {
        text(name)?;
    }
    ["EUR", "USD", "GBP"].contains(&text("currency")?).then_some(())?;
    let items = order["items"].as_array()?;
    let sound = |item: &Value| {
        item["sku"].is_string() && item["qty"].as_i64() > Some(0) && item["price"].is_number()
    };
    (!items.is_empty() && items.iter().all(sound)).then(|| order.clone())
}

fn total(order: &Value) -> f64 {
    let rate = match order["currency"].as_str() {
        Some("USD") => 0.92,
        Some("GBP") => 1.17,
        _ => 1.0,
    };
    let items = order["items"].as_array().into_iter().flatten();
    let value = |item: &Value| item["qty"].as_f64().unwrap() * item["price"].as_f64().unwrap();
    items.map(value).sum::<f64>() * rate
}

#[test]
fn every_paid_order_is_loaded_once_with_the_total_that_its_items_add_up_to() {
    let driver = driven();
    let expected: BTreeMap<String, (f64, String)> = sample()
        .lines()
        .filter_map(well_formed)
        .filter(|order| order["status"] == "paid")
        .map(|order| {
            let country = order["country"].as_str().unwrap().to_uppercase();
            (order["order_id"].as_str().unwrap().to_owned(), (total(&order), country))
        })
        .collect();
    let loaded = driver.output("orders.loaded");
    assert_eq!(loaded.len(), expected.len());
    assert!(expected.len() > 500, "the sample has hundreds of paid orders");
    for order in loaded {
        let order: Value = serde_json::from_str(&order).unwrap();
        let (total, country) = &expected[order["order_id"].as_str().unwrap()];
        assert!((order["total"].as_f64().unwrap() - total).abs() < 1e-9 * total.abs(), "{order}");
        assert_eq!(order["country"], country.as_str());
        assert_eq!(order.get("email"), None);
    }
}

#[test]
fn the_books_of_the_chain_balance_and_each_stage_takes_in_what_the_one_before_sent() {
    let driver = driven();
    let [extract, transform, load] = STAGES.map(|stage| driver.account(stage));
    let lines = sample().lines().count() as u64;
    let malformed = sample().lines().filter(|line| well_formed(line).is_none()).count() as u64;
    assert_eq!((extract.read, extract.dead_lettered), (lines, malformed));
    assert!(malformed > 0);
    assert_eq!((extract.filtered, transform.dead_lettered, load.filtered), (0, 0, 0));
    assert!(transform.filtered > 0);
    for (before, after) in [(extract, transform), (transform, load)] {
        assert_eq!((before.out, before.bytes_out), (after.read, after.bytes_in));
    }
    for (counts, topic) in
        [(extract, "orders.extracted"), (transform, "orders.transformed"), (load, "orders.loaded")]
    {
        assert!(counts.balances(), "{counts:?}");
        let records = driver.records(topic);
        let bytes: usize = records.iter().map(TestRecord::size).sum();
        assert_eq!((counts.out, counts.bytes_out), (records.len() as u64, bytes as u64));
    }
    assert_eq!(driver.records("raw.orders.dlq").len() as u64, malformed);
}

#[test]
fn an_order_keeps_its_key_and_partition_through_the_chain() {
    let driver = driven();
    let partition_of: BTreeMap<_, _> = driver
        .records("raw.orders")
        .into_iter()
        .map(|record| (record.key, record.partition))
        .collect();
    let used: std::collections::BTreeSet<_> = partition_of.values().collect();
    assert_eq!(used.len(), 4, "the sample uses every partition");
    for topic in ["orders.extracted", "orders.transformed", "orders.loaded"] {
        for record in driver.records(topic) {
            let order: Value = serde_json::from_str(&record.text()).unwrap();
            assert_eq!(order["order_id"], record.key_text().unwrap());
            assert_eq!(partition_of.get(&record.key), Some(&record.partition), "{topic}");
        }
    }
}
