//! Lineage to a backend that is away, comes back, and is told everything in order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{
    Project,
    marquez::{Fault, Marquez},
    orders,
    reading::{committed, read_all},
    wait_until,
};

/// Bytes of events by run, in their order; what comes again behind itself is left out.
fn by_run<'a>(events: impl Iterator<Item = &'a [u8]>) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut runs: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for event in events {
        let json: Value = serde_json::from_slice(event).unwrap();
        let run = runs.entry(json["run"]["runId"].as_str().unwrap().to_owned()).or_default();
        if !run.iter().any(|earlier| earlier == event) {
            run.push(event.to_vec());
        }
    }
    runs
}

#[test]
fn a_backend_that_was_away_gets_every_event_in_the_order_of_its_run() {
    let project = Project::with_topics("forward");
    let marquez = project.cluster.block_on(Marquez::start());
    let backend = format!("{}marquez", project.cluster.prefix);
    let settings = format!(
        "forward:\n  coalesce: off\n  backoff_initial: 50ms\n  backoff_max: 500ms\n  backends:\n    \
         {backend}: {{ type: http, url: \"{}\" }}\nlineage: {{ running_interval: 1s }}\n",
        marquez.url()
    );
    project.write("hub.yaml", &settings);
    let lineage = project.name("lineage");
    let group = format!("lineage-hub-forward-{backend}");
    let held = || {
        let committed = committed(&project.cluster, &group, &lineage);
        committed.values().all(|(offset, _)| *offset == 0)
    };

    marquez.set_outage(Some(Fault::Cut));
    let mut forwarder = project.start(&["forward"]);
    for seed in [9, 10] {
        let hub = project.start(&["up", "--no-forward"]);
        let workload = orders::send_at(&project, 4_000, seed, 2_000);
        let _ = workload;
        hub.stop();
    }
    wait_until("the backend was tried", || marquez.arrivals().len() > 5);
    assert!(held(), "offsets were committed of events that nobody took");
    forwarder.kill();
    marquez.set_outage(Some(Fault::Answer { status: 503, body: String::new() }));
    let forwarder = project.start(&["forward"]);
    let tried = marquez.arrivals().len();
    wait_until("the new forwarder tries, too", || marquez.arrivals().len() > tried);
    assert_eq!(marquez.taken(), Vec::<Value>::new());
    assert!(held(), "offsets were committed of events that nobody took");

    marquez.set_outage(None);
    let topic = read_all(&project.cluster, &lineage);
    let wanted = by_run(topic.iter().filter_map(|record| record.value.as_deref()));
    let taken = || {
        let arrivals = marquez.arrivals();
        by_run(arrivals.iter().filter(|one| one.taken()).map(|one| one.bytes.as_slice()))
    };
    let count = |runs: &BTreeMap<String, Vec<Vec<u8>>>| runs.values().map(Vec::len).sum::<usize>();
    wait_until("all events have arrived", || count(&taken()) == count(&wanted));
    forwarder.stop();

    assert!(taken() == wanted, "events came out of order, or not byte for byte");
    assert_eq!(wanted.len(), 8, "two runs of three stages and of the pipeline");
    let offsets = committed(&project.cluster, &group, &lineage);
    for record in &topic {
        assert!(offsets[&record.partition].0 > record.offset, "an event is not committed");
    }
    assert_eq!(read_all(&project.cluster, &project.name("lineage.dlq")), []);
}
