//! Sends records whose timestamp is zero, which librdkafka takes for "not set".
//!
//! librdkafka stamps a record with the current time where its timestamp is zero
//! (`rd_kafka_msg_new0`; confluentinc/librdkafka issue 1153), and none of its
//! produce calls can say otherwise. An interceptor could, but only one that is
//! added to a configuration, and the binding makes that by itself. What it asks
//! for the time is C's `gettimeofday`, on the thread that sends. So this module
//! defines `gettimeofday` for the program: it answers the time, and zero while
//! its thread sends such a record.
//!
//! # Guarantees
//!
//! A record of any other timestamp is sent as before, without a look at the clock
//! or at this thread's state. A record of the epoch that librdkafka did not ask
//! the time for (one that is linked in another way, say) ends in an error, so it
//! never stays with a wrong time in a transaction that is committed.

#![allow(unsafe_code, reason = "librdkafka has no call for a timestamp of zero")]

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
};

use rdkafka::{
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, ProducerContext},
};

use super::BrokerError;

/// What librdkafka answers: that it took the record, or the record with the error.
type Sent<'r> = Result<(), (KafkaError, BaseRecord<'r, [u8], [u8]>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Real,
    Epoch,
    /// The epoch, and it was asked for.
    Asked,
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Real) };
}

/// Hands a record to librdkafka with its own timestamp, which may be zero.
///
/// # Errors
///
/// A timestamp of zero that librdkafka replaced by the current time: the record is
/// on its way, and its transaction is to be aborted.
pub(super) fn send<'r, C: ProducerContext<DeliveryOpaque = ()>>(
    client: &BaseProducer<C>,
    record: BaseRecord<'r, [u8], [u8]>,
) -> Result<Sent<'r>, BrokerError> {
    if record.timestamp != Some(0) {
        return Ok(client.send(record));
    }
    CLOCK.set(Clock::Epoch);
    let sent = client.send(record);
    let clock = CLOCK.replace(Clock::Real);
    if sent.is_ok() && clock != Clock::Asked {
        return Err(BrokerError::Refused {
            action: "send a record with the timestamp 0",
            reason: "librdkafka replaced the timestamp by the current time; link it statically, \
                     as the default build does, or set another timestamp with `_timestamp`"
                .to_owned(),
        });
    }
    Ok(sent)
}

/// C's function of this name, for all C code that is linked into the program.
///
/// # Safety
///
/// As in C: `time` and `zone` are null, or of a `timeval` and a `timezone`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut c_void) -> c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    if CLOCK.get() == Clock::Real {
        // SAFETY: the structure is of this function; the clock is always there.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    } else {
        CLOCK.set(Clock::Asked);
    }
    if !time.is_null() {
        let micros = (now.tv_nsec / 1000) as libc::suseconds_t;
        // SAFETY: as the caller says.
        unsafe { time.write(libc::timeval { tv_sec: now.tv_sec, tv_usec: micros }) };
    }
    if !zone.is_null() {
        // SAFETY: as the caller says; a `timezone` is two numbers, unused for decades.
        unsafe { zone.cast::<[c_int; 2]>().write([0, 0]) };
    }
    0
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use crate::{
        broker::{
            Admin, Broker, KafkaConfig, OutRecord, Produce, Producer, Reader, StartAt,
            TopicRequest, TransactionalOptions, TransactionalProducer,
            embedded::{Embedded, EmbeddedOptions},
        },
        record::{HeaderBytes, Topic},
    };

    use super::*;

    fn seconds() -> i64 {
        let mut time = libc::timeval { tv_sec: -1, tv_usec: -1 };
        // SAFETY: the structure is of this function.
        assert_eq!(unsafe { gettimeofday(&raw mut time, std::ptr::null_mut()) }, 0);
        assert!((0..1_000_000).contains(&time.tv_usec));
        time.tv_sec
    }

    #[test]
    fn the_clock_is_the_real_one_but_on_the_thread_that_sends() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((seconds() - now).abs() < 5);
        CLOCK.set(Clock::Epoch);
        assert_eq!(seconds(), 0);
        let other = std::thread::spawn(seconds).join().unwrap();
        assert!((other - now).abs() < 5);
        assert_eq!(CLOCK.replace(Clock::Real), Clock::Asked);
    }

    /// Zero is a time as any other, of records, tombstones and before others; and no
    /// timestamp is still the current time.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_timestamp_of_zero_stays_zero() {
        let dir = tempfile::tempdir().unwrap();
        let embedded = Embedded::start(&EmbeddedOptions {
            listen: Some("127.0.0.1:0".to_owned()),
            data_dir: dir.path().to_owned(),
            ephemeral: true,
        })
        .await
        .unwrap();
        let config = KafkaConfig { bootstrap: embedded.bootstrap(), ..KafkaConfig::default() };
        let broker = Broker::new(config);
        let config = BTreeMap::new();
        let request = TopicRequest { name: "t".into(), partitions: 1, replication: 1, config };
        Admin::connect(&broker).unwrap().create(&request).await.unwrap();
        tokio::task::spawn_blocking(move || round_trip(&broker)).await.unwrap();
        embedded.shutdown().await;
    }

    fn round_trip(broker: &Broker) {
        const TIMES: [Option<i64>; 5] = [Some(0), Some(1), None, Some(0), Some(-5000)];
        let topic: Topic = "t".into();
        let headers = HeaderBytes::default();
        let record = |index: usize, timestamp| OutRecord {
            topic: &topic,
            partition: None,
            key: Some(b"k"),
            // One of those with the time zero is a tombstone.
            value: (index != 3).then_some(&b"v"[..]),
            headers: &headers,
            timestamp,
        };
        let options = TransactionalOptions {
            transactional_id: Some("epoch".to_owned()),
            transaction_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            compression: "none".to_owned(),
            buffer_bytes: 1 << 20,
            batch_bytes: 1 << 16,
        };
        let mut producer = TransactionalProducer::connect(broker, None, options).unwrap();
        producer.begin().unwrap();
        for (index, time) in TIMES.into_iter().enumerate() {
            producer.send(&record(index, time)).unwrap();
        }
        producer.commit(&[]).unwrap();
        let plain = Producer::connect(broker).unwrap();
        for (index, time) in TIMES.into_iter().enumerate() {
            plain.send(&record(index, time)).unwrap();
        }
        plain.flush(Duration::from_secs(10)).unwrap();

        let mut reader = Reader::open(broker, &topic, StartAt::Beginning).unwrap();
        let mut times = Vec::new();
        while times.len() < 10 {
            let Some(block) = reader.next(Duration::from_secs(5)).unwrap() else { continue };
            times.extend(block.iter().map(|record| record.timestamp()));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        for times in times.chunks(5) {
            assert_eq!(
                [times[0], times[1], times[3], times[4]],
                [Some(0), Some(1), Some(0), Some(-5000)]
            );
            assert!((times[2].unwrap() - now).abs() < 60_000, "{times:?}");
        }
    }
}
