//! Checks a request's lengths and counts before it is decoded.
//!
//! A decoder takes memory for as many elements as a count promises. Here the
//! promise is checked against the bytes that came, so that a request cannot take
//! more memory than a small multiple of its size.

use kafka_protocol::messages::ApiKey;

use super::shapes::{Field, Kind, SHAPES};

/// Elements of all arrays of a request together.
const ELEMENTS_MAX: usize = 1 << 20;

/// Requests with this header version have compact lengths and tagged fields.
const FLEXIBLE_HEADER: i16 = 2;

/// Checks a request behind its header.
pub(super) fn check_body(bytes: &[u8], key: ApiKey, version: i16) -> Result<(), String> {
    let shape = SHAPES.iter().find(|(known, _)| *known == key);
    let (_, fields) = shape.ok_or_else(|| "its layout is not known".to_owned())?;
    let flexible = key.request_header_version(version) >= FLEXIBLE_HEADER;
    let mut walk = Walk { rest: bytes, version, flexible, elements_left: ELEMENTS_MAX };
    walk.fields(fields)?;
    walk.tags(fields)
}

/// Checks the header in front of a request.
pub(super) fn check_header(bytes: &[u8], header_version: i16) -> Result<(), String> {
    const CLIENT_ID: &[Field] = &[
        Field { first: 0, last: i16::MAX, kind: Kind::Fixed(8) },
        Field { first: 0, last: i16::MAX, kind: Kind::Text },
    ];
    // The client id keeps its long length in every version.
    let mut walk = Walk { rest: bytes, version: 0, flexible: false, elements_left: ELEMENTS_MAX };
    walk.fields(CLIENT_ID)?;
    walk.flexible = header_version >= FLEXIBLE_HEADER;
    walk.tags(CLIENT_ID)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_left: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), String> {
        let version = self.version;
        let mut of_version = fields.iter().filter(|field| field.is_in(version));
        of_version.try_for_each(|field| self.kind(field.kind))
    }

    fn kind(&mut self, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = self.length(4)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::List(value) => {
                let count = self.length(4)?.unwrap_or(0);
                self.count(count)?;
                (0..count).try_for_each(|_| self.kind(*value))
            }
            Kind::Array(element) => {
                let count = self.length(4)?.unwrap_or(0);
                self.count(count)?;
                (0..count).try_for_each(|_| {
                    self.fields(element)?;
                    self.tags(element)
                })
            }
            // Among the tags, behind all other fields.
            Kind::Tagged(..) => Ok(()),
        }
    }

    fn count(&mut self, count: usize) -> Result<(), String> {
        self.elements_left = self
            .elements_left
            .checked_sub(count)
            .filter(|_| count <= self.rest.len())
            .ok_or_else(|| format!("{count} elements are too many"))?;
        Ok(())
    }

    /// A length or count; `None` for null. `wide`: its bytes in old versions.
    fn length(&mut self, wide: usize) -> Result<Option<usize>, String> {
        if self.flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let field = self.take(wide)?;
        let value = match *field {
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => return Err("length field has an odd width".to_owned()),
        };
        match usize::try_from(value) {
            Ok(length) => Ok(Some(length)),
            Err(_) if value == -1 => Ok(None),
            Err(_) => Err(format!("length {value} is negative")),
        }
    }

    /// Tagged fields: tag, length, bytes. A decoder that knows a tag does not look at
    /// its length: a false one would have it read all that follows from elsewhere.
    fn tags(&mut self, fields: &[Field]) -> Result<(), String> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint()? as usize;
        self.count(count)?;
        for _ in 0..count {
            let tag = self.varint()?;
            let length = self.varint()? as usize;
            let is_false = |field: &Field| {
                let Kind::Tagged(known, bytes) = field.kind else { return false };
                known == tag && bytes != length && field.is_in(self.version)
            };
            if fields.iter().any(is_false) {
                return Err(format!("tagged field {tag} has a length of {length}"));
            }
            self.skip(length)?;
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| "length is over 32 bits".to_owned());
            }
        }
        Err("length has no end".to_owned())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), String> {
        self.take(bytes).map(|_| ())
    }

    fn take(&mut self, bytes: usize) -> Result<&[u8], String> {
        let short = || format!("it ends {} bytes early", bytes - self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::FetchRequest;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    use kafka_protocol::protocol::Encodable;
    use uuid::Uuid;

    use super::super::versions::SUPPORTED;
    use super::*;

    /// A request with one element in each array, every value zero or empty.
    pub(in super::super) fn sample(key: ApiKey, version: i16) -> Vec<u8> {
        let (_, fields) = SHAPES.iter().find(|(known, _)| *known == key).unwrap();
        let flexible = key.request_header_version(version) >= FLEXIBLE_HEADER;
        let mut bytes = Vec::new();
        write(fields, version, flexible, &mut bytes);
        bytes
    }

    fn write(fields: &[Field], version: i16, flexible: bool, into: &mut Vec<u8>) {
        let of_version = |field: &&Field| field.first <= version && version <= field.last;
        for field in fields.iter().filter(of_version) {
            write_kind(field.kind, version, flexible, into);
        }
        if flexible {
            into.push(0);
        }
    }

    fn write_kind(kind: Kind, version: i16, flexible: bool, into: &mut Vec<u8>) {
        match kind {
            Kind::Fixed(bytes) => into.extend(vec![0; bytes]),
            Kind::Tagged(..) => {}
            Kind::Text | Kind::Bytes if flexible => into.push(1),
            Kind::Text => into.extend([0; 2]),
            Kind::Bytes => into.extend([0; 4]),
            Kind::List(_) | Kind::Array(_) => {
                let one: &[u8] = if flexible { &[2] } else { &[0, 0, 0, 1] };
                into.extend(one);
                match kind {
                    Kind::Array(element) => write(element, version, flexible, into),
                    Kind::List(value) => write_kind(*value, version, flexible, into),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn every_request_that_is_served_has_a_layout() {
        for (key, _) in SUPPORTED {
            assert!(SHAPES.iter().any(|(known, _)| known == key), "{key:?}");
        }
    }

    #[test]
    fn a_request_as_clients_send_it_passes_in_every_version() {
        for version in 4..=17 {
            let partition = FetchPartition::default().with_partition(1).with_fetch_offset(7);
            let topic = FetchTopic::default().with_partitions(vec![partition.clone(), partition]);
            let request = FetchRequest::default().with_topics(vec![topic.clone(), topic]);
            let mut bytes = BytesMut::new();
            request.encode(&mut bytes, version).unwrap();
            assert_eq!(check_body(&bytes, ApiKey::Fetch, version), Ok(()), "version {version}");
            assert!(check_body(&bytes[..bytes.len() - 1], ApiKey::Fetch, version).is_err());
        }
    }

    #[test]
    fn a_count_without_its_elements_is_refused() {
        // Metadata 1: an array of two thousand million topics.
        let refused = check_body(&[0x7f, 0xff, 0xff, 0xff], ApiKey::Metadata, 1);
        assert!(refused.unwrap_err().contains("too many"));
    }

    /// The decoder reads sixteen bytes of the tag, and the rest from another place:
    /// a count there would have it ask for memory without end.
    #[test]
    fn a_tagged_field_with_a_false_length_is_refused() {
        let mut bytes = BytesMut::new();
        let partition = FetchPartition::default().with_replica_directory_id(Uuid::from_u128(7));
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        let request = FetchRequest::default().with_topics(vec![topic.clone(), topic]);
        request.encode(&mut bytes, 17).unwrap();
        assert_eq!(check_body(&bytes, ApiKey::Fetch, 17), Ok(()));
        let tag = bytes.windows(3).position(|tag| tag == [1, 0, 16]).unwrap();
        bytes[tag + 2] = 0;
        let refused = check_body(&bytes, ApiKey::Fetch, 17);
        assert_eq!(refused, Err("tagged field 0 has a length of 0".to_owned()));
    }
}
