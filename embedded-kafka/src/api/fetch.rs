//! `Fetch`: record batches from an offset on, waiting for them when there are none.
//!
//! Fetch sessions are answered and not kept: every answer has session id 0,
//! which tells the client to send whole requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use tokio::sync::Notify;

use super::{Call, NONE};
use crate::log::batch::LEADER_EPOCH;
use crate::log::{Partition, Slice};

/// First version that names topics by their ids.
pub(crate) const TOPIC_IDS_SINCE: i16 = 13;

const READ_COMMITTED: i8 = 1;

/// One partition of a request.
struct Wanted {
    topic_at: usize,
    partition: Result<Arc<Partition>, ResponseError>,
    request: FetchPartition,
}

pub(crate) async fn fetch(call: Call, request: FetchRequest) -> FetchResponse {
    // Epoch 0 asks for a session and -1 for none; any other continues one.
    if request.session_id != 0 && request.session_epoch > 0 {
        return FetchResponse::default()
            .with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let wanted = wanted(&call, &request);
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64)
        .min(call.node.config.fetch_wait_max);
    let deadline = Instant::now() + wait;
    let min_bytes = request.min_bytes.max(0) as usize;

    let first = read_all(&call, &request, &wanted);
    if wait.is_zero() || first.is_enough(min_bytes) {
        return first.into_response(&request);
    }
    let committed = request.isolation_level == READ_COMMITTED;
    let watch = Watch::new(&call, &wanted, committed);
    loop {
        // Between the read above and the watch something may have come. What is
        // surely too little is not read.
        if available(&wanted, committed) >= min_bytes as u64 {
            let read = read_all(&call, &request, &wanted);
            if read.is_enough(min_bytes) {
                return read.into_response(&request);
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, watch.changed.notified()).await.is_err() {
            return read_all(&call, &request, &wanted).into_response(&request);
        }
    }
}

/// About how many bytes there are to read; without end where something is wrong.
fn available(wanted: &[Wanted], committed: bool) -> u64 {
    let of_one = |one: &Wanted| match &one.partition {
        Ok(partition) => {
            let bounds = partition.bounds();
            if (bounds.start..=bounds.end).contains(&one.request.fetch_offset) {
                partition.bytes_from(one.request.fetch_offset, committed)
            } else {
                u64::MAX
            }
        }
        Err(_) => u64::MAX,
    };
    wanted.iter().map(of_one).fold(0, u64::saturating_add)
}

fn wanted(call: &Call, request: &FetchRequest) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (topic_at, of_topic) in request.topics.iter().enumerate() {
        let topic = if call.version >= TOPIC_IDS_SINCE {
            let topic = call.node.catalog.topic_by_id(of_topic.topic_id);
            topic.ok_or(ResponseError::UnknownTopicId)
        } else {
            let topic = call.node.catalog.topic(&of_topic.topic);
            topic.ok_or(ResponseError::UnknownTopicOrPartition)
        };
        for partition in &of_topic.partitions {
            let found = topic.as_ref().map_err(|error| *error).and_then(|topic| {
                if partition.current_leader_epoch > LEADER_EPOCH {
                    return Err(ResponseError::UnknownLeaderEpoch);
                }
                topic.partition(partition.partition).ok_or(ResponseError::UnknownTopicOrPartition)
            });
            wanted.push(Wanted { topic_at, partition: found, request: partition.clone() });
        }
    }
    wanted
}

/// What one pass over the partitions found.
struct Read {
    /// Topic of the request, and its partition's answer.
    partitions: Vec<(usize, PartitionData)>,
    bytes: usize,
    failed: bool,
}

fn read_all(call: &Call, request: &FetchRequest, wanted: &[Wanted]) -> Read {
    let committed = request.isolation_level == READ_COMMITTED;
    let mut left = (request.max_bytes.max(0) as usize).min(call.node.config.fetch_bytes_max);
    let mut read = Read { partitions: Vec::with_capacity(wanted.len()), bytes: 0, failed: false };
    for one in wanted {
        let most = left.min(one.request.partition_max_bytes.max(0) as usize);
        // A batch over the limits is sent alone, or its reader would stand still.
        let at_least_one = read.bytes == 0;
        let slice = one.partition.as_ref().map_err(|error| *error).and_then(|partition| {
            partition.read(one.request.fetch_offset, most, at_least_one, committed)
        });
        read.failed |= slice.is_err();
        let data = partition_data(one.request.partition, slice, committed);
        let bytes = data.records.as_ref().map_or(0, Bytes::len);
        read.bytes += bytes;
        left = left.saturating_sub(bytes);
        read.partitions.push((one.topic_at, data));
    }
    read
}

fn partition_data(
    index: i32,
    slice: Result<Slice, ResponseError>,
    committed: bool,
) -> PartitionData {
    let data = PartitionData::default().with_partition_index(index);
    match slice {
        Ok(slice) => {
            let aborted = slice.aborted.iter().map(|aborted| {
                AbortedTransaction::default()
                    .with_producer_id(aborted.producer_id.into())
                    .with_first_offset(aborted.first_offset)
            });
            data.with_error_code(NONE)
                .with_high_watermark(slice.bounds.end)
                .with_last_stable_offset(slice.bounds.stable_end)
                .with_log_start_offset(slice.bounds.start)
                .with_aborted_transactions(committed.then(|| aborted.collect()))
                .with_records(Some(slice.records))
        }
        Err(error) => data
            .with_error_code(error.code())
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1)
            .with_records(Some(Bytes::new())),
    }
}

impl Read {
    /// An error is told at once.
    fn is_enough(&self, min_bytes: usize) -> bool {
        self.failed || self.partitions.is_empty() || self.bytes >= min_bytes
    }

    fn into_response(self, request: &FetchRequest) -> FetchResponse {
        let empty = |topic: &FetchTopic| {
            FetchableTopicResponse::default()
                .with_topic(TopicName(topic.topic.0.clone()))
                .with_topic_id(topic.topic_id)
        };
        let mut responses: Vec<_> = request.topics.iter().map(empty).collect();
        for (topic_at, data) in self.partitions {
            responses[topic_at].partitions.push(data);
        }
        FetchResponse::default().with_responses(responses)
    }
}

/// Notified at each change of the partitions while it lives.
struct Watch<'a> {
    wanted: &'a [Wanted],
    number: u64,
    changed: Arc<Notify>,
}

impl<'a> Watch<'a> {
    fn new(call: &Call, wanted: &'a [Wanted], committed: bool) -> Self {
        let watch = Self { wanted, number: call.node.next_fetch(), changed: Arc::default() };
        for partition in watch.partitions() {
            partition.watch(watch.number, &watch.changed, committed);
        }
        watch
    }

    fn partitions(&self) -> impl Iterator<Item = &'a Arc<Partition>> {
        self.wanted.iter().filter_map(|one| one.partition.as_ref().ok())
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        for partition in self.partitions() {
            partition.unwatch(self.number);
        }
    }
}
