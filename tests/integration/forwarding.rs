//! Lineage to a backend that is away, comes back, and is told everything in order.

use std::{
    collections::BTreeMap,
    env, thread,
    time::{Duration, Instant},
};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

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
const KILLS: u32 = 2;

/// Stages run on while the backend is away, and the forwarder is killed again and
/// again, before the backend is back and after: everything arrives, in the order
/// of its run, and nothing comes twice but what a killed forwarder had sent and
/// not committed.
#[test]
fn an_outage_and_kills_of_the_forwarder_lose_nothing_and_repeat_only_behind_a_kill() {
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
    // What comes again does so behind a kill: what was sent and not yet committed.
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
    let times = |event: &&[u8]| all.iter().filter(|one| *one == event).count();
    let most = all.iter().map(times).max().unwrap_or_default();
    assert!(most <= 1 + KILLS as usize, "an event came {most} times");
}

/// Events of foreign runs, each run's in their order, and the runs in turn.
fn send_foreign(project: &Project, runs: usize, each: usize) -> usize {
    let producer: BaseProducer = project.cluster.client().create().unwrap();
    let topic = project.name("lineage");
    for number in 0..each {
        for run in 0..runs {
            let key = format!("run-{run}");
            let event = json!({
                "eventType": if number == 0 { "START" } else { "OTHER" },
                "eventTime": "2026-01-02T03:04:05Z",
                "producer": "https://spark",
                "run": { "runId": key },
                "job": { "namespace": "n", "name": format!("j{number}") },
            })
            .to_string();
            let record = BaseRecord::to(&topic).key(&key).payload(&event);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    runs * each
}

const KEY: &str = "a-key-that-nobody-may-read";

/// The one that is down says what it was asked with, as some proxies do.
#[test]
fn a_backend_that_is_down_holds_up_no_other_and_no_key_is_told() {
    let project = Project::with_topics("beside");
    let [well, ill] = [(); 2].map(|()| project.cluster.block_on(Marquez::start()));
    well.require_key(KEY);
    ill.require_key(KEY);
    let body = format!("Bearer {KEY} is not known");
    ill.set_outage(Some(Fault::Answer { status: 401, body }));
    let names = ["well", "ill"].map(|name| format!("{}{name}", project.cluster.prefix));
    project.write("key.txt", KEY);
    let key_file = project.path("key.txt");
    let settings = format!(
        "forward:\n  batch_events_max: 1\n  backoff_initial: 50ms\n  backoff_max: 500ms\n  backends:\n    \
         {}: {{ type: http, url: \"{}\", api_key_file: \"{}\" }}\n    \
         {}: {{ type: http, url: \"{}\", api_key: {KEY} }}\n",
        names[0],
        well.url(),
        key_file.display(),
        names[1],
        ill.url()
    );
    project.write("hub.yaml", &settings);
    let count = send_foreign(&project, 5, 4);
    let forwarder = project.start(&["forward", "-vv"]);
    wait_until("the one that works has all", || well.taken().len() == count);
    let status = |name: &str| {
        let rows = project.run(&["forward", "--status", "--output", "json"]).json_lines();
        rows.into_iter().find(|row| row["backend"] == name).unwrap()
    };
    wait_until("the other is told to be down", || status(&names[1])["down"] == true);
    wait_until("all is committed", || status(&names[0])["backlog"] == 0);
    let [up, down] = names.each_ref().map(|name| status(name));
    assert_eq!((&up["down"], &up["delivered"]), (&false.into(), &count.into()), "{up}");
    assert_eq!((&down["backlog"], &down["delivered"]), (&count.into(), &0.into()), "{down}");
    let error = down["lastError"].as_str().unwrap();
    assert!(error.contains("Bearer [api_key] is not known"), "{error}");
    assert_eq!(ill.taken(), Vec::<Value>::new());

    ill.set_outage(None);
    wait_until("the other has all, too", || ill.taken().len() == count);
    wait_until("all is committed", || status(&names[1])["backlog"] == 0);
    forwarder.terminate();
    wait_until("it says all", || forwarder.said().contains("is back"));
    let told = forwarder.said();
    forwarder.join().ok();
    assert!(told.contains("DEBUG"), "{told}");
    let shown = project.run(&["config", "show"]).ok();
    let table = project.run(&["forward", "--status"]).ok();
    for text in [told, shown, table] {
        assert!(!text.contains(KEY), "{text}");
    }
}

/// Partitions move while nothing can be delivered and the window is full: what
/// the one forwarder had read of them, only the other may send.
#[test]
fn a_second_forwarder_takes_partitions_over_in_an_outage_and_nothing_comes_twice() {
    let project = Project::with_topics("two");
    let marquez = project.cluster.block_on(Marquez::start());
    marquez.set_outage(Some(Fault::Answer { status: 503, body: String::new() }));
    let backend = format!("{}two", project.cluster.prefix);
    let settings = format!(
        "forward:\n  batch_events_max: 1\n  backoff_initial: 50ms\n  backoff_max: 500ms\n  \
         window_events_max: 20\n  backends:\n    {backend}: {{ type: http, url: \"{}\" }}\n",
        marquez.url()
    );
    project.write("hub.yaml", &settings);
    let count = send_foreign(&project, 20, 10);
    let first = project.start(&["forward"]);
    wait_until("the backend was tried", || marquez.arrivals().len() > 5);
    let second = project.start(&["forward"]);
    let members = || {
        let status = project.run(&["status", "--output", "json"]).out;
        let lines = status.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .into_iter()
            .find(|look| look["name"] == backend.as_str() && !look["members"].is_null())
    };
    wait_until("both are in the group", || members().is_some_and(|look| look["members"] == 2));
    // The partitions change hands in two rounds.
    thread::sleep(Duration::from_secs(4));
    marquez.set_outage(None);
    wait_until("all events have arrived", || marquez.taken().len() >= count);
    first.stop();
    second.stop();

    let taken = marquez.taken();
    assert_eq!(taken.len(), count, "some came twice");
    for run in 0..20 {
        let of_run = taken.iter().filter(|event| event["run"]["runId"] == format!("run-{run}"));
        let jobs: Vec<&str> = of_run.map(|event| event["job"]["name"].as_str().unwrap()).collect();
        assert!(jobs.is_sorted() && jobs.len() == 10, "{jobs:?}");
    }
}
