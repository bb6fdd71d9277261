//! Values on their way through the program: digits, keys and timestamps stay as they are.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::{
    Project,
    reading::{Read, Tail, read_all},
};

/// A project of the stage `p/s`, from `in` to `out`; `up` or `topics apply` makes the topics.
fn project(test: &str, input: &str, output: &str, sql: &str) -> Project {
    let project = Project::new(test);
    for topic in crate::support::project::TOPICS {
        std::fs::remove_file(project.path(&format!("topics/{}.yaml", project.name(topic))))
            .unwrap();
    }
    std::fs::remove_file(project.path("pipelines/orders.yaml")).unwrap();
    let name = |topic| project.name(topic);
    for (topic, rest) in [("in", input), ("out", output)] {
        let file = format!("topic: {}\n{rest}\n", name(topic));
        project.write(&format!("topics/{}.yaml", name(topic)), &file);
    }
    let stage = format!(
        "{{from: {}, to: {}, dead_letter: {{share_max: 1}}, sql: \"{sql}\"}}",
        name("in"),
        name("out")
    );
    project
        .write("pipelines/p.yaml", &format!("pipeline: {}\nstages: {{s: {stage}}}\n", name("p")));
    project
}

fn run(
    project: &Project,
    file: &str,
    text: &[u8],
    options: &[&str],
) -> crate::support::process::Done {
    let path = project.path(file);
    std::fs::write(&path, text).unwrap();
    let name = project.name("p");
    let mut words = vec!["run", &name, "--input", path.to_str().unwrap(), "--wait"];
    words.extend(options);
    project.run(&words)
}

fn texts(records: &[Read]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    records.iter().map(|record| record.value.as_deref().map_or("null".to_owned(), text)).collect()
}

fn keys(project: &Project, topic: &str) -> Vec<String> {
    let records = read_all(&project.cluster, &project.name(topic));
    let key = |record: &Read| String::from_utf8(record.key.clone().unwrap_or_default()).unwrap();
    let mut keys: Vec<String> = records.iter().map(key).collect();
    keys.sort();
    keys
}

