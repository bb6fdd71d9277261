//! The little that backends need of an event, checked on any producer's bytes.
//!
//! An event is never encoded anew: what passes goes on byte for byte. All that the
//! specification's schema allows passes, and more: facets, URLs and types are left to the
//! backends, and each parks what it refuses for itself. Refused here is what has no place
//! in any of them: no JSON object, no time, no name, or a NUL in a name, which databases
//! do not store.

use std::{borrow::Cow, collections::BTreeMap};

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
    /// The type of a run event, where it has one that OpenLineage knows.
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
    #[error("`{field}` is missing{}", if *empty { " or empty" } else { "" })]
    Missing { field: Cow<'static, str>, empty: bool },
    #[error("`{field}` is not {wanted}")]
    Type { field: Cow<'static, str>, wanted: &'static str },
    #[error("`eventTime` is not a valid timestamp: `{time}`")]
    Time { time: String },
    #[error("`{field}` has a NUL")]
    Nul { field: Cow<'static, str> },
}

/// The fields of an object that are not null. Of a name that occurs twice the last one
/// counts, as for backends.
struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// A name that is borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Object<'a> {
    /// Not of the array that serde would take for an object.
    fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Invalid::NotAnObject);
        }
        let fields: BTreeMap<Name<'a>, &'a RawValue> =
            serde_json::from_slice(bytes).map_err(Invalid::Malformed)?;
        let fields = fields.into_iter().map(|(Name(name), value)| (name, value));
        Ok(Self(fields.filter(|(_, value)| value.get() != "null").collect()))
    }

    fn get(&self, field: &str) -> Option<&'a RawValue> {
        self.0.get(field).copied()
    }

    /// A text; `name` is where it is in the event.
    fn text(&self, field: &str, name: impl Into<Cow<'static, str>>) -> Result<String, Invalid> {
        let name = name.into();
        let Some(value) = self.get(field) else {
            return Err(Invalid::Missing { field: name, empty: false });
        };
        let Ok(text) = serde_json::from_str::<String>(value.get()) else {
            return Err(Invalid::Type { field: name, wanted: "a string" });
        };
        if text.contains('\0') {
            return Err(Invalid::Nul { field: name });
        }
        Ok(text)
    }
}

/// Checks an event, and tells its kind and the key of its order.
pub fn check(bytes: &[u8]) -> Result<Checked, Invalid> {
    let event = Object::read(bytes)?;
    let time = event.text("eventTime", "eventTime")?;
    if !is_time(&time) {
        // Of a text that is no time, as much as tells what it is.
        return Err(Invalid::Time { time: time.chars().take(40).collect() });
    }
    let producer = event.text("producer", "producer")?;
    let known = match (event.get("job"), event.get("dataset")) {
        (Some(job), None) => of_job(&event, job),
        // The schema of a dataset event allows any other field but `run` beside `job`.
        (Some(job), Some(dataset)) => of_job(&event, job).or_else(|error| {
            if event.get("run").is_some() { Err(error) } else { of_dataset(dataset) }
        }),
        (None, Some(dataset)) => of_dataset(dataset),
        (None, None) => {
            let field = if event.get("run").is_some() { "job" } else { "run" };
            Err(Invalid::Missing { field: field.into(), empty: false })
        }
    };
    known.map(|checked| Checked { producer, ..checked })
}

fn of_dataset(dataset: &RawValue) -> Result<Checked, Invalid> {
    let key = name(|part| format!("dataset.{part}").into(), dataset)?;
    let (producer, job) = (String::new(), String::new());
    Ok(Checked { kind: Kind::Dataset, key, event_type: None, producer, job })
}

