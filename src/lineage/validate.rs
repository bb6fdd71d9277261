//! The little that backends need of an event, checked on any producer's bytes.
//!
//! An event is never encoded anew: what passes goes on byte for byte. The
//! check is of what a backend breaks on or refuses whole (a missing name, a
//! time that is none, a NUL in a name), not of the schema: a backend takes
//! more than the schema allows, and what it takes is not ours to hold back.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::EventType;

/// Which of OpenLineage's three events it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Run,
    Job,
    Dataset,
}

/// What the check tells of an event that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub kind: Kind,
    /// Events of one key must stay in order: the run id, or the name of the
    /// job or dataset where there is no run.
    pub key: String,
    /// The type of a run event, where OpenLineage knows it.
    pub event_type: Option<EventType>,
    pub producer: String,
    /// `namespace/name` of the job; empty for a dataset event.
    pub job: String,
}

/// Why no backend would take an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    #[error("the event is not a JSON object")]
    NotAnObject,
    #[error("the event is not OpenLineage: {0}")]
    Malformed(serde_json::Error),
    #[error("`{field}` is missing or empty")]
    Missing { field: Cow<'static, str> },
    #[error("`eventTime` is no time: `{time}`")]
    Time { time: String },
    #[error("`{field}` has a NUL")]
    Nul { field: Cow<'static, str> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    event_type: Option<String>,
    event_time: Option<String>,
    producer: Option<String>,
    #[serde(borrow)]
    run: Option<&'a RawValue>,
    #[serde(borrow)]
    job: Option<&'a RawValue>,
    #[serde(borrow)]
    dataset: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    outputs: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    namespace: Option<String>,
    name: Option<String>,
}

/// Checks an event, and tells its kind and the key of its order.
pub fn check(bytes: &[u8]) -> Result<Checked, Invalid> {
    let event: Seen = object(bytes)?;
    let time = filled("eventTime", event.event_time)?;
    if !is_time(&time) {
        // Of a text that is no time, as much as tells what it is.
        return Err(Invalid::Time { time: time.chars().take(40).collect() });
    }
    let producer = filled("producer", event.producer)?;
    for (list, datasets) in [("inputs", event.inputs), ("outputs", event.outputs)] {
        for (index, dataset) in datasets.unwrap_or_default().into_iter().enumerate() {
            name(|part| format!("{list}[{index}].{part}").into(), dataset)?;
        }
    }

    let job = event.job.map(|job| name(|part| format!("job.{part}").into(), job)).transpose()?;
    if let Some(run) = event.run {
        let run: Run = object(run.get().as_bytes())?;
        let key = filled("run.runId", run.run_id)?;
        let job = job.ok_or(Invalid::Missing { field: "job".into() })?;
        let event_type = EventType::parse(&filled("eventType", event.event_type)?);
        return Ok(Checked { kind: Kind::Run, key, event_type, producer, job });
    }
    if event.event_type.is_some() {
        return Err(Invalid::Missing { field: "run".into() });
    }
    if let Some(job) = job {
        return Ok(Checked { kind: Kind::Job, key: job.clone(), event_type: None, producer, job });
    }
    let dataset = event.dataset.ok_or(Invalid::Missing { field: "run".into() })?;
    let key = name(|part| format!("dataset.{part}").into(), dataset)?;
    Ok(Checked { kind: Kind::Dataset, key, event_type: None, producer, job: String::new() })
}

/// An object, and not the array that serde would take for one, too.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Invalid> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Invalid::NotAnObject);
    }
    serde_json::from_slice(bytes).map_err(Invalid::Malformed)
}

fn filled(field: impl Into<Cow<'static, str>>, value: Option<String>) -> Result<String, Invalid> {
    let field = field.into();
    match value {
        Some(value) if value.contains('\0') => Err(Invalid::Nul { field }),
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Invalid::Missing { field }),
    }
}

/// `namespace/name` of a job or dataset.
fn name(field: impl Fn(&str) -> Cow<'static, str>, value: &RawValue) -> Result<String, Invalid> {
    let named: Named = object(value.get().as_bytes())?;
    let namespace = filled(field("namespace"), named.namespace)?;
    let name = filled(field("name"), named.name)?;
    Ok(format!("{namespace}/{name}"))
}

