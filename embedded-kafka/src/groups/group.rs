//! One group: what its members may do, and what each request does to it.
//!
//! ```text
//! Empty -> Preparing (members join) -> Completing (leader assigns) -> Stable
//!              ^------- join, leave, death of a member ------------------'
//! ```

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

use super::member::{Answer, Joined, Member, Profile, Synced};
use crate::state::ledger::SavedGroup;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl Phase {
    /// Kafka's name of the state.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A join as it came.
#[derive(Debug)]
pub(crate) struct Join {
    /// Empty: a member that does not know its id yet.
    pub member_id: String,
    /// Id of a member that has none yet.
    pub new_id: String,
    pub protocol_type: String,
    pub profile: Profile,
    /// The client can be told its id first and join with it then.
    pub id_required: bool,
    pub initial_delay: Duration,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub id: String,
    pub phase: Phase,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub members: BTreeMap<String, Member>,
    /// Member of each static instance.
    pub(super) instances: HashMap<String, String>,
    /// Ids given out whose member has not joined yet.
    pub(super) pending: HashMap<String, Instant>,
    /// A rebalance ends by then, with whoever has joined.
    pub(super) join_deadline: Option<Instant>,
    /// The first rebalance of a group lasts at least until then.
    pub(super) join_not_before: Option<Instant>,
    /// When the group became empty, or the broker started.
    pub empty_since: Instant,
    /// Someone has committed an offset without being a member.
    pub(super) has_offsets: bool,
    /// The group is to be saved: it has become stable or empty.
    pub(super) changed: bool,
}

impl Group {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            join_deadline: None,
            join_not_before: None,
            empty_since: Instant::now(),
            has_offsets: false,
            changed: false,
        }
    }

    pub(crate) fn restore(id: String, saved: SavedGroup, now: Instant) -> Self {
        let mut group = Self::new(id);
        // What is restored was used before the restart.
        (group.empty_since, group.has_offsets) = (now, true);
        group.generation = saved.generation;
        group.protocol_type = saved.protocol_type;
        group.protocol = saved.protocol;
        group.leader = saved.leader;
        for member in saved.members {
            let id = member.id.clone();
            if let Some(instance) = &member.instance_id {
                group.instances.insert(instance.clone(), id.clone());
            }
            group.members.insert(id, Member::restore(member, now));
        }
        if !group.members.is_empty() {
            group.phase = Phase::Stable;
        }
        group
    }

    /// Nobody has ever joined or committed.
    pub(super) fn is_unused(&self) -> bool {
        self.phase == Phase::Empty
            && self.generation == 0
            && self.pending.is_empty()
            && !self.has_offsets
    }

    /// What a restart needs to know, when that has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Option<SavedGroup> {
        std::mem::take(&mut self.changed).then(|| SavedGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.iter().map(|(id, member)| member.save(id)).collect(),
        })
    }

    /// A member joins, joins again, or asks for its id.
    pub(crate) fn join(&mut self, join: Join, now: Instant) -> Answer<Joined> {
        if !self.can_take(&join) {
            return Answer::Now(Err(ResponseError::InconsistentGroupProtocol));
        }
        match self.identify(&join, now) {
            Err(error) => Answer::Now(Err(error)),
            Ok(Identity::Known(id)) => self.rejoin(&id, join, now),
            Ok(Identity::Replaces { old, new }) => self.replace_instance(&old, new, join, now),
            Ok(Identity::New(id)) => {
                let member = Member::new(join.profile, now);
                if let Some(instance) = &member.profile.instance_id {
                    self.instances.insert(instance.clone(), id.clone());
                }
                self.pending.remove(&id);
                self.protocol_type = Some(join.protocol_type);
                self.members.insert(id.clone(), member);
                self.wait_for_rebalance(&id, join.initial_delay, now)
            }
        }
    }

    /// A known member joins: a rebalance when anything is new, else what stands.
    fn rejoin(&mut self, id: &str, join: Join, now: Instant) -> Answer<Joined> {
        let is_leader = self.leader.as_deref() == Some(id);
        let Some(member) = self.members.get_mut(id) else {
            return Answer::Now(Err(ResponseError::UnknownMemberId));
        };
        let same = member.profile.protocols == join.profile.protocols;
        member.profile = join.profile;
        member.heard_of(now);
        let stands = match self.phase {
            Phase::Stable => same && !is_leader,
            // The answer to an earlier join was lost on the way.
            Phase::Completing => same,
            Phase::Empty | Phase::Preparing => false,
        };
        if stands {
            return Answer::Now(Ok(self.joined(id)));
        }
        self.wait_for_rebalance(id, Duration::ZERO, now)
    }

    /// A static member came back under a new id: it keeps its assignment, unless
    /// its subscription has changed.
    fn replace_instance(
        &mut self,
        old: &str,
        new: String,
        join: Join,
        now: Instant,
    ) -> Answer<Joined> {
        let Some(mut member) = self.members.remove(old) else {
            return Answer::Now(Err(ResponseError::UnknownMemberId));
        };
        member.answer_join(Err(ResponseError::FencedInstanceId));
        member.answer_sync(Err(ResponseError::FencedInstanceId));
        let before = member.metadata(self.protocol.as_deref());
        let was_leader = self.leader.as_deref() == Some(old);
        member.profile = join.profile;
        member.heard_of(now);
        let same = before == member.metadata(self.protocol.as_deref());
        if let Some(instance) = &member.profile.instance_id {
            self.instances.insert(instance.clone(), new.clone());
        }
        self.members.insert(new.clone(), member);
        if was_leader {
            self.leader = Some(new.clone());
        }
        if self.phase == Phase::Stable && same {
            self.changed = true;
            let mut joined = self.joined(&new);
            // It must not assign anew: the others would not hear of it.
            joined.skip_assignment = was_leader;
            return Answer::Now(Ok(joined));
        }
        self.wait_for_rebalance(&new, Duration::ZERO, now)
    }

    fn wait_for_rebalance(
        &mut self,
        id: &str,
        initial_delay: Duration,
        now: Instant,
    ) -> Answer<Joined> {
        let (sender, receiver) = oneshot::channel();
        if let Some(member) = self.members.get_mut(id) {
            member.answer_join(Err(ResponseError::RebalanceInProgress));
            member.join = Some(sender);
        }
        self.prepare(initial_delay, now);
        self.complete_join_if_due(now);
        Answer::Later(receiver)
    }

    /// A member brings the assignment, as the leader, or asks for its own.
    pub(crate) fn sync(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Answer<Synced> {
        if let Err(error) = self.check_member(id, instance, generation) {
            return Answer::Now(Err(error));
        }
        let is_leader = self.leader.as_deref() == Some(id);
        let synced = self.synced(id);
        let Some(member) = self.members.get_mut(id) else {
            return Answer::Now(Err(ResponseError::UnknownMemberId));
        };
        member.heard_of(now);
        match self.phase {
            Phase::Empty => Answer::Now(Err(ResponseError::UnknownMemberId)),
            Phase::Preparing => Answer::Now(Err(ResponseError::RebalanceInProgress)),
            Phase::Stable => Answer::Now(Ok(synced)),
            Phase::Completing => {
                let (sender, receiver) = oneshot::channel();
                member.answer_sync(Err(ResponseError::RebalanceInProgress));
                member.sync = Some(sender);
                if is_leader {
                    self.assign(assignments, now);
                }
                Answer::Later(receiver)
            }
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        self.changed = true;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let synced = self.synced(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.heard_of(now);
                member.answer_sync(Ok(synced));
            }
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check_member(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard_of(now);
        }
        match self.phase {
            Phase::Empty => Err(ResponseError::UnknownMemberId),
            Phase::Preparing => Err(ResponseError::RebalanceInProgress),
            Phase::Completing | Phase::Stable => Ok(()),
        }
    }

    /// A member goes, or is sent away by its instance id alone.
    pub(crate) fn leave(
        &mut self,
        id: &str,
        instance: Option<&str>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let id = match instance.map(|instance| self.instances.get(instance)) {
            Some(None) => return Err(ResponseError::UnknownMemberId),
            Some(Some(known)) if !id.is_empty() && known != id => {
                return Err(ResponseError::FencedInstanceId);
            }
            Some(Some(known)) => known.clone(),
            None => id.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join_if_due(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, now);
        Ok(())
    }

    /// Whether a member of this generation may commit offsets now.
    pub(crate) fn check_commit(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        in_transaction: bool,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let anonymous = generation < 0 && id.is_empty() && instance.is_none();
        if anonymous {
            // A consumer without a group protocol may commit where there is none.
            if !in_transaction && !self.members.is_empty() {
                return Err(ResponseError::UnknownMemberId);
            }
            self.has_offsets = true;
            return Ok(());
        }
        if self.members.is_empty() && self.generation == 0 {
            return Err(ResponseError::IllegalGeneration);
        }
        self.check_member(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard_of(now);
        }
        // Between two assignments nobody owns a partition yet.
        if self.phase == Phase::Completing && !in_transaction {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// The member is of the group, is who it says it is, and is not behind.
    pub(crate) fn check_member(
        &self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(known) if known != id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if !self.members.contains_key(id) {
            return Err(ResponseError::UnknownMemberId);
        }
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn synced(&self, id: &str) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .members
                .get(id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}

/// Who a joining member is.
pub(super) enum Identity {
    Known(String),
    New(String),
    Replaces { old: String, new: String },
}
