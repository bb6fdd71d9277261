//! A streaming run: what one replica's task did since it began.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{RunState, event::LineageEvent};
use crate::lineage::{Counts, PartitionBalance};

/// The run of one task of a stage.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamingRun {
    pub id: Uuid,
    pub namespace: String,
    /// `PIPELINE.STAGE`.
    pub job: String,
    pub state: RunState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub replica: String,
    pub counts: Counts,
    pub by_partition: Vec<PartitionBalance>,
    pub error: Option<String>,
    #[serde(skip)]
    partitions: BTreeMap<i32, PartitionBalance>,
}

impl StreamingRun {
    pub(super) fn new(event: &LineageEvent) -> Self {
        Self {
            id: event.run.id,
            namespace: event.job.namespace.clone(),
            job: event.job.name.clone(),
            state: RunState::Running,
            started: event.event_time,
            ended: None,
            replica: String::new(),
            counts: Counts::default(),
            by_partition: Vec::new(),
            error: None,
            partitions: BTreeMap::new(),
        }
    }

    /// Takes an event in. Several replicas may each close their part of a run
    /// that died, so counts are replaced by partition and not as a whole.
    pub(super) fn fold(&mut self, event: LineageEvent) {
        // Where several replicas close their parts of it, the first end counts.
        if let Some(state) = RunState::after(event.event_type)
            && !self.state.is_ended()
        {
            self.state = state;
            self.ended = state.is_ended().then_some(event.event_time);
        }
        if let Some(balance) = event.run.facets.balance {
            if self.replica.is_empty() || !self.state.is_ended() {
                self.replica = balance.replica;
            }
            for partition in balance.by_partition {
                self.partitions.insert(partition.partition, partition);
            }
        }
        self.error = event.run.facets.error.map(|error| error.message).or(self.error.take());
        self.by_partition = self.partitions.values().cloned().collect();
        self.counts = Counts::default();
        for partition in &self.by_partition {
            self.counts += partition.counts;
        }
    }
}
