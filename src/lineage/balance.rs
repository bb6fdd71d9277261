//! The books of a run: custom facets that other tools carry along unread.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::facets::{Facet, OfRun};

/// Cumulative counts since the run began. Records are of the input but for
/// `out`, which counts the records sent on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Records taken in.
    #[serde(rename = "in")]
    pub read: u64,
    /// Records of which at least one row came.
    pub mapped: u64,
    /// Records sent on to the output topic.
    pub out: u64,
    /// Records of which no row came because the SELECT left them out.
    pub filtered: u64,
    /// Records that went to the dead letter topic.
    pub dead_lettered: u64,
    /// Bytes of the keys, values and headers of the records taken in.
    pub bytes_in: u64,
    /// Bytes of the keys, values and headers of the records sent on.
    pub bytes_out: u64,
}

impl Counts {
    /// Whether every record taken in is accounted for.
    pub fn balances(&self) -> bool {
        let accounted = self.mapped.checked_add(self.filtered);
        accounted.and_then(|sum| sum.checked_add(self.dead_lettered)) == Some(self.read)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.mapped += other.mapped;
        self.out += other.out;
        self.filtered += other.filtered;
        self.dead_lettered += other.dead_lettered;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// The counts of one input partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionBalance {
    pub topic: String,
    pub partition: i32,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The run facet `lineageHub_balance`: what one replica did for a run so far.
///
/// Cumulative: a later one of the same run and replica replaces the earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    pub replica: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub by_partition: Vec<PartitionBalance>,
}

impl Balance {
    /// The books of a replica; the totals are the sum of the partitions.
    pub fn new(replica: impl Into<String>, by_partition: Vec<PartitionBalance>) -> Self {
        let mut counts = Counts::default();
        for partition in &by_partition {
            counts += partition.counts;
        }
        Self { replica: replica.into(), counts, by_partition }
    }
}

impl Facet<OfRun> for Balance {
    const KEY: &'static str = "lineageHub_balance";
    const SCHEMA_URL: &'static str = "https://raw.githubusercontent.com/lineage-hub/lineage-hub/main/docs/openlineage/balance-1-0-0.json#/$defs/RunFacet";
}

/// The run facet `lineageHub_delta`: what one transaction adds to the books of a
/// stage's part in a bounded run.
///
/// It is in an event of the streaming run that counted, not of the part: replicas
/// cannot know when a part ends, and nothing may follow the end of a run. It is
/// added up rather than replaced: each is committed with the records that it
/// counts, so their sum is exact whichever replicas came and died meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// The bounded run.
    pub run: Uuid,
    pub replica: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub by_partition: Vec<PartitionBalance>,
    /// Rows that failed an expectation of the stage, by its name; one that all
    /// rows met is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmet: BTreeMap<String, u64>,
    /// Why the stage stopped, where it stopped at records of the bounded run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Delta {
    /// The totals are the sum of the partitions.
    pub fn new(
        run: Uuid,
        replica: impl Into<String>,
        by_partition: Vec<PartitionBalance>,
        unmet: BTreeMap<String, u64>,
    ) -> Self {
        let Balance { replica, counts, by_partition } = Balance::new(replica, by_partition);
        Self { run, replica, counts, by_partition, unmet, failure: None }
    }
}

impl Facet<OfRun> for Delta {
    const KEY: &'static str = "lineageHub_delta";
    const SCHEMA_URL: &'static str = "https://raw.githubusercontent.com/lineage-hub/lineage-hub/main/docs/openlineage/delta-2-0-0.json#/$defs/RunFacet";
}

/// The run facet `lineageHub_graph`: the stages that a bounded run goes through,
/// stated at its start, so that whoever reads the lineage topic alone knows when
/// the run is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunGraph {
    /// In the order of the way of a record.
    pub stages: Vec<GraphStage>,
}

/// A stage, by its job, and the topics that it is between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphStage {
    /// The job's name.
    pub job: String,
    pub from: String,
    pub to: String,
}

impl Facet<OfRun> for RunGraph {
    const KEY: &'static str = "lineageHub_graph";
    const SCHEMA_URL: &'static str = "https://raw.githubusercontent.com/lineage-hub/lineage-hub/main/docs/openlineage/graph-1-0-0.json#/$defs/RunFacet";
}

/// The run facet `lineageHub_total`: how many records a bounded run is of,
/// stated once by the one who started it, in the transaction of the last ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotal {
    /// The topic that the records were written to.
    pub topic: String,
    pub records: u64,
    /// Bytes of the keys, values and headers of the records.
    pub bytes: u64,
}

impl Facet<OfRun> for RunTotal {
    const KEY: &'static str = "lineageHub_total";
    const SCHEMA_URL: &'static str = "https://raw.githubusercontent.com/lineage-hub/lineage-hub/main/docs/openlineage/total-1-0-0.json#/$defs/RunFacet";
}

/// The run facet `lineageHub_cancel`: this bounded run was cancelled, or has failed.
/// Stages drop the records of it that they have not processed yet, and count them
/// as filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCancel {}

impl RunCancel {
    /// What an event that holds the facet has among its bytes.
    pub const MARK: &'static [u8] = b"\"lineageHub_cancel\"";
}

impl Facet<OfRun> for RunCancel {
    const KEY: &'static str = "lineageHub_cancel";
    const SCHEMA_URL: &'static str = "https://raw.githubusercontent.com/lineage-hub/lineage-hub/main/docs/openlineage/cancel-1-0-0.json#/$defs/RunFacet";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partition: i32, counts: Counts) -> PartitionBalance {
        PartitionBalance { topic: "orders".to_owned(), partition, counts }
    }

    #[test]
    fn books_balance_only_when_every_record_is_accounted_for() {
        let counts = Counts {
            read: 6,
            mapped: 3,
            out: 9,
            filtered: 2,
            dead_lettered: 1,
            ..Counts::default()
        };
        assert!(counts.balances());
        assert!(!Counts { filtered: 1, ..counts }.balances());
        assert!(!Counts { mapped: u64::MAX, ..counts }.balances());
    }

    #[test]
    fn the_totals_are_the_sum_of_the_partitions_and_read_back_the_same() {
        let three = Counts { read: 3, mapped: 2, out: 4, filtered: 1, ..Counts::default() };
        let one = Counts { read: 1, dead_lettered: 1, bytes_in: 10, ..Counts::default() };
        let balance = Balance::new("a", vec![partition(0, three), partition(3, one)]);
        assert_eq!((balance.counts.read, balance.counts.out), (4, 4));
        assert!(balance.counts.balances());

        let json = serde_json::to_value(&balance).unwrap();
        assert_eq!((&json["in"], &json["deadLettered"]), (&4.into(), &1.into()));
        assert_eq!(json["byPartition"][1]["bytesIn"], 10);
        assert_eq!(serde_json::from_value::<Balance>(json).unwrap(), balance);
    }

    #[test]
    fn a_delta_names_its_run_and_leaves_out_what_there_is_none_of() {
        let unmet = BTreeMap::from([("known".to_owned(), 2)]);
        let delta = Delta::new(Uuid::from_u128(7), "a", Vec::new(), unmet);
        let mut json = serde_json::to_value(&delta).unwrap();
        assert_eq!((&json["unmet"]["known"], json.get("failure")), (&2.into(), None));
        assert_eq!(json["run"], "00000000-0000-0000-0000-000000000007");
        json.as_object_mut().unwrap().remove("unmet");
        let read: Delta = serde_json::from_value(json).unwrap();
        assert_eq!(read, Delta { unmet: BTreeMap::new(), ..delta });
    }
}
