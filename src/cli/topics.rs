//! `lineage-hub topics list|diff|apply|describe`.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, context::Context, output};
use crate::{
    broker::{
        Admin, TopicRequest,
        topics::{self, TopicChange},
    },
    codec::schema::format_type,
    record::Topic,
};

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// List the project's topics, and whether the cluster has them
    List,
    /// Show what `apply` would do
    Diff,
    /// Make and change the cluster's topics as declared; never delete
    Apply,
    /// Show one topic: what is declared, and what the cluster has
    Describe { topic: String },
}

pub(super) async fn run(args: &TopicsArgs, context: &Context) -> Result<(), CliError> {
    let plan = context.plan()?;
    let wanted = context.topics(&plan);
    let broker = context.broker()?;
    let admin = Admin::connect(&broker)?;
    match &args.command {
        TopicsCommand::List => list(context, &admin, &wanted),
        TopicsCommand::Diff => {
            let changes = changes(&admin, &wanted).await?;
            print_changes(context, &changes, "differs")
        }
        TopicsCommand::Apply => {
            let changes = changes(&admin, &wanted).await?;
            topics::apply(&admin, &changes).await?;
            print_changes(context, &changes, "done")?;
            match changes.iter().filter(|change| !change.is_possible()).count() {
                0 => Ok(()),
                left => Err(CliError::Failed(format!("{left} differences cannot be applied"))),
            }
        }
        TopicsCommand::Describe { topic } => describe(context, &admin, topic).await,
    }
}

#[derive(Serialize)]
struct Listed {
    topic: Topic,
    partitions: i32,
    exists: bool,
}

fn list(context: &Context, admin: &Admin, wanted: &[TopicRequest]) -> Result<(), CliError> {
    let found = admin.topics()?;
    let rows: Vec<Listed> = wanted
        .iter()
        .map(|request| Listed {
            topic: request.name.clone(),
            partitions: found.get(&request.name).map_or(request.partitions, |(count, _)| *count),
            exists: found.contains_key(&request.name),
        })
        .collect();
    output::rows(context.is_json(), &["TOPIC", "PARTITIONS", "EXISTS"], &rows, |row| {
        let exists = if row.exists { "yes" } else { "no" };
        vec![row.topic.to_string(), row.partitions.to_string(), exists.to_owned()]
    })
}

/// What it takes for the cluster to have all topics as wanted.
pub(super) async fn changes(
    admin: &Admin,
    wanted: &[TopicRequest],
) -> Result<Vec<TopicChange>, CliError> {
    let existing = admin.topics()?;
    let mut changes = Vec::new();
    for request in wanted {
        // Only of topics that are there are the settings worth a request.
        let found = if existing.contains_key(&request.name) {
            admin.describe(&request.name).await?
        } else {
            None
        };
        changes.extend(topics::diff(request, found.as_ref()));
    }
    Ok(changes)
}

fn print_changes(context: &Context, changes: &[TopicChange], done: &str) -> Result<(), CliError> {
    if changes.is_empty() && !context.is_json() {
        return output::line("the cluster has all topics as declared");
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let state = if change.is_possible() { done } else { "impossible" };
            serde_json::json!({ "state": state, "change": change.to_string() })
        })
        .collect();
    output::rows(context.is_json(), &["STATE", "CHANGE"], &rows, |row| {
        ["state", "change"].map(|key| row[key].as_str().unwrap_or_default().to_owned()).to_vec()
    })
}

#[derive(Serialize)]
struct Described {
    what: String,
    value: String,
}

async fn describe(context: &Context, admin: &Admin, name: &str) -> Result<(), CliError> {
    let plan = context.plan()?;
    let topic: Topic = name.into();
    let Some(found) = admin.describe(&topic).await? else {
        return Err(crate::broker::BrokerError::TopicMissing { topic }.into());
    };
    let row = |what: &str, value: String| Described { what: what.to_owned(), value };
    let mut rows = vec![
        row("partitions", found.partitions.to_string()),
        row("replication", found.replication.to_string()),
    ];
    for (key, entry) in found.config.iter().filter(|(_, entry)| entry.own) {
        rows.push(row(key, entry.value.clone()));
    }
    if let Some(declared) = plan.topics.get(name) {
        for field in declared.schema.fields() {
            let mut value = format_type(field);
            if let Some(description) = declared.descriptions.get(field.name()) {
                let words: Vec<&str> = description.split_whitespace().collect();
                value = format!("{value}  # {}", words.join(" "));
            }
            rows.push(row(&format!("field {}", field.name()), value));
        }
    }
    output::rows(context.is_json(), &["WHAT", "VALUE"], &rows, |row| {
        vec![row.what.clone(), row.value.clone()]
    })
}
