//! Bytes of records to Arrow record batches, and back.
//!
//! ```text
//! topic file -> schema -> Decoder: record's bytes -> columns -> record batch
//!                         Encoder: record batch -> one buffer of rows
//! ```
//!
//! # Guarantees
//!
//! A record that cannot be decoded leaves nothing behind in the batch, and a
//! row that cannot be encoded leaves its neighbours as they are: each bad
//! record fails alone. No value is rounded, cut or guessed at.
//!
//! # Not here
//!
//! Topics, dead letters and the schema of a SELECT: this folder knows bytes
//! and columns only.

pub mod arrow_ipc;
pub mod csv;
pub mod json;
pub mod key;
pub mod schema;
