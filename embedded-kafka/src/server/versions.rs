//! The requests that are served, and in which versions.

use kafka_protocol::messages::ApiKey;

/// Versions of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    pub min: i16,
    pub max: i16,
    /// What clients are told is the least version.
    pub advertised_min: i16,
}

const fn served(min: i16, max: i16) -> Served {
    Served { min, max, advertised_min: min }
}

/// Every request that is served. Others end their connection.
pub(crate) const SUPPORTED: &[(ApiKey, Served)] = &[
    // librdkafka takes a broker without Produce 0 for one without compression;
    // it does not send the old versions. 12 and above begin transactions implicitly.
    (ApiKey::Produce, Served { min: 3, max: 11, advertised_min: 0 }),
    (ApiKey::Fetch, served(4, 17)),
    (ApiKey::ListOffsets, served(0, 10)),
    (ApiKey::Metadata, served(0, 13)),
    (ApiKey::OffsetCommit, served(2, 9)),
    (ApiKey::OffsetFetch, served(1, 9)),
    (ApiKey::FindCoordinator, served(0, 6)),
    (ApiKey::JoinGroup, served(0, 9)),
    (ApiKey::Heartbeat, served(0, 4)),
    (ApiKey::LeaveGroup, served(0, 5)),
    (ApiKey::SyncGroup, served(0, 5)),
    (ApiKey::DescribeGroups, served(0, 6)),
    (ApiKey::ListGroups, served(0, 5)),
    (ApiKey::ApiVersions, served(0, 4)),
    (ApiKey::CreateTopics, served(2, 7)),
    (ApiKey::DeleteTopics, served(1, 6)),
    (ApiKey::DeleteRecords, served(0, 2)),
    (ApiKey::InitProducerId, served(0, 5)),
    (ApiKey::OffsetForLeaderEpoch, served(2, 4)),
    (ApiKey::AddPartitionsToTxn, served(0, 5)),
    (ApiKey::AddOffsetsToTxn, served(0, 4)),
    (ApiKey::EndTxn, served(0, 4)),
    (ApiKey::TxnOffsetCommit, served(0, 4)),
    (ApiKey::DescribeConfigs, served(1, 4)),
    (ApiKey::AlterConfigs, served(0, 2)),
    (ApiKey::DescribeLogDirs, served(1, 4)),
    (ApiKey::CreatePartitions, served(0, 3)),
    (ApiKey::DeleteGroups, served(0, 2)),
    (ApiKey::IncrementalAlterConfigs, served(0, 1)),
    (ApiKey::OffsetDelete, served(0, 0)),
    (ApiKey::DescribeCluster, served(0, 1)),
    (ApiKey::DescribeProducers, served(0, 0)),
    (ApiKey::DescribeTransactions, served(0, 0)),
    (ApiKey::ListTransactions, served(0, 1)),
];

/// Versions in which a request is served.
pub(crate) fn versions_of(key: ApiKey) -> Option<Served> {
    SUPPORTED.iter().find(|(known, _)| *known == key).map(|(_, served)| *served)
}
