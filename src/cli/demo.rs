//! `lineage-hub demo`: the project on sample orders, from start to books.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;

use super::{
    CliError,
    broker::EmbeddedArgs,
    context::Context,
    output::{self, grouped, table},
    produce,
    rows::{self, CsvArgs, Rows},
    signals, summary, timeout_seconds,
    up::{Hub, UpArgs},
};
use crate::{
    broker::{Admin, Broker, Reader, StartAt},
    dead_letter::DeadLetter,
    lineage::Counts,
    pipeline::{ProjectPlan, StagePlan},
    record::{Block, Topic},
    runtime::Shutdown,
    stage::group_of,
};

/// The thousand orders of the repository: `generate orders`.
const SAMPLE: &[u8] = include_bytes!("../../samples/orders.ndjson");

const SAMPLE_TOPIC: &str = "raw.orders";

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Records to send, one a line, instead of the sample orders
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    #[command(flatten)]
    embedded: EmbeddedArgs,

    /// Longest to wait until all records are through
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = timeout_seconds())]
    timeout: u64,
}

pub(super) async fn run(args: &DemoArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    context.check_room(&plan)?;
    let source = source(&plan)?;
    let (broker, embedded) = context.broker_or_embedded(&args.embedded).await?;
    let hub =
        Hub::start(&UpArgs::plain(), &BTreeMap::new(), context, &plan, &broker, &shutdown).await?;
    let begun = waiting(&broker, &plan).and_then(|waiting| {
        let sent = tokio::task::block_in_place(|| send(args, context, &broker, &source))?;
        Ok((waiting, sent))
    });
    let (waiting, sent) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            shutdown.cancel();
            // The first failure is the one to tell.
            let _ = hub.join(context, &shutdown).await;
            return Err(error);
        }
    };
    anstream::eprintln!("{} records sent to {source}", grouped(sent));

    let watched = hub.watched();
    let watch = summary::watch(hub.watched(), hub.forward_statuses(), &broker, context);
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let mut books = Books::new(&plan, &source, waiting, sent);
    while !books.are_closed() && Instant::now() < deadline && !shutdown.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        books.counts = watched.iter().map(|(_, status)| status.counts()).collect();
    }
    shutdown.cancel();
    let ended = hub.join(context, &shutdown).await;
    watch.stop().await;
    ended?;
    books.counts = watched.iter().map(|(_, status)| status.counts()).collect();
    report(context, &broker, &plan, &source, &books)?;
    if let Some(embedded) = embedded {
        embedded.shutdown().await;
    }
    books.verdict(Duration::from_secs(args.timeout))
}

/// The topic that the sample orders belong in; in a project without it, that
/// of the first stage.
fn source(plan: &ProjectPlan) -> Result<Topic, CliError> {
    let sample = plan.stages().find(|stage| stage.from.name == SAMPLE_TOPIC);
    match sample.or_else(|| plan.stages().next()) {
        Some(stage) => Ok(stage.from.name.as_str().into()),
        None => Err(CliError::Failed("the project has no stage".to_owned())),
    }
}

fn send(
    args: &DemoArgs,
    context: &Context,
    broker: &Broker,
    topic: &Topic,
) -> Result<u64, CliError> {
    let plan = context.plan()?;
    let topic_plan = plan.topics.get(&**topic).map(|topic| &**topic);
    let sample = PathBuf::from("the sample");
    let (input, path): (Box<dyn Read>, _) = match &args.input {
        None => (Box::new(SAMPLE), &sample),
        Some(path) => (rows::open(path)?.0, path),
    };
    let mut rows = Rows::read(input, path, false, &CsvArgs::default(), topic_plan)?;
    produce::send(broker, topic, &mut rows)
}

/// Records that wait for each stage from before, by the groups' offsets.
fn waiting(broker: &Broker, plan: &ProjectPlan) -> Result<Vec<u64>, CliError> {
    let admin = Admin::connect(broker)?;
    let lag = |stage: &std::sync::Arc<StagePlan>| {
        let offsets = admin.offsets(&group_of(stage), &stage.from.name.as_str().into())?;
        // Of topics that stages write, markers of transactions count as lag, too,
        // and what is there is what this run's stages will find.
        Ok(offsets.iter().map(|offset| offset.lag() as u64).sum())
    };
    plan.stages().map(lag).collect()
}

/// What each stage should have read by the end, and what it did.
struct Books {
    names: Vec<String>,
    /// For each stage, the stage before it in this project, if there is one.
    before: Vec<Option<usize>>,
    /// Records that each stage finds in its input topic, but for what stages send.
    found: Vec<u64>,
    counts: Vec<Counts>,
}

impl Books {
    fn new(plan: &ProjectPlan, source: &Topic, waiting: Vec<u64>, sent: u64) -> Self {
        let names: Vec<String> = plan.stages().map(|stage| stage.id()).collect();
        let before = plan
            .stages()
            .map(|stage| {
                let upstream = stage.upstream.first()?;
                names.iter().position(|name| name == upstream)
            })
            .collect();
        let found = plan.stages().zip(waiting).map(|(stage, waiting)| {
            if stage.from.name == **source { waiting + sent } else { waiting }
        });
        let counts = vec![Counts::default(); names.len()];
        Self { names, before, found: found.collect(), counts }
    }

    /// Records that a stage is to read: those that the stage before it sent, or
    /// those sent to the first topic.
    fn expected(&self, stage: usize) -> u64 {
        match self.before[stage] {
            Some(before) => self.counts[before].out,
            None => self.found[stage],
        }
    }

