//! Encoded rows: one buffer, and where each row ends.

use super::Room;

/// Values to send, back to back; row `i` is a slice of the one buffer.
#[derive(Debug, Clone, Default)]
pub struct EncodedRows {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl EncodedRows {
    pub fn with_room(room: Room) -> Self {
        let (bytes, ends) = room.vecs();
        Self { bytes, ends }
    }

    /// What it takes to hold them.
    pub fn room(&self) -> Room {
        Room::new(self.ends.len(), self.bytes.len())
    }

    /// The buffer to write the next row into; [`EncodedRows::end_row`] closes it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub fn end_row(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }

    /// Takes back what was written since the last [`EncodedRows::end_row`].
    pub fn discard_row(&mut self) {
        self.bytes.truncate(self.start(self.ends.len()));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all rows.
    pub fn size(&self) -> usize {
        self.start(self.ends.len())
    }

    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.start(index)..self.ends[index] as usize]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.row(index))
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discarded_row_leaves_no_trace() {
        let mut rows = EncodedRows::default();
        rows.buffer().extend_from_slice(b"one");
        rows.end_row();
        rows.buffer().extend_from_slice(b"half a r");
        rows.discard_row();
        rows.buffer().extend_from_slice(b"two");
        rows.end_row();
        assert_eq!(rows.iter().collect::<Vec<_>>(), [b"one", b"two"]);
    }
}
