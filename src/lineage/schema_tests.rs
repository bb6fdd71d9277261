//! Every event that can be built here, held against OpenLineage's own schemas.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Balance, Counts, EventType, InputDataset, Job, OutputDataset, PRODUCER, PartitionBalance, Run,
    RunEvent, RunTotal, facets,
    spec::{self, assert_event_valid, schemas},
    validate,
};

fn input_field(field: &str, subtype: facets::Subtype) -> facets::InputField {
    facets::InputField {
        namespace: "kafka://kafka:9092".to_owned(),
        name: "raw.orders".to_owned(),
        field: field.to_owned(),
        transformations: vec![facets::Transformation {
            kind: match subtype {
                facets::Subtype::Filter => facets::TransformationType::Indirect,
                _ => facets::TransformationType::Direct,
            },
            subtype,
            description: Some(format!("of {field}")),
            masking: false,
        }],
    }
}

fn balance() -> Balance {
    let counts = Counts {
        read: 10,
        mapped: 7,
        out: 12,
        filtered: 2,
        dead_lettered: 1,
        bytes_in: 1000,
        bytes_out: 900,
    };
    let topic = "raw.orders".to_owned();
    Balance::new("shop-1", vec![PartitionBalance { topic, partition: 3, counts }])
}

fn stage_job(job_type: &facets::JobType) -> Job {
    let mut job = Job::new("shop", super::naming::job_name("orders", "extract"));
    job.facets = facets::Facets::default()
        .with(job_type)
        .with(&facets::Sql::new("SELECT order_id FROM input WHERE status = 'paid'"))
        .with(&facets::Documentation::new("Orders that were paid"))
        .with(&facets::Ownership::of("team:shop"))
        .with(&facets::SourceCodeLocation {
            system: "git".to_owned(),
            url: "https://git.shop/pipelines/orders.yaml".to_owned(),
            path: Some("pipelines/orders.yaml".to_owned()),
            version: Some("1d2c3b4".to_owned()),
            ..facets::SourceCodeLocation::default()
        });
    job
}

fn input() -> InputDataset {
    let namespace = "kafka://kafka:9092";
    let item = |name: &str| facets::SchemaField::new(name, "string", Vec::new());
    let mut dataset = InputDataset::new(namespace, "raw.orders");
    dataset.facets = facets::Facets::default()
        .with(&facets::DataSource::kafka(namespace))
        .with(&facets::DatasetType::TOPIC)
        .with(&facets::Schema::new(vec![
            item("order_id"),
            item("status"),
            facets::SchemaField::new("items", "list<struct<sku: string>>", vec![item("sku")]),
        ]));
    dataset.input_facets =
        facets::Facets::default().with(&facets::InputStatistics { rows: 10, bytes: 1000 });
    dataset
}

fn output() -> OutputDataset {
    let namespace = "kafka://kafka:9092";
    let mut dataset = OutputDataset::new(namespace, "orders.extracted");
    dataset.facets = facets::Facets::default()
        .with(&facets::DataSource::kafka(namespace))
        .with(&facets::DatasetType::TOPIC)
        .with(&facets::Schema::new(vec![facets::SchemaField::new("order_id", "string", vec![])]))
        .with(&facets::ColumnLineage {
            fields: vec![facets::OutputField {
                name: "order_id".to_owned(),
                inputs: vec![input_field("order_id", facets::Subtype::Identity)],
            }],
            dataset: vec![input_field("status", facets::Subtype::Filter)],
        })
        .with(&facets::DataQualityAssertions {
            assertions: vec![facets::Assertion::expression("paid", "status = 'paid'", 1)],
        });
    dataset.output_facets =
        facets::Facets::default().with(&facets::OutputStatistics { rows: 12, bytes: 900 });
    dataset
}

/// An event of a streaming stage, as its stage builds them.
fn streaming(event_type: EventType) -> RunEvent {
    let parent = facets::ParentRef::new(
        Uuid::from_u128(1),
        facets::ParentJob { namespace: "shop".to_owned(), name: "orders".to_owned() },
    );
    let mut run = Run::new(Uuid::from_u128(2));
    run.facets.set(&facets::Parent::root(parent));
    run.facets.set(&facets::ProcessingEngine::default());
    if event_type != EventType::Start {
        run.facets.set(&balance());
    }
    if event_type == EventType::Fail {
        let mut error = facets::ErrorMessage::new("cannot commit");
        error.stack_trace = Some("broker away".to_owned());
        run.facets.set(&error);
    }
    let job = stage_job(&facets::JobType::streaming_stage(Duration::from_mins(1)));
    let time = "2026-01-02T03:04:05Z".parse().unwrap();
    let mut event = RunEvent::new(event_type, time, run, job);
    event.inputs.push(input());
    event.outputs.push(output());
    event
}

