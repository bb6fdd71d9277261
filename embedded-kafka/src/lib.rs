//! A small, durable, single-node Kafka broker with transactions.
//!
//! ```text
//! clients -> server -> api -> log     record batches, as they came
//!                         |-> groups  members and their assignments
//!                         |-> txn     transactions and their outcomes
//!                         `-> state   topics, offsets, transactions: a journal
//! ```
//!
//! # Guarantees
//!
//! What was acknowledged is there after the death of the process; a committed
//! transaction also after that of the machine. Who reads committed sees whole
//! transactions or nothing of them, and an offset committed in a transaction
//! appears with its records.
//!
//! # Not here
//!
//! Replication, authentication, quotas, tiers, and the group protocol of
//! KIP-848: clients fall back to the classic one. It listens on loopback only,
//! unless told otherwise.
//!
//! ```no_run
//! # async fn run() -> Result<(), embedded_kafka::StartError> {
//! let broker = embedded_kafka::Broker::builder().ephemeral().listen("127.0.0.1:0").start().await?;
//! println!("bootstrap.servers={}", broker.address());
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod background;
mod broker;
mod catalog;
mod config;
mod expiry;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod groups;
mod log;
mod node;
mod server;
mod session;
mod state;
pub mod topic_config;
mod txn;

pub use broker::{Broker, BrokerBuilder, StartError};
pub use config::{Fsync, PARTITIONS_MAX};
