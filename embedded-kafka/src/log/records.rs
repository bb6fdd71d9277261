//! The records inside a batch, as far as the broker must look at them: keys for
//! compaction, timestamps for offset look-ups.
//!
//! The way of a record through produce and fetch does not pass here.

/// A record is cut short or malformed.
#[derive(Debug)]
pub(crate) struct Malformed;

/// One record, borrowed from the uncompressed part of its batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    /// The record as it lies in the batch, its length in front.
    pub raw: &'a [u8],
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    /// False for a tombstone.
    pub has_value: bool,
}

/// Reads record after record; ends after the first that is malformed.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(uncompressed: &'a [u8]) -> Self {
        Self { rest: uncompressed }
    }

    fn read(&mut self) -> Option<RecordView<'a>> {
        let mut at = self.rest;
        let length = usize::try_from(varint(&mut at)?).ok()?;
        let prefix = self.rest.len() - at.len();
        let body = at.get(..length)?;
        let raw = &self.rest[..prefix + length];
        let mut field = body.get(1..)?;
        let timestamp_delta = varint(&mut field)?;
        let offset_delta = i32::try_from(varint(&mut field)?).ok()?;
        let key_length = varint(&mut field)?;
        let key = match usize::try_from(key_length) {
            Ok(length) => {
                let key = field.get(..length)?;
                field = &field[length..];
                Some(key)
            }
            Err(_) => None,
        };
        let has_value = varint(&mut field)? >= 0;
        self.rest = &at[length..];
        Some(RecordView { raw, timestamp_delta, offset_delta, key, has_value })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(Malformed))
    }
}

/// A zigzag variable-length integer from the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::batch::Header;
    use super::super::unpack::uncompressed;
    use super::*;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::indexmap::IndexMap;
    use kafka_protocol::protocol::StrBytes;
    use kafka_protocol::records::{
        Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    use proptest::prelude::*;

    /// A batch as a client writes it: (key, value, timestamp) of each record.
    pub(crate) fn batch_of(
        records: &[(Option<&str>, Option<&str>, i64)],
        producer: (i64, i16, i32),
        transactional: bool,
        compression: Compression,
    ) -> Bytes {
        let records: Vec<Record> = records
            .iter()
            .enumerate()
            .map(|(i, (key, value, timestamp))| Record {
                transactional,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 0,
                producer_id: producer.0,
                producer_epoch: producer.1,
                timestamp_type: TimestampType::Creation,
                offset: i as i64,
                sequence: producer.2 + i as i32,
                timestamp: *timestamp,
                key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
                value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
                headers: IndexMap::<StrBytes, Option<Bytes>>::new(),
            })
            .collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
        bytes.freeze()
    }

    #[test]
    fn keys_and_tombstones_are_read_under_every_compression() {
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let rows = [(Some("a"), Some("1"), 10), (None, Some("2"), 20), (Some("b"), None, 15)];
            let batch = batch_of(&rows, (-1, -1, -1), false, compression);
            let header = Header::check(&batch).unwrap();
            let unpacked = uncompressed(&header, &batch).unwrap();
            let records: Vec<_> = Records::new(&unpacked).map(Result::unwrap).collect();

            let keys: Vec<_> = records.iter().map(|record| record.key).collect();
            assert_eq!(keys, [Some(&b"a"[..]), None, Some(&b"b"[..])]);
            let values: Vec<_> = records.iter().map(|record| record.has_value).collect();
            assert_eq!(values, [true, true, false]);
            let times: Vec<_> =
                records.iter().map(|r| header.base_timestamp + r.timestamp_delta).collect();
            assert_eq!(times, [10, 20, 15]);
            let raw: usize = records.iter().map(|record| record.raw.len()).sum();
            assert_eq!(raw, unpacked.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let read = Records::new(&bytes).filter_map(Result::ok).map(|record| record.raw.len()).sum::<usize>();
            prop_assert!(read <= bytes.len());
        }
    }
}
