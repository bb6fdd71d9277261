//! Records and topics that are not as they should be.

use std::fmt::Write;

use crate::support::{
    Books, Project, orders,
    reading::{Tail, read_all},
    wait_until,
};

/// An order whose mail address is so long, and is no help to a compressor.
fn large_order(id: &str, bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut mail = String::with_capacity(bytes);
    while mail.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(mail, "{state:016x}").unwrap();
    }
    format!(
        "{{\"order_id\":\"{id}\",\"customer_id\":1,\"ts\":\"2026-01-05T10:00:00Z\",\"country\":\"fr\",\
         \"status\":\"paid\",\"currency\":\"EUR\",\"email\":\"{mail}\",\
         \"items\":[{{\"sku\":\"a\",\"qty\":1,\"price\":2.5}}]}}\n"
    )
}

#[test]
fn a_record_over_the_limit_of_the_next_topic_is_dead_lettered_alone() {
    let project = Project::new("large");
    let file = format!("topics/{}.yaml", project.name("orders.extracted"));
    let limit = "owner: team:shop\nconfig: { max.message.bytes: 20000 }\n";
    project.edit(&file, "owner: team:shop\n", limit);
    project.run(&["topics", "apply"]).ok();
    let lines: String = (0..50)
        .map(|number| large_order(&format!("o-{number}"), if number == 25 { 100_000 } else { 50 }))
        .collect();
    project.write("orders", &lines);
    let path = project.path("orders");
    project.run(&["produce", &project.name("raw.orders"), path.to_str().unwrap()]).ok();

    let hub = project.start(&["up", "--no-forward"]);
    let mut dead = Tail::open(&project.cluster, &project.name("raw.orders.dlq"));
    dead.wait_for(1);
    let mut loaded = Tail::open(&project.cluster, &project.name("orders.loaded"));
    loaded.wait_for(49);
    hub.stop();
    assert_eq!((dead.count(), loaded.count()), (1, 49));
    assert_eq!(dead.records[0].key.as_deref(), Some(&b"o-25"[..]));
    Books::check(&project);
}

#[test]
fn a_stage_whose_topic_is_missing_says_how_to_make_it_and_starts_nothing() {
    let project = Project::new("missing");
    let done = project.run(&["stage", &project.stage("extract")]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let topic = project.name("raw.orders");
    assert_eq!(
        done.err,
        format!("error: topic `{topic}` does not exist; make it with `lineage-hub topics apply`\n")
    );
    assert_eq!(project.cluster.topics(), Vec::<String>::new());
}

#[test]
fn a_stage_that_would_empty_its_topic_into_the_dead_letters_stops_and_says_so() {
    let project = Project::with_topics("share");
    project.write("hub.yaml", "stage: { dead_letter: { window: 100, share_max: 0.2 } }\n");
    let good = orders::send(&project, 400, 13);
    let bad: Vec<String> = (0..5000).map(|number| format!("{{\"order\":{number}}}\n")).collect();
    project.write("bad", &bad.concat());
    let mut hub = project.start(&["stage", &project.stage("extract")]);
    let mut output = Tail::open(&project.cluster, &project.name("orders.extracted"));
    output.wait_for(good.well_formed.len());
    let path = project.path("bad");
    project.run(&["produce", &project.name("raw.orders"), path.to_str().unwrap()]).ok();
    wait_until("the stage stops by itself", || !hub.is_running());
    let done = hub.join();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.err.contains("error: stage "), "{done:?}");
    assert!(done.err.contains("`dead_letter.share_max` (0.2)"), "{done:?}");
    assert!(done.err.contains("Mend the schema or the source, or raise the limit"), "{done:?}");

    // What it did before stands, and its run says why it ended.
    let books = Books::read(&project);
    let runs = books.of_stage(&project, "extract");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].end(), "FAIL", "{done:#?}");
    let facet = &runs[0].events.last().unwrap()["run"]["facets"]["errorMessage"]["message"];
    assert!(facet.as_str().unwrap().contains("dead_letter.share_max"), "{facet}");
    let dead = read_all(&project.cluster, &project.name("raw.orders.dlq")).len();
    assert!(dead < 5000 && output.count() == good.well_formed.len(), "{dead} dead letters");
}

#[test]
fn a_tombstone_passes_through_all_stages() {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let project = Project::with_topics("tombstone");
    let producer: BaseProducer = project.cluster.client().create().unwrap();
    let topic = project.name("raw.orders");
    producer
        .send(BaseRecord::<_, str>::to(&topic).key("gone"))
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(crate::support::PATIENCE).unwrap();
    let hub = project.start(&["up", "--no-forward"]);
    let mut loaded = Tail::open(&project.cluster, &project.name("orders.loaded"));
    loaded.wait_for(1);
    hub.stop();
    assert_eq!(loaded.count(), 1);
    let record = &loaded.records[0];
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"gone"[..]), None));
    Books::check(&project);
}

#[test]
fn a_stage_whose_record_the_topic_refuses_stops_with_the_reason() {
    for (test, config, select, reason) in [
        ("unkeyed", "cleanup.policy: compact", "id", "needs a key in each record"),
        (
            "ahead",
            "message.timestamp.after.max.ms: 1000",
            "id, TIMESTAMP '2999-01-01T00:00:00Z' AS _timestamp",
            "its timestamp is out of the range",
        ),
    ] {
        let project = Project::new(test);
        let [raw, out] = ["raw", "out"].map(|topic| project.name(topic));
        let write = |topic: &str, text: &str| {
            project.write(&format!("topics/{topic}.yaml"), &format!("topic: {topic}\n{text}"));
        };
        write(&raw, "fields: { id: int }\n");
        write(&out, &format!("config: {{ {config} }}\n"));
        project.write(
            "pipelines/copy.yaml",
            &format!(
                "pipeline: {test}\nstages:\n  copy:\n    from: {raw}\n    to: {out}\n    \
                 sql: SELECT {select} FROM input\n"
            ),
        );
        project.run(&["topics", "apply"]).ok();
        project.write("lines", "{\"id\":1}\n");
        let lines = project.path("lines");
        project.run(&["produce", &raw, lines.to_str().unwrap()]).ok();
        let mut hub = project.start(&["stage", &format!("{test}/copy")]);
        wait_until("the stage stops by itself", || !hub.is_running());
        let done = hub.join();
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.err.contains(reason), "{}", done.err);
    }
}