/// An event of a job, or of a run of it.
fn of_job(event: &Object<'_>, job: &RawValue) -> Result<Checked, Invalid> {
    let job = name(|part| format!("job.{part}").into(), job)?;
    for list in ["inputs", "outputs"] {
        let Some(datasets) = event.get(list) else { continue };
        let Ok(datasets) = serde_json::from_str::<Vec<&RawValue>>(datasets.get()) else {
            return Err(Invalid::Type { field: list.into(), wanted: "an array" });
        };
        for (index, dataset) in datasets.into_iter().enumerate() {
            name(|part| format!("{list}[{index}].{part}").into(), dataset)?;
        }
    }
    let producer = String::new();
    let Some(run) = event.get("run") else {
        return Ok(Checked { kind: Kind::Job, key: job.clone(), event_type: None, producer, job });
    };
    let key = Object::read(run.get().as_bytes())?.text("runId", "run.runId")?;
    if key.is_empty() {
        return Err(Invalid::Missing { field: "run.runId".into(), empty: true });
    }
    let event_type = match event.get("eventType") {
        Some(_) => EventType::parse(&event.text("eventType", "eventType")?),
        None => None,
    };
    Ok(Checked { kind: Kind::Run, key, event_type, producer, job })
}

/// `namespace/name` of a job or dataset.
fn name(field: impl Fn(&str) -> Cow<'static, str>, value: &RawValue) -> Result<String, Invalid> {
    let named = Object::read(value.get().as_bytes())?;
    let namespace = named.text("namespace", field("namespace"))?;
    let name = named.text("name", field("name"))?;
    Ok(format!("{namespace}/{name}"))
}

/// RFC 3339, or the same without a zone, which backends take as UTC.
fn is_time(text: &str) -> bool {
    let separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    // The parser knows zones in brackets, which no backend does.
    separated
        && !text.contains('[')
        && (is_rfc_3339(text)
            || text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok())
}

/// What the parser of times refuses of RFC 3339: more than nine digits of a second, a leap
/// second, and the last moments of the year 9999.
fn is_rfc_3339(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let is_zone = match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', m1, m2] => {
            let is_hour = matches!(hours, [b'0' | b'1', b'0'..=b'9'] | [b'2', b'0'..=b'3']);
            is_hour && matches!((m1, m2), (b'0'..=b'5', b'0'..=b'9'))
        }
        _ => false,
    };
    let whole = match date_time.strip_suffix(":60") {
        Some(minute) => format!("{minute}:59"),
        None => date_time.to_owned(),
    };
    is_zone && whole.parse::<jiff::civil::DateTime>().is_ok()
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
        // Some producers give it an event type (datahub issue 15196).
        let checked = check(without("run").to_string().as_bytes()).unwrap();
        assert_eq!((checked.kind, checked.key.as_str()), (Kind::Job, "shop/orders.load"));
        assert_eq!(checked.event_type, None);

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
            (json!({}), "`eventTime` is missing"),
            (without("producer"), "`producer` is missing"),
            (without("job"), "`job` is missing"),
            (json!({ "eventTime": "2026-01-02T03:04:05Z", "producer": "p:x" }), "`run` is missing"),
            (with("/run", json!({})), "`run.runId` is missing"),
            (with("/run/runId", ""), "`run.runId` is missing or empty"),
            (with("/run", json!(["run-1"])), "the event is not a JSON object"),
            (with("/job/name", 1), "`job.name` is not a string"),
            (with("/job/name", "a\0b"), "`job.name` has a NUL"),
            (with("/inputs", json!({})), "`inputs` is not an array"),
            (with("/inputs/0/namespace", Value::Null), "`inputs[0].namespace` is missing"),
            (with("/eventTime", "yesterday"), "`eventTime` is not a valid timestamp: `yesterday`"),
            (
                with("/eventTime", "2026-02-30T00:00:00Z"),
                "`eventTime` is not a valid timestamp: `2026-02-30T00:00:00Z`",
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
            without("eventType"),
            with("/eventType", "BANANA"),
            with("/eventType", "complete"),
            with("/eventType", ""),
            with("/job/name", ""),
            with("/producer", ""),
            with("/eventTime", "2026-01-02t03:04:05.123456789012+23:59"),
            with("/eventTime", "2016-12-31T23:59:60Z"),
            with("/eventTime", "9999-12-31T23:59:59.9Z"),
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
