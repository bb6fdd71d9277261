//! The graph in the languages of Graphviz and Mermaid.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{ALL, Labels, fields_of, how};
use crate::{
    runs::graph::{ColumnEdge, Node, NodeId, NodeKind, View},
    telemetry::visible,
};

/// Names for nodes and fields that no character of theirs can break.
struct Names<'v> {
    nodes: BTreeMap<&'v NodeId, usize>,
    view: &'v View,
}

impl<'v> Names<'v> {
    fn of(view: &'v View) -> Self {
        let nodes = view.nodes.iter().enumerate().map(|(index, node)| (&node.id, index));
        Self { nodes: nodes.collect(), view }
    }

    fn node(&self, id: &NodeId) -> Option<String> {
        self.nodes.get(id).map(|index| format!("n{index}"))
    }

    fn field(&self, id: &NodeId, field: &str) -> Option<String> {
        let index = fields_of(self.view, id).iter().position(|known| *known == field)?;
        Some(format!("{}f{index}", self.node(id)?))
    }

    /// Both ends of a column's way, by their names.
    fn ends(&self, edge: &ColumnEdge) -> Option<(String, String)> {
        let to = edge.to_field.as_deref().unwrap_or(ALL);
        Some((self.field(&edge.from, &edge.from_field)?, self.field(&edge.to, to)?))
    }
}

fn is_indirect(edge: &ColumnEdge) -> bool {
    edge.kind == "INDIRECT"
}

/// For Graphviz: datasets as boxes, jobs as ellipses; with `columns` the fields
/// in their datasets, and dashed what only decides.
pub(in crate::cli) fn dot(view: &View, columns: bool) -> String {
    let quote =
        |text: &str| format!("\"{}\"", visible(text).replace('\\', "\\\\").replace('"', "\\\""));
    let (names, labels) = (Names::of(view), Labels::of(view));
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n");
    // Writing to a string cannot fail.
    for node in shown(view, columns) {
        let Some(name) = names.node(&node.id) else { continue };
        let label = quote(&labels.label(&node.id));
        let fields = if columns { fields_of(view, &node.id) } else { Vec::new() };
        if fields.is_empty() {
            let shape = if node.kind == NodeKind::Dataset { "box" } else { "ellipse" };
            let _ = writeln!(text, "  {name} [label={label}, shape={shape}];");
            continue;
        }
        let _ = writeln!(text, "  subgraph cluster_{name} {{\n    label={label};");
        for (index, field) in fields.iter().enumerate() {
            let _ = writeln!(text, "    {name}f{index} [label={}, shape=plain];", quote(field));
        }
        text.push_str("  }\n");
    }
    if columns {
        for edge in &view.columns {
            let Some((from, to)) = names.ends(edge) else { continue };
            let style = if is_indirect(edge) { ", style=dashed" } else { "" };
            let _ = writeln!(text, "  {from} -> {to} [label={}{style}];", quote(&how(edge)));
        }
    } else {
        for edge in &view.edges {
            let ends = names.node(&edge.from).zip(names.node(&edge.to));
            let Some((from, to)) = ends else { continue };
            let _ = writeln!(text, "  {from} -> {to};");
        }
    }
    text + "}\n"
}

/// For Mermaid, as [`dot`].
pub(in crate::cli) fn mermaid(view: &View, columns: bool) -> String {
    let quote =
        |text: &str| format!("\"{}\"", visible(text).replace('#', "#35;").replace('"', "#quot;"));
    let (names, labels) = (Names::of(view), Labels::of(view));
    let mut text = String::from("flowchart LR\n");
    // Writing to a string cannot fail.
    for node in shown(view, columns) {
        let Some(name) = names.node(&node.id) else { continue };
        let label = quote(&labels.label(&node.id));
        let fields = if columns { fields_of(view, &node.id) } else { Vec::new() };
        if !fields.is_empty() {
            let _ = writeln!(text, "  subgraph {name}[{label}]");
            for (index, field) in fields.iter().enumerate() {
                let _ = writeln!(text, "    {name}f{index}[{}]", quote(field));
            }
            text.push_str("  end\n");
        } else if node.kind == NodeKind::Dataset {
            let _ = writeln!(text, "  {name}[{label}]");
        } else {
            let _ = writeln!(text, "  {name}([{label}])");
        }
    }
    if columns {
        for edge in &view.columns {
            let Some((from, to)) = names.ends(edge) else { continue };
            let arrow = if is_indirect(edge) { "-.->" } else { "-->" };
            let _ = writeln!(text, "  {from} {arrow}|{}| {to}", quote(&how(edge)));
        }
    } else {
        for edge in &view.edges {
            let ends = names.node(&edge.from).zip(names.node(&edge.to));
            let Some((from, to)) = ends else { continue };
            let _ = writeln!(text, "  {from} --> {to}");
        }
    }
    text
}

/// With columns the datasets alone: the way between their fields is the jobs'.
fn shown(view: &View, columns: bool) -> impl Iterator<Item = &Node> {
    view.nodes.iter().filter(move |node| !columns || node.kind == NodeKind::Dataset)
}
