//! The whole program on a broker: child processes, records in, records and books out.
//!
//! One suite for two brokers: with `KAFKA_BOOTSTRAP_SERVERS` set it runs on that
//! one (`scripts/test-kafka.sh` starts a real Kafka), without on an
//! `embedded-kafka` in the test's own process. Every name on the broker carries
//! a prefix of its test, so tests share a broker without meeting.
//!
//! What a test sent is compared with what is there: read by rdkafka alone, not
//! by the program's own door to Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where it stands")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a failed test shows")]

mod api;
mod api_bodies;
mod api_faults;
mod api_limits;
mod api_page;
mod arrow;
mod cli_errors;
mod commands;
mod crash;
mod dlq;
mod endings;
mod faults;
mod flow;
mod forwarding;
mod kafka_tools;
mod keys;
mod limits;
mod lineage;
mod project_files;
mod replicas;
mod runs;
mod status;
mod support;
mod telemetry;
mod topics;
mod values;
