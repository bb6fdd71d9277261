//! Bounded runs that do not go well: each run that began ends once, in whatever order
//! the bad news comes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    RunState, cancel, close,
    tests::{CHAIN, RUN, begin, ends, event, fold, part, start, stopped, total},
};
use crate::lineage::EventType;

type Ends = Vec<(Option<String>, EventType)>;

fn of(job: &str, kind: EventType) -> (Option<String>, EventType) {
    (Some(job.to_owned()), kind)
}

/// Writes the ends that are due to the topic, as a tracker does.
fn close(events: &mut Vec<Vec<u8>>) -> Ends {
    let runs = fold(events);
    let due = ends(&runs);
    let run = runs.run(RUN).unwrap();
    events.extend(run.ends().iter().filter_map(|end| Some(close::event(run, end)?.1)));
    assert!(ends(&fold(events)).is_empty(), "an end is due twice");
    due
}

/// A run of two stages that began.
fn begun() -> Vec<Vec<u8>> {
    vec![start(&CHAIN), begin("orders.one"), begin("orders.two")]
}

/// Each event of a run but the last one is not its end, and the last one is.
fn assert_each_ended_once(events: &[Vec<u8>]) {
    let parse = |event: &Vec<u8>| serde_json::from_slice::<Value>(event).unwrap();
    let events: Vec<Value> = events.iter().map(parse).collect();
    for run in events.iter().filter(|event| event["eventType"] == "START") {
        let id = &run["run"]["runId"];
        let kinds = events.iter().filter(|event| event["run"]["runId"] == *id);
        let kinds: Vec<&str> = kinds.map(|event| event["eventType"].as_str().unwrap()).collect();
        let is_end = |kind: &str| ["COMPLETE", "FAIL", "ABORT"].contains(&kind);
        let ended = kinds.iter().position(|kind| is_end(kind));
        assert_eq!(ended, Some(kinds.len() - 1), "{id}: {kinds:?}");
    }
}

#[test]
fn a_stage_that_stops_fails_its_part_at_once_and_the_run_once_its_sender_has_told_all() {
    let mut events = begun();
    events.push(stopped("orders.one"));
    assert_eq!(close(&mut events), [of("orders.one", EventType::Fail)]);
    let runs = fold(&events);
    assert_eq!(runs.run(RUN).unwrap().state, RunState::Running, "its sender goes on");

    events.push(total(9));
    let due = close(&mut events);
    assert_eq!(due, [of("orders.two", EventType::Abort), (None, EventType::Fail)]);
    let runs = fold(&events);
    let run = runs.run(RUN).unwrap();
    assert_eq!(run.error.as_deref(), Some("orders.one failed: a bad record"));
    assert!(run.is_settled() && !run.cancelled);
    assert_each_ended_once(&events);
}

#[test]
fn what_a_stage_does_after_the_end_of_a_failed_run_begins_nothing_anew() {
    let mut events = begun();
    events.extend([total(4), stopped("orders.one")]);
    assert_eq!(close(&mut events).len(), 3);
    // The stage is started again, and drops or repeats what is left.
    events.extend([part("orders.one", [4, 0, 0, 4, 0]), stopped("orders.one"), total(4)]);
    events.push(part("orders.two", [0; 5]));
    assert_eq!(close(&mut events), []);
    let runs = fold(&events);
    let run = runs.run(RUN).unwrap();
    assert_eq!(run.state, RunState::Failed);
    assert!(run.parts.values().all(|part| part.state.is_ended()));
}

#[test]
fn two_stages_that_fail_are_told_apart_and_the_first_of_the_graph_is_the_reason() {
    let mut events = begun();
    events.extend([stopped("orders.two"), total(3), stopped("orders.one")]);
    let due = close(&mut events);
    let fail = |job| of(job, EventType::Fail);
    assert_eq!(due, [fail("orders.one"), fail("orders.two"), (None, EventType::Fail)]);
    assert_each_ended_once(&events);
}

#[test]
fn a_stage_that_fails_after_the_others_leaves_their_complete_ends() {
    let mut events = begun();
    events.extend([total(2), part("orders.one", [2, 2, 2, 0, 0])]);
    assert_eq!(close(&mut events), [of("orders.one", EventType::Complete)]);
    events.push(stopped("orders.two"));
    assert_eq!(close(&mut events), [of("orders.two", EventType::Fail), (None, EventType::Fail)]);
    assert_each_ended_once(&events);
}

