//! lineage-hub: Kafka stream processing in SQL, with lineage in the same transaction.

pub mod api;
pub mod broker;
pub mod cli;
pub mod codec;
pub mod config;
pub mod dead_letter;
pub mod forward;
pub mod lineage;
pub mod pipeline;
pub mod record;
pub mod runs;
pub mod runtime;
pub mod stage;
pub mod telemetry;
pub mod test_driver;
pub mod transform;

pub use cli::Hub;
