//! Replicas of a stage share its partitions; they come and go, the records do not.

use std::{collections::BTreeSet, thread, time::Instant};

use crate::support::{
    Books, Hub, PATIENCE, Project,
    books::holders,
    chaos::Random,
    orders::{self, Sender},
    project::STAGES,
    reading::Tail,
    wait_until,
};

/// Of the first topic.
const PARTITIONS: usize = 4;

/// Members look often whether the group moves on, for a session is four heartbeats.
const QUICK: &str = "stage: { session_timeout: 6s }\n";

/// The stages behind the first, each in a process.
fn start_others(project: &Project) -> [Hub; 2] {
    ["transform", "load"].map(|stage| start_stage(project, stage))
}

fn start_stage(project: &Project, stage: &str) -> Hub {
    project.start(&["stage", &project.stage(stage)])
}

/// How many runs of a stage the lineage topic knows.
fn runs(project: &Project, stage: &str) -> usize {
    Books::read(project).of_stage(project, stage).len()
}

/// Waits until so many runs hold all partitions and have worked on records of each.
fn wait_for_holders(project: &Project, stage: &str, count: usize) {
    wait_until(&format!("{count} replicas of {stage} work"), || {
        let holders = holders(project, stage);
        let runs: BTreeSet<&String> = holders.iter().map(|(run, _)| run).collect();
        let works = holders.iter().all(|(_, records)| *records > 0);
        runs.len() == count && holders.len() == PARTITIONS && works
    });
}

#[test]
fn replicas_that_stop_or_die_leave_their_partitions_to_the_others() {
    let project = Project::with_topics("replicas");
    // How long a replica that was killed is missed, and its open transaction
    // waited for: nobody starts it again. The shortest that a broker allows.
    project.write("hub.yaml", "stage: { session_timeout: 6s, transaction_timeout: 10s }\n");
    let others = start_others(&project);
    let first = start_stage(&project, "extract");
    let sender = Sender::start(&project, 60_000, 4, 4_000);
    wait_for_holders(&project, "extract", 1);
    let mut second = start_stage(&project, "extract");
    wait_for_holders(&project, "extract", 2);

    first.stop();
    let books = Books::read(&project);
    assert_eq!(books.ended(&project, "extract", "COMPLETE"), 1);
    wait_for_holders(&project, "extract", 1);

    // The second hands over what the third gets, and dies with the rest.
    let third = start_stage(&project, "extract");
    wait_for_holders(&project, "extract", 2);
    second.kill();
    wait_for_holders(&project, "extract", 1);
    let workload = sender.stop();
    orders::wait(&project, &workload);
    third.stop();
    others.into_iter().for_each(Hub::stop);

    orders::check(&project, &workload);
    let books = Books::check(&project);
    assert_eq!(books.ended(&project, "extract", "COMPLETE"), 2);
    assert_eq!(books.ended(&project, "extract", "FAIL"), 1);
    for stage in ["transform", "load"] {
        assert_eq!(books.of_stage(&project, stage).len(), 1, "{stage}");
    }
}

#[test]
fn rebalances_every_second_lose_and_repeat_nothing() {
    const REPLICAS_MAX: usize = 4;
    const CHANGES_MIN: u32 = 8;
    const RUNS_MIN: usize = 4;
    let project = Project::with_topics("rebalance");
    project.write("hub.yaml", QUICK);
    let mut random = Random::new("rebalances");
    let others = start_others(&project);
    let mut replicas = vec![start_stage(&project, "extract")];
    let sender = Sender::start(&project, 30_000, 5, 3_000);
    Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(1);
    let begun = Instant::now();
    let mut changes = 0;
    // A replica that goes before it was given a partition has no run, so where all
    // do (a machine under load), they are given more time with each ten of them.
    while changes < CHANGES_MIN || runs(&project, "extract") < RUNS_MIN {
        assert!(begun.elapsed() < PATIENCE, "too few replicas came and went");
        thread::sleep(random.millis(700, 1300) * (1 + changes / CHANGES_MIN));
        let add = replicas.len() == 1 || random.below(2) == 0;
        if add && replicas.len() < REPLICAS_MAX {
            replicas.push(start_stage(&project, "extract"));
        } else {
            replicas.swap_remove(random.below(replicas.len() as u64) as usize).stop();
        }
        changes += 1;
    }
    println!("{changes} changes");
    let workload = sender.stop();
    orders::wait(&project, &workload);
    replicas.into_iter().for_each(Hub::stop);
    others.into_iter().for_each(Hub::stop);

    orders::check(&project, &workload);
    let books = Books::check(&project);
    for stage in STAGES {
        assert_eq!(books.ended(&project, stage, "FAIL"), 0, "{stage}");
    }
}

#[test]
fn replicas_and_tasks_in_one_process_share_the_work() {
    let project = Project::with_topics("tasks");
    project.write("hub.yaml", QUICK);
    let hub = project.start(&["up", "--no-forward", "--replicas", "extract=2", "--tasks", "2"]);
    let sender = Sender::start(&project, 10_000, 6, 2_000);
    // Four tasks for four partitions.
    wait_for_holders(&project, "extract", 4);
    let workload = sender.stop();
    orders::wait(&project, &workload);
    hub.stop();

    orders::check(&project, &workload);
    let books = Books::check(&project);
    assert_eq!(books.ended(&project, "extract", "COMPLETE"), 4);
}
