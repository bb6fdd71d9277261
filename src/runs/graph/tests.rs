//! The graph folded from the events of several producers.

use serde_json::{Value, json};

use super::{Direction, Graph, NodeId, NodeKind, View};
use crate::{lineage::PRODUCER, runs::RunState};

const KAFKA: &str = "kafka://k:9092";

fn dataset(name: &str) -> NodeId {
    NodeId::dataset(KAFKA, name)
}

fn stage(name: &str) -> NodeId {
    NodeId::job("shop", name)
}

/// A run event of `producer` at minute `minute`.
fn event(
    producer: &str,
    kind: &str,
    run: u32,
    job: &str,
    minute: u32,
    [inputs, outputs]: [Value; 2],
) -> Value {
    json!({
        "eventType": kind,
        "eventTime": format!("2026-01-02T03:{minute:02}:00Z"),
        "producer": producer,
        "run": { "runId": format!("00000000-0000-7000-8000-{run:012}") },
        "job": { "namespace": "shop", "name": job },
        "inputs": inputs,
        "outputs": outputs,
    })
}

fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "namespace": KAFKA, "name": name })).collect()
}

fn ours(kind: &str, job: &str, minute: u32, from: &str, to: &str) -> Value {
    event(PRODUCER, kind, 1, job, minute, [named(&[from]), named(&[to])])
}

fn source(dataset: &str, field: &str, subtype: &str) -> Value {
    let direct = ["IDENTITY", "TRANSFORMATION"].contains(&subtype);
    let kind = if direct { "DIRECT" } else { "INDIRECT" };
    json!({ "namespace": KAFKA, "name": dataset, "field": field, "transformations": [
        { "type": kind, "subtype": subtype, "description": "", "masking": false } ] })
}

/// `a -> one -> b -> two -> c`, with columns, and a filter in `two`.
fn chain() -> Graph {
    let mut one = ours("START", "orders.one", 1, "a", "b");
    one["outputs"][0]["facets"] = json!({
        "schema": { "fields": [{ "name": "id", "type": "string" }, { "name": "total" }] },
        "columnLineage": { "fields": {
            "id": { "inputFields": [source("a", "id", "IDENTITY")] },
            "total": { "inputFields": [
                source("a", "items.qty", "TRANSFORMATION"), source("a", "items.price", "TRANSFORMATION"),
                // For backends that know no nested fields; not shown beside them.
                source("a", "items", "TRANSFORMATION"),
            ] },
        } },
    });
    let mut two = ours("START", "orders.two", 1, "b", "c");
    two["run"]["facets"] = json!({ "parent": {
        "run": { "runId": "r" }, "job": { "namespace": "shop", "name": "orders" } } });
    two["job"]["facets"] = json!({
        "documentation": { "description": "Large ones" },
        "jobType": { "processingType": "STREAMING" },
    });
    two["outputs"][0]["facets"]["columnLineage"] = json!({
        "fields": { "id": { "inputFields": [source("b", "id", "IDENTITY")] } },
        "dataset": [source("b", "total", "FILTER")],
    });
    fold(&[two, one])
}

fn fold(events: &[Value]) -> Graph {
    let mut graph = Graph::default();
    for event in events {
        graph.fold(event.to_string().as_bytes());
    }
    graph
}

fn names(view: &View) -> Vec<&str> {
    view.nodes.iter().map(|node| node.name.as_str()).collect()
}

fn edges(view: &View) -> Vec<String> {
    view.edges.iter().map(|edge| format!("{}>{}", edge.from.name, edge.to.name)).collect()
}

fn columns(view: &View) -> Vec<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "*".to_owned());
    let edges = view.columns.iter();
    edges
        .map(|edge| {
            let to = text(&edge.to_field);
            format!("{}.{}>{}.{to} {}", edge.from.name, edge.from_field, edge.to.name, edge.subtype)
        })
        .collect()
}

#[test]
fn nodes_edges_and_columns_are_what_the_events_say() {
    let view = chain().view();
    assert_eq!(names(&view), ["a", "b", "c", "orders.one", "orders.two"]);
    assert_eq!(edges(&view), ["a>orders.one", "b>orders.two", "orders.one>b", "orders.two>c"]);
    assert_eq!(
        columns(&view),
        [
            "a.id>b.id IDENTITY",
            "a.items.qty>b.total TRANSFORMATION",
            "a.items.price>b.total TRANSFORMATION",
            "b.id>c.id IDENTITY",
            "b.total>c.* FILTER",
        ]
    );
    let two = &view.nodes[4];
    assert_eq!((two.kind, two.description.as_deref()), (NodeKind::Job, Some("Large ones")));
    assert_eq!(two.processing.as_deref(), Some("STREAMING"));
    assert_eq!(two.parent, Some(NodeId::job("shop", "orders")));
    assert_eq!(two.latest.as_ref().unwrap().state, RunState::Running);
    let fields: Vec<_> = view.nodes[1].fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["id", "total"]);
}

#[test]
fn a_node_has_its_surroundings_each_way_as_deep_as_asked() {
    let graph = chain();
    let around = |node: &NodeId, way, depth| graph.around(node, way, depth);
    assert_eq!(names(&around(&dataset("b"), Direction::Upstream, 9)), ["a", "b", "orders.one"]);
    assert_eq!(names(&around(&dataset("b"), Direction::Downstream, 1)), ["b", "orders.two"]);
    assert_eq!(names(&around(&stage("orders.one"), Direction::Both, 1)), ["a", "b", "orders.one"]);
    assert_eq!(names(&around(&dataset("b"), Direction::Both, 0)), ["b"]);
    assert_eq!(around(&dataset("b"), Direction::Both, 9), graph.view());
    assert_eq!(around(&dataset("none"), Direction::Both, 9), View::default());
    // Columns of which one end is not there are not shown.
    assert_eq!(around(&dataset("b"), Direction::Downstream, 1).columns, []);
}

