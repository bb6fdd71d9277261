//! Record batch headers, read in place from the bytes that a producer sent.
//!
//! A batch is a header of 61 bytes and the records behind it (format version 2).
//! The broker rewrites two fields, the base offset and the leader epoch; both lie
//! before the checksummed part, so a batch is stored and served as it came.
//!
//! # Not here
//!
//! The records inside a batch: [`super::records`].

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a batch header.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes before the part that the batch length counts.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;
/// Bytes of a header up to the last that the log sets.
pub(crate) const STAMP_BYTES: usize = 16;
/// There is one leader for ever.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// A batch that no idempotent producer wrote.
pub(crate) const NO_PRODUCER: i64 = -1;

const CRC_COVERS_FROM: usize = 21;
const ATTRIBUTE_COMPRESSION: i16 = 0x07;
const ATTRIBUTE_LOG_APPEND_TIME: i16 = 0x08;
const ATTRIBUTE_TRANSACTIONAL: i16 = 0x10;
const ATTRIBUTE_CONTROL: i16 = 0x20;

/// Why bytes are no record batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("record batch is cut short: {have} bytes of {need}")]
    Short { have: usize, need: usize },
    #[error("record batch has format version {0}, only 2 is supported")]
    Magic(i8),
    #[error("record batch has a length field of {0}")]
    Length(i32),
    #[error("record batch fails its checksum")]
    Checksum,
    #[error("record batch counts {count} records with a last offset delta of {last_delta}")]
    Count { count: i32, last_delta: i32 },
}

/// The fields of a batch header that the broker acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub base_offset: i64,
    /// Whole size in bytes, header included.
    pub size: usize,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`; the records behind it may be missing.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::Short { have: bytes.len(), need: HEADER_BYTES });
        }
        let length = i32::from_be_bytes(array(bytes, 8));
        let magic = bytes[16] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        if length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::Length(length));
        }
        Ok(Self {
            base_offset: i64::from_be_bytes(array(bytes, 0)),
            size: length as usize + LENGTH_PREFIX_BYTES,
            attributes: i16::from_be_bytes(array(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: i64::from_be_bytes(array(bytes, 27)),
            max_timestamp: i64::from_be_bytes(array(bytes, 35)),
            producer_id: i64::from_be_bytes(array(bytes, 43)),
            producer_epoch: i16::from_be_bytes(array(bytes, 51)),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            record_count: i32::from_be_bytes(array(bytes, 57)),
        })
    }

    /// Reads the header and checks the whole batch: length, checksum, count.
    pub(crate) fn check(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Self::read(bytes)?;
        if bytes.len() < header.size {
            return Err(BatchError::Short { have: bytes.len(), need: header.size });
        }
        if header.last_offset_delta < 0 || header.record_count < 0 {
            return Err(BatchError::Count {
                count: header.record_count,
                last_delta: header.last_offset_delta,
            });
        }
        let crc = u32::from_be_bytes(array(bytes, 17));
        if crc32c::crc32c(&bytes[CRC_COVERS_FROM..header.size]) != crc {
            return Err(BatchError::Checksum);
        }
        Ok(header)
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & ATTRIBUTE_TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & ATTRIBUTE_CONTROL != 0
    }

    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) fn compression(&self) -> i16 {
        self.attributes & ATTRIBUTE_COMPRESSION
    }

    pub(crate) fn has_log_append_time(&self) -> bool {
        self.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id != NO_PRODUCER
    }

    /// Sequence of the last record; sequences wrap to 0 behind the greatest i32.
    pub(crate) fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence` moved on by `by`, wrapping to 0 behind the greatest i32.
pub(crate) fn sequence_after(sequence: i32, by: i32) -> i32 {
    if sequence > i32::MAX - by { by - (i32::MAX - sequence) - 1 } else { sequence + by }
}

/// The first bytes of a checked batch with the offset that the log gives it; the
/// others stay as they came.
pub(crate) fn stamp(batch: &[u8], base_offset: i64) -> [u8; STAMP_BYTES] {
    let mut stamped = array(batch, 0);
    stamped[..8].copy_from_slice(&base_offset.to_be_bytes());
    stamped[12..].copy_from_slice(&LEADER_EPOCH.to_be_bytes());
    stamped
}

/// A batch whose greatest timestamp is the time of the append, as a topic with
/// `message.timestamp.type=LogAppendTime` asks.
pub(crate) fn with_append_time(batch: &[u8], now_ms: i64) -> Vec<u8> {
    let mut batch = batch.to_vec();
    let attributes = i16::from_be_bytes(array(&batch, 21)) | ATTRIBUTE_LOG_APPEND_TIME;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&now_ms.to_be_bytes());
    seal(&mut batch);
    batch
}

