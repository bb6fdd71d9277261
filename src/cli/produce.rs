//! `lineage-hub produce TOPIC FILE|-`: a file's records, as they are.

use std::{io::Read, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    CliError,
    context::Context,
    output,
    rows::{self, CsvArgs, Row, Rows},
};
use crate::{
    broker::{Admin, Broker, BrokerError, OutRecord, Producer},
    record::{HeaderBytes, Topic},
};

#[derive(Debug, Args)]
pub(super) struct ProduceArgs {
    /// Topic to send to
    topic: String,
    /// File of one record a line, or CSV with a header (by its ending), or `-`
    /// for standard input
    file: PathBuf,
    /// Each line is KEY, a tab, VALUE (not of CSV)
    #[arg(long, conflicts_with_all = ["delimiter", "columns", "no_header"])]
    with_keys: bool,
    #[command(flatten)]
    csv: CsvArgs,
}

/// Longest that the last records may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn run(args: &ProduceArgs, context: &Context) -> Result<(), CliError> {
    let declared = match context.plan() {
        Ok(plan) => plan.topics.get(&args.topic).cloned(),
        // Any topic may be written to, with or without a project.
        Err(CliError::Project(_)) => None,
        Err(error) => return Err(error),
    };
    if let Some(declared) = &declared {
        declared.takes_lines().map_err(|error| CliError::Failed(error.to_string()))?;
    }
    let broker = context.broker()?;
    let topic: Topic = args.topic.as_str().into();
    if !Admin::connect(&broker)?.topics()?.contains_key(&topic) {
        return Err(BrokerError::TopicMissing { topic }.into());
    }
    let (input, size) = rows::open(&args.file)?;
    let bar = rows::progress(size);
    let sent = tokio::task::block_in_place(|| {
        let input = bar.wrap_read(input);
        let mut rows =
            Rows::read(input, &args.file, args.with_keys, &args.csv, declared.as_deref())?;
        let sent = send(&broker, &topic, &mut rows)?;
        if let Some(warning) = rows.warning() {
            anstream::eprintln!("warning: {warning}");
        }
        Ok::<_, CliError>(sent)
    })?;
    bar.finish_and_clear();
    if context.is_json() {
        return output::line(
            serde_json::json!({ "topic": args.topic, "records": sent }).to_string(),
        );
    }
    output::line(format!("{sent} records sent to {topic}"))
}

/// Sends every record of `rows`.
pub(super) fn send<R: Read>(
    broker: &Broker,
    topic: &Topic,
    rows: &mut Rows<R>,
) -> Result<u64, CliError> {
    let producer = Producer::connect(broker)?;
    let headers = HeaderBytes::default();
    let (mut row, mut sent) = (Row::default(), 0);
    while rows.next(&mut row)? {
        producer.send(&OutRecord {
            topic,
            partition: None,
            key: row.key.as_deref(),
            value: Some(&row.value),
            headers: &headers,
            timestamp: None,
        })?;
        sent += 1;
    }
    producer.flush(FLUSH_TIMEOUT)?;
    Ok(sent)
}