#[test]
fn a_field_is_followed_through_the_stages_and_a_filter_touches_all() {
    let view = chain().view();
    let up = view.through(&dataset("c"), "id", Direction::Upstream);
    assert_eq!(
        columns(&up),
        [
            "a.id>b.id IDENTITY",
            "a.items.qty>b.total TRANSFORMATION",
            "a.items.price>b.total TRANSFORMATION",
            "b.id>c.id IDENTITY",
            "b.total>c.* FILTER",
        ]
    );
    let down = view.through(&dataset("a"), "items", Direction::Downstream);
    assert_eq!(
        columns(&down),
        [
            "a.items.qty>b.total TRANSFORMATION",
            "a.items.price>b.total TRANSFORMATION",
            "b.total>c.* FILTER",
        ],
        "a part of a field is of the field"
    );
    let none = view.through(&dataset("a"), "item", Direction::Both);
    assert_eq!((names(&none), columns(&none)), (vec!["a"], vec![]));
}

#[test]
fn a_node_is_found_by_id_by_name_and_a_stage_as_the_command_line_has_it() {
    let mut graph = chain();
    let other = NodeId::dataset("postgres://p:1", "b");
    let event = json!({ "eventTime": "2026-01-02T03:04:05", "producer": "x",
        "dataset": { "namespace": "postgres://p:1", "name": "b" } });
    graph.fold(event.to_string().as_bytes());
    assert_eq!(graph.find("orders/one"), [stage("orders.one")]);
    assert_eq!(graph.find("orders.one"), [stage("orders.one")]);
    assert_eq!(graph.find("b"), [dataset("b"), other.clone()]);
    assert_eq!(graph.find(&other.to_string()), [other]);
    assert_eq!(graph.find("orders"), []);
}

/// The topic orders the events of a run alone.
#[test]
fn the_later_event_wins_in_whatever_order_they_come() {
    let before = ours("RUNNING", "orders.one", 1, "a", "b");
    let after = ours("START", "orders.one", 2, "x", "b");
    for events in [[before.clone(), after.clone()], [after, before]] {
        assert_eq!(edges(&fold(&events).view()), ["x>orders.one", "orders.one>b"]);
    }
    // A dataset that no job has any more is still one.
    let gone =
        fold(&[ours("START", "orders.one", 1, "a", "b"), ours("START", "orders.one", 2, "x", "b")]);
    assert_eq!(names(&gone.view()), ["a", "b", "x", "orders.one"]);
}

#[test]
fn what_another_producer_tells_in_parts_adds_up_and_goes_with_a_whole_run() {
    let none = || json!([]);
    let spark =
        |kind, run, minute, datasets| event("https://spark", kind, run, "etl", minute, datasets);
    let mut events = vec![
        spark("START", 1, 1, [named(&["a"]), none()]),
        spark("START", 2, 2, [named(&["a"]), none()]),
        spark("COMPLETE", 1, 3, [none(), named(&["b"])]),
        spark("COMPLETE", 2, 4, [none(), named(&["b"])]),
    ];
    assert_eq!(edges(&fold(&events).view()), ["a>etl", "etl>b"]);
    events.push(spark("START", 3, 5, [named(&["x"]), none()]));
    assert_eq!(edges(&fold(&events).view()), ["a>etl", "x>etl", "etl>b"]);
    events.push(spark("COMPLETE", 3, 6, [none(), named(&["b"])]));
    assert_eq!(edges(&fold(&events).view()), ["x>etl", "etl>b"]);
    let view = fold(&events).view();
    assert_eq!(view.nodes.last().unwrap().latest.as_ref().unwrap().state, RunState::Complete);
}

#[test]
fn facets_of_another_shape_are_passed_over_and_the_rest_is_read() {
    let mut odd = event("https://odd", "COMPLETE", 1, "odd", 1, [named(&["a"]), named(&["b"])]);
    odd["inputs"][0]["facets"] = json!({ "schema": "none", "columnLineage": 7 });
    odd["outputs"][0]["facets"] = json!({ "schema": { "fields": [{ "name": "x" }] },
        "columnLineage": { "fields": { "x": { "inputFields": [
            { "namespace": KAFKA, "name": "a", "field": "y" } ] } } } });
    odd["job"]["facets"] = json!([1]);
    let graph = fold(&[odd]);
    let view = graph.view();
    assert_eq!(columns(&view), ["a.y>b.x "]);
    assert_eq!((view.columns[0].kind.as_str(), view.nodes[1].fields.len()), ("DIRECT", 1));

    let mut graph = Graph::default();
    for bytes in [&b"no json"[..], b"{}", br#"{"eventTime":"soon","producer":"x"}"#, b""] {
        graph.fold(bytes);
    }
    assert_eq!(graph.view(), View::default());
}

#[test]
fn ids_are_text_for_programs() {
    let json = serde_json::to_value(chain().view()).unwrap();
    assert_eq!(json["nodes"][0]["id"], "dataset:kafka://k:9092:a");
    assert_eq!(json["nodes"][0]["kind"], "dataset");
    assert_eq!(
        json["edges"][0],
        json!({"from": "dataset:kafka://k:9092:a", "to": "job:shop:orders.one"})
    );
    assert_eq!(json["columns"][0]["fromField"], "id");
    assert_eq!(json["nodes"][4]["latest"]["state"], "running");
}
