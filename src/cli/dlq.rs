//! `lineage-hub dlq list|show|replay`: what died, why, and back with it.

use std::{collections::BTreeSet, fmt::Write as _};

use clap::{Args, Subcommand};

use super::{CliError, context::Context, dlq_lineage, dlq_replay, inspect, output};
use crate::{
    broker::{Admin, Broker},
    codec::arrow_ipc::rows_shown,
    dead_letter::{
        self, ListOptions,
        queue::{self, Entry},
    },
    pipeline::ProjectPlan,
    record::{Position, Record, Topic},
};

#[derive(Debug, Args)]
pub(super) struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// Print the latest dead letters of all stages, and the lineage events that
    /// backends refused, the oldest first
    List {
        /// Only those of this stage: `orders/extract`; or backend: `lineage/marquez`
        #[arg(long, value_name = "PIPELINE/STAGE")]
        stage: Option<String>,
        /// How many of each topic
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Those that were replayed, too
        #[arg(long)]
        replayed: bool,
    },
    /// Print one dead letter whole
    Show {
        /// Where it stands: `raw.orders.dlq/3@1287`
        position: Position,
        /// The value in hexadecimal
        #[arg(long)]
        hex: bool,
    },
    /// Send dead letters back to the topics that they came from, each once
    Replay(dlq_replay::ReplayArgs),
}

pub(super) fn run(args: &DlqArgs, context: &Context) -> Result<(), CliError> {
    match &args.command {
        DlqCommand::List { stage, limit, replayed } => {
            let plan = context.plan()?;
            if let Some(stage) = stage.as_deref().filter(|stage| !dlq_lineage::is_backend(stage)) {
                Context::stage(&plan, stage)?;
            }
            let broker = context.broker()?;
            tokio::task::block_in_place(|| {
                list(context, &broker, &plan, stage.as_deref(), *limit, *replayed)
            })
        }
        DlqCommand::Show { position, hex } => {
            let broker = context.broker()?;
            tokio::task::block_in_place(|| show(context, &broker, position, *hex))
        }
        DlqCommand::Replay(args) => dlq_replay::run(args, context),
    }
}

/// The dead letter topics of a project that are there.
pub(super) fn topics(broker: &Broker, plan: &ProjectPlan) -> Result<Vec<Topic>, CliError> {
    let found = Admin::connect(broker)?.topics()?;
    let names: BTreeSet<&str> =
        plan.stages().map(|stage| stage.dead_letters.name.as_str()).collect();
    let topics = names.into_iter().map(Topic::from);
    Ok(topics.filter(|topic| found.contains_key(topic)).collect())
}

/// The topic of parked lineage events, where it is there and no stage's.
pub(super) fn of_lineage(
    context: &Context,
    broker: &Broker,
    plan: &ProjectPlan,
) -> Result<Option<Topic>, CliError> {
    let topic: Topic = context.config.forward.dead_letter_topic.as_str().into();
    let is_shared = plan.stages().any(|stage| *stage.dead_letters.name == *topic);
    let found = !is_shared && Admin::connect(broker)?.topics()?.contains_key(&topic);
    Ok(found.then_some(topic))
}

fn list(
    context: &Context,
    broker: &Broker,
    plan: &ProjectPlan,
    stage: Option<&str>,
    limit: usize,
    replayed: bool,
) -> Result<(), CliError> {
    let mut rows = Vec::new();
    let of_lineage = of_lineage(context, broker, plan)?;
    for topic in topics(broker, plan)?.into_iter().chain(of_lineage) {
        let options = ListOptions { stage, replayed, after: None, limit };
        // The last line is the one that is seen first.
        rows.extend(dead_letter::list(broker, &topic, options)?.into_iter().rev());
    }
    let header = ["POSITION", "STAGE", "STEP", "RECORD", "REPLAYED", "ERROR"];
    output::rows(context.is_json(), &header, &rows, |row| {
        let replayed = row.replayed.clone().unwrap_or_else(|| "no".to_owned());
        let error = row.error.lines().next().unwrap_or_default().chars().take(100).collect();
        let [position, stage, step, record] =
            [&row.position, &row.stage, &row.step, &row.record].map(Clone::clone);
        vec![position, stage, step, record, replayed, error]
    })
}

fn show(
    context: &Context,
    broker: &Broker,
    position: &Position,
    hex: bool,
) -> Result<(), CliError> {
    let mut found = None;
    let mut replayed = None;
    queue::scan(broker, &position.topic, |record| {
        if record.position() == *position {
            found = Some(text(context, &record, hex));
        }
        if let Entry::Mark { place, run } = Entry::read(&record)
            && place == (position.partition, position.offset)
        {
            replayed = Some(run);
        }
        Ok::<_, CliError>(())
    })?;
    let Some(text) = found else {
        let message = format!("nothing stands at {position}; see `lineage-hub dlq list`");
        return Err(CliError::Failed(message));
    };
    output::line(text)?;
    match replayed {
        Some(run) if !context.is_json() => output::line(format!("  replayed as run {run}")),
        _ => Ok(()),
    }
}

fn text(context: &Context, record: &Record<'_>, hex: bool) -> String {
    if context.is_json() {
        return inspect::as_json(record);
    }
    // Bytes that are no text would lose what they are.
    let is_text = record
        .value()
        .is_none_or(|value| std::str::from_utf8(value).is_ok() || rows_shown(value).is_some());
    if is_text && !hex {
        return inspect::as_text(record);
    }
    let mut text = inspect::head(record);
    for line in record.value().unwrap_or_default().chunks(16) {
        text.push_str("\n  ");
        for byte in line {
            let _ = write!(text, "{byte:02x} ");
        }
        let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let padding = "   ".repeat(16 - line.len());
        let _ = write!(text, "{padding} {}", line.iter().map(shown).collect::<String>());
    }
    text
}
