//! The layout of every request that is served, field by field: Kafka's public
//! message definitions, as far as lengths and counts are concerned.
//!
//! Tagged fields carry their own length. Those with a tag that no decoder knows are
//! left out, and those behind the last array of a request, which nothing follows.

use kafka_protocol::messages::ApiKey;

/// What a field is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(usize),
    Text,
    Bytes,
    /// An array of structures.
    Array(&'static [Field]),
    /// An array of plain values.
    List(&'static Kind),
    /// A tag, and so many bytes.
    Tagged(u32, usize),
}

/// A field, in the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub first: i16,
    pub last: i16,
    pub kind: Kind,
}

impl Field {
    pub(super) fn is_in(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

use Kind::{Array, Bytes, List, Tagged, Text};

const I8: Kind = Kind::Fixed(1);
const I16: Kind = Kind::Fixed(2);
const I32: Kind = Kind::Fixed(4);
const I64: Kind = Kind::Fixed(8);
const UUID: Kind = Kind::Fixed(16);

const fn always(kind: Kind) -> Field {
    within(0, i16::MAX, kind)
}

const fn since(first: i16, kind: Kind) -> Field {
    within(first, i16::MAX, kind)
}

const fn within(first: i16, last: i16, kind: Kind) -> Field {
    Field { first, last, kind }
}

/// Layouts by request.
pub(super) const SHAPES: &[(ApiKey, &[Field])] = &[
    (
        ApiKey::Produce,
        &[
            always(Text),
            always(I16),
            always(I32),
            always(Array(&[
                within(3, 12, Text),
                since(13, UUID),
                always(Array(&[always(I32), always(Bytes)])),
            ])),
        ],
    ),
    (
        ApiKey::Fetch,
        &[
            within(4, 14, I32),
            always(I32),
            always(I32),
            always(I32),
            always(I8),
            since(7, I32),
            since(7, I32),
            always(Array(&[
                within(4, 12, Text),
                since(13, UUID),
                always(Array(&[
                    always(I32),
                    since(9, I32),
                    always(I64),
                    since(12, I32),
                    since(5, I64),
                    always(I32),
                    // The id of a replica's folder.
                    since(17, Tagged(0, 16)),
                ])),
            ])),
            since(7, Array(&[within(7, 12, Text), since(13, UUID), since(7, List(&I32))])),
            since(11, Text),
        ],
    ),
    (
        ApiKey::ListOffsets,
        &[
            always(I32),
            since(2, I8),
            always(Array(&[
                always(Text),
                always(Array(&[always(I32), since(4, I32), always(I64), within(0, 0, I32)])),
            ])),
            since(10, I32),
        ],
    ),
    (
        ApiKey::Metadata,
        &[
            always(Array(&[since(10, UUID), always(Text)])),
            since(4, I8),
            within(8, 10, I8),
            since(8, I8),
        ],
    ),
    (
        ApiKey::OffsetCommit,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(7, Text),
            within(2, 4, I64),
            always(Array(&[
                always(Text),
                always(Array(&[always(I32), always(I64), since(6, I32), always(Text)])),
            ])),
        ],
    ),
    (
        ApiKey::OffsetFetch,
        &[
            within(1, 7, Text),
            within(1, 7, Array(&[within(1, 7, Text), within(1, 7, List(&I32))])),
            since(
                8,
                Array(&[
                    since(8, Text),
                    since(9, Text),
                    since(9, I32),
                    since(8, Array(&[since(8, Text), since(8, List(&I32))])),
                ]),
            ),
            since(7, I8),
        ],
    ),
    (ApiKey::FindCoordinator, &[within(0, 3, Text), since(1, I8), since(4, List(&Text))]),
    (
        ApiKey::JoinGroup,
        &[
            always(Text),
            always(I32),
            since(1, I32),
            always(Text),
            since(5, Text),
            always(Text),
            always(Array(&[always(Text), always(Bytes)])),
            since(8, Text),
        ],
    ),
    (ApiKey::Heartbeat, &[always(Text), always(I32), always(Text), since(3, Text)]),
    (
        ApiKey::LeaveGroup,
        &[
            always(Text),
            within(0, 2, Text),
            since(3, Array(&[since(3, Text), since(3, Text), since(5, Text)])),
        ],
    ),
    (
        ApiKey::SyncGroup,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(3, Text),
            since(5, Text),
            since(5, Text),
            always(Array(&[always(Text), always(Bytes)])),
        ],
    ),
    (ApiKey::DescribeGroups, &[always(List(&Text)), since(3, I8)]),
    (ApiKey::ListGroups, &[since(4, List(&Text)), since(5, List(&Text))]),
    (ApiKey::ApiVersions, &[since(3, Text), since(3, Text)]),
    (
        ApiKey::CreateTopics,
        &[
            always(Array(&[
                always(Text),
                always(I32),
                always(I16),
                always(Array(&[always(I32), always(List(&I32))])),
                always(Array(&[always(Text), always(Text)])),
            ])),
            always(I32),
            always(I8),
        ],
    ),
    (
        ApiKey::DeleteTopics,
        &[
            since(6, Array(&[since(6, Text), since(6, UUID)])),
            within(1, 5, List(&Text)),
            always(I32),
        ],
    ),
    (
        ApiKey::DeleteRecords,
        &[always(Array(&[always(Text), always(Array(&[always(I32), always(I64)]))])), always(I32)],
    ),
    (ApiKey::InitProducerId, &[always(Text), always(I32), since(3, I64), since(3, I16)]),
    (
        ApiKey::OffsetForLeaderEpoch,
        &[
            since(3, I32),
            always(Array(&[always(Text), always(Array(&[always(I32), always(I32), always(I32)]))])),
        ],
    ),
    (
        ApiKey::AddPartitionsToTxn,
        &[
            since(
                4,
                Array(&[
                    since(4, Text),
                    since(4, I64),
                    since(4, I16),
                    since(4, I8),
                    since(4, Array(&[always(Text), always(List(&I32))])),
                ]),
            ),
            within(0, 3, Text),
            within(0, 3, I64),
            within(0, 3, I16),
            within(0, 3, Array(&[always(Text), always(List(&I32))])),
        ],
    ),
    (ApiKey::AddOffsetsToTxn, &[always(Text), always(I64), always(I16), always(Text)]),
    (ApiKey::EndTxn, &[always(Text), always(I64), always(I16), always(I8)]),
    (
        ApiKey::TxnOffsetCommit,
        &[
            always(Text),
            always(Text),
            always(I64),
            always(I16),
            since(3, I32),
            since(3, Text),
            since(3, Text),
            always(Array(&[
                always(Text),
                always(Array(&[always(I32), always(I64), since(2, I32), always(Text)])),
            ])),
        ],
    ),
    (
        ApiKey::DescribeConfigs,
        &[
            always(Array(&[always(I8), always(Text), always(List(&Text))])),
            always(I8),
            since(3, I8),
        ],
    ),
    (
        ApiKey::AlterConfigs,
        &[
            always(Array(&[
                always(I8),
                always(Text),
                always(Array(&[always(Text), always(Text)])),
            ])),
            always(I8),
        ],
    ),
    (ApiKey::DescribeLogDirs, &[always(Array(&[always(Text), always(List(&I32))]))]),
    (
        ApiKey::CreatePartitions,
        &[
            always(Array(&[always(Text), always(I32), always(Array(&[always(List(&I32))]))])),
            always(I32),
            always(I8),
        ],
    ),
    (ApiKey::DeleteGroups, &[always(List(&Text))]),
    (
        ApiKey::IncrementalAlterConfigs,
        &[
            always(Array(&[
                always(I8),
                always(Text),
                always(Array(&[always(Text), always(I8), always(Text)])),
            ])),
            always(I8),
        ],
    ),
    (ApiKey::OffsetDelete, &[always(Text), always(Array(&[always(Text), always(List(&I32))]))]),
    (ApiKey::DescribeCluster, &[always(I8), since(1, I8), since(2, I8)]),
    (ApiKey::DescribeProducers, &[always(Array(&[always(Text), always(List(&I32))]))]),
    (ApiKey::DescribeTransactions, &[always(List(&Text))]),
    (
        ApiKey::ListTransactions,
        &[always(List(&Text)), always(List(&I64)), since(1, I64), since(2, Text)],
    ),
];
