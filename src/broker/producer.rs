//! A plain idempotent producer: for `produce`, for parked events, for tests.

use std::time::{Duration, Instant};

use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use super::{
    Broker, BrokerError, OutRecord, epoch, flush,
    transactional::{delivery_failure, owned_headers},
};

/// One wait for deliveries; the reports of records that failed are taken in between.
const SLICE: Duration = Duration::from_millis(50);

/// librdkafka's own default.
const BATCH_BYTES: usize = 1_000_000;

/// Sends records, each acknowledged by all in-sync replicas when `flush` returns.
pub struct Producer {
    client: BaseProducer<DeliveredOrNot>,
}

impl Producer {
    pub fn connect(broker: &Broker) -> Result<Self, BrokerError> {
        Self::with_batches(broker, BATCH_BYTES)
    }

    /// Sends batches of at most so many bytes, or of one larger record.
    pub fn with_batches(broker: &Broker, batch_bytes: usize) -> Result<Self, BrokerError> {
        let batch = batch_bytes.max(1).to_string();
        let config = broker.client_config(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("linger.ms", "100"),
            ("batch.size", &batch),
            ("message.max.bytes", "67108864"),
            ("partitioner", "murmur2_random"),
            ("delivery.report.only.error", "true"),
            ("allow.auto.create.topics", "false"),
        ]);
        let client = BaseProducer::from_config_and_context(&config, DeliveredOrNot::default())
            .map_err(|source| BrokerError::Setup { source })?;
        Ok(Self { client })
    }

    /// Queues a record; waits while the queue is full.
    pub fn send(&self, out: &OutRecord<'_>) -> Result<(), BrokerError> {
        let mut record = BaseRecord::<[u8], [u8]>::to(out.topic);
        record.partition = out.partition;
        record.payload = out.value;
        record.key = out.key;
        record.timestamp = out.timestamp;
        record.headers = owned_headers(out.headers.iter());
        loop {
            match epoch::send(&self.client, record)? {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected)) => {
                    record = rejected;
                    flush::flush(&self.client, SLICE);
                    self.client.poll(Duration::ZERO);
                }
                Err((source, _)) => return Err(BrokerError::of("send a record", source)),
            }
        }
    }

    /// Waits until all that was sent is acknowledged.
    pub fn flush(&self, timeout: Duration) -> Result<(), BrokerError> {
        let deadline = Instant::now() + timeout;
        while !flush::flush(&self.client, SLICE) {
            self.client.poll(Duration::ZERO);
            if Instant::now() > deadline {
                return Err(BrokerError::Passing {
                    action: "deliver the records",
                    source: KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut),
                });
            }
        }
        match self.client.context().failure.lock().map(|mut failure| failure.take()) {
            Ok(Some(failure)) => Err(failure),
            _ => Ok(()),
        }
    }
}

/// Keeps the first failure of a delivery until it is asked for.
#[derive(Default)]
struct DeliveredOrNot {
    quiet: super::context::Quiet,
    failure: std::sync::Mutex<Option<BrokerError>>,
}

impl rdkafka::ClientContext for DeliveredOrNot {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, fac: &str, message: &str) {
        self.quiet.log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.quiet.error(error, reason);
    }
}

impl rdkafka::producer::ProducerContext for DeliveredOrNot {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        if let (Err((error, message)), Ok(mut failure)) = (result, self.failure.lock()) {
            failure.get_or_insert_with(|| delivery_failure(message, error));
        }
    }
}
