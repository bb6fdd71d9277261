//! A part of the lineage graph as text: a tree for people, DOT and Mermaid for
//! what draws, JSON for programs. All pure.

mod drawing;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use drawing::{dot, mermaid};
pub(super) use tree::tree;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    runs::graph::{ColumnEdge, NodeId, View},
    telemetry::visible,
};

/// What nodes are called: their names, with the namespace where another node of the view
/// would look the same.
struct Labels<'v>(BTreeMap<&'v NodeId, String>);

impl<'v> Labels<'v> {
    fn of(view: &'v View) -> Self {
        let mut namespaces: BTreeMap<Cow<'_, str>, BTreeSet<&str>> = BTreeMap::new();
        for node in &view.nodes {
            namespaces.entry(visible(&node.name)).or_default().insert(&node.id.namespace);
        }
        let label = |id: &NodeId| {
            let name = visible(&id.name);
            let is_alone = namespaces.get(&name).is_none_or(|of| of.len() < 2);
            if is_alone {
                name.into_owned()
            } else {
                format!("{name} ({})", visible(&id.namespace))
            }
        };
        Self(view.nodes.iter().map(|node| (&node.id, label(&node.id))).collect())
    }

    fn label(&self, id: &NodeId) -> Cow<'_, str> {
        self.0.get(id).map_or_else(|| visible(&id.name).into_owned().into(), Cow::from)
    }
}

/// Whose columns are shown, in the order of the schema; `*` last: all fields.
fn columns_into<'v>(view: &'v View, dataset: &NodeId) -> Vec<(&'v str, Vec<&'v ColumnEdge>)> {
    let mut by_field: BTreeMap<&str, Vec<&ColumnEdge>> = BTreeMap::new();
    for edge in view.columns.iter().filter(|edge| edge.to == *dataset) {
        by_field.entry(edge.to_field.as_deref().unwrap_or(ALL)).or_default().push(edge);
    }
    let node = view.nodes.iter().find(|node| node.id == *dataset);
    let fields = node.map(|node| node.fields.as_slice()).unwrap_or_default();
    let place = |name: &str| fields.iter().position(|field| field.name == name);
    let mut columns: Vec<_> = by_field.into_iter().collect();
    columns.sort_by_key(|(name, _)| (*name == ALL, place(name).unwrap_or(usize::MAX)));
    columns
}

/// The fields of a dataset that have a part in the columns of the view, in order.
fn fields_of<'v>(view: &'v View, dataset: &NodeId) -> Vec<&'v str> {
    let mut fields: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let into = columns_into(view, dataset).into_iter().map(|(name, _)| name);
    let out = view.columns.iter().filter(|edge| edge.from == *dataset);
    let out = out.map(|edge| edge.from_field.as_str());
    for field in into.chain(out) {
        if seen.insert(field) {
            fields.push(field);
        }
    }
    fields
}

/// Stands for every field of a dataset.
const ALL: &str = "*";

/// How a field takes part, as people say it: `identity`, `transformation, masked`.
fn how(edge: &ColumnEdge) -> String {
    let kind = if edge.subtype.is_empty() { &edge.kind } else { &edge.subtype };
    let masked = if edge.masking { ", masked" } else { "" };
    format!("{}{masked}", kind.to_lowercase().replace('_', " "))
}
