//! The only door to Kafka.
//!
//! ```text
//! topic -> consumer -> Block -> (a stage) -> OutBatch -> producer -> topic
//!                                                 offsets ---^ one transaction
//! ```
//!
//! It speaks in blocks: a poll hands out [`Block`]s of records, a send takes
//! one buffer of encoded rows. Delivery is settled once a transaction.
//!
//! # Guarantees
//!
//! What [`Produce::commit`] reports as committed is committed, with its
//! offsets; any other answer leaves nothing of the transaction behind once
//! [`Produce::abort`] or [`Produce::rebuild`] has returned.
//!
//! # Not here
//!
//! What records mean. Nothing outside this module names `rdkafka`.

mod admin;
mod client;
mod config;
mod consumer;
mod context;
pub mod embedded;
mod epoch;
mod error;
mod fetched;
mod flush;
pub mod groups;
mod membership;
mod produce;
mod producer;
mod properties;
mod pulse;
mod reader;
mod set_parts;
pub mod topics;
mod transactional;

pub use admin::{Admin, ConfigEntry, TopicDescription, TopicRequest};
pub use client::Broker;
pub use config::KafkaConfig;
pub use consumer::{Assignment, CommittedOffset, GroupConsumer, GroupOptions, PollLimits};
pub use error::BrokerError;
pub use membership::{Rebalance, Revocation, RevokeHook};
pub use produce::{OffsetCommit, OutBatch, OutPack, OutRecord, OutRow, Produce};
pub use producer::Producer;
pub use pulse::Pulse;
pub use reader::{Reader, StartAt};
pub use set_parts::{OutHeaders, SetParts};
pub use transactional::{Group, TransactionalOptions, TransactionalProducer};

#[cfg(doc)]
use crate::record::Block;
