//! From the bytes of a request to the bytes of its answer.

use std::future::Future;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, FetchRequest, ListOffsetsRequest, ProduceRequest, RequestHeader,
    ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};

use super::answer::{self, Answer};
use super::versions::versions_of;
use super::{list_offsets_v0, shape};
use crate::api::{self, Call};
use crate::node::Node;

/// Why a connection is ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("request is too short for its header")]
    NoHeader,
    #[error("request {0} is not known")]
    UnknownApi(i16),
    #[error("version {1} of {0:?} is not served")]
    Version(ApiKey, i16),
    #[error("{0:?} request is malformed: {1}")]
    Malformed(ApiKey, String),
    #[error("answer to {0:?} cannot be encoded: {1}")]
    Encode(ApiKey, String),
}

/// A request whose header is read.
struct Incoming {
    key: ApiKey,
    correlation_id: i32,
    call: Call,
    body: Bytes,
}

/// Answers one request: the bytes to send, length in front. `None`: nothing is
/// to be sent. An error ends the connection.
pub(super) async fn answer(
    node: &Arc<Node>,
    client_host: &str,
    request: Bytes,
) -> Result<Option<Answer>, Refused> {
    let (key, version) = match request.as_ref() {
        [k0, k1, v0, v1, _, ..] => (i16::from_be_bytes([*k0, *k1]), i16::from_be_bytes([*v0, *v1])),
        _ => return Err(Refused::NoHeader),
    };
    let api = ApiKey::try_from(key).map_err(|()| Refused::UnknownApi(key))?;
    let served = versions_of(api).ok_or(Refused::UnknownApi(key))?;
    if version < served.min || version > served.max {
        if api == ApiKey::ApiVersions {
            return too_new_for_us(&request).map(Some);
        }
        return Err(Refused::Version(api, version));
    }
    tracing::trace!(client_host, ?api, version, bytes = request.len(), "request");
    let malformed = |error| Refused::Malformed(api, error);
    let mut body = request;
    shape::check_header(&body, api.request_header_version(version)).map_err(malformed)?;
    let header = RequestHeader::decode(&mut body, api.request_header_version(version))
        .map_err(|error| malformed(format!("{error:#}")))?;
    shape::check_body(&body, api, version).map_err(malformed)?;
    let call = Call {
        node: Arc::clone(node),
        version,
        client_id: header.client_id.map(|id| id.to_string()).unwrap_or_default(),
        client_host: client_host.to_owned(),
    };
    serve(Incoming { key: api, correlation_id: header.correlation_id, call, body }).await
}

/// A client newer than this broker learns the versions from an answer of version 0.
fn too_new_for_us(request: &[u8]) -> Result<Answer, Refused> {
    let Some(id) = request.get(4..8) else { return Err(Refused::NoHeader) };
    let correlation_id = i32::from_be_bytes([id[0], id[1], id[2], id[3]]);
    let response: ApiVersionsResponse = api::cluster::supported_versions()
        .with_error_code(ResponseError::UnsupportedVersion.code());
    encode(ApiKey::ApiVersions, 0, correlation_id, &response)
}

