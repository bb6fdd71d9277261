//! Record headers, kept as bytes in one buffer.
//!
//! Each header is `u32 key length, key, i32 value length (-1: null), value`,
//! little endian: the least that can be appended to, walked and copied whole.

/// Names the bounded run that a record belongs to; its value is the run's UUID as text.
pub const RUN_HEADER: &str = "lineage-hub-run";

/// Names the stage that a replayed dead letter is for: `TOPIC PIPELINE/STAGE`. Other
/// stages that read the topic have worked on the record before, and leave it out.
pub const REPLAY_HEADER: &str = "lineage-hub-replay";

/// The W3C trace context that a record carries from stage to stage.
pub const TRACE_HEADER: &str = "traceparent";

/// Headers that say something of a whole record, whatever its rows are.
pub const OF_THE_RECORD: [&str; 3] = [RUN_HEADER, TRACE_HEADER, REPLAY_HEADER];

/// Headers to be sent with a record, or those of one that came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderBytes(Vec<u8>);

impl HeaderBytes {
    pub fn push(&mut self, key: &str, value: Option<&[u8]>) {
        append(&mut self.0, key, value);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn iter(&self) -> HeaderIter<'_> {
        HeaderIter::new(&self.0)
    }
}

impl<'a> IntoIterator for &'a HeaderBytes {
    type Item = (&'a str, Option<&'a [u8]>);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<(&'a str, Option<&'a [u8]>)> for HeaderBytes {
    fn from_iter<I: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>>(headers: I) -> Self {
        let mut bytes = Self::default();
        for (key, value) in headers {
            bytes.push(key, value);
        }
        bytes
    }
}

/// Appends one header to a buffer that holds only headers behind some start.
pub(super) fn append(out: &mut Vec<u8>, key: &str, value: Option<&[u8]>) {
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(key.as_bytes());
    let length = value.map_or(-1, |value| value.len() as i32);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

/// Walks headers: key, and value where it is not null.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a>(&'a [u8]);

impl<'a> HeaderIter<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn take_length(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_le_bytes)
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let key_length = usize::try_from(self.take_length()?).ok()?;
        let key = std::str::from_utf8(self.take(key_length)?).ok()?;
        let value = match usize::try_from(self.take_length()?) {
            Ok(length) => Some(self.take(length)?),
            Err(_) => None,
        };
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_nulls_and_repeats() {
        let given = [("a", Some(&b"1"[..])), ("b", None), ("a", Some(&b""[..]))];
        let bytes: HeaderBytes = given.into_iter().collect();
        assert_eq!(bytes.iter().collect::<Vec<_>>(), given);
    }

    #[test]
    fn a_torn_buffer_ends_the_walk_without_a_panic() {
        let bytes: HeaderBytes = [("key", Some(&b"value"[..]))].into_iter().collect();
        for cut in 0..bytes.as_bytes().len() {
            assert_eq!(HeaderIter::new(&bytes.as_bytes()[..cut]).next(), None);
        }
    }
}
