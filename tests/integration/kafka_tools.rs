//! Kafka's own console tools beside the program, as its users have them open.
//!
//! They need a JVM and Kafka's jars, so the test is run by `scripts/test-kafka.sh`
//! only, which names them in `KAFKA_TOOLS`: a script that takes
//! `tool CLASS ARGUMENTS` and speaks to 127.0.0.1 at `KAFKA_PORT`.

use std::{collections::BTreeMap, env, fmt::Write, process::Command};

use lineage_hub::cli::generate::{orders::Orders, summarise};
use serde_json::Value;

use crate::support::Project;

const COUNT: u64 = 300;
const SEED: u64 = 14;

fn tool(project: &Project, class: &str, args: &[&str]) -> Command {
    let script = env::var("KAFKA_TOOLS").expect("KAFKA_TOOLS names scripts/kafka.sh");
    let (_, port) = project.cluster.bootstrap.rsplit_once(':').unwrap();
    let mut command = Command::new(script);
    command.env("KAFKA_PORT", port).arg("tool").arg(class).args(args);
    command
}

#[test]
#[ignore = "needs a JVM and Kafka's jars: run by scripts/test-kafka.sh"]
fn the_console_tools_write_what_stages_read_and_read_what_stages_write() {
    let project = Project::with_topics("tools");
    let hub = project.start(&["up", "--no-forward"]);
    let mut lines = String::new();
    let (mut orders, mut value) = (Orders::new(SEED), Vec::new());
    for number in 0..COUNT {
        orders.write_next(&mut value);
        let value = String::from_utf8_lossy(&value);
        writeln!(lines, "key-{number}\t{value}").unwrap();
    }
    project.write("lines", &lines);
    let raw = project.name("raw.orders");
    let mut produce = tool(
        &project,
        "ConsoleProducer",
        &["--topic", &raw, "--reader-property", "parse.key=true"],
    );
    produce.stdin(std::fs::File::open(project.path("lines")).unwrap());
    assert!(produce.status().unwrap().success());

    let expected = summarise(COUNT, SEED);
    let read = |topic: &str, count: u64| {
        let (topic, count) = (project.name(topic), count.to_string());
        let consume = tool(
            &project,
            "ConsoleConsumer",
            &[
                "--topic",
                &topic,
                "--from-beginning",
                "--isolation-level",
                "read_committed",
                "--max-messages",
                &count,
                "--timeout-ms",
                "60000",
                "--formatter-property",
                "print.key=true",
            ],
        );
        let out = project.run_command(consume).ok();
        let pairs = out.lines().map(|line| {
            let (key, value) = line.split_once('\t').unwrap();
            (key.to_owned(), value.to_owned())
        });
        pairs.collect::<BTreeMap<_, _>>()
    };
    let loaded = read("orders.loaded", expected.loaded);
    assert_eq!(loaded.len() as u64, expected.loaded, "each key once");
    let totals = loaded.values().map(|value| {
        let order: Value = serde_json::from_str(value).unwrap();
        order["total"].as_f64().unwrap()
    });
    assert!((totals.sum::<f64>() - expected.total).abs() < 1e-6 * expected.total);
    let dead = read("raw.orders.dlq", expected.malformed);
    assert_eq!(dead.len() as u64, expected.malformed);
    for (key, value) in dead {
        assert!(lines.contains(&format!("{key}\t{value}\n")), "changed: {key} {value}");
    }
    hub.stop();
}