async fn serve(incoming: Incoming) -> Result<Option<Answer>, Refused> {
    use crate::api::{
        cluster, configs, group_admin, group_members, list_offsets, offsets, topic_admin,
        topic_create, transactions, transactions_admin,
    };
    match incoming.key {
        ApiKey::Produce => run_produce(incoming).await,
        ApiKey::Fetch => run_fetch(incoming).await,
        ApiKey::ListOffsets if incoming.call.version == 0 => run_list_offsets_v0(incoming).await,
        ApiKey::ListOffsets => run(incoming, list_offsets::list_offsets).await,
        ApiKey::OffsetForLeaderEpoch => run(incoming, list_offsets::offset_for_leader_epoch).await,
        ApiKey::Metadata => run(incoming, cluster::metadata).await,
        ApiKey::ApiVersions => run(incoming, cluster::api_versions).await,
        ApiKey::DescribeCluster => run(incoming, cluster::describe_cluster).await,
        ApiKey::DescribeLogDirs => run(incoming, cluster::describe_log_dirs).await,
        ApiKey::FindCoordinator => run(incoming, cluster::find_coordinator).await,
        ApiKey::CreateTopics => run(incoming, topic_create::create_topics).await,
        ApiKey::CreatePartitions => run(incoming, topic_create::create_partitions).await,
        ApiKey::DeleteTopics => run(incoming, topic_admin::delete_topics).await,
        ApiKey::DeleteRecords => run(incoming, topic_admin::delete_records).await,
        ApiKey::DescribeConfigs => run(incoming, configs::describe_configs).await,
        ApiKey::AlterConfigs => run(incoming, configs::alter_configs).await,
        ApiKey::IncrementalAlterConfigs => run(incoming, configs::incremental_alter_configs).await,
        ApiKey::JoinGroup => run(incoming, group_members::join_group).await,
        ApiKey::SyncGroup => run(incoming, group_members::sync_group).await,
        ApiKey::Heartbeat => run(incoming, group_members::heartbeat).await,
        ApiKey::LeaveGroup => run(incoming, group_members::leave_group).await,
        ApiKey::ListGroups => run(incoming, group_admin::list_groups).await,
        ApiKey::DescribeGroups => run(incoming, group_admin::describe_groups).await,
        ApiKey::DeleteGroups => run(incoming, group_admin::delete_groups).await,
        ApiKey::OffsetDelete => run(incoming, group_admin::offset_delete).await,
        ApiKey::OffsetCommit => run(incoming, offsets::offset_commit).await,
        ApiKey::OffsetFetch => run(incoming, offsets::offset_fetch).await,
        ApiKey::TxnOffsetCommit => run(incoming, offsets::txn_offset_commit).await,
        ApiKey::InitProducerId => run(incoming, transactions::init_producer_id).await,
        ApiKey::AddPartitionsToTxn => run(incoming, transactions::add_partitions_to_txn).await,
        ApiKey::AddOffsetsToTxn => run(incoming, transactions::add_offsets_to_txn).await,
        ApiKey::EndTxn => run(incoming, transactions::end_txn).await,
        ApiKey::ListTransactions => run(incoming, transactions_admin::list_transactions).await,
        ApiKey::DescribeTransactions => {
            run(incoming, transactions_admin::describe_transactions).await
        }
        ApiKey::DescribeProducers => run(incoming, transactions_admin::describe_producers).await,
        other => Err(Refused::UnknownApi(other as i16)),
    }
}

/// Decodes, handles, encodes.
async fn run<Q, F, A>(mut incoming: Incoming, handler: F) -> Result<Option<Answer>, Refused>
where
    Q: Request,
    F: FnOnce(Call, Q) -> A,
    A: Future<Output = Q::Response>,
{
    let request = decode::<Q>(&mut incoming)?;
    let Incoming { key, correlation_id, call, .. } = incoming;
    let version = call.version;
    let response = handler(call, request).await;
    encode(key, version, correlation_id, &response).map(Some)
}

async fn run_fetch(mut incoming: Incoming) -> Result<Option<Answer>, Refused> {
    let request = decode::<FetchRequest>(&mut incoming)?;
    let Incoming { key, correlation_id, call, .. } = incoming;
    let version = call.version;
    let response = api::fetch::fetch(call, request).await;
    answer::of_fetch(correlation_id, version, response)
        .map(Some)
        .map_err(|error| Refused::Encode(key, error))
}

/// A producer that asks for no acknowledgement gets no answer at all.
async fn run_produce(mut incoming: Incoming) -> Result<Option<Answer>, Refused> {
    let request = decode::<ProduceRequest>(&mut incoming)?;
    let Incoming { key, correlation_id, call, .. } = incoming;
    let (version, is_silent) = (call.version, request.acks == 0);
    let response = api::produce::produce(call, request).await;
    if is_silent {
        return Ok(None);
    }
    encode(key, version, correlation_id, &response).map(Some)
}

async fn run_list_offsets_v0(mut incoming: Incoming) -> Result<Option<Answer>, Refused> {
    let short = || Refused::Malformed(incoming.key, "it ends early".to_owned());
    incoming.body = list_offsets_v0::to_version_1(incoming.body).ok_or_else(short)?;
    incoming.call.version = 1;
    let request = decode::<ListOffsetsRequest>(&mut incoming)?;
    let response = api::list_offsets::list_offsets(incoming.call, request).await;
    Ok(Some(list_offsets_v0::encode(incoming.correlation_id, &response).into()))
}

