//! JSON, one object a record, to columns and back; by the schema, not by guess.
//!
//! ```text
//! record -> reader (lexer) -> fields -> column buffers -> RecordBatch   Decoder
//! RecordBatch -> source (typed views) -> write -> rows of one buffer     Encoder
//! ```
//!
//! # Guarantees
//!
//! One record is one row or one error; after an error the buffers are as if
//! the record had never come. What is read is exact, or it is an error:
//!
//! - A whole number takes digits only: `1.0`, `1e3` and `"12"` are none.
//! - `decimal(p,s)` is read digit by digit; zeros beyond the scale and
//!   exponents are fine while the value fits exactly.
//! - `float` and `double` are the nearest value, as IEEE 754 rounds; what
//!   would be infinite is an error.
//! - A timestamp is RFC 3339 text with an offset, or whole epoch milliseconds,
//!   in the years 0000 to 9999 (UTC); no leap seconds, no cut fractions.
//! - `binary` is base64 text (the standard alphabet, with padding).
//! - A field's second value (a duplicate key) is an error, as is a second of a
//!   map's key. Fields that the schema does not have are skipped, but must be
//!   well-formed; their names may repeat.
//! - Missing and `null` are both null, or an error where `not null` is declared.
//! - Objects and lists stand at most 128 deep, in skipped values as well.
//!
//! [`Decoder`] reads what [`Encoder`] writes, with the schema that
//! [`canonical_schema`](super::schema::canonical_schema) makes of the encoded one.
//!
//! # Not here
//!
//! Which record failed (the caller knows its position), and what becomes of it.

mod column;
mod decode;
mod encode;

mod error;
mod fields;
mod number;
mod reader;
mod shown;
mod source;

mod text;
mod time;
mod write;

pub use decode::{DecodeConfig, Decoder};
pub use encode::{EncodeConfig, Encoder};
pub use shown::one_line;

pub(in crate::codec) use text::write_string;

pub use error::{DecodeError, DecodeSetupError, EncodeError, EncodeSetupError, Place};

#[cfg(test)]
mod tests;
