//! Compressed bodies: unpacks what `Content-Encoding` names, as the body is read.
//!
//! The bounds are the reader's: an event ends at the limit of its topic, a record of an
//! upload at the limit of its own, however small the body is that they come from.

use std::io::{self, BufRead, BufReader, Read};

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zstd::stream::read::Decoder as ZstdDecoder;

use super::ApiError;

/// What is understood, as `Accept-Encoding` lists it.
pub(super) const ACCEPTED: &str = "gzip, deflate, zstd";
/// Encodings of one body, one over the other.
const STACKED_MAX: usize = 4;
/// The window that RFC 9659 allows in an HTTP body is 8 MiB: a larger one is memory that
/// the sender decides on.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bytes that are unpacked at a time.
const BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Zstd,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

/// The encodings of a body, in the order in which they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Encodings(Vec<Encoding>);

impl Encodings {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut encodings = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let unknown = |name: &str| ApiError::UnsupportedEncoding { name: name.to_owned() };
            let text = value.to_str().map_err(|_| unknown("not ASCII"))?;
            for name in text.split(',').map(str::trim) {
                encodings.push(match name.to_ascii_lowercase().as_str() {
                    "gzip" | "x-gzip" => Encoding::Gzip,
                    "deflate" => Encoding::Deflate,
                    "zstd" => Encoding::Zstd,
                    "identity" | "" => continue,
                    _ => return Err(unknown(name)),
                });
            }
        }
        if encodings.len() > STACKED_MAX {
            let name = format!("{} encodings one over the other", encodings.len());
            return Err(ApiError::UnsupportedEncoding { name });
        }
        Ok(Self(encodings))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what `packed` holds. An error of `packed` passes through, and reading may go
    /// on after `WouldBlock`.
    pub(super) fn unpack<'a>(
        &self,
        packed: impl BufRead + 'a,
    ) -> io::Result<Box<dyn BufRead + 'a>> {
        let mut reader: Box<dyn BufRead + 'a> = Box::new(packed);
        for encoding in self.0.iter().rev() {
            let decoder: Box<dyn Read + 'a> = match encoding {
                Encoding::Gzip => Box::new(MultiGzDecoder::new(reader)),
                Encoding::Deflate => Box::new(Deflate::Unknown(Some(reader))),
                Encoding::Zstd => {
                    let mut decoder = ZstdDecoder::with_buffer(reader)?;
                    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                    Box::new(decoder)
                }
            };
            reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder));
        }
        Ok(reader)
    }

    /// The whole body unpacked, on a thread that may take its time. At most `limit` bytes.
    pub(super) async fn unpack_all(self, packed: Bytes, limit: usize) -> Result<Bytes, ApiError> {
        if self.is_empty() {
            return Ok(packed);
        }
        let unpacked = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            let reader = self.unpack(&*packed).map_err(|error| self.invalid(&error))?;
            let mut reader = reader.take(limit as u64 + 1);
            reader.read_to_end(&mut bytes).map_err(|error| self.invalid(&error))?;
            if bytes.len() > limit {
                return Err(ApiError::BodyTooLarge { limit });
            }
            Ok(bytes.into())
        });
        unpacked.await.unwrap_or_else(|error| Err(ApiError::internal(&error)))
    }

    /// What to answer where unpacking failed.
    pub(super) fn invalid(&self, error: &io::Error) -> ApiError {
        let names: Vec<&str> = self.0.iter().map(|encoding| encoding.name()).collect();
        let names = names.join(", ");
        ApiError::Invalid(match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("the body is incomplete: it ends before its compressed data ({names}) do")
            }
            _ => format!("the body is not valid {names}: {error}"),
        })
    }
}

/// `deflate` is a zlib stream (RFC 9110, section 8.4.1.2); some clients send what is inside
/// of one. The first byte tells: a raw stream that began with a zlib header would begin
/// with a stored block with bits set in its padding, which no encoder writes.
enum Deflate<R> {
    Unknown(Option<R>),
    Zlib(ZlibDecoder<R>),
    Raw(DeflateDecoder<R>),
}

impl<R: BufRead> Read for Deflate<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Self::Unknown(reader) = self {
            let first = match reader.as_mut().map(BufRead::fill_buf).transpose()? {
                Some([first, ..]) => *first,
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            let Some(reader) = reader.take() else { return Ok(0) };
            let is_zlib = first & 0x0f == 8 && first >> 4 <= 7;
            *self = if is_zlib {
                Self::Zlib(ZlibDecoder::new(reader))
            } else {
                Self::Raw(DeflateDecoder::new(reader))
            };
        }
        let (read, packed) = match self {
            Self::Zlib(decoder) => (decoder.read(into)?, decoder.get_mut()),
            Self::Raw(decoder) => (decoder.read(into)?, decoder.get_mut()),
            Self::Unknown(_) => return Ok(0),
        };
        if read == 0 && !into.is_empty() && !packed.fill_buf()?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes follow its end"));
        }
        Ok(read)
    }
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
