//! librdkafka's own flush: sends at once what its linger keeps back.
//!
//! The binding's `flush` asks librdkafka with a time-out of zero again and again.
//! librdkafka ends the linger only for as long as a call of its flush lasts, so
//! with that nothing is sent any sooner, and each turn sleeps for 100 ms.

use std::time::Duration;

use rdkafka::{
    bindings::rd_kafka_flush,
    producer::{BaseProducer, Producer as _, ProducerContext},
    types::RDKafkaRespErr,
};

/// Whether all that was sent is delivered or failed, after `wait` at most. What
/// failed counts as under way until a poll takes its report.
#[allow(unsafe_code, reason = "the binding offers no flush that ends the linger")]
pub(super) fn flush<C: ProducerContext>(producer: &BaseProducer<C>, wait: Duration) -> bool {
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is of a producer that lives as long as the borrow, and
    // librdkafka allows this call from any thread.
    let answer = unsafe { rd_kafka_flush(producer.client().native_ptr(), wait) };
    answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

#[cfg(test)]
mod tests {
    use rdkafka::{ClientConfig, producer::BaseRecord};

    use super::*;

    #[test]
    fn nothing_is_flushed_at_once_and_what_nobody_takes_is_not() {
        // The port of nobody: TCP's discard service on loopback.
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:9").set("linger.ms", "1000");
        let producer: BaseProducer = config.create().unwrap();
        assert!(flush(&producer, Duration::ZERO));
        producer.send(BaseRecord::<(), _>::to("t").payload("v")).unwrap();
        assert!(!flush(&producer, Duration::from_millis(20)));
        producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        producer.poll(Duration::from_secs(1));
        assert!(flush(&producer, Duration::from_secs(1)));
    }
}
