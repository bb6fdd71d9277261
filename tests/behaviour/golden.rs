//! Every event that a stage sends, whole, with holes for ids, times and versions.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use lineage_hub::{
    lineage::{
        Counts, EventType, PRODUCER, Run, RunEvent,
        facets::{ProcessingEngine, ProcessingType},
        validate,
    },
    pipeline::{self, GitLocation, PipelinePlan, Project, StagePlan},
    stage::{EventOptions, ParentRun, RunBooks, StageError, StageEvents, pipeline_job},
    transform::{Functions, Transforms},
};
use serde_json::Value;
use uuid::Uuid;

use super::spec;

const PARENT: Uuid = Uuid::from_u128(0x0190_d5b2_7c00_7000_8000_0000_0000_0001);

const TOPIC: &str = "topic: raw.orders
description: Orders as the shop writes them
owner: team:shop
fields:
  order_id: { type: string not null, description: Number of the order }
  status: string
  email: string
  items: list<struct<sku: string, qty: int>>
";

const PIPELINE: &str = "pipeline: orders
namespace: shop
description: From the shop to the warehouse
owner: team:shop
version: 1.4.0
stages:
  paid:
    description: Lets paid orders through
    from: raw.orders
    to: orders.paid
    sql: |
      SELECT order_id, cardinality(items) AS items, sha256_hex(email) AS email
      FROM input WHERE status = 'paid'
    expect:
      has items: { that: items > 0, otherwise: dead_letter }
";

fn source() -> GitLocation {
    GitLocation {
        url: "https://git.shop/data/blob/0123456789/pipelines/orders.yaml".to_owned(),
        repository: Some("https://git.shop/data".to_owned()),
        path: "pipelines/orders.yaml".to_owned(),
        commit: "0123456789".to_owned(),
        branch: Some("main".to_owned()),
    }
}

fn plan() -> PipelinePlan {
    let files = [("topics/raw.orders.yaml", TOPIC), ("pipelines/orders.yaml", PIPELINE)];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let functions = Functions::default();
    let options = pipeline::Options {
        functions: &functions,
        transforms: &Transforms::default(),
        namespace: "none",
    };
    let (plan, _) = pipeline::check(&Project::from_files(files), options).into_plan().unwrap();
    let mut stage = StagePlan::clone(plan.stages().next().unwrap());
    stage.source = Some(source());
    PipelinePlan {
        source: Some(source()),
        stages: vec![Arc::new(stage)],
        ..plan.pipelines[0].clone()
    }
}

fn events() -> StageEvents {
    let parent = ParentRun { run: PARENT, namespace: "shop".to_owned(), name: "orders".to_owned() };
    let options = EventOptions {
        enabled: true,
        topic: "lineage".into(),
        datasets: "kafka://kafka:9092".to_owned(),
        running_interval: std::time::Duration::from_mins(1),
        strip_literals: false,
        parent: Some(parent),
        replica: "east/0".to_owned(),
    };
    StageEvents::new(&plan().stages[0], options)
}

fn counts() -> Counts {
    let (read, mapped, out, filtered, dead_lettered) = (10, 7, 7, 2, 1);
    Counts { read, mapped, out, filtered, dead_lettered, bytes_in: 1000, bytes_out: 400 }
}

fn failure() -> StageError {
    let position =
        lineage_hub::record::Position { topic: "raw.orders".into(), partition: 3, offset: 8 };
    StageError::Expectation { position, expectation: "has items".to_owned() }
}

/// The event with holes where each run differs, once it is found to be valid.
fn golden(bytes: &[u8]) -> Value {
    validate::check(bytes).unwrap();
    let mut event = spec::golden(bytes, PRODUCER);
    *event.pointer_mut("/run/runId").unwrap() = "[run]".into();
    event
}

#[test]
fn a_streaming_run_says_this() {
    let now = Instant::now();
    let mut events = events();
    let start = events.start(now).unwrap();
    insta::assert_json_snapshot!("streaming-start", golden(&start.value));
    events.count_unmet(&[1]);
    events.committed();
    let failure = failure();
    for (name, kind, error) in [
        ("streaming-running", EventType::Running, None),
        ("streaming-complete", EventType::Complete, None),
        ("streaming-fail", EventType::Fail, Some(&failure)),
        ("streaming-abort", EventType::Abort, None),
    ] {
        let event = events.progress(kind, &[(3, counts())], error, now).unwrap();
        assert_eq!(event.key, events.run().to_string());
        insta::assert_json_snapshot!(name, golden(&event.value));
    }
}

#[test]
fn a_stages_part_in_a_bounded_run_says_this() {
    let now = Instant::now();
    let mut events = events();
    let start = events.part_start(PARENT).unwrap();
    insta::assert_json_snapshot!("bounded-start", golden(&start.value));
    events.start(now).unwrap();
    let none = RunBooks::default();
    let counted = RunBooks { counts: BTreeMap::from([(3, counts())]), unmet: vec![1] };
    let failure = failure();
    for (name, books, failure) in
        [("bounded-delta", &counted, None), ("bounded-failure", &none, Some(&failure))]
    {
        let event = events.delta(PARENT, books, failure, &[(3, counts())], now).unwrap();
        assert_eq!(event.key, events.run().to_string());
        insta::assert_json_snapshot!(name, golden(&event.value));
    }
}

/// What the pipeline's file says of it.
#[test]
fn a_pipelines_own_run_says_this() {
    let job = pipeline_job(&plan(), ProcessingType::Streaming);
    let mut run = Run::new(PARENT);
    run.facets.set(&ProcessingEngine::default());
    let event = RunEvent::new(EventType::Start, jiff::Timestamp::now(), run, job);
    insta::assert_json_snapshot!("pipeline-start", golden(&event.to_json()));
}
