//! `lineage-hub lineage show`: the graph as the lineage topic tells it.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{CliError, OutputFormat, context::Context, days_ago, graph, output};
use crate::{
    broker::StartAt,
    record::Topic,
    runs::{
        Graph, Tracker,
        graph::{Direction, NodeId, NodeKind, View},
    },
};

#[derive(Debug, Args)]
pub(super) struct LineageArgs {
    #[command(subcommand)]
    command: LineageCommand,
}

#[derive(Debug, Subcommand)]
enum LineageCommand {
    /// Print what a topic or a job comes from, and what comes of it
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// A topic, a stage (`orders/extract`), one field (`orders.loaded#total`, or with
    /// quotes `orders.loaded#"odd#name"`), or an id (`dataset:kafka://kafka:9092:orders`)
    node: String,

    /// Print the columns, too
    #[arg(long)]
    columns: bool,

    /// Only what it comes from
    #[arg(long, conflicts_with = "downstream")]
    upstream: bool,

    /// Only what comes of it
    #[arg(long)]
    downstream: bool,

    /// How many steps to go; from a topic over a job to the next topic are two
    #[arg(long, value_name = "N", default_value_t = 100)]
    depth: usize,

    /// How far back the lineage topic is read
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u32,
}

/// Longest that the topic is read for.
const READ_TIMEOUT: Duration = Duration::from_mins(5);

pub(super) fn run(args: &LineageArgs, context: &Context) -> Result<(), CliError> {
    let LineageCommand::Show(args) = &args.command;
    let broker = context.broker()?;
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let begin = days_ago(args.days);
    let tracker = tokio::task::block_in_place(|| {
        let mut tracker = Tracker::open(&broker, &topic, StartAt::Time(begin))?;
        tracker.read_to_end(READ_TIMEOUT)?;
        Ok::<_, CliError>(tracker)
    })?;
    let way = match (args.upstream, args.downstream) {
        (true, _) => Direction::Upstream,
        (_, true) => Direction::Downstream,
        _ => Direction::Both,
    };
    let graph = tracker.runs().graph();
    let (node, field) = node(graph, args, &topic)?;
    let mut view = graph.around(&node, way, args.depth);
    if let Some(field) = &field {
        view = view.through(&node, field, way);
    }
    print(context, &view, &node, way, args.columns || field.is_some())
}

/// The one node that is meant, and the field where one is named.
fn node(
    graph: &Graph,
    args: &ShowArgs,
    topic: &Topic,
) -> Result<(NodeId, Option<String>), CliError> {
    let mut found = graph.find(&args.node);
    let mut field = None;
    for (dataset, name) in fields(&args.node) {
        if !found.is_empty() {
            break;
        }
        found = graph.find(dataset);
        found.retain(|id| id.kind == NodeKind::Dataset);
        field = Some(name);
    }
    match &found[..] {
        [one] => Ok((one.clone(), field)),
        [] => Err(CliError::Failed(format!(
            "nothing is told of `{}` in the last {} days of {topic}; look further back with \
             --days, or see `lineage-hub topics list` for names",
            args.node, args.days
        ))),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = format!("`{}` may be {}; name one so", args.node, ids.join(" or "));
            Err(CliError::Usage(message))
        }
    }
}

/// What `DATASET#FIELD` may mean: both may contain a `#`. A field in double quotes
/// stands for itself, with `""` for a quote.
fn fields(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.match_indices('#').map(|(at, _)| {
        let (dataset, field) = (&text[..at], &text[at + 1..]);
        let quoted = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
        (dataset, quoted.map_or_else(|| field.to_owned(), |field| field.replace("\"\"", "\"")))
    })
}

fn print(
    context: &Context,
    view: &View,
    node: &NodeId,
    way: Direction,
    columns: bool,
) -> Result<(), CliError> {
    let text = match context.globals.output {
        OutputFormat::Text => graph::tree(view, node, way, columns),
        OutputFormat::Dot => graph::dot(view, columns),
        OutputFormat::Mermaid => graph::mermaid(view, columns),
        OutputFormat::Json => {
            let mut view = view.clone();
            if !columns {
                view.columns.clear();
            }
            serde_json::to_string(&view).map_err(|error| CliError::Output(error.into()))?
        }
    };
    output::line(text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn a_field_may_have_a_hash_and_be_in_quotes() {
        let all = |text| -> Vec<(&str, String)> { fields(text).collect() };
        assert_eq!(all("orders"), []);
        assert_eq!(all("orders#total"), [("orders", "total".to_owned())]);
        assert_eq!(all("orders#a#b"), [("orders", "a#b".to_owned()), ("orders#a", "b".to_owned())]);
        assert_eq!(all("orders#\"a#\"\"b\"")[0], ("orders", "a#\"b".to_owned()));
    }
}
