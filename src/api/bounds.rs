//! How much there is room for, by the settings and by the files that the process may
//! have open: none of it may take the descriptors that its Kafka clients need.

use std::time::Duration;

use super::ApiConfig;

/// Files of all that is no connection of the API and no tail of a topic.
const OWN_FILES: usize = 256;
/// Files of a tail: its Kafka client's connections and wake-ups.
const TAIL_FILES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Connections that are served.
    pub(super) connections: usize,
    /// Connections too many that are told so at once.
    pub(super) refusals: usize,
    /// Streams of Server-Sent Events that follow a topic.
    pub(super) tails: usize,
    pub(super) stall_timeout: Duration,
}

impl Bounds {
    pub(super) fn of(config: &ApiConfig, open_files_max: usize) -> Self {
        let ApiConfig { connections_max, streams_max, uploads_max, stall_timeout, .. } = *config;
        let connections = connections_max.saturating_add(streams_max).saturating_add(uploads_max);
        let spare = open_files_max.saturating_sub(connections.saturating_add(OWN_FILES));
        let refusals = (spare / 4).clamp(32, 2048);
        let tails = (spare.saturating_sub(refusals) / TAIL_FILES).clamp(1, streams_max);
        Self { connections, refusals, tails, stall_timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_leave_room_for_few_tails_and_many_for_as_many_as_are_set() {
        let config = ApiConfig::default();
        let few = Bounds::of(&config, 1024);
        let files = few.connections + few.refusals + few.tails * TAIL_FILES + OWN_FILES;
        assert!(files <= 1024, "{few:?}");
        assert!(few.tails > 10 && few.refusals > 32, "{few:?}");
        assert_eq!(Bounds::of(&config, usize::MAX).tails, config.streams_max);
        assert_eq!(Bounds::of(&config, 0).tails, 1);
    }
}
