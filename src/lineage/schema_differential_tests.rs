//! All that OpenLineage's schema accepts, the check accepts, and of the same kind.

use std::{cell::Cell, fs};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    spec::{folder, schemas},
    validate::{self, Kind},
};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Mostly what the schema wants.
fn text() -> impl Strategy<Value = Value> {
    prop_oneof![12 => "[^\\x00]{0,12}".prop_map(Value::from), 1 => any_json()]
}

fn facets() -> impl Strategy<Value = Value> {
    let facet = any_json().prop_map(|more| {
        json!({ "_producer": "https://p/x", "_schemaURL": "https://p/y.json", "more": more })
    });
    prop_oneof![
        6 => prop::collection::btree_map("[a-zA-Z_]{1,8}", facet, 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        1 => any_json(),
    ]
}

fn named() -> impl Strategy<Value = Value> {
    let named = (text(), text(), prop::option::of(facets()), any_json());
    let named = named.prop_map(|(namespace, name, facets, more)| {
        let mut named = json!({ "namespace": namespace, "name": name, "more": more });
        if let Some(facets) = facets {
            named["facets"] = facets;
        }
        named
    });
    prop_oneof![12 => named, 1 => any_json()]
}

fn time() -> impl Strategy<Value = Value> {
    let digits = (0_u16..=9999, 1_u8..=12, 1_u8..=31, 0_u8..=23, 0_u8..=59, 0_u8..=60);
    let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{1,14}"];
    let zone = prop_oneof!["[Zz]", "[+-]([01][0-9]|2[0-4]):[0-6][0-9]", "[+-][0-9]{4}", ""];
    let time = (digits, "[Tt]", fraction, zone).prop_map(
        |((year, month, day, hour, minute, second), t, fraction, zone)| {
            let date = format!("{year:04}-{month:02}-{day:02}");
            format!("{date}{t}{hour:02}:{minute:02}:{second:02}{fraction}{zone}").into()
        },
    );
    let sound = Just(json!("2020-12-28T19:52:00.001+10:00"));
    prop_oneof![6 => sound, 6 => time, 1 => any_json()]
}

fn run() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        "[0-9a-f]{32}",
        "\\PC{0,12}",
    ];
    let run = (id, prop::option::of(facets())).prop_map(|(id, facets)| {
        let mut run = json!({ "runId": id });
        if let Some(facets) = facets {
            run["facets"] = facets;
        }
        run
    });
    prop_oneof![12 => run, 1 => any_json()]
}

fn datasets() -> impl Strategy<Value = Value> {
    prop_oneof![8 => prop::collection::vec(named(), 0..3).prop_map(Value::from), 1 => any_json()]
}

fn event() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        4 => prop::sample::select(vec!["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"])
            .prop_map(Value::from),
        1 => any_json(),
    ];
    let url = prop_oneof![8 => Just(json!("https://p/x")), 1 => any_json()];
    (
        (time(), url.clone(), url, prop::option::of(kind)),
        (
            prop::option::of(run()),
            prop::option::of(named()),
            prop::option::of(named()),
            prop::option::of(datasets()),
            prop::option::of(datasets()),
        ),
    )
        .prop_map(|((time, producer, schema, kind), (run, job, dataset, inputs, outputs))| {
            let mut event = json!({ "eventTime": time, "producer": producer, "schemaURL": schema });
            for (field, value) in [
                ("eventType", kind),
                ("run", run),
                ("job", job),
                ("dataset", dataset),
                ("inputs", inputs),
                ("outputs", outputs),
            ] {
                if let Some(value) = value {
                    event[field] = value;
                }
            }
            event
        })
}

const CORE: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

fn validator(schema: &str) -> jsonschema::Validator {
    let registry = schemas();
    jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&json!({ "$ref": schema }))
        .unwrap()
}

#[test]
fn what_the_schema_accepts_the_check_accepts() {
    let of = |kind, name: &str| (kind, validator(&format!("{CORE}#/$defs/{name}")));
    let kinds =
        [of(Kind::Run, "RunEvent"), of(Kind::Job, "JobEvent"), of(Kind::Dataset, "DatasetEvent")];
    let core = validator(CORE);
    let valid = [const { Cell::new(0_u32) }; 3];
    let config = ProptestConfig { cases: 6000, failure_persistence: None, ..Default::default() };
    proptest!(config, |(event in event())| {
        let checked = validate::check(event.to_string().as_bytes());
        if core.is_valid(&event) {
            let kind = kinds.iter().position(|(_, validator)| validator.is_valid(&event)).unwrap();
            valid[kind].update(|count| count + 1);
            let checked = match checked {
                Ok(checked) => checked,
                Err(error) => return Err(TestCaseError::fail(format!("{error}: {event:#}"))),
            };
            // With both a job and a dataset the rest decides, and the check is more lenient.
            let is_either = event["job"].is_object() && event["dataset"].is_object();
            prop_assert!(is_either || checked.kind == kinds[kind].0);
        }
    });
    assert!(valid.iter().all(|count| count.get() > 50), "{valid:?}");
}

/// The example of the specification, and each of its test facets in an event of each kind.
#[test]
fn the_specifications_own_tests_are_accepted() {
    let tests = folder().join("tests");
    let full = fs::read(tests.join("example_full_event.json")).unwrap();
    assert_eq!(validate::check(&full).unwrap().kind, Kind::Run);
    let mut files = 0;
    for folder in fs::read_dir(tests).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder).unwrap() {
            let facets: Value =
                serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            let named = json!({ "namespace": "n", "name": "d", "facets": facets });
            let mut event = json!({
                "eventTime": "2020-12-28T19:52:00.001+10:00", "producer": "https://p/x",
                "schemaURL": "https://p/y.json",
            });
            for (field, value, kind) in [
                ("dataset", &named, Kind::Dataset),
                ("job", &named, Kind::Job),
                ("run", &json!({ "runId": "r", "facets": facets }), Kind::Run),
            ] {
                event[field] = value.clone();
                event["inputs"] = json!([named]);
                let bytes = event.to_string();
                assert_eq!(validate::check(bytes.as_bytes()).unwrap().kind, kind, "{bytes}");
            }
            files += 1;
        }
    }
    assert!(files > 30, "{files}");
}

/// Of a field that occurs twice the last one counts, as for JSON parsers of backends.
#[test]
fn a_field_that_occurs_twice_is_no_error() {
    let event = br#"{"eventTime":"x","eventTime":"2026-01-02T03:04:05Z","producer":"p",
        "run":{"runId":"a","runId":"b"},"job":{"namespace":"n","name":"x","n\u0061me":"j"}}"#;
    let checked = validate::check(event).unwrap();
    assert_eq!((checked.key.as_str(), checked.job.as_str()), ("b", "n/j"));
}
