use super::{dot, mermaid, tree};
use crate::runs::{
    Graph,
    graph::{Direction, NodeId, View},
};

/// `raw -> one -> "b" -> {two -> c, three -> c}`, with columns of the first.
fn view() -> View {
    let mut graph = Graph::default();
    for (job, from, to) in [("one", "raw", "\"b\""), ("two", "\"b\"", "c"), ("three", "\"b\"", "c")]
    {
        let event = serde_json::json!({
            "eventType": "START", "eventTime": "2026-01-02T03:04:05Z", "producer": "https://x",
            "run": { "runId": job }, "job": { "namespace": "shop", "name": job },
            "inputs": [{ "namespace": "k", "name": from }],
            "outputs": [{ "namespace": "k", "name": to, "facets": if job == "one" { columns() } else { serde_json::json!({}) } }],
        });
        graph.fold(event.to_string().as_bytes());
    }
    graph.view()
}

fn columns() -> serde_json::Value {
    let source = |field: &str, kind: &str, subtype: &str, masking: bool| {
        serde_json::json!({ "namespace": "k", "name": "raw", "field": field,
            "transformations": [{ "type": kind, "subtype": subtype, "masking": masking }] })
    };
    serde_json::json!({
        "schema": { "fields": [{ "name": "id", "type": "string" }, { "name": "email" }] },
        "columnLineage": {
            "fields": {
                "email": { "inputFields": [source("email", "DIRECT", "TRANSFORMATION", true)] },
                "id": { "inputFields": [source("id", "DIRECT", "IDENTITY", false)] },
            },
            "dataset": [source("status", "INDIRECT", "FILTER", false)],
        },
    })
}

#[test]
fn a_tree_goes_both_ways_and_shows_what_stands_twice_once() {
    let raw = NodeId::dataset("k", "raw");
    insta::assert_snapshot!(tree(&view(), &raw, Direction::Downstream, true), @r#"
    raw
    └─ one [running]
       └─ "b"
          │  id <- id (identity)
          │  email <- email (transformation, masked)
          │  * <- status (filter)
          ├─ three [running]
          │  └─ c
          └─ two [running]
             └─ c (see above)
    "#);
    let b = NodeId::dataset("k", "\"b\"");
    insta::assert_snapshot!(tree(&view(), &b, Direction::Both, false), @r#"
    upstream
    "b"
    └─ one [running]
       └─ raw

    downstream
    "b"
    ├─ three [running]
    │  └─ c
    └─ two [running]
       └─ c (see above)
    "#);
}

#[test]
fn graphviz_gets_names_that_break_nothing() {
    insta::assert_snapshot!(dot(&view(), false), @r#"
    digraph lineage {
      rankdir=LR;
      n0 [label="\"b\"", shape=box];
      n1 [label="c", shape=box];
      n2 [label="raw", shape=box];
      n3 [label="one", shape=ellipse];
      n4 [label="three", shape=ellipse];
      n5 [label="two", shape=ellipse];
      n0 -> n4;
      n0 -> n5;
      n2 -> n3;
      n3 -> n0;
      n4 -> n1;
      n5 -> n1;
    }
    "#);
    insta::assert_snapshot!(dot(&view(), true), @r#"
    digraph lineage {
      rankdir=LR;
      subgraph cluster_n0 {
        label="\"b\"";
        n0f0 [label="id", shape=plain];
        n0f1 [label="email", shape=plain];
        n0f2 [label="*", shape=plain];
      }
      n1 [label="c", shape=box];
      subgraph cluster_n2 {
        label="raw";
        n2f0 [label="email", shape=plain];
        n2f1 [label="id", shape=plain];
        n2f2 [label="status", shape=plain];
      }
      n2f0 -> n0f1 [label="transformation, masked"];
      n2f1 -> n0f0 [label="identity"];
      n2f2 -> n0f2 [label="filter", style=dashed];
    }
    "#);
}

#[test]
fn mermaid_gets_the_same() {
    insta::assert_snapshot!(mermaid(&view(), false), @r##"
    flowchart LR
      n0["#quot;b#quot;"]
      n1["c"]
      n2["raw"]
      n3(["one"])
      n4(["three"])
      n5(["two"])
      n0 --> n4
      n0 --> n5
      n2 --> n3
      n3 --> n0
      n4 --> n1
      n5 --> n1
    "##);
    insta::assert_snapshot!(mermaid(&view(), true), @r##"
    flowchart LR
      subgraph n0["#quot;b#quot;"]
        n0f0["id"]
        n0f1["email"]
        n0f2["*"]
      end
      n1["c"]
      subgraph n2["raw"]
        n2f0["email"]
        n2f1["id"]
        n2f2["status"]
      end
      n2f0 -->|"transformation, masked"| n0f1
      n2f1 -->|"identity"| n0f0
      n2f2 -.->|"filter"| n0f2
    "##);
}

/// Names of other producers must neither reach the terminal as they are nor look alike.
#[test]
fn names_cannot_act_on_a_terminal_break_the_drawing_or_pass_for_each_other() {
    let mut graph = Graph::default();
    let event = serde_json::json!({
        "eventType": "COMPLETE", "eventTime": "2026-01-02T03:04:05Z", "producer": "p",
        "run": { "runId": "r" }, "job": { "namespace": "shop", "name": "job\u{1b}[2J\n\u{202e}" },
        "inputs": [{ "namespace": "n1", "name": "same" }, { "namespace": "n2", "name": "same" }],
        "outputs": [{ "namespace": "k", "name": "out\u{7}\"", "facets": { "columnLineage": { "fields": {
            "a\nb": { "inputFields": [
                { "namespace": "n1", "name": "same", "field": "x\u{200b}" },
                { "namespace": "n2", "name": "same", "field": "x" },
            ] },
        } } } }],
    });
    graph.fold(event.to_string().as_bytes());
    let view = graph.view();
    let out = NodeId::dataset("k", "out\u{7}\"");
    insta::assert_snapshot!(tree(&view, &out, Direction::Upstream, true), @r#"
    out\u0007"
    │  a\nb <- same (n1)#x\u200b (direct), same (n2)#x (direct)
    └─ job\u001b[2J\n\u202e [complete]
       ├─ same (n1)
       └─ same (n2)
    "#);
    for drawing in
        [dot(&view, false), dot(&view, true), mermaid(&view, false), mermaid(&view, true)]
    {
        assert!(!drawing.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}']), "{drawing}");
        assert!(drawing.contains("same (n1)") && drawing.contains("same (n2)"), "{drawing}");
    }
}
