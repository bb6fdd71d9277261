//! `lineage-hub dlq replay`: dead letters back to their topics, each once, as runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use super::{
    CliError,
    context::Context,
    dlq, dlq_lineage, hub, output,
    run::{self as bounded, Route},
    run_input::RunSender,
    signals,
};
use crate::{
    broker::{Broker, OutRecord, Produce, StartAt},
    dead_letter::{
        DeadLetter, own_headers,
        queue::{self, Entry},
    },
    pipeline::{ProjectPlan, StagePlan},
    record::{HeaderBytes, Position, REPLAY_HEADER, RUN_HEADER, Record, Topic},
    runs::Tracker,
    runtime::Shutdown,
};

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Those of this stage: `orders/extract`; or backend: `lineage/marquez`
    #[arg(long, value_name = "PIPELINE/STAGE")]
    stage: Option<String>,

    /// The one that stands here: `raw.orders.dlq/3@1287`; may be repeated
    #[arg(long, value_name = "POSITION", conflicts_with = "all")]
    position: Vec<Position>,

    /// All of the project, or of the stage
    #[arg(long)]
    all: bool,

    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,

    /// Follow the runs until their books balance
    #[arg(long)]
    wait: bool,

    /// Longest to follow each
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
}

pub(super) fn run(args: &ReplayArgs, context: &Context) -> Result<(), CliError> {
    if !args.all && args.position.is_empty() && args.stage.is_none() {
        let message = "say which: --stage PIPELINE/STAGE, --position POSITION, or --all";
        return Err(CliError::Usage(message.to_owned()));
    }
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let stages: Vec<Arc<StagePlan>> = match &args.stage {
        Some(stage) if dlq_lineage::is_backend(stage) => Vec::new(),
        Some(stage) => vec![Context::stage(&plan, stage)?],
        None => plan.stages().map(Arc::clone).collect(),
    };
    let broker = context.broker()?;
    hub::require_topics(context, &broker, &stages)?;
    tokio::task::block_in_place(|| {
        let lineage: Topic = context.config.lineage.topic.as_str().into();
        let mut tracker = Tracker::open(&broker, &lineage, StartAt::End)?;
        let mut runs = Vec::new();
        let mut rows = Vec::new();
        for topic in dlq::topics(&broker, &plan)? {
            let of_topic = stages.iter().filter(|stage| stage.dead_letters.name == *topic);
            for stage in of_topic {
                let replay = Replay { context, broker: &broker, plan: &plan, stage, topic: &topic };
                let (sent, run) = replay.run(args, &shutdown)?;
                if sent == 0 {
                    continue;
                }
                rows.push(serde_json::json!({
                    "topic": &*topic, "stage": stage.id(), "letters": sent, "run": run,
                }));
                runs.extend(run);
            }
        }
        rows.extend(replay_lineage(args, context, &broker, &plan)?);
        if rows.is_empty() {
            anstream::eprintln!("no dead letter to replay; see `lineage-hub dlq list`");
        }
        let header = ["TOPIC", "STAGE", "LETTERS", "RUN"];
        output::rows(context.is_json(), &header, &rows, |row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
            vec![text("topic"), text("stage"), row["letters"].to_string(), text("run")]
        })?;
        if args.wait {
            for id in runs {
                let longest = Duration::from_secs(args.timeout);
                bounded::follow(context, &mut tracker, id, longest, &shutdown)?;
            }
        }
        Ok(())
    })
}

/// Parked lineage events, as a row where there were any.
fn replay_lineage(
    args: &ReplayArgs,
    context: &Context,
    broker: &Broker,
    plan: &ProjectPlan,
) -> Result<Option<serde_json::Value>, CliError> {
    let stage = args.stage.as_deref();
    if stage.is_some_and(|stage| !dlq_lineage::is_backend(stage)) {
        return Ok(None);
    }
    let Some(topic) = dlq::of_lineage(context, broker, plan)? else { return Ok(None) };
    let is_asked = args.position.is_empty() || args.position.iter().any(|at| at.topic == topic);
    if !is_asked {
        return Ok(None);
    }
    let wanted = dlq_lineage::Wanted { stage, positions: &args.position, dry_run: args.dry_run };
    let (sent, id) = dlq_lineage::replay(context, broker, &topic, &wanted)?;
    let row = serde_json::json!({
        "topic": &*topic, "stage": stage.unwrap_or("lineage"), "letters": sent,
        "run": (!args.dry_run).then_some(id),
    });
    Ok((sent > 0).then_some(row))
}

