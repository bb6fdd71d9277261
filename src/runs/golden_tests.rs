//! The events that end a bounded run, whole, with holes for ids, times and versions.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::{Runs, bounded::End, cancel, close};
use crate::lineage::{
    Counts, EventType, GraphStage, InputDataset, Job, OutputDataset, PRODUCER, Run, RunEvent,
    RunGraph,
    facets::{
        Assertion, DataQualityAssertions, DataSource, JobType, Parent, ParentJob, ParentRef,
        ProcessingEngine, ProcessingType, Schema, SchemaField,
    },
    ids, spec,
};

const RUN: Uuid = Uuid::from_u128(0x0190_d5b2_7c00_7000_8000_0000_0000_0001);
const STAGE: &str = "orders.paid";
const NAMESPACE: &str = "kafka://kafka:9092";

fn start(run: Run, job: Job) -> RunEvent {
    RunEvent::new(EventType::Start, "2026-01-02T03:04:05Z".parse().unwrap(), run, job)
}

/// As whoever sends a run begins it.
fn pipeline_start() -> RunEvent {
    let mut run = Run::new(RUN);
    run.facets.set(&ProcessingEngine::default());
    let [job, from, to] = [STAGE, "raw.orders", "orders.paid"].map(str::to_owned);
    run.facets.set(&RunGraph { stages: vec![GraphStage { job, from, to }] });
    let mut job = Job::new("shop", "orders");
    job.facets.set(&JobType::pipeline(ProcessingType::Batch));
    start(run, job)
}

/// As a stage begins its part.
fn part_start() -> RunEvent {
    let mut run = Run::new(ids::stage_run(RUN, STAGE));
    let pipeline = ParentJob { namespace: "shop".to_owned(), name: "orders".to_owned() };
    run.facets.set(&ProcessingEngine::default());
    run.facets.set(&Parent::root(ParentRef::new(RUN, pipeline)));
    let mut job = Job::new("shop", STAGE);
    job.facets.set(&JobType::bounded_stage());
    let mut event = start(run, job);
    let mut input = InputDataset::new(NAMESPACE, "raw.orders");
    input.facets.set(&DataSource::kafka(NAMESPACE));
    let mut output = OutputDataset::new(NAMESPACE, "orders.paid");
    output.facets.set(&Schema::new(vec![SchemaField::new("order_id", "string", vec![])]));
    let [met, unmet] = [("known", "n > 0"), ("small", "n < 9")];
    let assertions = [met, unmet].map(|(name, that)| Assertion::expression(name, that, 0));
    output.facets.set(&DataQualityAssertions { assertions: assertions.into() });
    event.inputs.push(input);
    event.outputs.push(output);
    event
}

fn golden(event: &[u8]) -> Value {
    spec::golden(event, PRODUCER)
}

#[test]
fn the_ends_of_a_bounded_run_say_this() {
    let mut runs = Runs::default();
    runs.fold(&pipeline_start().to_json());
    runs.fold(&part_start().to_json());
    let run = runs.run(RUN).unwrap();
    let (read, mapped, out, filtered, dead_lettered) = (10, 7, 7, 2, 1);
    let counts =
        Counts { read, mapped, out, filtered, dead_lettered, bytes_in: 1000, bytes_out: 400 };
    for (name, job, kind, error) in [
        ("part-complete", Some(STAGE), EventType::Complete, None),
        ("part-fail", Some(STAGE), EventType::Fail, Some("took in 11 of 10 records")),
        ("run-complete", None, EventType::Complete, None),
        ("run-fail", None, EventType::Fail, Some("`orders.paid` failed")),
    ] {
        let (job, error) = (job.map(str::to_owned), error.map(str::to_owned));
        let unmet = BTreeMap::from([("small".to_owned(), 3)]);
        let (key, event) = close::event(run, &End { job, kind, counts, unmet, error }).unwrap();
        let event = golden(&event);
        assert_eq!(event["run"]["runId"], key);
        insta::assert_json_snapshot!(name, event);
    }
    let (_, cancelled) = cancel::event(run).unwrap();
    insta::assert_json_snapshot!("run-cancelled", golden(&cancelled));
}
