//! Events held against OpenLineage's schemas, which are in the folder that
//! `OPENLINEAGE_SPEC_DIR` names, or in the copy in this repository.

#![allow(dead_code, unreachable_pub, reason = "each test that includes it uses a part")]

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

const CORE: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

pub(crate) fn folder() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openlineage-spec");
    env::var_os("OPENLINEAGE_SPEC_DIR").map_or_else(own, PathBuf::from)
}

/// The OpenLineage schemas, and those of our own facets.
pub(crate) fn schemas() -> Registry<'static> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = folder();
    let folders = [spec.clone(), spec.join("facets"), root.join("docs/openlineage")];
    let mut registry = Registry::new();
    for folder in folders {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let id = schema["$id"].as_str().unwrap().to_owned();
                registry = registry.add(id, schema).unwrap();
            }
        }
    }
    registry.prepare().unwrap()
}

fn assert_valid(registry: &Registry<'_>, schema: &str, value: &Value) {
    assert_accepts(&validator(registry, schema), schema, value);
}

fn validator(registry: &Registry<'_>, schema: &str) -> Validator {
    jsonschema::options()
        .with_registry(registry)
        .should_validate_formats(true)
        .build(&json!({"$ref": schema}))
        .unwrap_or_else(|error| panic!("no schema {schema}: {error}"))
}

fn assert_accepts(validator: &Validator, schema: &str, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{value:#}");
}

/// A valid event with holes for what changes from version to version, and its time.
pub(crate) fn golden(bytes: &[u8], producer: &str) -> Value {
    let event: Value = serde_json::from_slice(bytes).unwrap();
    assert_event_valid(&schemas(), &event);
    let text = String::from_utf8(bytes.to_vec()).unwrap().replace(producer, "[producer]");
    let mut event: Value = serde_json::from_str(&text).unwrap();
    for (hole, name) in [
        ("/eventTime", "[time]"),
        ("/run/facets/processing_engine/version", "[version]"),
        ("/run/facets/processing_engine/openlineageAdapterVersion", "[version]"),
    ] {
        *event.pointer_mut(hole).unwrap() = name.into();
    }
    if let Some(start) = event.pointer_mut("/run/facets/nominalTime/nominalStartTime") {
        *start = "[time]".into();
    }
    event
}

/// The facets of an event, with their keys.
fn facets(event: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let mut places = vec![&event["run"]["facets"], &event["job"]["facets"]];
    for list in ["inputs", "outputs"] {
        for dataset in event[list].as_array().unwrap() {
            places.extend(["facets", "inputFacets", "outputFacets"].map(|place| &dataset[place]));
        }
    }
    places.into_iter().filter_map(Value::as_object).flatten()
}

/// Checks many events: each schema is compiled once, and a facet that many events
/// have alike is checked once.
pub(crate) struct Validators {
    registry: Registry<'static>,
    compiled: RefCell<HashMap<String, Validator>>,
    seen: RefCell<HashSet<String>>,
}

impl Validators {
    pub(crate) fn new() -> Self {
        Self { registry: schemas(), compiled: RefCell::default(), seen: RefCell::default() }
    }

    /// As [`assert_event_valid`].
    pub(crate) fn assert_valid(&self, event: &Value) {
        self.assert(CORE, event);
        for (key, facet) in facets(event) {
            if self.seen.borrow_mut().insert(format!("{key} {facet}")) {
                let schema = facet["_schemaURL"].as_str().unwrap();
                self.assert(schema, facet);
                self.assert(schema.split('#').next().unwrap(), &json!({ key: facet }));
            }
        }
    }

    fn assert(&self, schema: &str, value: &Value) {
        let mut compiled = self.compiled.borrow_mut();
        let validator =
            compiled.entry(schema.to_owned()).or_insert_with(|| validator(&self.registry, schema));
        assert_accepts(validator, schema, value);
    }
}

/// Holds an event against the core schema, and each facet against the schema
/// that it names and the key that this schema gives it; counts the facets.
pub(crate) fn assert_event_valid(registry: &Registry<'_>, event: &Value) -> usize {
    assert_valid(registry, CORE, event);
    facets(event)
        .map(|(key, facet)| {
            let schema = facet["_schemaURL"].as_str().unwrap();
            assert_valid(registry, schema, facet);
            let whole = schema.split('#').next().unwrap();
            assert_valid(registry, whole, &json!({ key: facet }));
        })
        .count()
}
