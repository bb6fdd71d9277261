//! One handler a request: Kafka's messages in, what the broker does, Kafka's
//! messages out. One file a family.
//!
//! A handler answers every request that could be decoded; what is wrong with a
//! part of it is told in that part's error code.

pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod fetch;
pub(crate) mod group_admin;
pub(crate) mod group_members;
pub(crate) mod list_offsets;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod topic_admin;
pub(crate) mod topic_create;
pub(crate) mod transactions;
pub(crate) mod transactions_admin;

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{GroupId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use crate::node::Node;

/// A request's circumstances.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub node: Arc<Node>,
    pub version: i16,
    pub client_id: String,
    /// Address of the client, as Kafka shows it: `/127.0.0.1`.
    pub client_host: String,
}

/// Answer where nothing went wrong.
const NONE: i16 = 0;

/// Error code of an outcome.
fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(NONE, ResponseError::code)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// An optional text, where Kafka takes the empty one for none.
fn optional(text: Option<&StrBytes>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToString::to_string)
}