/// Writes the checksum of a batch whose other fields are set.
fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A batch with the header fields of `like` around other records: what compaction keeps.
/// The records are uncompressed.
pub(crate) fn rebuild(like: &Header, record_count: i32, records: &[u8]) -> Vec<u8> {
    let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
    let size = HEADER_BYTES + records.len();
    batch.put_i64(like.base_offset);
    batch.put_i32((size - LENGTH_PREFIX_BYTES) as i32);
    batch.put_i32(LEADER_EPOCH);
    batch.put_i8(2);
    batch.put_u32(0);
    batch.put_i16(like.attributes & !ATTRIBUTE_COMPRESSION);
    batch.put_i32(like.last_offset_delta);
    batch.put_i64(like.base_timestamp);
    batch.put_i64(like.max_timestamp);
    batch.put_i64(like.producer_id);
    batch.put_i16(like.producer_epoch);
    batch.put_i32(like.base_sequence);
    batch.put_i32(record_count);
    batch.extend_from_slice(records);
    seal(&mut batch);
    batch
}

/// A transaction marker: a control batch of one record that ends the
/// transaction of `producer_id` in a partition.
pub(crate) fn marker(producer_id: i64, producer_epoch: i16, commit: bool, now_ms: i64) -> Bytes {
    // Key: version 0, type. Value: version 0, coordinator epoch 0.
    const RECORD: [u8; 17] = [32, 0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0];
    let mut batch = BytesMut::with_capacity(HEADER_BYTES + RECORD.len());
    batch.put_i64(0);
    batch.put_i32((HEADER_BYTES + RECORD.len() - LENGTH_PREFIX_BYTES) as i32);
    batch.put_i32(LEADER_EPOCH);
    batch.put_i8(2);
    batch.put_u32(0);
    batch.put_i16(ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL);
    batch.put_i32(0);
    batch.put_i64(now_ms);
    batch.put_i64(now_ms);
    batch.put_i64(producer_id);
    batch.put_i16(producer_epoch);
    batch.put_i32(-1);
    batch.put_i32(1);
    batch.put_slice(&RECORD);
    batch[HEADER_BYTES + 8] = u8::from(commit);
    seal(&mut batch);
    batch.freeze()
}

/// Whether a marker batch commits. `None`: the batch is no end of a transaction.
pub(crate) fn marker_commits(batch: &[u8]) -> Option<bool> {
    // Length, attributes, timestamp delta, offset delta and key length take one byte each here.
    let key = batch.get(HEADER_BYTES + 5..HEADER_BYTES + 9)?;
    match i16::from_be_bytes([key[2], key[3]]) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Fixed-size field at `at`; the caller has checked the length.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::records::RecordBatchDecoder;
    use proptest::prelude::*;

    #[test]
    fn a_marker_is_a_control_batch_that_clients_can_read() {
        for commit in [false, true] {
            let bytes = marker(7, 3, commit, 1_000);
            let header = Header::check(&bytes).unwrap();
            assert!(header.is_control() && header.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch), (7, 3));
            assert_eq!(marker_commits(&bytes), Some(commit));

            let records = RecordBatchDecoder::decode(&mut bytes.clone()).unwrap().records;
            assert_eq!(records.len(), 1);
            assert_eq!(records[0].key.as_deref(), Some(&[0, 0, 0, u8::from(commit)][..]));
            assert_eq!(records[0].value.as_deref(), Some(&[0u8; 6][..]));
        }
    }

    #[test]
    fn a_stamped_batch_keeps_its_checksum() {
        let marker = marker(7, 3, true, 1_000);
        let stamped = [&stamp(&marker, 42)[..], &marker[STAMP_BYTES..]].concat();
        assert_eq!(Header::check(&stamped).unwrap().base_offset, 42);
    }

    #[test]
    fn a_flipped_bit_behind_the_checksum_is_found() {
        let bytes = marker(7, 3, true, 1_000);
        for at in CRC_COVERS_FROM..bytes.len() {
            let mut broken = bytes.to_vec();
            broken[at] ^= 1;
            assert!(Header::check(&broken).is_err(), "byte {at}");
        }
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
        assert_eq!(sequence_after(5, 3), 8);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(header) = Header::check(&bytes) {
                prop_assert!(header.size <= bytes.len());
            }
        }
    }
}
