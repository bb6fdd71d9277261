//! What librdkafka has fetched for a consumer, taken many records at a time.
//!
//! The binding hands out one record at a time, each in an event of its own, and asks
//! the clock twice for it: half of what a record cost on its way out of librdkafka
//! (decision 15 in docs/decisions). So the queue of each partition is led into one queue of
//! ours, past the consumer's own, which is left to rebalances and errors.

#![allow(unsafe_code, reason = "the binding takes no more than one record at a time")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr::{self, NonNull},
    slice,
    time::Duration,
};

use rdkafka::{
    ClientContext,
    bindings::{
        rd_kafka_consume_batch_queue, rd_kafka_header_get_all, rd_kafka_headers_t,
        rd_kafka_message_destroy, rd_kafka_message_headers, rd_kafka_message_t,
        rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_forward,
        rd_kafka_queue_get_partition, rd_kafka_queue_new, rd_kafka_queue_t,
        rd_kafka_timestamp_type_t,
    },
    client::Client,
    error::KafkaError,
    types::RDKafkaRespErr,
};

/// Records that one call takes: so few that those which are held back meanwhile are
/// still in the processor's cache when they are read.
const MANY: usize = 128;

/// The queue into which partitions' queues are led.
///
/// It must go before its client does.
pub(super) struct Fetched {
    queue: NonNull<rd_kafka_queue_t>,
}

// SAFETY: librdkafka guards its queues by locks; any thread may call it.
unsafe impl Send for Fetched {}
// SAFETY: as above.
unsafe impl Sync for Fetched {}

impl Fetched {
    /// A queue that nothing is led into yet.
    pub(super) fn new<C: ClientContext>(client: &Client<C>) -> Self {
        // SAFETY: the pointer is of a client that lives as long as the borrow.
        let queue = unsafe { rd_kafka_queue_new(client.native_ptr()) };
        Self { queue: NonNull::new(queue).expect("librdkafka ends the process without memory") }
    }

    /// Leads a partition here. What was fetched before it stays where it is, so this
    /// is to be done before the partition is fetched from.
    pub(super) fn lead<C: ClientContext>(
        &self,
        client: &Client<C>,
        topic: &str,
        partition: i32,
    ) -> bool {
        let Ok(topic) = CString::new(topic) else { return false };
        // SAFETY: the client lives as long as the borrow and the name ends in a zero.
        // The partition's queue is given back; that it leads here is kept inside.
        unsafe {
            let source =
                rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), partition);
            if source.is_null() {
                return false;
            }
            rd_kafka_queue_forward(source, self.queue.as_ptr());
            rd_kafka_queue_destroy(source);
        }
        true
    }

    /// Gives `each` what is there, `most` at most, and answers how many it were.
    /// Where nothing is there it waits for one.
    pub(super) fn take(
        &self,
        most: usize,
        wait: Duration,
        mut each: impl FnMut(Result<Fetch<'_>, KafkaError>),
    ) -> usize {
        let mut taken = Taken { messages: [ptr::null_mut(); MANY], count: 0 };
        taken.fill(self.queue, most, 0);
        if taken.count == 0 && !wait.is_zero() {
            // Of more than one it would wait for all.
            let wait = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX).max(1);
            taken.fill(self.queue, most.min(1), wait);
        }
        for message in &taken.messages[..taken.count] {
            // SAFETY: librdkafka filled so many, and they stay until `taken` goes.
            let message = unsafe { &**message };
            each(match message.err {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Fetch { message }),
                error => Err(KafkaError::MessageConsumption(error.into())),
            });
        }
        taken.count
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and given back nowhere else.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Messages to be given back, whatever happens to them.
struct Taken {
    messages: [*mut rd_kafka_message_t; MANY],
    count: usize,
}

