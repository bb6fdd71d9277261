//! The graph as a tree, from one node on.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{columns_into, how};
use crate::runs::graph::{Direction, Edge, Node, NodeId, NodeKind, View};

/// The view as a tree that begins at `root`: downwards what comes of it, upwards
/// what it comes from, one after the other where both are asked for. A node
/// that stands in the tree already is not unfolded again.
pub(in crate::cli) fn tree(view: &View, root: &NodeId, way: Direction, columns: bool) -> String {
    let mut text = String::new();
    let ways = match way {
        Direction::Both => vec![Direction::Upstream, Direction::Downstream],
        one => vec![one],
    };
    for way in &ways {
        if ways.len() > 1 {
            let title = if *way == Direction::Upstream { "upstream" } else { "downstream" };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{title}");
        }
        let mut drawing =
            Tree { view, way: *way, columns, shown: BTreeSet::new(), text: &mut text };
        drawing.node(root, "", "");
    }
    text
}

struct Tree<'a> {
    view: &'a View,
    way: Direction,
    columns: bool,
    shown: BTreeSet<NodeId>,
    text: &'a mut String,
}

impl Tree<'_> {
    /// Draws a node and what hangs on it; `head` stands before its own line,
    /// `body` before those below.
    fn node(&mut self, id: &NodeId, head: &str, body: &str) {
        let node = self.view.nodes.iter().find(|node| node.id == *id);
        let again = !self.shown.insert(id.clone());
        let mark = if again { " (see above)" } else { "" };
        let line = node.map_or_else(|| id.name.clone(), label);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{head}{line}{mark}");
        if again {
            return;
        }
        let next: Vec<NodeId> = self.next(id);
        if self.columns && id.kind == NodeKind::Dataset {
            let rule = if next.is_empty() { "   " } else { "│  " };
            self.columns(id, &format!("{body}{rule}"));
        }
        for (index, there) in next.iter().enumerate() {
            let last = index + 1 == next.len();
            let (head, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.node(there, &format!("{body}{head}"), &format!("{body}{below}"));
        }
    }

    fn next(&self, id: &NodeId) -> Vec<NodeId> {
        let forward = self.way == Direction::Downstream;
        let edges = self.view.edges.iter();
        let there = edges.filter_map(|Edge { from, to }| {
            let (here, there) = if forward { (from, to) } else { (to, from) };
            (here == id).then_some(there)
        });
        there.cloned().collect()
    }

    fn columns(&mut self, id: &NodeId, body: &str) {
        for (field, edges) in columns_into(self.view, id) {
            let sources: Vec<String> =
                edges.iter().map(|edge| format!("{} ({})", edge.from_field, how(edge))).collect();
            let _ = writeln!(self.text, "{body}{field} <- {}", sources.join(", "));
        }
    }
}

fn label(node: &Node) -> String {
    match (node.kind, &node.latest) {
        (NodeKind::Job, Some(run)) => format!("{} [{}]", node.name, run.state.as_str()),
        _ => node.name.clone(),
    }
}
