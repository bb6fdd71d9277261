//! The turns of a group: beginning and ending a rebalance, and what time does.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;

use super::group::{Group, Identity, Join, Phase};
use super::member::Joined;

impl Group {
    /// Whether the group can work together with the joining member.
    pub(super) fn can_take(&self, join: &Join) -> bool {
        if join.profile.protocols.is_empty() || join.protocol_type.is_empty() {
            return false;
        }
        let others = self.members.iter().filter(|(id, member)| {
            **id != join.member_id
                && (join.profile.instance_id.is_none()
                    || member.profile.instance_id != join.profile.instance_id)
        });
        let others: Vec<_> = others.map(|(_, member)| member).collect();
        if others.is_empty() {
            return true;
        }
        let same_type = self.protocol_type.as_deref() == Some(join.protocol_type.as_str());
        let common = join.profile.protocols.iter().any(|(name, _)| {
            others
                .iter()
                .all(|other| other.profile.protocols.iter().any(|(theirs, _)| theirs == name))
        });
        same_type && common
    }

    /// Finds out who joins.
    pub(super) fn identify(
        &mut self,
        join: &Join,
        now: Instant,
    ) -> Result<Identity, ResponseError> {
        let known_instance = join.profile.instance_id.as_ref().and_then(|i| self.instances.get(i));
        if join.member_id.is_empty() {
            let new = join.new_id.clone();
            return match known_instance {
                Some(old) => Ok(Identity::Replaces { old: old.clone(), new }),
                None if join.id_required && join.profile.instance_id.is_none() => {
                    self.pending.insert(new, now + join.profile.session_timeout);
                    Err(ResponseError::MemberIdRequired)
                }
                None => Ok(Identity::New(new)),
            };
        }
        if join.profile.instance_id.is_some() {
            return match known_instance {
                None => Err(ResponseError::UnknownMemberId),
                Some(known) if *known != join.member_id => Err(ResponseError::FencedInstanceId),
                Some(known) => Ok(Identity::Known(known.clone())),
            };
        }
        if self.pending.contains_key(&join.member_id) {
            return Ok(Identity::New(join.member_id.clone()));
        }
        if self.members.contains_key(&join.member_id) {
            return Ok(Identity::Known(join.member_id.clone()));
        }
        Err(ResponseError::UnknownMemberId)
    }

    /// Begins a rebalance, unless one is under way.
    pub(super) fn prepare(&mut self, initial_delay: Duration, now: Instant) {
        if self.phase == Phase::Preparing {
            return;
        }
        if self.phase == Phase::Completing {
            for member in self.members.values_mut() {
                member.answer_sync(Err(ResponseError::RebalanceInProgress));
            }
        }
        let timeout = self.members.values().map(|member| member.profile.rebalance_timeout).max();
        self.join_deadline = Some(now + timeout.unwrap_or_default().max(initial_delay));
        self.join_not_before = (self.phase == Phase::Empty).then(|| now + initial_delay);
        self.phase = Phase::Preparing;
    }

