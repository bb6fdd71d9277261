//! The graph as a tree, from one node on.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{Labels, columns_into, how};
use crate::{
    runs::graph::{ColumnEdge, Direction, Edge, NodeId, NodeKind, View},
    telemetry::visible,
};

/// The view as a tree that begins at `root`: downwards what comes of it, upwards
/// what it comes from, one after the other where both are asked for. A node
/// that stands in the tree already is not unfolded again.
pub(in crate::cli) fn tree(view: &View, root: &NodeId, way: Direction, columns: bool) -> String {
    let mut text = String::new();
    let labels = Labels::of(view);
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
        let mut drawing = Tree {
            view,
            labels: &labels,
            way: *way,
            columns,
            shown: BTreeSet::new(),
            text: &mut text,
        };
        drawing.node(root, "", "");
    }
    text
}

struct Tree<'a> {
    view: &'a View,
    labels: &'a Labels<'a>,
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
        let line = match node.and_then(|node| node.latest.as_ref()) {
            Some(run) if id.kind == NodeKind::Job => {
                format!("{} [{}]", self.labels.label(id), run.state.as_str())
            }
            _ => self.labels.label(id).into_owned(),
        };
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
        let columns = columns_into(self.view, id);
        // Fields of several datasets may have one name.
        let edges = || columns.iter().flat_map(|(_, edges)| edges);
        let is_one =
            edges().all(|edge| edges().next().is_some_and(|first| first.from == edge.from));
        for (field, edges) in &columns {
            let source = |edge: &&ColumnEdge| {
                let (name, how) = (visible(&edge.from_field), how(edge));
                let how = visible(&how);
                let of = self.labels.label(&edge.from);
                if is_one { format!("{name} ({how})") } else { format!("{of}#{name} ({how})") }
            };
            let sources: Vec<String> = edges.iter().map(source).collect();
            let _ = writeln!(self.text, "{body}{} <- {}", visible(field), sources.join(", "));
        }
    }
}
