//! Ends processes at random moments, and starts them again.

use std::{collections::BTreeSet, time::Duration};

use super::{Hub, Project, books::holders, wait_until};

/// xorshift64: same seed, same moments.
pub(crate) struct Random(u64);

impl Random {
    /// Prints the seed, so that a failure can be met again with `SEED=`.
    pub(crate) fn new(what: &str) -> Self {
        let fresh = || u64::from(std::process::id()) << 16 | 0x5eed;
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(fresh);
        println!("{what}: SEED={seed}");
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// A stage in a process of its own, restarted when it is killed.
pub(crate) struct Supervised {
    stage: String,
    hub: Hub,
    pub(crate) kills: usize,
    /// The runs that the last one killed left open.
    orphans: BTreeSet<String>,
}

impl Supervised {
    /// A named replica: its restart gets its partitions at once.
    pub(crate) fn start(project: &Project, stage: &str) -> Self {
        let hub = Self::process(project, stage);
        Self { stage: stage.to_owned(), hub, kills: 0, orphans: BTreeSet::new() }
    }

    fn process(project: &Project, stage: &str) -> Hub {
        project.start(&["stage", &project.stage(stage), "--replica", "a"])
    }

    /// SIGKILL, and a new process.
    pub(crate) fn kill(&mut self, project: &Project) {
        assert!(self.hub.is_running(), "{} ended by itself", self.stage);
        self.hub.kill();
        self.kills += 1;
        self.orphans = self.holding(project);
        self.hub = Self::process(project, &self.stage);
    }

    fn holding(&self, project: &Project) -> BTreeSet<String> {
        holders(project, &self.stage).into_iter().map(|(run, _)| run).collect()
    }

    /// Once the last one has taken over what those before it left: one that goes
    /// before it has its partitions leaves their end to whoever comes next.
    pub(crate) fn stop(self, project: &Project) {
        wait_until(&format!("{} has taken over", self.stage), || {
            self.holding(project).is_disjoint(&self.orphans)
        });
        self.hub.stop();
    }
}