/// The letters of one stage, on their way back.
struct Replay<'a> {
    context: &'a Context,
    broker: &'a Broker,
    plan: &'a ProjectPlan,
    stage: &'a Arc<StagePlan>,
    topic: &'a Topic,
}

impl Replay<'_> {
    /// How many letters were sent, or would be, and as which run.
    fn run(
        &self,
        args: &ReplayArgs,
        shutdown: &Shutdown,
    ) -> Result<(u64, Option<uuid::Uuid>), CliError> {
        let wanted: BTreeSet<&Position> = args.position.iter().collect();
        let is_wanted = |record: &Record<'_>, letter: &DeadLetter| {
            letter.pipeline == self.stage.pipeline
                && letter.stage == self.stage.stage
                && *letter.position.topic == *self.stage.from.name
                && (wanted.is_empty() || wanted.contains(&record.position()))
        };
        if args.dry_run {
            let (marks, mut count) = (queue::marks(self.broker, self.topic)?, 0);
            self.each(&marks, is_wanted, |_| {
                count += 1;
                Ok(())
            })?;
            return Ok((count, None));
        }
        // One at a time for each topic: whoever connects next fences the others,
        // and then reads the marks of all that they have committed.
        let id = format!("lineage-hub-dlq-replay-{}", self.topic);
        let pipeline = self.plan.pipeline(&self.stage.pipeline);
        let pipeline = pipeline
            .ok_or_else(|| CliError::Usage(format!("no pipeline {}", self.stage.pipeline)))?;
        let route = Route::from_stage(pipeline, self.stage);
        let mut sender = RunSender::connect(self.context, self.broker, &route, Some(id))?;
        let marks = queue::marks(self.broker, self.topic)?;
        let mut begun = false;
        let sent = self.each(&marks, is_wanted, |record| {
            if !begun {
                sender.start(self.context, self.broker, &route)?;
                begun = true;
            }
            self.send(&mut sender, &record, shutdown)
        });
        match sent.and_then(|count| if begun { sender.finish().map(|_| count) } else { Ok(count) })
        {
            Ok(count) => Ok((count, begun.then(|| sender.id()))),
            Err(error) => {
                if begun {
                    sender.abort(&error);
                }
                Err(error)
            }
        }
    }

    /// Visits the letters that are wanted and not yet replayed; how many.
    fn each(
        &self,
        marks: &BTreeMap<queue::Place, String>,
        is_wanted: impl Fn(&Record<'_>, &DeadLetter) -> bool,
        mut visit: impl FnMut(Record<'_>) -> Result<(), CliError>,
    ) -> Result<u64, CliError> {
        let mut count = 0;
        queue::scan(self.broker, self.topic, |record| {
            let Entry::Letter(letter) = Entry::read(&record) else { return Ok(()) };
            let place = (record.position().partition, record.offset());
            if is_wanted(&record, &letter) && !marks.contains_key(&place) {
                count += 1;
                return visit(record);
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Sends the record to where it failed, and the mark beside its letter.
    fn send(
        &self,
        sender: &mut RunSender,
        record: &Record<'_>,
        shutdown: &Shutdown,
    ) -> Result<(), CliError> {
        if shutdown.is_cancelled() {
            return Err(CliError::Failed("interrupted".to_owned()));
        }
        let Some(letter) = DeadLetter::read(record) else { return Ok(()) };
        let run = sender.id().to_string();
        let target = format!("{} {}", self.stage.from.name, self.stage.id());
        let mut headers = HeaderBytes::default();
        let ours = |name: &str| name == RUN_HEADER || name == REPLAY_HEADER;
        for (name, value) in own_headers(record).filter(|(name, _)| !ours(name)) {
            headers.push(name, value);
        }
        headers.push(RUN_HEADER, Some(run.as_bytes()));
        headers.push(REPLAY_HEADER, Some(target.as_bytes()));
        let bytes = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let bytes = length(record.key()) + length(record.value()) + bytes.sum::<usize>();
        sender.producer().send(&OutRecord {
            topic: &letter.position.topic,
            partition: Some(letter.position.partition),
            key: record.key(),
            value: record.value(),
            headers: &headers,
            timestamp: record.timestamp(),
        })?;
        headers.clear();
        headers.push(RUN_HEADER, Some(run.as_bytes()));
        queue::mark((record.position().partition, record.offset()), &mut headers);
        sender.producer().send(&OutRecord {
            topic: self.topic,
            partition: Some(record.position().partition),
            key: record.key(),
            value: None,
            headers: &headers,
            timestamp: None,
        })?;
        sender.count(bytes)
    }
}