fn decode<Q: Request>(incoming: &mut Incoming) -> Result<Q, Refused> {
    Q::decode(&mut incoming.body, incoming.call.version)
        .map_err(|error| Refused::Malformed(incoming.key, format!("{error:#}")))
}

fn encode<R: Encodable + HeaderVersion>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &R,
) -> Result<Answer, Refused> {
    let failed = |error: &dyn std::fmt::Display| Refused::Encode(key, format!("{error:#}"));
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    let header_version = R::header_version(version);
    let size = header.compute_size(header_version).map_err(|error| failed(&error))?
        + response.compute_size(version).map_err(|error| failed(&error))?;
    let mut bytes = BytesMut::with_capacity(4 + size);
    bytes.put_u32(0);
    header.encode(&mut bytes, header_version).map_err(|error| failed(&error))?;
    response.encode(&mut bytes, version).map_err(|error| failed(&error))?;
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Buf;
    use proptest::prelude::*;
    use tokio::runtime::Runtime;

    use super::super::shape::tests::sample;
    use super::super::versions::SUPPORTED;
    use super::*;
    use crate::catalog::Catalog;
    use crate::config::Config;
    use crate::state::State;

    fn node() -> Arc<Node> {
        let address = ("127.0.0.1".to_owned(), 9_092);
        Arc::new(Node::new(Config::default(), address, State::in_memory(), Catalog::new(None)))
    }

    fn request(key: ApiKey, version: i16, body: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(77);
        header.encode(&mut bytes, key.request_header_version(version)).unwrap();
        bytes.put_slice(body);
        bytes.freeze()
    }

    /// The layouts, the decoders and the handlers agree on every version.
    #[tokio::test(start_paused = true)]
    async fn every_request_is_answered_in_every_version() {
        let node = node();
        for (key, served) in SUPPORTED {
            for version in served.min..=served.max {
                let answer =
                    answer(&node, "/127.0.0.1", request(*key, version, &sample(*key, version)))
                        .await;
                let answer = answer.unwrap_or_else(|error| panic!("{key:?} {version}: {error}"));
                // Zero acks want no answer.
                if *key != ApiKey::Produce {
                    let mut answer = answer.unwrap();
                    let answer = answer.copy_to_bytes(answer.remaining());
                    assert_eq!(answer[..4], (answer.len() as u32 - 4).to_be_bytes());
                    assert_eq!(answer[4..8], 77i32.to_be_bytes());
                }
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_is_too_new_is_told_the_versions() {
        let told = answer(&node(), "", request(ApiKey::ApiVersions, 99, &[])).await;
        let told = told.unwrap().unwrap().copy_to_bytes(10);
        assert_eq!(told[4..10], [0, 0, 0, 77, 0, 35]);
        let refused = answer(&node(), "", request(ApiKey::Produce, 2, &[])).await;
        assert!(matches!(refused, Err(Refused::Version(ApiKey::Produce, 2))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn any_bytes_are_answered_or_refused(
            at in 0..SUPPORTED.len(),
            step in 0..20i16,
            body in proptest::collection::vec(prop_oneof![Just(0u8), Just(1u8), Just(2u8), any::<u8>()], 0..120),
        ) {
            thread_local! {
                static BROKER: (Runtime, Arc<Node>) = (
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
                    node(),
                );
            }
            let (key, served) = SUPPORTED[at];
            let version = served.min + step % (served.max - served.min + 1);
            BROKER.with(|(runtime, node)| runtime.block_on(async {
                let answering = answer(node, "/127.0.0.1", request(key, version, &body));
                // A join or a fetch may rightly wait.
                if let Ok(Ok(Some(mut answer))) = tokio::time::timeout(Duration::from_millis(5), answering).await {
                    let answer = answer.copy_to_bytes(answer.remaining());
                    prop_assert_eq!(&answer[4..8], &77i32.to_be_bytes()[..]);
                }
                Ok(())
            }))?;
        }
    }
}