#[test]
fn a_csv_file_becomes_records_with_its_digits_and_a_bad_row_is_a_dead_letter_alone() {
    let fields =
        "partitions: 1\nfields: {id: string not null, amount: 'decimal(38,18)', ok: boolean}";
    let project =
        project("csv-values", fields, "partitions: 1", "SELECT id, amount, ok FROM input");
    project.run(&["topics", "apply"]).ok();
    let hub = project.start(&["up", "--no-forward", "--no-api"]);
    let file =
        b"\xEF\xBB\xBFid,amount,ok\r\n1,12345678901234567890.123456789012345678,TRUE\r\n2\r\n\
        3,n/a,f\r\n4,0.1,\"x\" y\r\n5,0.100000000000000001,\r\n";
    let done = run(&project, "a.csv", file, &[]);
    assert!(done.err.contains("2 rows are not records (line 3: 1 columns"), "{done:?}");
    done.ok();
    hub.stop();
    assert_eq!(
        texts(&read_all(&project.cluster, &project.name("out"))),
        [
            r#"{"id":"1","amount":12345678901234567890.123456789012345678,"ok":true}"#,
            r#"{"id":"5","amount":0.100000000000000001,"ok":null}"#,
        ]
    );
    assert_eq!(
        texts(&read_all(&project.cluster, &project.name("in.dlq"))),
        ["2", r#"{"id":"3","amount":"n/a","ok":false}"#, "4,0.1,\"x\" y"]
    );
    // Programs read what `inspect` prints: with the digits of the record, too.
    let shown = project.run(&["inspect", &project.name("out"), "--output", "json"]).ok();
    assert!(shown.contains(r#""amount":12345678901234567890.123456789012345678"#), "{shown}");
}

#[test]
fn nothing_is_sent_of_a_csv_file_that_does_not_fit_unless_options_say_how() {
    let fields = "partitions: 1\nfields: {id: string, name: string, qty: int}";
    let project = project("csv-header", fields, "partitions: 1", "SELECT id, name, qty FROM input");
    project.run(&["topics", "apply"]).ok();
    let hub = project.start(&["up", "--no-forward", "--no-api"]);
    for header in
        ["id;name;qty", "id\tname\tqty", "id, name, qty", "ID,NAME,QTY", "id,nmae,qty", "id,name"]
    {
        let text = format!("{header}\n1,a,2\n");
        let done = run(&project, "a.csv", text.as_bytes(), &[]);
        assert_eq!(done.code, Some(1), "{header}: {done:?}");
        assert!(done.err.contains("nothing was sent"), "{header}: {done:?}");
        let path = project.path("a.csv");
        let produced = project.run(&["produce", &project.name("in"), path.to_str().unwrap()]);
        assert_eq!(produced.code, Some(1), "{header}: {produced:?}");
    }
    assert!(read_all(&project.cluster, &project.name("in")).is_empty());

    run(&project, "a.csv", b"id;name;qty\n1;\"a; b\";2\n", &["--delimiter", ";"]).ok();
    run(&project, "a.csv", b"Nr,Who,x\n3,c,y\n", &["--columns", "id,name,-"]).ok();
    hub.stop();
    assert_eq!(
        texts(&read_all(&project.cluster, &project.name("out"))),
        [r#"{"id":"1","name":"a; b","qty":2}"#, r#"{"id":"3","name":"c","qty":null}"#]
    );
}

#[test]
fn one_value_has_one_key_in_run_produce_the_api_and_a_stage() {
    let fields = "partitions: 4\nkey: k\nfields: {id: int, k: 'decimal(38,2)'}";
    let project = project("value-keys", fields, "partitions: 4\nkey: k", "SELECT id, k FROM input");
    project.run(&["topics", "apply"]).ok();
    let mut hub = project.start(&["up", "--no-forward"]);
    let api = hub.api();
    let lines = "{\"id\":1,\"k\":368934881474191032.33}\n{\"id\":2,\"k\":368934881474191032.34}\n\
                 {\"id\":3,\"k\":1.5}\n{\"id\":4,\"k\":1.50}\n";
    run(&project, "a.ndjson", lines.as_bytes(), &[]).ok();
    run(&project, "a.csv", b"id,k\n5,1.5\n6,10\n", &[]).ok();
    let path = project.path("a.ndjson");
    project.run(&["produce", &project.name("in"), path.to_str().unwrap()]).ok();
    let address = format!("/api/v1/pipeline/run?pipeline={}", project.name("p"));
    let headers = [("content-type", "application/x-ndjson")];
    let answer = api.ask("POST", &address, &headers, lines.as_bytes());
    assert_eq!(answer.status, 202);
    let headers = [("content-type", "text/csv")];
    let answer = api.ask("POST", &format!("{address}&delimiter=%3B"), &headers, b"id;k\n7;1.5\n");
    assert_eq!(answer.status, 202);
    let refused = api.ask("POST", &address, &headers, b"id;k\n7;1.5\n");
    assert_eq!(refused.status, 422);
    Tail::open(&project.cluster, &project.name("out")).wait_for(15);
    hub.stop();

    let big = ["368934881474191032.33", "368934881474191032.34"];
    let mut expected: Vec<&str> = [big[0], big[1], "1.50", "1.50"].repeat(3);
    expected.extend(["1.50", "10.00", "1.50"]);
    expected.sort_unstable();
    assert_eq!(keys(&project, "in"), expected);
    assert_eq!(keys(&project, "out"), expected);
}

/// librdkafka issue 1153: to its producer zero is "now".
#[test]
fn a_timestamp_of_zero_is_kept_set_dead_lettered_and_replayed() {
    let fields = "partitions: 1\nfields: {id: int not null, at: timestamp}";
    let project = project("zero", fields, "partitions: 1", "SELECT id FROM input");
    let set = format!(
        "{{from: {}, to: {}, sql: 'SELECT id, at AS _timestamp FROM input'}}",
        project.name("in"),
        project.name("set")
    );
    project.edit("pipelines/p.yaml", "stages: {", &format!("stages: {{t: {set}, "));
    let hub = project.start(&["up", "--no-forward", "--no-api"]);

    let mut config = project.cluster.client();
    config.set("enable.idempotence", "true");
    let producer: BaseProducer = config.create().unwrap();
    let topic = project.name("in");
    // 1 ms is as near to zero as librdkafka can send; zero comes from a stage.
    let record = r#"{"id":1,"at":"1970-01-01T00:00:00Z"}"#;
    producer.send(BaseRecord::<(), _>::to(&topic).payload(record).timestamp(1)).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut out = Tail::open(&project.cluster, &project.name("set"));
    out.wait_for(1);
    assert_eq!(out.records[0].timestamp, Some(0), "set");
    // The other stage reads the same topic, and does not later.
    Tail::open(&project.cluster, &project.name("out")).wait_for(1);
    hub.stop();

    // The topic with the zero becomes the input: kept, and dead-lettered where it fails.
    project.edit(
        "pipelines/p.yaml",
        &format!("from: {}, to: {}", project.name("in"), project.name("out")),
        &format!("from: {}, to: {}", project.name("set"), project.name("out")),
    );
    project.edit("pipelines/p.yaml", "SELECT id FROM", "SELECT id, 1 / (id - 1) AS x FROM");
    let hub = project.start(&["up", "--no-forward", "--no-api"]);
    let mut dead = Tail::open(&project.cluster, &project.name("set.dlq"));
    dead.wait_for(1);
    hub.stop();
    assert_eq!(dead.records[0].timestamp, Some(0), "dead-lettered");
    project.edit("pipelines/p.yaml", "1 / (id - 1) AS x", "2 AS x");
    let hub = project.start(&["up", "--no-forward", "--no-api"]);
    project.run(&["dlq", "replay", "--all", "--wait"]).ok();
    let mut out = Tail::open(&project.cluster, &project.name("out"));
    out.wait_for(2);
    hub.stop();
    let found = texts(&out.records).into_iter().zip(out.records.iter().map(|read| read.timestamp));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [(r#"{"id":1}"#.to_owned(), Some(1)), (r#"{"id":1,"x":2}"#.to_owned(), Some(0))],
        "kept, and replayed"
    );
    let replayed = read_all(&project.cluster, &project.name("set"));
    assert!(replayed.iter().all(|record| record.timestamp == Some(0)), "{replayed:?}");
}
