//! A member of a group, and the answers it waits for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

use crate::state::ledger::SavedMember;

/// What a member says of itself when it joins.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    /// Assignors the member can do, dearest first, with its subscription.
    pub protocols: Vec<(String, Bytes)>,
}

/// Answer to a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: String,
    pub member_id: String,
    /// Member, instance, subscription; for the leader only.
    pub members: Vec<(String, Option<String>, Bytes)>,
    /// A restarted static leader keeps the assignment that stands.
    pub skip_assignment: bool,
}

/// Answer to a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignment: Bytes,
}

/// An answer that is there, or will come.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Now(Result<T, ResponseError>),
    Later(oneshot::Receiver<Result<T, ResponseError>>),
}

impl<T> Answer<T> {
    pub(crate) async fn wait(self) -> Result<T, ResponseError> {
        match self {
            Self::Now(answer) => answer,
            // The group went away with its broker.
            Self::Later(later) => {
                later.await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
            }
        }
    }
}

pub(super) type Waiting<T> = Option<oneshot::Sender<Result<T, ResponseError>>>;

#[derive(Debug)]
pub(crate) struct Member {
    pub profile: Profile,
    pub assignment: Bytes,
    /// The member is dead unless it was heard of by then.
    pub(super) deadline: Instant,
    pub(super) join: Waiting<Joined>,
    pub(super) sync: Waiting<Synced>,
}

impl Member {
    pub(super) fn new(profile: Profile, now: Instant) -> Self {
        let deadline = now + profile.session_timeout;
        Self { profile, assignment: Bytes::new(), deadline, join: None, sync: None }
    }

    pub(super) fn heard_of(&mut self, now: Instant) {
        self.deadline = now + self.profile.session_timeout;
    }

    /// A member that waits for the broker is alive.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        now >= self.deadline && self.join.is_none() && self.sync.is_none()
    }

    /// Subscription under a protocol.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let of_protocol =
            self.profile.protocols.iter().find(|(name, _)| Some(name.as_str()) == protocol);
        of_protocol.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn answer_join(&mut self, answer: Result<Joined, ResponseError>) {
        if let Some(waiting) = self.join.take() {
            // Who no longer waits needs no answer.
            let _ = waiting.send(answer);
        }
    }

    pub(super) fn answer_sync(&mut self, answer: Result<Synced, ResponseError>) {
        if let Some(waiting) = self.sync.take() {
            let _ = waiting.send(answer);
        }
    }

    pub(super) fn save(&self, id: &str) -> SavedMember {
        SavedMember {
            id: id.to_owned(),
            instance_id: self.profile.instance_id.clone(),
            client_id: self.profile.client_id.clone(),
            client_host: self.profile.client_host.clone(),
            session_timeout_ms: self.profile.session_timeout.as_millis() as i32,
            rebalance_timeout_ms: self.profile.rebalance_timeout.as_millis() as i32,
            protocols: self
                .profile
                .protocols
                .iter()
                .map(|(name, metadata)| (name.clone(), metadata.to_vec()))
                .collect(),
            assignment: self.assignment.to_vec(),
        }
    }

    pub(super) fn restore(saved: SavedMember, now: Instant) -> Self {
        let millis = |ms: i32| Duration::from_millis(ms.max(0) as u64);
        let profile = Profile {
            instance_id: saved.instance_id,
            client_id: saved.client_id,
            client_host: saved.client_host,
            session_timeout: millis(saved.session_timeout_ms),
            rebalance_timeout: millis(saved.rebalance_timeout_ms),
            protocols: saved.protocols.into_iter().map(|(n, m)| (n, Bytes::from(m))).collect(),
        };
        let mut member = Self::new(profile, now);
        member.assignment = Bytes::from(saved.assignment);
        member
    }
}
