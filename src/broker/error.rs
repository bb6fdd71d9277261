//! What can go wrong between us and Kafka, and what to do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::record::{Recovery, Topic};

/// Why something asked of Kafka did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    #[error(
        "no broker answers at {bootstrap}; start one, or name another with `--bootstrap HOST:PORT` \
         or KAFKA_BOOTSTRAP_SERVERS"
    )]
    Unreachable { bootstrap: String, source: KafkaError },
    #[error("topic `{topic}` does not exist; make it with `lineage-hub topics apply`")]
    TopicMissing { topic: Topic },
    #[error("topic `{topic}` has no partition {partition}")]
    PartitionMissing { topic: Topic, partition: i32 },
    #[error("cannot set up a Kafka client; look at `kafka.properties`")]
    Setup { source: KafkaError },
    #[error("another producer with the transactional id `{id}` has taken over")]
    Fenced { id: String, source: KafkaError },
    #[error("the producer `{id}` can do no more")]
    ProducerLost { id: String, source: KafkaError },
    #[error("cannot {action}")]
    Passing { action: &'static str, source: KafkaError },
    #[error(
        "a record for `{topic}` has {size} bytes, over the limit of the producer or the topic; \
         raise `max.message.bytes` of the topic"
    )]
    RecordTooLarge { topic: Topic, size: usize, source: KafkaError },
    #[error("topic `{topic}` refuses a record: {reason}")]
    RecordRefused { topic: Topic, reason: &'static str, source: KafkaError },
    #[error("not allowed to {action}; look at the cluster's access control lists")]
    NotAuthorized { action: &'static str, source: KafkaError },
    #[error("cannot {action}: {reason}")]
    Refused { action: &'static str, reason: String },
}

impl BrokerError {
    /// What the caller should do; a failure inside a transaction also aborts it.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Unreachable { .. } | Self::Passing { .. } => Recovery::Retry,
            Self::Fenced { .. } | Self::ProducerLost { .. } => Recovery::Rebuild,
            Self::RecordTooLarge { .. } => Recovery::DeadLetter,
            Self::TopicMissing { .. }
            | Self::PartitionMissing { .. }
            | Self::Setup { .. }
            | Self::NotAuthorized { .. }
            | Self::RecordRefused { .. }
            | Self::Refused { .. } => Recovery::Stop,
        }
    }

    /// A request without an answer in time, for tests without a Kafka.
    pub fn timed_out(action: &'static str) -> Self {
        let source = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
        Self::Passing { action, source }
    }

    /// The end of a producer whose id another one took, for tests without a Kafka.
    pub fn fenced(id: &str) -> Self {
        let source = KafkaError::Global(RDKafkaErrorCode::Fenced);
        Self::Fenced { id: id.to_owned(), source }
    }

    /// A producer that was used out of turn, for tests without a Kafka.
    pub fn producer_lost(id: &str) -> Self {
        let source = KafkaError::Global(RDKafkaErrorCode::State);
        Self::ProducerLost { id: id.to_owned(), source }
    }

    /// Sorts an error met while doing `action`.
    pub(super) fn of(action: &'static str, source: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match source.rdkafka_error_code() {
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication,
            ) => Self::NotAuthorized { action, source },
            _ => Self::Passing { action, source },
        }
    }

    /// Sorts an error of the transactional producer `id`.
    pub(super) fn of_transaction(action: &'static str, id: &str, source: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        let code = source.rdkafka_error_code();
        if matches!(code, Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)) {
            return Self::Fenced { id: id.to_owned(), source };
        }
        let fatal = matches!(&source, KafkaError::Transaction(error) if error.is_fatal());
        if fatal || matches!(code, Some(Code::Fatal | Code::State)) {
            return Self::ProducerLost { id: id.to_owned(), source };
        }
        Self::of(action, source)
    }
}
