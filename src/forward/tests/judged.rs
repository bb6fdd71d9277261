//! The forwarder over real HTTP at some length: every example document of
//! OpenLineage, and one poisoned event among ten thousand good ones.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{
    Running,
    marquez::{self, Marquez},
    memory::{MemoryTopic, event},
};
use crate::{
    forward::{Backend, ForwardConfig, HttpConfig, transport},
    lineage::{spec, validate},
};

fn start(topic: &MemoryTopic, marquez: &Marquez, config: ForwardConfig) -> Running {
    let http = HttpConfig { url: marquez.url(), ..HttpConfig::default() };
    let transport = transport::open(&Backend::Http(http), || Box::new(std::io::sink())).unwrap();
    Running::start(topic, transport, config)
}

/// A run event around an example of a facet, which stands where its schema's name
/// says that it may, as it is in its file.
fn wrapped(number: usize, kind: &str, example: &str) -> String {
    let place =
        |wanted: bool| if wanted { format!(",{}", &example.trim()[1..]) } else { "}".to_owned() };
    let is_input = kind.contains("InputDataset");
    let is_output = kind.contains("OutputDataset");
    let is_dataset = kind.contains("Dataset") && !is_input && !is_output;
    let is_job = kind.ends_with("JobFacet");
    let is_run = !(is_input || is_output || is_dataset || is_job);
    let facets =
        |wanted| format!("{{\"a\" : {{\"x\": 1.50e3, \"y\": \"\\u00e9\"}}{}", place(wanted));
    format!(
        "{{ \"eventType\": \"OTHER\",\n \"eventTime\": \"2026-01-02T03:04:05.10Z\",\
         \"producer\": \"https://github.com/apache/spark\", \"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\",\
         \"run\": {{\"runId\": \"00000000-0000-7000-8000-{number:012}\", \"facets\": {}}},\
         \"job\": {{\"namespace\": \"n\", \"name\": \"j\", \"facets\": {}}},\
         \"inputs\": [{{\"namespace\": \"n\", \"name\": \"i\", \"facets\": {}, \"inputFacets\": {}}}],\
         \"outputs\": [{{\"namespace\": \"n\", \"name\": \"o\", \"outputFacets\": {}}}] }}",
        facets(is_run),
        facets(is_job),
        facets(is_dataset),
        facets(is_input),
        facets(is_output),
    )
}

/// What other producers write is carried through unchanged, whatever facets it has.
#[tokio::test]
async fn openlineages_own_examples_pass_through_unchanged() {
    let folder = spec::folder().join("tests");
    let mut events = vec![fs::read(folder.join("example_full_event.json")).unwrap()];
    for facet in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !facet.is_dir() {
            continue;
        }
        let kind = facet.file_name().unwrap().to_str().unwrap().to_owned();
        for example in fs::read_dir(facet).unwrap() {
            let example = fs::read_to_string(example.unwrap().path()).unwrap();
            let event = wrapped(events.len(), &kind, &example);
            validate::check(event.as_bytes()).unwrap();
            assert!(event.contains(&example.trim()[1..]), "{kind}");
            events.push(event.into_bytes());
        }
    }
    assert!(events.len() > 45, "{} examples", events.len());

    let marquez = Marquez::start().await;
    let topic = MemoryTopic::default();
    topic.write(3, &events.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let running = start(&topic, &marquez, ForwardConfig::default());
    running.all_committed(3).await;
    running.stop().await;
    let mut arrived: Vec<_> = marquez
        .arrivals()
        .into_iter()
        .filter(marquez::Arrival::taken)
        .map(|arrival| arrival.bytes)
        .collect();
    arrived.sort();
    events.sort();
    assert_eq!(arrived, events);
    assert_eq!(topic.parked(), [""; 0]);
}

/// How long ten thousand events of a thousand runs take, with some of which the
/// backend breaks among them.
async fn delivery_of(good: usize, poisoned: bool) -> (Duration, Marquez, MemoryTopic) {
    let marquez = Marquez::start().await;
    marquez.fail_on("poisoned");
    let topic = MemoryTopic::default();
    let mut events: Vec<String> =
        (0..good).map(|number| event(&format!("run{} OTHER {number}", number % 1000))).collect();
    if poisoned {
        events.insert(good / 10, event("bad OTHER poisoned"));
    }
    for chunk in events.chunks(500) {
        topic.write(3, &chunk.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
    let config = ForwardConfig {
        backoff_initial: Duration::from_millis(50),
        commit_interval: Duration::from_millis(100),
        ..ForwardConfig::default()
    };
    let begun = Instant::now();
    let running = start(&topic, &marquez, config);
    running.all_committed(3).await;
    let took = begun.elapsed();
    running.stop().await;
    (took, marquez, topic)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_poisoned_event_among_ten_thousand_is_parked_and_holds_nothing_up() {
    const GOOD: usize = 10_000;
    let (without, ..) = delivery_of(GOOD, false).await;
    let (with, marquez, topic) = delivery_of(GOOD, true).await;

    let taken = marquez.arrivals().iter().filter(|arrival| arrival.taken()).count();
    assert_eq!(taken, GOOD);
    let parked = topic.parked();
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert!(parked[0].starts_with("lineage/3@1000 test: the backend failed on this event alone"));
    let tries = marquez.arrivals().iter().filter(|arrival| arrival.status == 500).count();
    assert_eq!(tries, 1 + ForwardConfig::default().poison_attempts as usize);
    eprintln!("{GOOD} events: {without:?} without a poisoned one, {with:?} with it");
    // The waits between its tries are beside the others, but for the last of them.
    assert!(with < without * 3 / 2 + Duration::from_secs(2), "{with:?} instead of {without:?}");
}
