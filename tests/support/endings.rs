//! What holds of every lineage topic: events are valid, each run starts once and ends
//! once, nothing follows its end, and a run that is named as a parent has events and
//! started first.

#![allow(dead_code, unreachable_pub, reason = "each test that includes it uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::spec::Validators;

/// Start of the `producer` of the program's own events; it does not answer for others.
const OURS: &str = "https://github.com/lineage-hub/lineage-hub/";

thread_local! {
    /// Compiled once a thread.
    static VALIDATORS: Validators = Validators::new();
}

const ENDS: [&str; 3] = ["COMPLETE", "FAIL", "ABORT"];

/// Which runs may have no end.
#[derive(Debug, Clone)]
pub(crate) enum Open {
    /// Every process has been stopped, or what it left was taken over.
    None,
    /// These: who takes over what they hold ends them.
    Only(BTreeSet<String>),
    /// Processes were killed, and nobody came after them.
    Any,
}

impl Open {
    fn allows(&self, run: &str) -> bool {
        match self {
            Self::None => false,
            Self::Only(runs) => runs.contains(run),
            Self::Any => true,
        }
    }
}

fn text<'e>(event: &'e Value, pointer: &str) -> &'e str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn time(event: &Value) -> jiff::Timestamp {
    text(event, "/eventTime").parse().unwrap()
}

/// Replicas that share the partitions of one that died each end their part of its run.
fn closes_part(event: &Value) -> bool {
    text(event, "/eventType") == "FAIL"
        && text(event, "/run/facets/errorMessage/message").contains("ended without a word")
}

/// Holds the events of a topic, in its order, to all of that.
#[track_caller]
pub(crate) fn assert_runs_end_once(events: &[Value], open: &Open) {
    let mut runs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|event| text(event, "/producer").starts_with(OURS)) {
        VALIDATORS.with(|validators| validators.assert_valid(event));
        runs.entry(text(event, "/run/runId")).or_default().push(event);
    }
    for (id, events) in &runs {
        let kinds: Vec<&str> = events.iter().map(|event| text(event, "/eventType")).collect();
        let what = format!("run {id} of {}: {kinds:?}", text(events[0], "/job/name"));
        assert_eq!(kinds[0], "START", "{what}");
        assert_eq!(kinds.iter().filter(|kind| **kind == "START").count(), 1, "{what}");
        let end = kinds.iter().position(|kind| ENDS.contains(kind));
        match end {
            Some(end) => {
                let late = &events[end..];
                let is_closed = late.len() == 1 || late.iter().all(|event| closes_part(event));
                assert!(is_closed, "something follows the end of {what}");
            }
            None => assert!(open.allows(id), "no end of {what}"),
        }
        let times: Vec<_> = events.iter().map(|event| time(event)).collect();
        assert!(times.is_sorted(), "{what}: {times:?}");
        if let Some(parent) = events[0].pointer("/run/facets/parent") {
            assert_parent(parent, events[0], &runs, &what);
        }
    }
}

#[track_caller]
fn assert_parent(parent: &Value, start: &Value, runs: &BTreeMap<&str, Vec<&Value>>, what: &str) {
    let events = runs.get(text(parent, "/run/runId"));
    let events = events.unwrap_or_else(|| panic!("no event of the parent of {what}: {parent}"));
    assert_eq!(text(events[0], "/job/name"), text(parent, "/job/name"), "{what}");
    assert_eq!(text(events[0], "/job/namespace"), text(parent, "/job/namespace"), "{what}");
    assert!(time(events[0]) <= time(start), "{what} started before its parent");
}
