//! What a stream says that it unpacks to, before anybody allocates for it.
//!
//! A compressed buffer begins with the length that it has unpacked, and Arrow's
//! reader takes that at its word.

use arrow::ipc::{self, MessageHeader, RecordBatch};

use super::DecodeError;

/// Most bytes that the compressed buffers of one record may have unpacked.
pub const UNPACKED_BYTES_MAX: usize = 1 << 30;

const CONTINUATION: [u8; 4] = [0xff; 4];
/// In front of a compressed buffer; -1 says that it is not compressed after all.
const LENGTH_BYTES: usize = 8;

/// Walks the messages of a stream, and adds up what their buffers claim.
pub(super) fn check(mut stream: &[u8]) -> Result<(), DecodeError> {
    let mut claimed: usize = 0;
    while let Some((message, body, rest)) = next_message(stream)? {
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data())
            }
            _ => None,
        };
        claimed = claimed.saturating_add(batch.map_or(Ok(0), |batch| unpacked(batch, body))?);
        if claimed > UNPACKED_BYTES_MAX {
            return Err(DecodeError::TooLarge { limit: UNPACKED_BYTES_MAX });
        }
        stream = rest;
    }
    Ok(())
}

type Next<'a> = (ipc::Message<'a>, &'a [u8], &'a [u8]);

/// A message, its body, and what is behind it; `None` at the end of the stream.
fn next_message(stream: &[u8]) -> Result<Option<Next<'_>>, DecodeError> {
    let framed = stream.strip_prefix(&CONTINUATION).unwrap_or(stream);
    let Some((size, rest)) = framed.split_first_chunk::<4>() else { return Ok(None) };
    let size = u32::from_le_bytes(*size) as usize;
    if size == 0 {
        return Ok(None);
    }
    let (metadata, rest) = rest.split_at_checked(size).ok_or_else(cut_short)?;
    let message = ipc::root_as_message(metadata)
        .map_err(|error| DecodeError::Malformed(format!("unreadable message: {error}")))?;
    let body = usize::try_from(message.bodyLength()).map_err(|_| cut_short())?;
    let (body, rest) = rest.split_at_checked(body).ok_or_else(cut_short)?;
    Ok(Some((message, body, rest)))
}

fn unpacked(batch: RecordBatch<'_>, body: &[u8]) -> Result<usize, DecodeError> {
    let (Some(_), Some(buffers)) = (batch.compression(), batch.buffers()) else { return Ok(0) };
    let mut claimed: usize = 0;
    for buffer in buffers {
        if buffer.length() == 0 {
            continue;
        }
        let start = usize::try_from(buffer.offset()).map_err(|_| cut_short())?;
        let bytes = body.get(start..).and_then(|bytes| bytes.first_chunk::<LENGTH_BYTES>());
        let length = i64::from_le_bytes(*bytes.ok_or_else(cut_short)?);
        claimed = claimed.saturating_add(usize::try_from(length).unwrap_or(0));
    }
    Ok(claimed)
}

fn cut_short() -> DecodeError {
    DecodeError::Malformed("cut short".to_owned())
}
