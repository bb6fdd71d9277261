//! Any records, any failures, in any order: each good record once, and the
//! books balance.

use std::collections::BTreeMap;

use lineage_hub::test_driver::{Call, DriverOptions, Failure, NewRecord};
use proptest::prelude::*;
use serde_json::Value;

use super::{TestDriver, project};

const FIRST: &str = "p/s";
const SECOND: &str = "p/t";

/// What happens to the driver.
#[derive(Debug, Clone)]
enum Act {
    /// Records, each in its kind.
    Pipe(Vec<Kind>),
    Poll(bool),
    Advance(u8),
    Restart(bool),
    Fail(bool, Call, Failure),
    Run,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Sent on as so many rows.
    Good(u8),
    Filtered,
    Undecodable,
    /// Dies in the SELECT.
    DividesByZero,
    Tombstone,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => (0_u8..4).prop_map(Kind::Good),
        2 => Just(Kind::Filtered),
        1 => Just(Kind::Undecodable),
        1 => Just(Kind::DividesByZero),
        1 => Just(Kind::Tombstone),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let calls = proptest::sample::select(vec![
        Call::Begin,
        Call::Send,
        Call::Commit,
        Call::Abort,
        Call::Rebuild,
    ]);
    let failures = proptest::sample::select(vec![
        Failure::TimedOut,
        Failure::Fenced,
        Failure::AnswerLost,
        Failure::Refused,
    ]);
    prop_oneof![
        3 => proptest::collection::vec(kinds(), 1..12).prop_map(Act::Pipe),
        4 => any::<bool>().prop_map(Act::Poll),
        2 => (0_u8..200).prop_map(Act::Advance),
        1 => any::<bool>().prop_map(Act::Restart),
        3 => (any::<bool>(), calls, failures).prop_map(|(stage, call, failure)| Act::Fail(stage, call, failure)),
        1 => Just(Act::Run),
    ]
}

/// Two stages: the first filters, divides and unnests, the second passes on.
fn start() -> TestDriver {
    let rest = "    sql: SELECT id, 12 / n AS share, unnest(rows) AS row FROM input WHERE id >= 0
    dead_letter: { share_max: 1 }
  t: { from: out, to: end, sql: 'SELECT id, row FROM input' }";
    let project = project("id: bigint not null, n: bigint, rows: list<bigint>", 3, rest);
    let mut options = DriverOptions::default();
    options.stage.batch.records_max = 5;
    TestDriver::new(&project, &options).unwrap()
}

/// What must have come of all that was piped.
#[derive(Debug, Default)]
struct Books {
    next: i64,
    read: u64,
    filtered: u64,
    dead: u64,
    tombstones: usize,
    /// For each record that is sent on, its rows.
    rows: BTreeMap<i64, Vec<i64>>,
}

impl Books {
    fn pipe(&mut self, driver: &mut TestDriver, kind: Kind) {
        let id = self.next;
        self.next += 1;
        self.read += 1;
        let text = match kind {
            Kind::Good(rows) => {
                let rows: Vec<_> = (0..i64::from(rows)).collect();
                let text = format!(r#"{{"id":{id},"n":4,"rows":{rows:?}}}"#);
                // UNNEST of an empty list gives no row.
                if rows.is_empty() {
                    self.filtered += 1;
                } else {
                    _ = self.rows.insert(id, rows);
                }
                Some(text)
            }
            Kind::Filtered => {
                self.filtered += 1;
                Some(format!(r#"{{"id":-1,"n":{id},"rows":[1]}}"#))
            }
            Kind::Undecodable => {
                self.dead += 1;
                Some(format!("{{{id}"))
            }
            Kind::DividesByZero => {
                self.dead += 1;
                Some(format!(r#"{{"id":{id},"n":0,"rows":[1]}}"#))
            }
            Kind::Tombstone => {
                self.tombstones += 1;
                None
            }
        };
        let key = id.to_string();
        let value = text.as_deref().map(str::as_bytes);
        driver.pipe_record(
            "in",
            NewRecord { key: Some(key.as_bytes()), value, ..NewRecord::default() },
        );
    }

    fn assert(&self, driver: &TestDriver) {
        let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let mut tombstones = 0;
        for record in driver.records("end") {
            if record.value.is_none() {
                tombstones += 1;
                continue;
            }
            let row: Value = serde_json::from_str(&record.text()).unwrap();
            let id = row["id"].as_i64().unwrap();
            assert_eq!(record.key_text(), Some(id.to_string()));
            found.entry(id).or_default().push(row["row"].as_i64().unwrap());
        }
        assert_eq!((&found, tombstones), (&self.rows, self.tombstones));
        assert_eq!(driver.records("in.dlq").len() as u64, self.dead);
        assert!(driver.records("out.dlq").is_empty());

        let (first, second) = (driver.account(FIRST), driver.account(SECOND));
        let told = (first.read, first.filtered, first.dead_lettered);
        assert_eq!(told, (self.read, self.filtered, self.dead));
        assert!(first.balances() && second.balances(), "{first:?} {second:?}");
        assert_eq!((first.out, first.bytes_out), (second.read, second.bytes_in));
        assert_eq!(second.out, driver.records("end").len() as u64);
    }

    /// No run is told of after its end, and all runs of a stage together did
    /// what its account says.
    fn assert_lineage(driver: &TestDriver, stage: &str) {
        let mut last: BTreeMap<String, Value> = BTreeMap::new();
        for event in driver.lineage_of(stage) {
            let run = event["run"]["runId"].as_str().unwrap().to_owned();
            let before = last.insert(run, event.clone());
            let kind = before.as_ref().and_then(|before| before["eventType"].as_str());
            assert_eq!(kind.is_none(), event["eventType"] == "START", "START once, and first");
            assert!(
                !matches!(kind, Some("COMPLETE" | "FAIL")),
                "{kind:?} then {}",
                event["eventType"]
            );
        }
        let read = last.values().map(|event| {
            assert!(["COMPLETE", "FAIL"].contains(&event["eventType"].as_str().unwrap()));
            event["run"]["facets"]["lineageHub_balance"]["in"].as_u64().unwrap()
        });
        assert_eq!(read.sum::<u64>(), driver.account(stage).read);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_good_record_goes_out_once_and_the_books_balance(
        acts in proptest::collection::vec(acts(), 1..40)
    ) {
        let mut driver = start();
        let mut books = Books::default();
        let name = |first: bool| if first { FIRST } else { SECOND };
        for act in acts {
            match act {
                Act::Pipe(kinds) => kinds.into_iter().for_each(|kind| books.pipe(&mut driver, kind)),
                Act::Poll(first) => _ = driver.poll(name(first)),
                Act::Advance(millis) => driver.advance(std::time::Duration::from_millis(millis.into())),
                Act::Restart(first) => driver.restart(name(first)),
                Act::Fail(first, call, failure) => driver.fail_next(name(first), call, failure),
                Act::Run => driver.run_until_idle(),
            }
        }
        // A restart forgets the failures that still wait, and mends a stage that was refused.
        driver.restart(FIRST);
        driver.restart(SECOND);
        driver.run_until_idle();
        driver.finish();
        books.assert(&driver);
        Books::assert_lineage(&driver, FIRST);
        Books::assert_lineage(&driver, SECOND);
    }
}
