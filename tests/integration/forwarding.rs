//! Lineage to a backend that is away, comes back, and is told everything in order.

use std::{
    collections::BTreeMap,
    env, thread,
    time::{Duration, Instant},
};

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

/// Length of the outage; a longer one by the variable (`OUTAGE_SECONDS=180`).
fn outage() -> Duration {
    let seconds = env::var("OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// Kills of the forwarder in the outage, and as many after it.
const KILLS: u32 = 3;

/// Stages run on while the backend is away, and the forwarder is killed again and
/// again, before the backend is back and after: everything arrives, in the order
/// of its run, and nothing comes twice but what a killed forwarder had sent and
/// not committed.
#[test]
fn an_outage_and_kills_of_the_forwarder_lose_nothing_and_repeat_little() {
    let project = Project::with_topics("outage");
    let marquez = project.cluster.block_on(Marquez::start());
    let backend = format!("{}outage", project.cluster.prefix);
    let settings = format!(
        "forward:\n  coalesce: off\n  backoff_initial: 50ms\n  backoff_max: 500ms\n  concurrency: 4\n  \
         window_events_max: 50\n  backends:\n    {backend}: {{ type: http, url: \"{}\" }}\n\
         lineage: {{ running_interval: 1s }}\n",
        marquez.url()
    );
    project.write("hub.yaml", &settings);
    let lineage = project.name("lineage");
    marquez.set_outage(Some(Fault::Cut));
    let begun = Instant::now();
    let hub = project.start(&["up", "--no-forward"]);
    let sender = orders::Sender::start(&project, 1_000, 11, 500);
    for number in 1..=KILLS {
        let mut forwarder = project.start(&["forward"]);
        let tried = marquez.arrivals().len();
        wait_until("the backend was tried", || marquez.arrivals().len() > tried);
        thread::sleep(
            (begun + outage() * number / KILLS).saturating_duration_since(Instant::now()),
        );
        forwarder.kill();
        marquez.set_outage(Some(Fault::Answer { status: 503, body: String::new() }));
    }
    assert_eq!(marquez.taken(), Vec::<Value>::new());
    marquez.set_outage(None);
    let mut killed_at = Vec::new();
    for _ in 0..KILLS {
        let mut forwarder = project.start(&["forward"]);
        let taken = marquez.taken().len();
        wait_until("some events arrive", || marquez.taken().len() > taken + 5);
        forwarder.kill();
        killed_at.push(marquez.taken().len());
    }
    sender.stop();
    hub.stop();

    let forwarder = project.start(&["forward"]);
    let wanted = {
        let topic = read_all(&project.cluster, &lineage);
        by_run(topic.iter().filter_map(|record| record.value.as_deref()))
    };
    let taken = || {
        let arrivals = marquez.arrivals();
        by_run(arrivals.iter().filter(|one| one.taken()).map(|one| one.bytes.as_slice()))
    };
    let count = |runs: &BTreeMap<String, Vec<Vec<u8>>>| runs.values().map(Vec::len).sum::<usize>();
    wait_until("all events have arrived", || count(&taken()) == count(&wanted));
    forwarder.stop();

    assert!(taken() == wanted, "events came out of order, or not byte for byte");
    assert_eq!(read_all(&project.cluster, &project.name("lineage.dlq")), []);
    // What comes twice does so behind a kill, and is no more than a window.
    let arrivals = marquez.arrivals();
    let all: Vec<&[u8]> =
        arrivals.iter().filter(|one| one.taken()).map(|one| one.bytes.as_slice()).collect();
    let is_repeat = |index: &usize| all[..*index].contains(&all[*index]);
    let repeats: Vec<usize> = (0..all.len()).filter(is_repeat).collect();
    println!(
        "{} events in an outage of {:?} and {} kills: {} came twice",
        count(&wanted),
        outage(),
        2 * KILLS,
        repeats.len()
    );
    assert!(repeats.iter().all(|index| *index >= killed_at[0]), "{repeats:?} {killed_at:?}");
    assert!(repeats.len() <= 50 * KILLS as usize, "{} repeats", repeats.len());
}