    /// Ends the joining when everyone is there, or it has lasted long enough.
    pub(super) fn complete_join_if_due(&mut self, now: Instant) {
        if self.phase != Phase::Preparing || self.join_not_before.is_some_and(|at| now < at) {
            return;
        }
        let everyone = self.pending.is_empty() && self.members.values().all(|m| m.join.is_some());
        let late = self.join_deadline.is_some_and(|deadline| now >= deadline);
        if !everyone && !late {
            return;
        }
        // A static member may be restarting: it stays until its session ends.
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.join.is_none() && member.profile.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.members.remove(&id);
        }
        if self.members.values().any(|member| member.join.is_some()) {
            self.complete_join(now);
        } else if self.members.is_empty() {
            self.become_empty();
        } else {
            self.join_deadline = Some(now + Duration::from_secs(1));
        }
    }

    fn become_empty(&mut self) {
        self.generation += 1;
        self.phase = Phase::Empty;
        self.empty_since = Instant::now();
        (self.protocol, self.leader) = (None, None);
        (self.join_deadline, self.join_not_before) = (None, None);
        self.changed = true;
    }

    fn complete_join(&mut self, now: Instant) {
        self.generation += 1;
        self.phase = Phase::Completing;
        (self.join_deadline, self.join_not_before) = (None, None);
        self.protocol = self.vote();
        let leads = |id: &String| self.members.get(id).is_some_and(|member| member.join.is_some());
        if !self.leader.as_ref().is_some_and(leads) {
            let first = self.members.iter().find(|(_, member)| member.join.is_some());
            self.leader = first.map(|(id, _)| id.clone());
        }
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.heard_of(now);
                member.answer_join(Ok(joined));
            }
        }
    }

    /// Of the protocols that all members can do, the one that most like best.
    fn vote(&self) -> Option<String> {
        let can = |name: &str| {
            let knows = |(theirs, _): &(String, _)| theirs == name;
            self.members.values().all(|member| member.profile.protocols.iter().any(knows))
        };
        let choice = |protocols: &[(String, _)]| {
            protocols.iter().map(|(name, _)| name.clone()).find(|name| can(name))
        };
        let votes: Vec<String> =
            self.members.values().filter_map(|member| choice(&member.profile.protocols)).collect();
        let count = |name: &String| votes.iter().filter(|vote| *vote == name).count();
        votes.iter().max_by_key(|name| count(name)).cloned()
    }

    /// The answer to the join of a member in the generation that stands.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.as_deref();
        let members = if leader == id {
            self.members
                .iter()
                .map(|(id, m)| (id.clone(), m.profile.instance_id.clone(), m.metadata(protocol)))
                .collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            member_id: id.to_owned(),
            members,
            skip_assignment: false,
        }
    }

    /// Takes a member out; the others share out its part anew.
    pub(super) fn remove(&mut self, id: &str, now: Instant) {
        if let Some(mut member) = self.members.remove(id) {
            member.answer_join(Err(ResponseError::UnknownMemberId));
            member.answer_sync(Err(ResponseError::UnknownMemberId));
            if let Some(instance) = &member.profile.instance_id {
                self.instances.remove(instance);
            }
        }
        self.prepare(Duration::ZERO, now);
        self.complete_join_if_due(now);
    }

    /// Lets time pass: who was not heard of is dead, who is late is left out.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.pending.retain(|_, deadline| now < *deadline);
        let dead: Vec<String> =
            self.members.iter().filter(|(_, m)| m.is_dead(now)).map(|(id, _)| id.clone()).collect();
        for id in dead {
            tracing::info!(group = self.id, member = id, "member was not heard of, and is removed");
            self.remove(&id, now);
        }
        self.complete_join_if_due(now);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::member::{Answer, Profile, Synced};
    use super::*;

    fn join(member_id: &str, instance: Option<&str>, metadata: &'static str) -> Join {
        Join {
            member_id: member_id.to_owned(),
            new_id: format!("c-{}", uuid::Uuid::new_v4()),
            protocol_type: "consumer".to_owned(),
            profile: Profile {
                instance_id: instance.map(str::to_owned),
                client_id: "c".to_owned(),
                client_host: "/127.0.0.1".to_owned(),
                session_timeout: Duration::from_secs(10),
                rebalance_timeout: Duration::from_mins(1),
                protocols: vec![("range".to_owned(), Bytes::from(metadata))],
            },
            id_required: false,
            initial_delay: Duration::ZERO,
        }
    }

    fn done<T>(answer: Answer<T>) -> Option<Result<T, ResponseError>> {
        match answer {
            Answer::Now(answer) => Some(answer),
            Answer::Later(mut later) => later.try_recv().ok(),
        }
    }

    fn assignment_of(answer: Answer<Synced>) -> Bytes {
        done(answer).unwrap().unwrap().assignment
    }

    /// A stable group of one member; its id.
    fn stable(group: &mut Group, instance: Option<&str>, now: Instant) -> String {
        let joined = done(group.join(join("", instance, "m"), now)).unwrap().unwrap();
        let id = joined.member_id;
        let assignments = vec![(id.clone(), Bytes::from("all"))];
        let synced = group.sync(&id, instance, joined.generation, assignments, now);
        assert_eq!(assignment_of(synced), "all");
        id
    }

    #[test]
    fn a_second_member_waits_until_the_first_has_joined_again() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let first = stable(&mut group, None, now);
        let Answer::Later(mut second) = group.join(join("", None, "m"), now) else {
            panic!("must wait");
        };
        assert!(second.try_recv().is_err());
        assert_eq!(group.heartbeat(&first, None, 1, now), Err(ResponseError::RebalanceInProgress));

        let again = done(group.join(join(&first, None, "m"), now)).unwrap().unwrap();
        let second = second.try_recv().unwrap().unwrap();
        assert_eq!((again.generation, second.generation), (2, 2));
        assert_eq!((again.members.len(), second.members.len()), (2, 0));

        let waiting = group.sync(&second.member_id, None, 2, Vec::new(), now);
        let parts = vec![(first.clone(), "a".into()), (second.member_id.clone(), "b".into())];
        assert_eq!(assignment_of(group.sync(&first, None, 2, parts, now)), "a");
        assert_eq!(assignment_of(waiting), "b");
        assert_eq!(group.phase, Phase::Stable);
    }

    #[test]
    fn a_silent_member_is_removed_and_cannot_commit() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let id = stable(&mut group, None, now);
        group.tick(now + Duration::from_secs(9));
        assert_eq!(group.members.len(), 1);
        assert_eq!(group.check_commit(&id, None, 1, true, now), Ok(()));
        group.tick(now + Duration::from_secs(11));
        assert_eq!((group.members.len(), group.phase), (0, Phase::Empty));
        assert_eq!(
            group.check_commit(&id, None, 1, true, now),
            Err(ResponseError::UnknownMemberId)
        );
    }

    #[test]
    fn an_old_generation_cannot_commit() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let first = stable(&mut group, None, now);
        let _second = group.join(join("", None, "m"), now);
        let _first = group.join(join(&first, None, "m"), now);
        let refused = group.check_commit(&first, None, 1, true, now);
        assert_eq!(refused, Err(ResponseError::IllegalGeneration));
        assert_eq!(group.check_commit(&first, None, 2, true, now), Ok(()));
        let outsider = group.check_commit("", None, -1, false, now);
        assert_eq!(outsider, Err(ResponseError::UnknownMemberId));
    }

    #[test]
    fn a_restarted_static_member_keeps_its_part_and_fences_its_old_self() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let old = stable(&mut group, Some("one"), now);
        let back = done(group.join(join("", Some("one"), "m"), now)).unwrap().unwrap();
        assert_ne!(back.member_id, old);
        assert_eq!((back.generation, group.phase), (1, Phase::Stable));
        let part = group.sync(&back.member_id, Some("one"), 1, Vec::new(), now);
        assert_eq!(assignment_of(part), "all");
        let zombie = group.heartbeat(&old, Some("one"), 1, now);
        assert_eq!(zombie, Err(ResponseError::FencedInstanceId));
    }

    #[test]
    fn who_does_not_join_in_time_is_left_out() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let first = stable(&mut group, None, now);
        let Answer::Later(mut second) = group.join(join("", None, "m"), now) else {
            panic!("must wait");
        };
        let mut later = now;
        for _ in 0..61 {
            later += Duration::from_secs(1);
            let _alive = group.heartbeat(&first, None, 1, later);
            group.tick(later);
        }
        let second = second.try_recv().unwrap().unwrap();
        assert_eq!((second.leader == second.member_id, group.members.len()), (true, 1));
    }

    #[test]
    fn a_saved_group_is_restored_with_its_generation_and_parts() {
        let (mut group, now) = (Group::new("g".to_owned()), Instant::now());
        let id = stable(&mut group, None, now);
        let saved = group.take_changed().unwrap();
        assert!(group.take_changed().is_none());
        let mut restored = Group::restore("g".to_owned(), saved, now);
        assert_eq!(restored.heartbeat(&id, None, 1, now), Ok(()));
        assert_eq!(assignment_of(restored.sync(&id, None, 1, Vec::new(), now)), "all");
    }
}
