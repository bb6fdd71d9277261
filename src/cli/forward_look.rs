//! `lineage-hub forward --dry-run|--status`: a look at what waits, from the topic
//! and the offsets that the forwarders commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    CliError,
    context::Context,
    output::{self, grouped},
};
use crate::{
    broker::{Admin, Broker, BrokerError, Reader, StartAt},
    forward::{self, Preview, Previewed, Report, What},
    record::{Block, Topic},
};

/// Longest that the topic may say nothing while it is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// What waits for one backend.
pub(super) struct Waiting {
    /// The offset to go on from, by partition.
    from: BTreeMap<i32, i64>,
    /// Records behind it, by partition; ends of transactions count as well.
    lag: BTreeMap<i32, i64>,
    report: Option<Report>,
}

impl Waiting {
    pub(super) fn of(admin: &Admin, backend: &str, topic: &Topic) -> Result<Self, CliError> {
        let group = forward::group(backend);
        let offsets = admin.offsets(&group, topic)?;
        let from = offsets.iter().map(|offset| (offset.partition, offset.committed.unwrap_or(0)));
        let reports = offsets.iter().filter_map(|offset| Report::read(&offset.metadata));
        Ok(Self {
            from: from.collect(),
            lag: offsets.iter().map(|offset| (offset.partition, offset.lag())).collect(),
            report: reports.max_by_key(|report| report.at),
        })
    }

    /// Visits what waits until `visit` has seen enough.
    pub(super) fn read(
        &self,
        broker: &Broker,
        topic: &Topic,
        mut visit: impl FnMut(&Block) -> bool,
    ) -> Result<(), CliError> {
        let mut reader = Reader::open(broker, topic, StartAt::End)?;
        reader.seek(&self.from)?;
        let mut heard = Instant::now();
        while !reader.is_at_end() {
            let Some(block) = reader.next(Duration::from_millis(200))? else {
                if heard.elapsed() > PATIENCE {
                    return Err(BrokerError::timed_out("read the lineage topic").into());
                }
                continue;
            };
            heard = Instant::now();
            if !visit(&block) {
                break;
            }
        }
        Ok(())
    }
}

fn backends(context: &Context) -> Vec<String> {
    context.config.forward.backends_or_file(&context.data_dir()).into_keys().collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    backend: String,
    position: String,
    what: What,
    event_type: &'static str,
    job: String,
    bytes: usize,
    /// For programs alone, as it stands in the topic.
    event: Option<Box<RawValue>>,
}

impl Row {
    fn new(backend: &str, event: &Previewed, value: Option<Box<RawValue>>) -> Self {
        Self {
            backend: backend.to_owned(),
            position: event.position.to_string(),
            what: event.what.clone(),
            event_type: event.event_type,
            job: event.job.clone(),
            bytes: event.bytes,
            event: value,
        }
    }
}

impl Waiting {
    /// The partitions that hold events from here on: how many, and the last of them.
    pub(super) fn events(
        &self,
        broker: &Broker,
        topic: &Topic,
    ) -> Result<BTreeMap<i32, (u64, i64)>, CliError> {
        let mut events = BTreeMap::new();
        if self.lag.values().all(|lag| *lag == 0) {
            return Ok(events);
        }
        self.read(broker, topic, |block| {
            let (count, last) = events.entry(block.partition()).or_insert((0, 0));
            *count += block.len() as u64;
            *last = block.next_offset().map_or(*last, |next| next - 1);
            true
        })?;
        Ok(events)
    }

    /// Whether all before these offsets is settled.
    pub(super) fn is_past(&self, events: &BTreeMap<i32, (u64, i64)>) -> bool {
        events
            .iter()
            .all(|(partition, (_, last))| self.from.get(partition).is_some_and(|from| from > last))
    }
}

