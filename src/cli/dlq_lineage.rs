//! Parked lineage events, back to the lineage topic: each once, and for the
//! backend alone that did not take them.

use std::{collections::BTreeSet, time::Duration};

use super::{CliError, context::Context};
use crate::{
    broker::{Broker, OutRecord, Produce, TransactionalOptions, TransactionalProducer},
    dead_letter::{
        DeadLetter, own_headers,
        queue::{self, Entry},
    },
    forward,
    lineage::ids,
    record::{HeaderBytes, Position, REPLAY_HEADER, RUN_HEADER, Record, Topic},
};

const TIMEOUT: Duration = Duration::from_mins(1);

/// Events of one transaction.
const BATCH: u64 = 1000;

/// Whether `stage` names a backend: `lineage/marquez`.
pub(super) fn is_backend(stage: &str) -> bool {
    stage.split_once('/').is_some_and(|(pipeline, _)| pipeline == forward::PIPELINE)
}

/// What to send back.
pub(super) struct Wanted<'a> {
    /// `lineage/marquez`; `None`: of all backends.
    pub stage: Option<&'a str>,
    /// None: all.
    pub positions: &'a [Position],
    pub dry_run: bool,
}

/// Sends back what is wanted; how many, and the name of the replay in the marks.
pub(super) fn replay(
    context: &Context,
    broker: &Broker,
    topic: &Topic,
    wanted: &Wanted<'_>,
) -> Result<(u64, String), CliError> {
    let id = ids::new_run().to_string();
    // One at a time: whoever connects next fences the one before, and then reads
    // the marks of all that it has committed.
    let connected = (!wanted.dry_run).then(|| connect(context, broker, topic));
    let mut producer = connected.transpose()?;
    let marks = queue::marks(broker, topic)?;
    let positions: BTreeSet<&Position> = wanted.positions.iter().collect();
    let mut count = 0;
    queue::scan(broker, topic, |record| {
        let Entry::Letter(letter) = Entry::read(&record) else { return Ok(()) };
        let of = format!("{}/{}", letter.pipeline, letter.stage);
        let position = record.position();
        let is_wanted = is_backend(&of)
            && wanted.stage.is_none_or(|stage| stage == of)
            && (positions.is_empty() || positions.contains(&position))
            && !marks.contains_key(&(position.partition, position.offset));
        if !is_wanted {
            return Ok(());
        }
        if let Some(producer) = &mut producer {
            if count % BATCH == 0 {
                if count > 0 {
                    producer.commit(&[])?;
                }
                producer.begin()?;
            }
            send(producer, &record, &letter, topic, &id)?;
        }
        count += 1;
        Ok::<_, CliError>(())
    })?;
    if let Some(producer) = &mut producer
        && count > 0
    {
        producer.commit(&[])?;
    }
    Ok((count, id))
}

fn connect(
    context: &Context,
    broker: &Broker,
    topic: &Topic,
) -> Result<TransactionalProducer, CliError> {
    let options = TransactionalOptions {
        transactional_id: Some(format!("lineage-hub-dlq-replay-{topic}")),
        transaction_timeout: TIMEOUT,
        request_timeout: Duration::from_secs(10),
        compression: context.config.stage.compression.as_str().to_owned(),
        buffer_bytes: 16 << 20,
        batch_bytes: 256 << 10,
    };
    Ok(TransactionalProducer::connect(broker, None, options)?)
}

/// The event to where it stood, with the backend that it is for; and the mark
/// beside its letter.
fn send(
    producer: &mut TransactionalProducer,
    record: &Record<'_>,
    letter: &DeadLetter,
    topic: &Topic,
    id: &str,
) -> Result<(), CliError> {
    let DeadLetter { pipeline, stage, position, .. } = letter;
    let target = format!("{} {pipeline}/{stage}", position.topic);
    let mut headers = HeaderBytes::default();
    for (name, value) in own_headers(record).filter(|(name, _)| *name != REPLAY_HEADER) {
        headers.push(name, value);
    }
    headers.push(REPLAY_HEADER, Some(target.as_bytes()));
    producer.send(&OutRecord {
        topic: &position.topic,
        partition: Some(position.partition),
        key: record.key(),
        value: record.value(),
        headers: &headers,
        timestamp: record.timestamp(),
    })?;
    headers.clear();
    headers.push(RUN_HEADER, Some(id.as_bytes()));
    let place = record.position();
    queue::mark((place.partition, place.offset), &mut headers);
    Ok(producer.send(&OutRecord {
        topic,
        partition: Some(place.partition),
        key: record.key(),
        value: None,
        headers: &headers,
        timestamp: None,
    })?)
}
