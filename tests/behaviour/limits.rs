//! Records that ask for more than any memory holds, and batches that do so together.

use super::{STAGE, driver};

const FIELDS: &str = "id: bigint not null, n: bigint, s: string";

#[test]
fn a_record_that_asks_for_too_much_is_dead_lettered_alone() {
    for expr in ["cardinality(range(0, n))", "length(repeat(s, n))", "length(lpad(s, n))"] {
        let mut driver = driver(FIELDS, &format!("SELECT id, {expr} AS v FROM input"));
        let row = |id: u32, n: u64| format!(r#"{{"id":{id},"n":{n},"s":"a"}}"#);
        driver.pipe("in", &[row(1, 3), row(2, 2_000_000_000), row(4, 2)]);
        driver.run_until_idle();

        assert_eq!(driver.output("out"), [r#"{"id":1,"v":3}"#, r#"{"id":4,"v":2}"#], "{expr}");
        assert_eq!(driver.dead_letters("in.dlq"), ["in/0@1 transform"], "{expr}");
        let letter = driver.records("in.dlq")[0].dead_letter().unwrap();
        assert!(letter.error.contains("over the limit of 33554432"), "{}", letter.error);
        assert!(driver.account(STAGE).balances() && driver.failure(STAGE).is_none());
    }
}

/// The rows of such a block are worked on in parts, so that not all of the output is in
/// memory at once; each is then too large for a record.
#[test]
fn a_block_whose_output_is_too_large_is_worked_on_in_parts() {
    let mut driver = driver(FIELDS, "SELECT id, repeat(s, n) AS x FROM input");
    let rows: Vec<String> = (0..20)
        .map(|id| {
            let n = if id % 2 == 0 { 1 } else { 20_000_000 };
            format!(r#"{{"id":{id},"n":{n},"s":"a"}}"#)
        })
        .collect();
    driver.pipe("in", &rows);
    driver.run_until_idle();

    let good: Vec<String> =
        (0..20).step_by(2).map(|id| format!(r#"{{"id":{id},"x":"a"}}"#)).collect();
    assert_eq!(driver.output("out"), good);
    let dead: Vec<String> =
        (0..20).skip(1).step_by(2).map(|id| format!("in/0@{id} encode")).collect();
    assert_eq!(driver.dead_letters("in.dlq"), dead);
    let counts = driver.account(STAGE);
    assert_eq!((counts.read, counts.mapped, counts.dead_lettered), (20, 10, 10));
    assert!(driver.failure(STAGE).is_none());
}