/// Prints what each backend would be sent, and what would not be sent and why.
pub(super) fn dry_run(context: &Context, broker: &Broker, limit: usize) -> Result<(), CliError> {
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let admin = Admin::connect(broker)?;
    let mut rows = Vec::new();
    for backend in backends(context) {
        let waiting = Waiting::of(&admin, &backend, &topic)?;
        let mut preview = Preview::new(&backend, context.config.forward.coalesce);
        let mut values = Vec::new();
        let mut is_cut = false;
        waiting.read(broker, &topic, |block| {
            for record in block.iter() {
                is_cut = preview.events().len() >= limit;
                if is_cut {
                    return false;
                }
                preview.add(&record);
                let value = record.value().and_then(|value| std::str::from_utf8(value).ok());
                let value = value.filter(|_| context.is_json());
                values.push(value.and_then(|text| RawValue::from_string(text.to_owned()).ok()));
            }
            true
        })?;
        let events = preview.events().iter().zip(values);
        rows.extend(events.map(|(event, value)| Row::new(&backend, event, value)));
        if is_cut {
            anstream::eprintln!("more waits for {backend}; --limit {limit} events were looked at");
        }
    }
    let header = ["BACKEND", "POSITION", "TYPE", "JOB", "BYTES", "WHAT"];
    output::rows(context.is_json(), &header, &rows, |row| {
        let what = match &row.what {
            What::Send => "send".to_owned(),
            What::Coalesce => "coalesce".to_owned(),
            What::Skip => "skip".to_owned(),
            What::Park(why) => format!("park: {why}"),
        };
        let [backend, position, job] = [&row.backend, &row.position, &row.job].map(Clone::clone);
        vec![backend, position, row.event_type.to_owned(), job, grouped(row.bytes as u64), what]
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    backend: String,
    backlog: u64,
    /// Seconds since the oldest event that waits was written.
    oldest_seconds: Option<f64>,
    #[serde(flatten)]
    report: Option<Report>,
}

/// Prints how far each backend is.
pub(super) fn status(context: &Context, broker: &Broker) -> Result<(), CliError> {
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let admin = Admin::connect(broker)?;
    let mut rows = Vec::new();
    for backend in backends(context) {
        let waiting = Waiting::of(&admin, &backend, &topic)?;
        let mut left: BTreeSet<i32> = waiting.lag.keys().copied().collect();
        left.retain(|partition| waiting.lag[partition] > 0);
        let mut oldest: Option<i64> = None;
        if !left.is_empty() {
            waiting.read(broker, &topic, |block| {
                if left.remove(&block.partition()) {
                    let time = block.iter().filter_map(|record| record.timestamp()).min();
                    oldest = oldest.into_iter().chain(time).min();
                }
                !left.is_empty()
            })?;
        }
        let now = Timestamp::now().as_millisecond();
        rows.push(State {
            backend,
            // What is left of partitions without a record are ends of transactions.
            backlog: oldest.map_or(0, |_| waiting.lag.values().sum::<i64>().max(0) as u64),
            oldest_seconds: oldest.map(|time| (now - time).max(0) as f64 / 1000.0),
            report: waiting.report,
        });
    }
    let header = [
        "BACKEND",
        "STATE",
        "BACKLOG",
        "OLDEST",
        "DELIVERED",
        "PARKED",
        "RETRIES",
        "EVENTS/S",
        "REPORTED",
        "LAST ERROR",
    ];
    output::rows(context.is_json(), &header, &rows, |row| {
        let none = || "-".to_owned();
        let count = |count: fn(&Report) -> u64| {
            row.report.as_ref().map_or_else(none, |report| grouped(count(report)))
        };
        let report = row.report.as_ref();
        let state = |report: &Report| if report.down { "down" } else { "up" }.to_owned();
        let error = report.and_then(|report| report.last_error.as_deref());
        vec![
            row.backend.clone(),
            report.map_or_else(none, state),
            grouped(row.backlog),
            row.oldest_seconds.map_or_else(none, |seconds| format!("{seconds:.0} s")),
            count(|report| report.delivered),
            count(|report| report.parked),
            count(|report| report.retries),
            report.map_or_else(none, |report| format!("{:.1}", report.rate)),
            report.and_then(|report| report.at).map_or_else(none, |at| format!("{at:.0}")),
            // In one line, whatever a backend answers.
            error.map_or_else(none, |text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
        ]
    })
}
