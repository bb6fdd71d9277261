//! Compressed records, up to a limit: some bytes can stand for gigabytes, or say so.

use std::fmt::Display;
use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use snap::raw::{Decoder, decompress_len};

use super::batch::{HEADER_BYTES, Header};

/// Most bytes that the records of a batch may come to where they are looked at: far
/// more than clients put into one, which bound it before they compress it.
const UNPACKED_MAX: usize = 256 << 20;

/// In front of the blocks of snappy that Java's clients write, each with its length in
/// front. Others write one block, and nothing else.
const BLOCKS_OF_SNAPPY: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// Why records stay compressed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("unknown compression {0}")]
    Compression(i16),
    #[error("cannot decompress records: {0}")]
    Decompress(String),
    #[error("records come to over {most} bytes")]
    TooLarge { most: usize },
}

/// The records part of a whole batch, uncompressed.
pub(super) fn uncompressed(header: &Header, batch: &Bytes) -> Result<Bytes, UnpackError> {
    let packed = batch.slice(HEADER_BYTES..header.size);
    match header.compression() {
        0 => Ok(packed),
        compression => Ok(unpack(compression, &packed, UNPACKED_MAX)?.into()),
    }
}

/// What `packed` stands for, where that is no more than `most` bytes.
fn unpack(compression: i16, packed: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
    match compression {
        1 => read(GzDecoder::new(packed), most),
        2 => snappy(packed, most),
        3 => read(lz4::Decoder::new(packed).map_err(broken)?, most),
        4 => read(zstd::Decoder::new(packed).map_err(broken)?, most),
        other => Err(UnpackError::Compression(other)),
    }
}

fn read(source: impl Read, most: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    source.take(most as u64 + 1).read_to_end(&mut unpacked).map_err(broken)?;
    check(unpacked.len(), most)?;
    Ok(unpacked)
}

fn snappy(packed: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let Some(mut blocks) = packed.strip_prefix(BLOCKS_OF_SNAPPY) else {
        append_block(packed, &mut unpacked, most)?;
        return Ok(unpacked);
    };
    while !blocks.is_empty() {
        let short = || broken("a block is cut short");
        let (length, rest) = blocks.split_first_chunk().ok_or_else(short)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        append_block(block, &mut unpacked, most)?;
        blocks = rest;
    }
    Ok(unpacked)
}

fn append_block(block: &[u8], unpacked: &mut Vec<u8>, most: usize) -> Result<(), UnpackError> {
    let start = unpacked.len();
    let end = start + decompress_len(block).map_err(broken)?;
    check(end, most)?;
    unpacked.resize(end, 0);
    Decoder::new().decompress(block, &mut unpacked[start..]).map_err(broken)?;
    Ok(())
}

fn check(length: usize, most: usize) -> Result<(), UnpackError> {
    if length > most { Err(UnpackError::TooLarge { most }) } else { Ok(()) }
}

fn broken(error: impl Display) -> UnpackError {
    UnpackError::Decompress(error.to_string())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::Compression;
    use proptest::prelude::*;

    use super::super::records::tests::batch_of;
    use super::*;

    const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    #[test]
    fn records_are_unpacked_up_to_the_limit_and_no_further() {
        let value = "0".repeat(100_000);
        let rows = [(Some("a"), Some(value.as_str()), 0)];
        let plain = batch_of(&rows, (-1, -1, -1), false, Compression::None);
        let plain = &plain[HEADER_BYTES..];
        for compression in ALL {
            let batch = batch_of(&rows, (-1, -1, -1), false, compression);
            let header = Header::check(&batch).unwrap();
            let packed = &batch[HEADER_BYTES..];
            assert!(packed.len() < plain.len() / 10);
            let unpacked = |most| unpack(header.compression(), packed, most);
            assert_eq!(unpacked(plain.len()).unwrap(), plain);
            let error = unpacked(plain.len() - 1).unwrap_err();
            assert!(matches!(error, UnpackError::TooLarge { .. }), "{compression:?}: {error}");
        }
    }

    #[test]
    fn a_block_of_snappy_without_a_frame_is_read_as_well() {
        let block = snap::raw::Encoder::new().compress_vec(b"records").unwrap();
        assert_eq!(unpack(2, &block, 7).unwrap(), b"records");
    }

    #[test]
    fn a_promise_of_gigabytes_takes_no_memory() {
        let promise = b"\xff\xff\xff\xff\x0f".to_vec();
        let framed = [BLOCKS_OF_SNAPPY, &[0, 0, 0, 5], &promise].concat();
        for packed in [promise, framed] {
            let refused = unpack(2, &packed, 1 << 20);
            assert!(matches!(refused, Err(UnpackError::TooLarge { .. })), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_an_error(
            compression in 0..8i16,
            framed in any::<bool>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let packed = if framed { [BLOCKS_OF_SNAPPY, &bytes].concat() } else { bytes };
            if let Ok(unpacked) = unpack(compression, &packed, 5_000) {
                prop_assert!(unpacked.len() <= 5_000);
            }
        }
    }
}
