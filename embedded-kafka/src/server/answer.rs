//! The bytes of an answer, in pieces: what a fetch has read is sent as it lies,
//! not copied behind what frames it.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

/// First version with varint lengths and tagged fields.
const FLEXIBLE_SINCE: i16 = 12;

/// What is to be sent, in order. A piece is let go as soon as it is sent.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pieces: VecDeque<Bytes>,
}

impl From<BytesMut> for Answer {
    fn from(whole: BytesMut) -> Self {
        Self { pieces: [whole.freeze()].into() }
    }
}

impl Buf for Answer {
    fn remaining(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces);
        filled.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut bytes: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.pieces.pop_front();
        }
        assert_eq!(bytes, 0, "no more can be sent than there is");
    }
}

/// The answer to a fetch, length in front. The layout of what stands around the
/// records is [`FetchResponse`]'s own, of an answer without tagged fields.
pub(super) fn of_fetch(
    correlation_id: i32,
    version: i16,
    mut response: FetchResponse,
) -> Result<Answer, String> {
    let mut writer = Writer { version, frame: BytesMut::new(), pieces: VecDeque::new() };
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut writer.frame, FetchResponse::header_version(version)).map_err(failed)?;
    let topics = std::mem::take(&mut response.responses);
    writer.begin(&response, topics.len())?;
    for mut topic in topics {
        let partitions = std::mem::take(&mut topic.partitions);
        writer.begin(&topic, partitions.len())?;
        for mut partition in partitions {
            let records = partition.records.replace(Bytes::new()).unwrap_or_default();
            writer.begin(&partition, records.len())?;
            writer.records(records);
            writer.end();
        }
        writer.end();
    }
    writer.end();
    Ok(writer.finish())
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("{error:#}")
}

struct Writer {
    version: i16,
    /// Behind the last piece.
    frame: BytesMut,
    pieces: VecDeque<Bytes>,
}

impl Writer {
    fn is_flexible(&self) -> bool {
        self.version >= FLEXIBLE_SINCE
    }

    /// A struct whose last field is left empty, up to that field, and how many
    /// elements or bytes of it follow.
    fn begin(&mut self, value: &impl Encodable, count: usize) -> Result<(), String> {
        value.encode(&mut self.frame, self.version).map_err(failed)?;
        // The count of the empty field, and that no tagged fields follow it.
        let behind = if self.is_flexible() { 2 } else { 4 };
        self.frame.truncate(self.frame.len() - behind);
        let count = u32::try_from(count).map_err(failed)?;
        if self.is_flexible() {
            put_varint(&mut self.frame, count + 1);
        } else {
            self.frame.put_u32(count);
        }
        Ok(())
    }

    fn records(&mut self, records: Bytes) {
        if !records.is_empty() {
            self.pieces.push_back(self.frame.split().freeze());
            self.pieces.push_back(records);
        }
    }

    fn end(&mut self) {
        if self.is_flexible() {
            self.frame.put_u8(0);
        }
    }

    fn finish(mut self) -> Answer {
        self.pieces.push_back(self.frame.freeze());
        let length: usize = self.pieces.iter().map(Bytes::len).sum();
        self.pieces.push_front(Bytes::copy_from_slice(&(length as u32).to_be_bytes()));
        Answer { pieces: self.pieces }
    }
}

fn put_varint(bytes: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        bytes.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, PartitionData,
    };
    use kafka_protocol::messages::{ApiKey, TopicName};
    use kafka_protocol::protocol::StrBytes;
    use proptest::prelude::*;

    use super::super::versions::versions_of;
    use super::*;
    use crate::api::fetch::TOPIC_IDS_SINCE;

    fn partition(index: i32, records: Option<Vec<u8>>, aborted: Option<i64>) -> PartitionData {
        let aborted = aborted.map(|offset| {
            vec![AbortedTransaction::default().with_producer_id(7.into()).with_first_offset(offset)]
        });
        PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(40)
            .with_last_stable_offset(30)
            .with_aborted_transactions(aborted)
            .with_records(records.map(Bytes::from))
    }

    proptest! {
        #[test]
        fn the_pieces_are_what_kafkas_own_layout_has_in_every_version(
            topics in proptest::collection::vec(
                proptest::collection::vec(
                    (proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), proptest::option::of(0..50i64)),
                    0..4,
                ),
                0..3,
            ),
            taken in 1..50usize,
        ) {
            let served = versions_of(ApiKey::Fetch).unwrap();
            for version in served.min..=served.max {
                let responses = topics.iter().enumerate().map(|(at, partitions)| {
                    let partitions = partitions.iter().cloned().enumerate();
                    let topic = FetchableTopicResponse::default()
                        .with_partitions(partitions.map(|(i, (r, a))| partition(i as i32, Some(r.unwrap_or_default()), a)).collect());
                    if version >= TOPIC_IDS_SINCE {
                        topic.with_topic_id(uuid::Uuid::from_u128(at as u128))
                    } else {
                        topic.with_topic(TopicName(StrBytes::from(format!("topic-{at}"))))
                    }
                });
                let response = FetchResponse::default().with_responses(responses.collect());
                let mut expected = BytesMut::new();
                expected.put_i32(0);
                let header = ResponseHeader::default().with_correlation_id(77);
                header.encode(&mut expected, FetchResponse::header_version(version)).unwrap();
                response.encode(&mut expected, version).unwrap();
                let length = (expected.len() - 4) as u32;
                expected[..4].copy_from_slice(&length.to_be_bytes());

                let mut answer = of_fetch(77, version, response).unwrap();
                prop_assert_eq!(answer.remaining(), expected.len());
                let mut sent = Vec::new();
                while answer.has_remaining() {
                    let part = answer.chunk().len().min(taken);
                    sent.extend_from_slice(&answer.chunk()[..part]);
                    answer.advance(part);
                }
                prop_assert_eq!(&sent[..], &expected[..]);
            }
        }
    }
}