impl Taken {
    fn fill(&mut self, queue: NonNull<rd_kafka_queue_t>, most: usize, wait: c_int) {
        let most = most.min(MANY);
        // SAFETY: the queue is there as long as its `Fetched`, and there is room for `most`.
        let count = unsafe {
            rd_kafka_consume_batch_queue(queue.as_ptr(), wait, self.messages.as_mut_ptr(), most)
        };
        self.count = usize::try_from(count).unwrap_or(0);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for message in &self.messages[..self.count] {
            // SAFETY: each was filled by librdkafka, and is given back once.
            unsafe { rd_kafka_message_destroy(*message) }
        }
    }
}

/// A record as librdkafka holds it.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'m> {
    message: &'m rd_kafka_message_t,
}

impl<'m> Fetch<'m> {
    pub(super) fn partition(self) -> i32 {
        self.message.partition
    }

    pub(super) fn offset(self) -> i64 {
        self.message.offset
    }

    /// Milliseconds since the epoch.
    pub(super) fn timestamp(self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is a whole one, and so is the kind of its timestamp.
        let timestamp = unsafe { rd_kafka_message_timestamp(self.message, &raw mut kind) };
        // In Kafka -1 is no timestamp; zero and what is before it are.
        let is_there = kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        (is_there && timestamp != -1).then_some(timestamp)
    }

    pub(super) fn key(self) -> Option<&'m [u8]> {
        // SAFETY: librdkafka's own pointer and length, which stay as long as the message.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    pub(super) fn value(self) -> Option<&'m [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    pub(super) fn headers(self) -> Headers<'m> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is a whole one, and owns the headers that are answered.
        let answer = unsafe { rd_kafka_message_headers(self.message, &raw mut headers) };
        if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            headers = ptr::null_mut();
        }
        Headers { list: headers, next: 0, _message: self }
    }
}

/// The headers of a record, in their order.
pub(super) struct Headers<'m> {
    /// Null: none.
    list: *const rd_kafka_headers_t,
    next: usize,
    _message: Fetch<'m>,
}

