//! How much is to be expected, so that buffers do not grow bit by bit.

/// What the last ones took; the next are most likely about as large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn new(records: usize, bytes: usize) -> Self {
        Self { records, bytes }
    }

    /// Enough for either.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self::new(self.records.max(other.records), self.bytes.max(other.bytes))
    }

    /// Buffers for the bytes and for where they end, with an eighth more than was
    /// taken: one that is a little too small is copied as it grows.
    pub(super) fn vecs<T>(self) -> (Vec<u8>, Vec<T>) {
        let and_more = |size: usize| size + size / 8;
        let bytes = Vec::with_capacity(and_more(self.bytes));
        (bytes, Vec::with_capacity(and_more(self.records)))
    }
}
