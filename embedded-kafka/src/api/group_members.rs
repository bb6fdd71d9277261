//! `JoinGroup`, `SyncGroup`, `Heartbeat`, `LeaveGroup`: the members of a group.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use uuid::Uuid;

use super::{Call, code, optional, text};
use crate::groups::group::{Join, Phase};
use crate::groups::{self, Joined, Profile, Synced};

/// First version in which a member is told its id before it joins.
const ID_REQUIRED_SINCE: i16 = 4;

pub(crate) async fn join_group(call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let new_id = format!("{}-{}", call.client_id, Uuid::new_v4());
    let asked_as = request.member_id.clone();
    let outcome = join(&call, request, new_id.clone()).await;
    match outcome {
        Ok(joined) => joined_response(&call, joined),
        Err(error) => {
            let member_id =
                if error == ResponseError::MemberIdRequired { text(&new_id) } else { asked_as };
            let nothing = if call.version >= 7 { None } else { Some(text("")) };
            JoinGroupResponse::default()
                .with_error_code(error.code())
                .with_generation_id(-1)
                .with_protocol_name(nothing)
                .with_member_id(member_id)
        }
    }
}

async fn join(
    call: &Call,
    request: JoinGroupRequest,
    new_id: String,
) -> Result<Joined, ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let millis = |ms: i32| Duration::from_millis(ms.max(0) as u64);
    let session_timeout = millis(request.session_timeout_ms);
    let config = &call.node.config;
    if session_timeout < config.session_timeout_min || session_timeout > config.session_timeout_max
    {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let rebalance_timeout = if request.rebalance_timeout_ms > 0 {
        millis(request.rebalance_timeout_ms)
    } else {
        session_timeout
    };
    let join = Join {
        member_id: request.member_id.to_string(),
        new_id,
        protocol_type: request.protocol_type.to_string(),
        profile: Profile {
            instance_id: optional(request.group_instance_id.as_ref()),
            client_id: call.client_id.clone(),
            client_host: call.client_host.clone(),
            session_timeout,
            rebalance_timeout,
            protocols: request
                .protocols
                .into_iter()
                .map(|protocol| (protocol.name.to_string(), protocol.metadata))
                .collect(),
        },
        id_required: call.version >= ID_REQUIRED_SINCE,
        initial_delay: config.group_initial_delay,
    };
    let group = if join.member_id.is_empty() {
        call.node.groups.get_or_create(&request.group_id)
    } else {
        call.node.groups.get(&request.group_id).ok_or(ResponseError::UnknownMemberId)?
    };
    let answer = {
        let mut group = groups::lock(&group);
        let answer = group.join(join, Instant::now());
        call.node.save_group(&mut group)?;
        answer
    };
    answer.wait().await
}

fn joined_response(call: &Call, joined: Joined) -> JoinGroupResponse {
    // Clients that cannot be told to skip the assignment must not think they lead.
    let can_skip = call.version >= 9;
    let (leader, members) = if joined.skip_assignment && !can_skip {
        (String::new(), Vec::new())
    } else {
        (joined.leader, joined.members)
    };
    let members = members.into_iter().map(|(id, instance, metadata)| {
        let instance = if call.version >= 5 { instance } else { None };
        JoinGroupResponseMember::default()
            .with_member_id(text(&id))
            .with_group_instance_id(instance.as_deref().map(text))
            .with_metadata(metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.as_deref().map(text))
        .with_protocol_name(Some(text(joined.protocol.as_deref().unwrap_or_default())))
        .with_leader(text(&leader))
        .with_skip_assignment(joined.skip_assignment && can_skip)
        .with_member_id(text(&joined.member_id))
        .with_members(members.collect())
}

pub(crate) async fn sync_group(call: Call, request: SyncGroupRequest) -> SyncGroupResponse {
    match sync(&call, request).await {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(synced.protocol_type.as_deref().map(text))
            .with_protocol_name(synced.protocol.as_deref().map(text))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

async fn sync(call: &Call, request: SyncGroupRequest) -> Result<Synced, ResponseError> {
    let group = call.node.groups.get(&request.group_id).ok_or(ResponseError::UnknownMemberId)?;
    let instance = optional(request.group_instance_id.as_ref());
    let assignments = request
        .assignments
        .into_iter()
        .map(|assignment| (assignment.member_id.to_string(), assignment.assignment))
        .collect();
    let answer = {
        let mut group = groups::lock(&group);
        let differs = |asked: &Option<_>, has: &Option<String>| match (asked, has) {
            (Some(asked), Some(has)) => *asked != text(has),
            _ => false,
        };
        if differs(&request.protocol_type, &group.protocol_type)
            || differs(&request.protocol_name, &group.protocol)
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let (id, generation) = (&request.member_id, request.generation_id);
        let answer = group.sync(id, instance.as_deref(), generation, assignments, Instant::now());
        call.node.save_group(&mut group)?;
        answer
    };
    answer.wait().await
}

pub(crate) async fn heartbeat(call: Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let instance = optional(request.group_instance_id.as_ref());
    let outcome = match call.node.groups.get(&request.group_id) {
        None => Err(ResponseError::UnknownMemberId),
        Some(group) => groups::lock(&group).heartbeat(
            &request.member_id,
            instance.as_deref(),
            request.generation_id,
            Instant::now(),
        ),
    };
    HeartbeatResponse::default().with_error_code(code(&outcome))
}

pub(crate) async fn leave_group(call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let leave = |id: &str, instance: Option<&str>| {
        let group =
            call.node.groups.get(&request.group_id).ok_or(ResponseError::UnknownMemberId)?;
        let mut group = groups::lock(&group);
        group.leave(id, instance, Instant::now())?;
        if group.members.is_empty() && group.phase != Phase::Empty {
            group.tick(Instant::now());
        }
        call.node.save_group(&mut group)
    };
    if call.version < 3 {
        let outcome = leave(&request.member_id, None);
        return LeaveGroupResponse::default().with_error_code(code(&outcome));
    }
    let members = request.members.iter().map(|member| {
        let instance = optional(member.group_instance_id.as_ref());
        let outcome = leave(&member.member_id, instance.as_deref());
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code(&outcome))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
