//! Records that could not be worked on, kept with their bytes and the reason.
//!
//! ```text
//! bad record -> envelope (its own key, value, headers + where and why) -> <input topic>.dlq
//!     ^                                                                        |
//!     `------------------------- queue: replayed once, and marked -------------'
//! ```
//!
//! # Not here
//!
//! Deciding that a record is bad (`stage`), and sending it: a dead letter goes
//! out in the same transaction as what came of its neighbours.

mod envelope;
mod list;
pub mod queue;

pub use envelope::{DeadLetter, Envelope, own_headers};
pub use list::{ListKey, ListOptions, Listed, list};