    fn is_closed(&self, stage: usize) -> bool {
        let counts = self.counts[stage];
        counts.balances() && counts.read >= self.expected(stage)
    }

    fn are_closed(&self) -> bool {
        (0..self.names.len()).all(|stage| self.is_closed(stage))
    }

    fn verdict(&self, waited: Duration) -> Result<(), CliError> {
        if self.are_closed() {
            return Ok(());
        }
        let open = (0..self.names.len()).find(|stage| !self.is_closed(*stage)).unwrap_or(0);
        let (name, read) = (&self.names[open], self.counts[open].read);
        let what = format!("{name} has read {read} of {} records", self.expected(open));
        Err(CliError::TimedOut { waited, what })
    }
}

fn report(
    context: &Context,
    broker: &Broker,
    plan: &ProjectPlan,
    source: &Topic,
    books: &Books,
) -> Result<(), CliError> {
    if context.is_json() {
        let rows: Vec<_> = books
            .names
            .iter()
            .zip(&books.counts)
            .enumerate()
            .map(|(index, (stage, counts))| {
                serde_json::json!({
                    "stage": stage, "books": counts, "balanced": books.is_closed(index),
                })
            })
            .collect();
        return output::rows(true, &[], &rows, |_| Vec::new());
    }
    let rows: Vec<Vec<String>> =
        books.names.iter().zip(&books.counts).enumerate().map(row(books)).collect();
    output::line(
        "\nBooks: in = mapped + filtered + dead-lettered, and out is what the next took in",
    )?;
    let header = ["STAGE", "IN", "MAPPED", "FILTERED", "DEAD", "OUT", ""];
    output::line(table(&header, &rows).trim_end())?;
    if let Some(last) = last_behind(plan, source) {
        output::line(format!("\nThree of {}", last.to.name))?;
        for block in last_records(broker, &last.to.name, 3)? {
            let value = block.record(0).value().unwrap_or_default();
            output::line(format!("  {}", String::from_utf8_lossy(value)))?;
        }
    }
    dead_letters(broker, plan, source)?;
    output::line("\nLineage")?;
    output::line(tree(plan, books).trim_end())
}

fn row(books: &Books) -> impl Fn((usize, (&String, &Counts))) -> Vec<String> + '_ {
    |(index, (name, counts))| {
        let balanced = if books.is_closed(index) { "balanced" } else { "OPEN" };
        vec![
            name.clone(),
            grouped(counts.read),
            grouped(counts.mapped),
            grouped(counts.filtered),
            grouped(counts.dead_lettered),
            grouped(counts.out),
            balanced.to_owned(),
        ]
    }
}

/// The end of the chain that begins at `source`; the check refuses cycles.
fn last_behind<'p>(plan: &'p ProjectPlan, source: &Topic) -> Option<&'p StagePlan> {
    let next = |topic: &str| plan.stages().find(|stage| stage.from.name == topic);
    let mut last = next(source)?;
    while let Some(stage) = next(&last.to.name) {
        last = stage;
    }
    Some(last)
}

fn dead_letters(broker: &Broker, plan: &ProjectPlan, source: &Topic) -> Result<(), CliError> {
    let Some(stage) = plan.stages().find(|stage| stage.from.name == **source) else {
        return Ok(());
    };
    output::line(format!("\nTwo of {}", stage.dead_letters.name))?;
    for block in last_records(broker, &stage.dead_letters.name, 2)? {
        let record = block.record(0);
        let value: String =
            String::from_utf8_lossy(record.value().unwrap_or_default()).chars().take(100).collect();
        match DeadLetter::read(&record) {
            Some(letter) => {
                output::line(format!("  {}  {}: {}", letter.position, letter.step, letter.error))?;
            }
            None => output::line(format!("  {}", record.position()))?,
        }
        output::line(format!("    {value}…"))?;
    }
    Ok(())
}

/// A few of the newest records of a topic, whatever partition they are in.
fn last_records(broker: &Broker, topic: &str, count: usize) -> Result<Vec<Block>, CliError> {
    tokio::task::block_in_place(|| {
        // Transaction markers take offsets, too: look a little further back.
        let mut reader = Reader::open(broker, &topic.into(), StartAt::Tail(200))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut blocks = Vec::new();
        while blocks.len() < count && !reader.is_at_end() && Instant::now() < deadline {
            blocks.extend(reader.next(Duration::from_millis(200))?);
        }
        Ok(blocks)
    })
}

/// Topics and stages as a tree, from the sources down.
fn tree(plan: &ProjectPlan, books: &Books) -> String {
    let mut text = String::new();
    let sources = plan.stages().filter(|stage| stage.upstream.is_empty());
    let mut seen: Vec<&str> = Vec::new();
    for source in sources {
        if !seen.contains(&source.from.name.as_str()) {
            seen.push(&source.from.name);
            text.push_str(&source.from.name);
            text.push('\n');
            branches(plan, books, &source.from.name, 0, &mut text);
        }
    }
    text
}

/// The check of a project refuses cycles, so this ends.
fn branches(plan: &ProjectPlan, books: &Books, topic: &str, depth: usize, text: &mut String) {
    let indent = "   ".repeat(depth);
    for (index, stage) in plan.stages().enumerate().filter(|(_, stage)| stage.from.name == topic) {
        let counts = books.counts[index];
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{indent}└─ {} ({} in, {} out, {} columns)\n{indent}   └─ {}\n",
            stage.id(),
            grouped(counts.read),
            grouped(counts.out),
            stage.plan.column_lineage().fields.len(),
            stage.to.name
        );
        branches(plan, books, &stage.to.name, depth + 2, text);
    }
}
