//! `ListOffsets` of version 0, which librdkafka before 1.8 sends and Kafka's
//! message definitions have given up: a most of offsets is asked for, and a list
//! of them answered. Translated from and to version 1.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ListOffsetsResponse;
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;

/// Partition and timestamp; behind them stands the most of offsets.
const PARTITION_BYTES: usize = 12;
/// In front of every answer.
const LENGTH_BYTES: usize = 4;

/// A checked body of version 0 as one of version 1. `None` when it is too short.
pub(super) fn to_version_1(mut body: Bytes) -> Option<Bytes> {
    let mut translated = BytesMut::with_capacity(body.len());
    let topics = copy_i32s(&mut body, &mut translated, 2)?;
    for _ in 0..topics {
        let name = body.get(..2)?;
        let name_bytes = 2 + usize::from(u16::from_be_bytes([name[0], name[1]]));
        copy(&mut body, &mut translated, name_bytes)?;
        let partitions = copy_i32s(&mut body, &mut translated, 1)?;
        for _ in 0..partitions {
            copy(&mut body, &mut translated, PARTITION_BYTES)?;
            body.try_get_i32().ok()?;
        }
    }
    Some(translated.freeze())
}

/// Copies so many numbers; the last is a count.
fn copy_i32s(from: &mut Bytes, to: &mut BytesMut, numbers: usize) -> Option<i32> {
    let mut last = 0;
    for _ in 0..numbers {
        last = from.try_get_i32().ok()?;
        to.put_i32(last);
    }
    Some(last)
}

fn copy(from: &mut Bytes, to: &mut BytesMut, bytes: usize) -> Option<()> {
    to.put_slice(from.get(..bytes)?);
    from.advance(bytes);
    Some(())
}

/// The answer of version 0, length in front.
pub(super) fn encode(correlation_id: i32, response: &ListOffsetsResponse) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_u32(0);
    bytes.put_i32(correlation_id);
    bytes.put_i32(response.topics.len() as i32);
    for topic in &response.topics {
        bytes.put_i16(topic.name.len() as i16);
        bytes.put_slice(topic.name.as_bytes());
        bytes.put_i32(topic.partitions.len() as i32);
        topic.partitions.iter().for_each(|partition| encode_partition(partition, &mut bytes));
    }
    let length = (bytes.len() - LENGTH_BYTES) as u32;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn encode_partition(partition: &ListOffsetsPartitionResponse, bytes: &mut BytesMut) {
    bytes.put_i32(partition.partition_index);
    bytes.put_i16(partition.error_code);
    let found = partition.offset >= 0;
    bytes.put_i32(i32::from(found));
    if found {
        bytes.put_i64(partition.offset);
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ListOffsetsRequest;
    use kafka_protocol::messages::list_offsets_response::ListOffsetsTopicResponse;
    use kafka_protocol::protocol::{Decodable, StrBytes};

    use super::*;

    const REQUEST: &[u8] = b"\xff\xff\xff\xff\0\0\0\x01\0\x02t1\0\0\0\x01\
        \0\0\0\x07\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\x01";

    #[test]
    fn a_request_of_version_0_is_read_as_one_of_version_1() {
        let mut body = to_version_1(Bytes::from_static(REQUEST)).unwrap();
        let request = ListOffsetsRequest::decode(&mut body, 1).unwrap();
        assert_eq!(request.topics[0].name.as_str(), "t1");
        let partition = &request.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.timestamp), (7, -2));
        assert!(body.is_empty());
    }

    #[test]
    fn a_request_that_ends_early_is_none() {
        for end in 0..REQUEST.len() {
            assert!(to_version_1(Bytes::from_static(&REQUEST[..end])).is_none(), "{end}");
        }
    }

    #[test]
    fn an_offset_is_answered_as_a_list_of_one_and_none_as_an_empty_list() {
        let partition = |offset| ListOffsetsPartitionResponse::default().with_offset(offset);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(kafka_protocol::messages::TopicName(StrBytes::from_static_str("t1")))
            .with_partitions(vec![partition(9), partition(-1)]);
        let bytes = encode(77, &ListOffsetsResponse::default().with_topics(vec![topic]));
        let expected = b"\0\0\0\x2c\0\0\0\x4d\0\0\0\x01\0\x02t1\0\0\0\x02\
            \0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0";
        let (length, rest) = bytes.split_at(4);
        assert_eq!(rest, &expected[4..]);
        assert_eq!(length, (rest.len() as u32).to_be_bytes());
    }
}