#[test]
fn a_run_that_is_cancelled_and_one_of_whose_stages_fails_has_each_end_once() {
    for fails_first in [false, true] {
        let mut events = begun();
        events.push(total(3));
        if fails_first {
            events.push(stopped("orders.one"));
        }
        let (_, abort) = cancel::event(fold(&events).run(RUN).unwrap()).unwrap();
        events.push(abort);
        if !fails_first {
            assert_eq!(close(&mut events), [], "its records are dropped first");
            events.push(stopped("orders.one"));
        }
        let due = close(&mut events);
        assert_eq!(due, [of("orders.one", EventType::Fail), of("orders.two", EventType::Abort)]);
        assert_each_ended_once(&events);
        let runs = fold(&events);
        assert!(runs.run(RUN).unwrap().cancelled);
    }
}

/// Its sender broke off: what was committed goes its way, and then the parts end.
#[test]
fn the_parts_of_a_run_whose_sender_gave_up_end_when_what_was_sent_is_accounted_for() {
    let mut events = begun();
    let mut abort: Value = serde_json::from_slice(&total(2)).unwrap();
    abort["eventType"] = "ABORT".into();
    events.push(serde_json::to_vec(&abort).unwrap());
    assert_eq!(close(&mut events), []);
    events.push(part("orders.one", [2, 1, 1, 1, 0]));
    assert_eq!(close(&mut events), [of("orders.one", EventType::Abort)]);
    events.push(part("orders.two", [1, 1, 1, 0, 0]));
    assert_eq!(close(&mut events), [of("orders.two", EventType::Abort)]);
    assert_each_ended_once(&events);
}

/// A stage without a part in the run, as of a pipeline that reads a topic of it.
#[test]
fn a_stage_that_is_not_in_the_graph_is_not_ended() {
    let mut events = begun();
    events.extend([total(0), part("other.stage", [5, 5, 5, 0, 0])]);
    assert_eq!(close(&mut events).len(), 3);
    assert_eq!(fold(&events).run(RUN).unwrap().parts.len(), 3);
}

/// An event of a pipeline that streams, or of a run of its stage.
fn streaming(kind: &str, run: Uuid, job: &str, parent: Option<Uuid>) -> Vec<u8> {
    let level = if parent.is_none() { "PIPELINE" } else { "STAGE" };
    let mut facets = json!({});
    if let Some(parent) = parent {
        let balance = json!({
            "replica": "0", "in": 0, "mapped": 0, "out": 0, "filtered": 0, "deadLettered": 0,
            "bytesIn": 0, "bytesOut": 0, "byPartition": [],
        });
        facets = json!({ "lineageHub_balance": balance, "parent": { "run": { "runId": parent } } });
    }
    let mut event: Value = serde_json::from_slice(&event(kind, run, job, facets)).unwrap();
    event["job"]["facets"] =
        json!({ "jobType": { "processingType": "STREAMING", "jobType": level } });
    serde_json::to_vec(&event).unwrap()
}

/// Of a process that was killed nobody tells the end of its pipeline's run.
#[test]
fn a_pipelines_run_is_ended_once_all_runs_of_its_stages_are() {
    let [pipeline, one, two] = [1, 2, 3].map(Uuid::from_u128);
    let mut events = vec![streaming("START", pipeline, "orders", None)];
    let end = |events: &[Vec<u8>]| fold(events).end_of_pipeline(pipeline);
    assert!(end(&events).is_none(), "its stages may still come");
    for run in [one, two] {
        events.push(streaming("START", run, "orders.one", Some(pipeline)));
    }
    // Who takes the partitions over is itself of another run of the pipeline.
    events.push(streaming("FAIL", one, "orders.one", Some(Uuid::from_u128(4))));
    assert!(end(&events).is_none(), "a stage runs");
    events.push(streaming("FAIL", two, "orders.one", Some(pipeline)));
    assert!(fold(&events).abandoned().is_empty(), "its process may be about to end it");
    let (key, value) = end(&events).unwrap();
    let told: Value = serde_json::from_slice(&value).unwrap();
    assert_eq!((key, &told["eventType"]), (pipeline.to_string(), &"FAIL".into()));
    assert!(told["run"]["facets"]["errorMessage"]["message"].is_string());
    events.push(value);
    assert!(end(&events).is_none(), "it is told once");
    events.push(streaming("RUNNING", two, "orders.one", Some(pipeline)));
    events.push(streaming("FAIL", two, "orders.one", Some(pipeline)));
    assert!(end(&events).is_none(), "and not again, whatever comes late");
}