impl<'m> Iterator for Headers<'m> {
    type Item = (&'m str, Option<&'m [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.list.is_null() {
            return None;
        }
        let mut name: *const c_char = ptr::null();
        let (mut value, mut size) = (ptr::null(), 0);
        // SAFETY: the headers are of the message, and what is answered stays with it;
        // behind the last one librdkafka answers that there is none.
        let (name, value) = unsafe {
            let answer = rd_kafka_header_get_all(
                self.list,
                self.next,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            (CStr::from_ptr(name), bytes(value, size))
        };
        self.next += 1;
        // Kafka's names of headers are UTF-8.
        Some((name.to_str().unwrap_or("\u{fffd}"), value))
    }
}

/// # Safety
///
/// Where it is not null, `start` must be of so many bytes that stay as long as `'m`.
unsafe fn bytes<'m>(start: *const c_void, size: usize) -> Option<&'m [u8]> {
    // SAFETY: as the caller says.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), size) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{
        broker::{
            Admin, Broker, CommittedOffset, GroupConsumer, GroupOptions, KafkaConfig, OutRecord,
            PollLimits, Producer, Rebalance, TopicRequest,
            embedded::{Embedded, EmbeddedOptions},
        },
        record::{Block, HeaderBytes, Topic},
    };

    use super::*;

    const LIMITS: PollLimits = PollLimits {
        records_max: 150,
        bytes_max: 1 << 20,
        linger: Duration::from_millis(100),
        idle: Duration::from_millis(100),
    };

    fn read(consumer: &mut GroupConsumer, records: usize) -> (Vec<Block>, Vec<Rebalance>) {
        let (mut found, mut changes, mut left) = (Vec::new(), Vec::new(), records);
        for _ in 0..200 {
            let mut blocks = BTreeMap::new();
            changes.extend(consumer.poll(&mut blocks, LIMITS).unwrap());
            let count: usize = blocks.values().map(Block::len).sum();
            assert!(count <= LIMITS.records_max, "more than was asked for");
            left = left.saturating_sub(count);
            found.extend(blocks.into_values());
            if left == 0 {
                break;
            }
        }
        (found, changes)
    }

    fn offsets(blocks: &[Block], partition: i32) -> Vec<i64> {
        let of = blocks.iter().filter(|block| block.partition() == partition);
        of.flat_map(Block::iter).map(|record| record.offset()).collect()
    }

    /// All parts of records come as they were sent, those that are not there and
    /// those that are empty apart; in order; and again after going back.
    #[tokio::test(flavor = "multi_thread")]
    async fn records_come_whole_and_in_order_and_again_after_going_back() {
        let dir = tempfile::tempdir().unwrap();
        let broker = Embedded::start(&EmbeddedOptions {
            listen: Some("127.0.0.1:0".to_owned()),
            data_dir: dir.path().to_owned(),
            ephemeral: true,
        })
        .await
        .unwrap();
        let config = KafkaConfig { bootstrap: broker.bootstrap(), ..KafkaConfig::default() };
        let client = Broker::new(config);
        let config = BTreeMap::new();
        let request = TopicRequest { name: "t".into(), partitions: 2, replication: 1, config };
        Admin::connect(&client).unwrap().create(&request).await.unwrap();
        tokio::task::spawn_blocking(move || round_trip(&client)).await.unwrap();
        broker.shutdown().await;
    }

    fn round_trip(broker: &Broker) {
        let topic: Topic = "t".into();
        let producer = Producer::connect(broker).unwrap();
        let mut headers = HeaderBytes::default();
        headers.push("h", Some(b"1"));
        headers.push("nothing", None);
        let none = HeaderBytes::default();
        for number in 0..400_u32 {
            let value = number.to_string();
            let (key, value) = match number {
                0 => (None, Some(&b""[..])),
                1 => (Some(&b""[..]), None),
                _ => (Some(&b"k"[..]), Some(value.as_bytes())),
            };
            let headers = if number == 2 { &headers } else { &none };
            let partition = Some((number % 2) as i32);
            let timestamp = Some(i64::from(number));
            let record = OutRecord { topic: &topic, partition, key, value, headers, timestamp };
            producer.send(&record).unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();

        let mut consumer = GroupConsumer::join(
            broker,
            GroupOptions {
                group: "g".to_owned(),
                topic,
                static_member: None,
                session_timeout: Duration::from_secs(10),
                prefetch_bytes: 1 << 20,
                fetch_bytes: 4 << 10,
                on_revoke: Box::new(|_| true),
            },
        )
        .unwrap();
        let (blocks, changes) = read(&mut consumer, 400);
        assert!(matches!(&changes[..], [Rebalance::Assigned(held)] if held.len() == 2));
        for partition in 0..2 {
            assert_eq!(offsets(&blocks, partition), (0..200).collect::<Vec<_>>());
        }
        let all = |number: i64| {
            let block = blocks.iter().filter(|block| i64::from(block.partition()) == number % 2);
            let record = block.flat_map(Block::iter).find(|record| record.offset() == number / 2);
            let record = record.unwrap();
            (record.key(), record.value(), record.timestamp(), record.headers().collect::<Vec<_>>())
        };
        assert_eq!(all(0), (None, Some(&b""[..]), Some(0), vec![]));
        assert_eq!(all(1), (Some(&b""[..]), None, Some(1), vec![]));
        let headers = vec![("h", Some(&b"1"[..])), ("nothing", None)];
        assert_eq!(all(2), (Some(&b"k"[..]), Some(&b"2"[..]), Some(2), headers));
        assert_eq!(all(399), (Some(&b"k"[..]), Some(&b"399"[..]), Some(399), vec![]));

        let back =
            CommittedOffset { partition: 1, next_offset: Some(150), metadata: String::new() };
        consumer.rewind(&[back], Duration::from_secs(10)).unwrap();
        let (blocks, _) = read(&mut consumer, 50);
        assert_eq!(offsets(&blocks, 1), (150..200).collect::<Vec<_>>());
        consumer.leave(Duration::from_secs(5));
    }
}
