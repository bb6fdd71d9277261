//! What a topic's file says of its Arrow records.

/// How rows are packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArrowConfig {
    pub compression: Compression,
    pub keep: Keep,
    /// Fields of text whose values repeat: each distinct one is written once a record.
    pub dictionary: Vec<String>,
}

/// Of the buffers inside a record, which is beside what the producer compresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Lz4,
    Zstd,
}

/// What rows keep of the records that they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub key: bool,
    pub timestamp: bool,
    pub headers: bool,
}

impl Default for Keep {
    /// Headers cost more than they are worth to most.
    fn default() -> Self {
        Self { key: true, timestamp: true, headers: false }
    }
}

impl Keep {
    pub const NOTHING: Self = Self { key: false, timestamp: false, headers: false };
}
