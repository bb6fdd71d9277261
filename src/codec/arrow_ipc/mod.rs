//! Records that hold many rows: an Arrow IPC stream each.
//!
//! ```text
//! topic file -> ArrowConfig -> Encoder: columns + Parts -> a record's bytes
//!                              Decoder: a record's bytes -> rows + Parts
//! ```
//!
//! A record describes itself: any reader of Arrow can read it. What a row keeps of
//! the record that it came from (key, timestamp, headers) stands in columns of
//! their own, `_key`, `_timestamp` and `_headers`.
//!
//! # Guarantees
//!
//! Bytes that are no stream are an error, never a panic, and make nobody allocate
//! more than [`UNPACKED_BYTES_MAX`].

mod config;
mod decode;
mod encode;
mod error;
mod guard;
mod parts;
mod show;
mod table;
#[cfg(test)]
mod tests;

pub use config::{ArrowConfig, Compression, Keep};
pub use decode::{Decoded, Decoder};
pub use encode::{Encoder, encode_row};
pub use error::DecodeError;
pub use guard::UNPACKED_BYTES_MAX;
pub use parts::Parts;
pub use show::{is_stream, list_shown, rows_as_json, rows_shown};
pub use table::Table;
