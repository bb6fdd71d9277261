//! Writes the ends of a bounded run, once whoever else would, too.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    BoundedRun, Runs, TrackerError,
    bounded::{End, Part},
    pipeline,
    tracker::read_on,
};
use crate::{
    broker::{Broker, OutRecord, Produce, Reader, TransactionalOptions, TransactionalProducer},
    lineage::{
        Balance, Counts, EventType, Run, RunCancel,
        facets::{ErrorMessage, Facets, InputStatistics, OutputStatistics},
    },
    record::{HeaderBytes, Topic},
    telemetry::{RunEnded, RunSettled},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes the ends that the books of `run` call for, if nobody has.
///
/// The transactional id is the run's: connecting ends what another tracker has
/// under way, and all that it had committed is read before anything is written.
pub(super) fn close(
    broker: &Broker,
    topic: &Topic,
    run: Uuid,
    runs: &mut Runs,
    reader: &mut Reader,
) -> Result<(), TrackerError> {
    let mut producer = take_over(broker, run, runs, reader)?;
    let Some(run) = runs.run(run) else { return Ok(()) };
    let ends = run.ends();
    if ends.is_empty() {
        return Ok(());
    }
    producer.begin()?;
    for end in &ends {
        let Some((key, value)) = event(run, end) else { continue };
        producer.send(&OutRecord {
            topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &HeaderBytes::default(),
            timestamp: None,
        })?;
    }
    producer.commit(&[])?;
    let own = ends.iter().find(|end| end.job.is_none());
    if let Some(end) = own {
        let outcome = if end.kind == EventType::Complete { "complete" } else { "failed" };
        tell_end(run, outcome);
    }
    if own.is_some() || (!run.is_settled() && run.is_settled_with(&ends)) {
        tell_books(run);
    }
    Ok(())
}

/// Writes the end of a pipeline's run whose process was killed, if it has none.
pub(super) fn close_pipeline(
    broker: &Broker,
    topic: &Topic,
    run: Uuid,
    runs: &mut Runs,
    reader: &mut Reader,
) -> Result<(), TrackerError> {
    let mut producer = take_over(broker, run, runs, reader)?;
    if let Some((key, value)) = runs.end_of_pipeline(run) {
        pipeline::write(&mut producer, topic, &key, &value)?;
    }
    Ok(())
}

/// Ends what others have under way for this run, and reads all that they had
/// committed.
fn take_over(
    broker: &Broker,
    run: Uuid,
    runs: &mut Runs,
    reader: &mut Reader,
) -> Result<TransactionalProducer, TrackerError> {
    let producer = TransactionalProducer::connect(broker, None, options(run))?;
    reader.reach_on()?;
    while !reader.is_at_end() {
        read_on(reader, runs, TIMEOUT)?;
    }
    Ok(producer)
}

/// The end of a run, for whoever counts runs.
pub(super) fn tell_end(run: &BoundedRun, outcome: &str) {
    let took = run.started.map(|started| Timestamp::now().duration_since(started));
    let took = took.and_then(|took| took.try_into().ok()).unwrap_or_default();
    RunEnded { pipeline: &run.pipeline, outcome, took }.emit();
}

fn tell_books(run: &BoundedRun) {
    let Counts { read, out, filtered, dead_lettered, .. } = run.counts();
    RunSettled { pipeline: &run.pipeline, read, out, filtered, dead_lettered }.emit();
}

pub(super) fn options(run: Uuid) -> TransactionalOptions {
    TransactionalOptions {
        transactional_id: Some(format!("lineage-hub-tracker-{run}")),
        transaction_timeout: TIMEOUT,
        request_timeout: TIMEOUT,
        compression: "none".to_owned(),
        buffer_bytes: 8 << 20,
        batch_bytes: 256 << 10,
    }
}

/// The end of a run repeats its start: its datasets, or a backend would take the
/// job for one without any. `None` where the start is not known, as where the
/// topic has forgotten it.
pub(super) fn event(run: &BoundedRun, end: &End) -> Option<(String, Vec<u8>)> {
    let part = |job: &String| run.parts.get(job).and_then(|part: &Part| part.start.as_deref());
    let start = end.job.as_ref().map_or(run.start.as_deref(), part)?;
    let mut event = repeated(start, end.kind)?;
    let id: Uuid = event["run"]["runId"].as_str()?.parse().ok()?;

    let mut facets = Run::new(id).facets;
    facets.set(&Balance { replica: ALL.to_owned(), counts: end.counts, by_partition: Vec::new() });
    if let Some(error) = &end.error {
        facets.set(&ErrorMessage::new(error));
    }
    if end.job.is_none() && end.kind != EventType::Complete {
        facets.set(&RunCancel::default());
    }
    merge(event["run"]["facets"].as_object_mut()?, &facets);
    set_statistics(&mut event, end.counts);
    set_assertions(&mut event, &end.unmet);
    Some((id.to_string(), serde_json::to_vec(&event).ok()?))
}

/// A later event of a run that repeats its start.
pub(super) fn repeated(start: &[u8], kind: EventType) -> Option<Value> {
    let mut event: Value = serde_json::from_slice(start).ok()?;
    event["eventType"] = serde_json::to_value(kind).ok()?;
    // The clock of whoever told the start may be ahead.
    let started = event["eventTime"].as_str().and_then(|time| time.parse().ok());
    let time = started.map_or_else(Timestamp::now, |started| Timestamp::now().max(started));
    event["eventTime"] = json!(format!("{time:.6}"));
    Some(event)
}

/// The replica in the books of all replicas together.
const ALL: &str = "*";

fn set_statistics(event: &mut Value, counts: Counts) {
    let mut input = Facets::default();
    input.set(&InputStatistics { rows: counts.read, bytes: counts.bytes_in });
    let mut output = Facets::default();
    output.set(&OutputStatistics { rows: counts.out, bytes: counts.bytes_out });
    // A pipeline's own event has no datasets.
    for (dataset, key, facets) in [
        ("/inputs/0", "inputFacets", serde_json::to_value(&input)),
        ("/outputs/0", "outputFacets", serde_json::to_value(&output)),
    ] {
        let dataset = event.pointer_mut(dataset).and_then(Value::as_object_mut);
        if let (Some(dataset), Ok(Value::Object(facets))) = (dataset, facets) {
            let place = dataset.entry(key).or_insert_with(|| json!({}));
            if let Some(place) = place.as_object_mut() {
                place.extend(facets);
            }
        }
    }
}

/// The start has every expectation, and of none of them a row that failed it.
fn set_assertions(event: &mut Value, unmet: &BTreeMap<String, u64>) {
    let assertions = event
        .pointer_mut("/outputs/0/facets/dataQualityAssertions/assertions")
        .and_then(Value::as_array_mut);
    for assertion in assertions.into_iter().flatten() {
        let unmet = assertion["name"].as_str().and_then(|name| unmet.get(name));
        let unmet = unmet.copied().unwrap_or_default();
        assertion["success"] = (unmet == 0).into();
        assertion["actual"] = unmet.to_string().into();
    }
}

pub(super) fn merge<Place>(into: &mut serde_json::Map<String, Value>, facets: &Facets<Place>) {
    if let Ok(Value::Object(facets)) = serde_json::to_value(facets) {
        into.extend(facets);
    }
}