/// The event as JSON, with holes where each run has its own values.
fn golden(event_type: EventType) -> Value {
    let event = streaming(event_type);
    let text = String::from_utf8(event.to_json()).unwrap();
    let mut event: Value = serde_json::from_str(&text.replace(PRODUCER, "[producer]")).unwrap();
    for (hole, name) in [
        ("/eventTime", "[time]"),
        ("/run/runId", "[run]"),
        ("/run/facets/parent/run/runId", "[parent]"),
        ("/run/facets/parent/root/run/runId", "[parent]"),
        ("/run/facets/processing_engine/version", "[version]"),
        ("/run/facets/processing_engine/openlineageAdapterVersion", "[version]"),
    ] {
        *event.pointer_mut(hole).unwrap() = name.into();
    }
    event
}

const ALL: [EventType; 6] = [
    EventType::Start,
    EventType::Running,
    EventType::Complete,
    EventType::Fail,
    EventType::Abort,
    EventType::Other,
];

#[test]
fn every_event_of_a_stage_validates_with_all_its_facets() {
    let registry = schemas();
    for event_type in ALL {
        let bytes = streaming(event_type).to_json();
        let event = serde_json::from_slice(&bytes).unwrap();
        assert!(assert_event_valid(&registry, &event) >= 16, "{event_type:?} lost facets");
        let checked = validate::check(&bytes).unwrap();
        assert_eq!((checked.event_type, checked.kind), (Some(event_type), validate::Kind::Run));
        assert!(super::is_ours(&checked.producer));
    }
}

#[test]
fn the_facets_that_a_streaming_stage_has_not_validate_too() {
    let registry = schemas();
    let tag = facets::Tag { key: "pii".to_owned(), value: "true".to_owned(), source: None };
    let tags = facets::Tags { tags: vec![tag] };
    let metrics = facets::DataQualityMetrics {
        row_count: Some(3),
        bytes: None,
        column_metrics: [(
            "qty".to_owned(),
            facets::ColumnMetrics {
                null_count: Some(1),
                max: Some(9.5),
                ..facets::ColumnMetrics::default()
            },
        )]
        .into(),
    };
    let time = "2026-01-02T00:00:00Z".parse().unwrap();
    let mut event = streaming(EventType::Complete);
    event.job = stage_job(&facets::JobType::bounded_stage());
    event.job.facets.set(&tags);
    event.run.facets.set(&tags);
    event.run.facets.set(&facets::NominalTime { start: time, end: Some(time) });
    event.run.facets.set(&RunTotal { topic: "raw.orders".to_owned(), records: 10, bytes: 9 });
    event.inputs[0].facets.set(&metrics);
    event.inputs[0].facets.set(&facets::DatasetType::FILE);
    event.inputs[0].facets.set(&facets::Ownership::of("team:shop"));
    event.inputs[0].facets.set(&facets::Documentation::new("Orders"));
    event.inputs[0].input_facets.set(&metrics);
    event.inputs[0].input_facets.set(&facets::DataQualityAssertions::default());
    assert_event_valid(&registry, &serde_json::from_slice(&event.to_json()).unwrap());

    let pipeline = facets::JobType::pipeline(facets::ProcessingType::Batch);
    event.job.facets = facets::Facets::default().with(&pipeline);
    assert_event_valid(&registry, &serde_json::from_slice(&event.to_json()).unwrap());
}

/// Without this, the tests above could pass on schemas that allow anything.
#[test]
fn the_schemas_refuse_an_event_that_is_wrong() {
    let registry = schemas();
    let schema = "https://openlineage.io/spec/2-0-2/OpenLineage.json";
    let schema = json!({ "$ref": schema });
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let right: Value = serde_json::from_slice(&streaming(EventType::Start).to_json()).unwrap();
    assert!(validator.is_valid(&right));
    for (pointer, wrong) in
        [("/run/runId", json!("run-1")), ("/eventType", json!("start")), ("/job", json!({}))]
    {
        let mut event = right.clone();
        *event.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&event), "{pointer}");
    }
}

#[test]
fn a_streaming_stage_says_this() {
    insta::assert_json_snapshot!("start", golden(EventType::Start));
    insta::assert_json_snapshot!("running", golden(EventType::Running));
    insta::assert_json_snapshot!("complete", golden(EventType::Complete));
    insta::assert_json_snapshot!("fail", golden(EventType::Fail));
    insta::assert_json_snapshot!("abort", golden(EventType::Abort));
}

/// Of the core documents, the one event among OpenLineage's examples is foreign
/// to us and must still pass.
#[test]
fn openlineages_own_example_event_passes_the_check() {
    let bytes = fs::read(spec::folder().join("tests/example_full_event.json")).unwrap();
    let checked = validate::check(&bytes).unwrap();
    assert_eq!(checked.event_type, Some(EventType::Complete));
    assert!(!super::is_ours(&checked.producer));
}
