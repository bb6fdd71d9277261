//! `ListGroups`, `DescribeGroups`, `DeleteGroups`, `OffsetDelete`: groups from outside.

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse, OffsetDeleteRequest, OffsetDeleteResponse,
};

use super::{Call, code, group_id, text};
use crate::groups;
use crate::groups::group::{Group, Phase};
use crate::state::ledger::Change;

pub(crate) async fn list_groups(call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let is_wanted = |group: &Group| {
        let states = &request.states_filter;
        let types = &request.types_filter;
        let has = |wanted: &str, name: &str| wanted.eq_ignore_ascii_case(name);
        (states.is_empty() || states.iter().any(|state| has(state, group.phase.name())))
            && (types.is_empty() || types.iter().any(|kind| has(kind, "classic")))
    };
    let mut listed = Vec::new();
    for group in call.node.groups.all() {
        let group = groups::lock(&group);
        if !is_wanted(&group) {
            continue;
        }
        let mut one = ListedGroup::default()
            .with_group_id(group_id(&group.id))
            .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()));
        if call.version >= 4 {
            one.group_state = text(group.phase.name());
        }
        if call.version >= 5 {
            one.group_type = text("classic");
        }
        listed.push(one);
    }
    ListGroupsResponse::default().with_groups(listed)
}

pub(crate) async fn describe_groups(
    call: Call,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let described = request.groups.into_iter().map(|id| {
        if let Some(group) = call.node.groups.get(&id) {
            describe(&groups::lock(&group))
        } else {
            let one = DescribedGroup::default()
                .with_group_id(id)
                .with_group_state(text("Dead"))
                .with_error_message(None);
            if call.version < 6 {
                return one;
            }
            one.with_error_code(ResponseError::GroupIdNotFound.code())
                .with_error_message(Some(text("The group does not exist.")))
        }
    });
    DescribeGroupsResponse::default().with_groups(described.collect())
}

fn describe(group: &Group) -> DescribedGroup {
    let members = group.members.iter().map(|(id, member)| {
        DescribedGroupMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(member.profile.instance_id.as_deref().map(text))
            .with_client_id(text(&member.profile.client_id))
            .with_client_host(text(&member.profile.client_host))
            .with_member_metadata(member.metadata(group.protocol.as_deref()))
            .with_member_assignment(member.assignment.clone())
    });
    DescribedGroup::default()
        .with_error_message(None)
        .with_group_id(group_id(&group.id))
        .with_group_state(text(group.phase.name()))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(group.protocol.as_deref().unwrap_or_default()))
        .with_members(members.collect())
}

pub(crate) async fn delete_groups(
    call: Call,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let outcome = delete(&call, &id);
        DeletableGroupResult::default().with_group_id(id).with_error_code(code(&outcome))
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

fn delete(call: &Call, id: &str) -> Result<(), ResponseError> {
    let group = call.node.groups.get(id).ok_or(ResponseError::GroupIdNotFound)?;
    let group = groups::lock(&group);
    if group.phase != Phase::Empty {
        return Err(ResponseError::NonEmptyGroup);
    }
    call.node.state.lock().commit(Change::GroupDeleted { group: id.to_owned() })?;
    call.node.groups.remove(id);
    Ok(())
}

pub(crate) async fn offset_delete(
    call: Call,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let Some(group) = call.node.groups.get(&request.group_id) else {
        return OffsetDeleteResponse::default()
            .with_error_code(ResponseError::GroupIdNotFound.code());
    };
    let group = groups::lock(&group);
    let mut deleted = Vec::new();
    let topics: Vec<_> = request
        .topics
        .into_iter()
        .map(|topic| {
            let in_use = is_subscribed(&group, &topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let error = if in_use { ResponseError::GroupSubscribedToTopic.code() } else { 0 };
                if !in_use {
                    deleted.push((topic.name.to_string(), index, None));
                }
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(error)
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        })
        .collect();
    let change = Change::Offsets { group: group.id.clone(), offsets: deleted };
    let outcome = call.node.state.lock().commit(change);
    OffsetDeleteResponse::default().with_error_code(code(&outcome)).with_topics(topics)
}

/// Whether a member of the group reads the topic. Where its subscription cannot be read
/// it may, as Kafka takes it: offsets in use are not to be deleted.
fn is_subscribed(group: &Group, topic: &str) -> bool {
    group
        .members
        .values()
        .any(|member| names(member.metadata(group.protocol.as_deref()), topic).unwrap_or(true))
}

/// Whether a subscription names the topic. Not decoded as a whole: the decoder takes
/// memory for as many topics as the member's count promises.
fn names(mut subscription: Bytes, topic: &str) -> Option<bool> {
    let _version = subscription.try_get_i16().ok()?;
    for _ in 0..subscription.try_get_i32().ok()? {
        let length = usize::try_from(subscription.try_get_i16().ok()?).ok()?;
        if subscription.get(..length)? == topic.as_bytes() {
            return Some(true);
        }
        subscription.advance(length);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_as_far_as_it_goes() {
        let subscription = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        let whole = Bytes::from_static(subscription);
        assert_eq!(names(whole.clone(), "bc"), Some(true));
        assert_eq!(names(whole, "b"), Some(false));
        for end in 0..13 {
            assert_eq!(names(Bytes::from_static(&subscription[..end]), "bc"), None, "{end}");
        }
    }

    #[test]
    fn a_count_without_its_topics_takes_no_memory() {
        let promised = Bytes::from_static(b"\0\0\x7f\xff\xff\xff\0\x01a");
        assert_eq!(names(promised, "b"), None);
    }
}