/// RFC 3339, or the same without a zone, which backends take as UTC.
fn is_time(text: &str) -> bool {
    let separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    // The parser knows zones in brackets, which no backend does.
    separated
        && !text.contains('[')
        && (text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run_event() -> Value {
        json!({
            "eventType": "START",
            "eventTime": "2026-01-02T03:04:05.678+01:00",
            "producer": "https://spark.apache.org/",
            "run": {"runId": "0190d5b2-7c00-7000-8000-000000000001", "facets": {"x": [1, {}]}},
            "job": {"namespace": "shop", "name": "orders.load"},
            "inputs": [{"namespace": "kafka://kafka:9092", "name": "orders"}],
            "outputs": []
        })
    }

    fn reason(event: &Value) -> String {
        check(event.to_string().as_bytes()).unwrap_err().to_string()
    }

    /// The run event with one value put in, by JSON pointer.
    fn with(pointer: &str, value: impl Into<Value>) -> Value {
        let mut event = run_event();
        *event.pointer_mut(pointer).unwrap() = value.into();
        event
    }

    fn without(field: &str) -> Value {
        let mut event = run_event();
        event.as_object_mut().unwrap().remove(field).unwrap();
        event
    }

    #[test]
    fn a_run_event_is_known_by_its_run() {
        let checked = check(run_event().to_string().as_bytes()).unwrap();
        assert_eq!(checked.kind, Kind::Run);
        assert_eq!(checked.key, "0190d5b2-7c00-7000-8000-000000000001");
        assert_eq!(checked.event_type, Some(EventType::Start));
        assert_eq!(checked.job, "shop/orders.load");
    }

    #[test]
    fn job_and_dataset_events_are_known_by_their_names() {
        let mut job = without("run");
        job.as_object_mut().unwrap().remove("eventType");
        let checked = check(job.to_string().as_bytes()).unwrap();
        assert_eq!((checked.kind, checked.key.as_str()), (Kind::Job, "shop/orders.load"));

        let dataset = json!({
            "eventTime": "2026-01-02T03:04:05Z", "producer": "p:x",
            "dataset": {"namespace": "n", "name": "d"}
        });
        let checked = check(dataset.to_string().as_bytes()).unwrap();
        assert_eq!((checked.kind, checked.key.as_str()), (Kind::Dataset, "n/d"));
    }

    #[test]
    fn what_a_backend_breaks_on_is_refused_with_its_place() {
        for (event, expected) in [
            (json!([run_event()]), "the event is not a JSON object"),
            (json!({}), "`eventTime` is missing or empty"),
            (without("eventType"), "`eventType` is missing or empty"),
            (without("producer"), "`producer` is missing or empty"),
            (without("run"), "`run` is missing or empty"),
            (without("job"), "`job` is missing or empty"),
            (with("/run", json!({})), "`run.runId` is missing or empty"),
            (with("/run", json!(["run-1"])), "the event is not a JSON object"),
            (with("/job/name", ""), "`job.name` is missing or empty"),
            (with("/job/name", "a\0b"), "`job.name` has a NUL"),
            (with("/inputs/0/namespace", Value::Null), "`inputs[0].namespace` is missing or empty"),
            (with("/eventTime", "yesterday"), "`eventTime` is no time: `yesterday`"),
            (
                with("/eventTime", "2026-02-30T00:00:00Z"),
                "`eventTime` is no time: `2026-02-30T00:00:00Z`",
            ),
        ] {
            assert_eq!(reason(&event), expected);
        }
        assert!(matches!(check(b"{\"eventType\":"), Err(Invalid::Malformed(_))));
        assert!(matches!(check(b""), Err(Invalid::NotAnObject)));
    }

    #[test]
    fn what_backends_forgive_is_not_held_back() {
        for event in [
            without("inputs"),
            with("/eventType", "BANANA"),
            with("/eventTime", "2026-01-02T03:04:05"),
            with("/run/runId", "run-1"),
            with("/outputs", Value::Null),
            with("/run/facets", json!({"text": "a\0b"})),
        ] {
            assert!(check(event.to_string().as_bytes()).is_ok(), "{event}");
        }
    }

    /// A producer's deep facet must not exhaust the stack.
    #[test]
    fn depth_is_no_matter() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let event = run_event().to_string().replacen("[1,{}]", &deep, 1);
        assert!(event.len() > 200_000);
        assert!(check(event.as_bytes()).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_checked_without_a_panic(bytes: Vec<u8>) {
            let _ = check(&bytes);
        }

        #[test]
        fn any_torn_or_changed_event_is_checked_without_a_panic(
            at in 0_usize..300, byte: u8, cut in 0_usize..400,
        ) {
            let mut bytes = run_event().to_string().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(1));
            if let Ok(checked) = check(&bytes) {
                proptest::prop_assert!(!checked.key.is_empty() && !checked.key.contains('\0'));
            }
        }
    }
}
