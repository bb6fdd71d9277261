//! The books: do the accounts and the lineage say what is there?
//!
//! Three witnesses for each stage, compared by input partition: the records in
//! the topics, the accounts beside the committed offsets, and the counts of
//! the lineage events. All are parsed here by hand.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Project,
    endings::{Open, assert_runs_end_once},
    project::{STAGES, TOPICS},
    reading::{Read, committed, committed_so_far, read_all},
};

/// What became of records: in, mapped, out, filtered, dead-lettered, bytes in, bytes out.
type Counts = [u64; 7];

/// The events of one run, in the order of the lineage topic.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The name of the job: `PIPELINE.STAGE`.
    pub(crate) job: String,
    pub(crate) events: Vec<Value>,
}

impl Run {
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| event["eventType"].as_str()).collect()
    }

    pub(crate) fn end(&self) -> &str {
        self.kinds().last().copied().unwrap_or_default()
    }

    /// Records sent on, by the latest that any event says.
    pub(crate) fn sent_on(&self) -> u64 {
        self.counts().values().map(|counts| counts[2]).sum()
    }

    /// Counts by input partition: the latest that any event says of each.
    fn counts(&self) -> BTreeMap<i32, Counts> {
        let mut counts = BTreeMap::new();
        for event in &self.events {
            let partitions = &event["run"]["facets"]["lineageHub_balance"]["byPartition"];
            for partition in partitions.as_array().into_iter().flatten() {
                let names =
                    ["in", "mapped", "out", "filtered", "deadLettered", "bytesIn", "bytesOut"];
                let of_partition = names.map(|name| partition[name].as_u64().unwrap());
                counts.insert(partition["partition"].as_i64().unwrap() as i32, of_partition);
            }
        }
        counts
    }
}

/// What the lineage topic tells.
pub(crate) struct Books {
    pub(crate) runs: BTreeMap<String, Run>,
}

impl Books {
    pub(crate) fn read(project: &Project) -> Self {
        let mut runs: BTreeMap<String, Run> = BTreeMap::new();
        for record in read_all(&project.cluster, &project.name("lineage")) {
            let event = record.json();
            let id = event["run"]["runId"].as_str().unwrap().to_owned();
            assert_eq!(record.key.as_deref(), Some(id.as_bytes()), "the key is the run id");
            let run = runs.entry(id).or_default();
            event["job"]["name"].as_str().unwrap().clone_into(&mut run.job);
            run.events.push(event);
        }
        Self { runs }
    }

    /// Of a project whose stages have all been stopped: every witness says the
    /// same, and every run has ended.
    #[track_caller]
    pub(crate) fn check(project: &Project) -> Self {
        let books = Self::read(project);
        assert_runs_end_once(&super::lineage(project), &Open::None);
        for (index, stage) in STAGES.iter().enumerate() {
            books.check_stage(project, stage, TOPICS[index], TOPICS[index + 1]);
        }
        books
    }

    /// Records that a stage has taken in, by its accounts.
    pub(crate) fn taken_in(project: &Project, stage: &str) -> u64 {
        let index = STAGES.iter().position(|name| *name == stage).unwrap();
        let from = project.name(TOPICS[index]);
        let offsets = committed(&project.cluster, &project.group(stage), &from);
        let read = |metadata: &str| {
            let total = metadata.split(' ').nth(2).unwrap();
            total.split('/').next().unwrap().parse::<u64>().unwrap()
        };
        offsets.values().map(|(_, metadata)| read(metadata)).sum()
    }

    /// The runs of a stage.
    pub(crate) fn of_stage(&self, project: &Project, stage: &str) -> Vec<&Run> {
        let job = format!("{}.{stage}", project.pipeline());
        self.runs.values().filter(|run| run.job == job).collect()
    }

    /// How many runs of a stage ended so.
    pub(crate) fn ended(&self, project: &Project, stage: &str, kind: &str) -> usize {
        self.of_stage(project, stage).iter().filter(|run| run.end() == kind).count()
    }

    #[track_caller]
    fn check_stage(&self, project: &Project, stage: &str, from: &str, to: &str) {
        let read = |topic: &str| read_all(&project.cluster, &project.name(topic));
        let (input, output, dead) = (read(from), read(to), read(&format!("{from}.dlq")));
        let offsets = committed(&project.cluster, &project.group(stage), &project.name(from));
        let mut accounts = BTreeMap::new();
        for (partition, (offset, metadata)) in &offsets {
            let last = input.iter().rfind(|record| record.partition == *partition);
            let behind = last.map_or(0, |record| record.offset + 1);
            assert!(*offset >= behind, "{from}/{partition} is committed to {offset} of {behind}");
            accounts.insert(*partition, account(metadata));
        }
        accounts.retain(|_, counts| *counts != Counts::default());

        let mut said: BTreeMap<i32, Counts> = BTreeMap::new();
        for run in self.of_stage(project, stage) {
            for (partition, counts) in run.counts() {
                let sum = said.entry(partition).or_default();
                *sum = add(*sum, counts);
            }
        }
        said.retain(|_, counts| *counts != Counts::default());
        assert_eq!(said, accounts, "{stage}: what lineage says, and the accounts");

        let there: BTreeMap<i32, [u64; 2]> =
            input.iter().fold(BTreeMap::new(), |mut sums, record| {
                let [records, bytes] = sums.entry(record.partition).or_default();
                (*records, *bytes) = (*records + 1, *bytes + record.size());
                sums
            });
        let taken: BTreeMap<i32, [u64; 2]> = accounts
            .iter()
            .map(|(partition, counts)| (*partition, [counts[0], counts[5]]))
            .collect();
        assert_eq!(taken, there, "{stage}: records and bytes taken in, and those that are there");

        let [read, mapped, out, filtered, dead_lettered, _, bytes_out] =
            accounts.values().copied().fold(Counts::default(), add);
        assert_eq!(read, mapped + filtered + dead_lettered, "{stage}: the books are open");
        assert_eq!((out, bytes_out), (output.len() as u64, bytes(&output)), "{stage}: sent on");
        assert_eq!(dead_lettered, dead.len() as u64, "{stage}: dead letters");
    }
}

fn add(left: Counts, right: Counts) -> Counts {
    std::array::from_fn(|index| left[index] + right[index])
}

fn bytes(records: &[Read]) -> u64 {
    records.iter().map(Read::size).sum()
}

/// For each partition that a run holds now: the run, and the records of it that
/// the run has committed.
pub(crate) fn holders(project: &Project, stage: &str) -> Vec<(String, u64)> {
    let index = STAGES.iter().position(|name| *name == stage).unwrap();
    let from = project.name(TOPICS[index]);
    let mut holders = Vec::new();
    for (_, metadata) in
        committed_so_far(&project.cluster, &project.group(stage), &from).into_values()
    {
        let words: Vec<&str> = metadata.split(' ').collect();
        let [_, run, total, taken_at] = words[..] else { continue };
        let read = |counts: &str| counts.split('/').next().unwrap().parse::<u64>().unwrap();
        if run != "-" {
            holders.push((run.to_owned(), read(total) - read(taken_at)));
        }
    }
    holders
}

/// The counts of an account that nobody holds.
#[track_caller]
fn account(metadata: &str) -> Counts {
    let words: Vec<&str> = metadata.split(' ').collect();
    let ["lh1", "-", total, _] = words[..] else { panic!("not let go: `{metadata}`") };
    let numbers: Vec<u64> = total.split('/').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}
