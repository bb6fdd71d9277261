//! SIGKILL at random moments: nothing is lost, nothing is there twice, and the
//! lineage of a killed run is closed with what it had committed.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Books, Project,
    chaos::{Random, Supervised},
    orders,
    project::STAGES,
    reading::Tail,
};

#[test]
fn stages_that_are_killed_again_and_again_lose_and_repeat_nothing() {
    let project = Project::with_topics("crash");
    let mut random = Random::new("kills");
    let mut stages = STAGES.map(|stage| Supervised::start(&project, stage));
    let workload = thread::scope(|scope| {
        let sender = scope.spawn(|| orders::send_at(&project, 100_000, 1, 8_000));
        Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(1);
        while !sender.is_finished() {
            thread::sleep(random.millis(200, 1500));
            stages[random.below(3) as usize].kill(&project);
        }
        sender.join().unwrap()
    });
    orders::wait(&project, &workload);
    let kills = stages.each_ref().map(|stage| stage.kills);
    println!("killed {kills:?} times");
    for stage in stages {
        stage.stop(&project);
    }

    orders::check(&project, &workload);
    let books = Books::check(&project);
    for (stage, kills) in STAGES.iter().zip(kills) {
        let failed = books.ended(&project, stage, "FAIL");
        assert_eq!(books.ended(&project, stage, "COMPLETE"), 1, "{stage}");
        // One that was killed before its first commit has left nothing to close.
        assert!(failed <= kills, "{stage} was killed {kills} times, {failed} runs failed");
    }
    let failed: usize = STAGES.iter().map(|stage| books.ended(&project, stage, "FAIL")).sum();
    assert!(failed > 0, "of the kills {kills:?} none met a run that had committed");
}

/// With the session timeout as it is set for production: a named replica does
/// not wait for it, neither in the group nor for its own open transaction.
#[test]
fn a_killed_replica_with_a_name_works_again_at_once() {
    let project = Project::with_topics("restart");
    let stage = project.stage("extract");
    let start = || project.start(&["stage", &stage, "--replica", "a"]);
    let mut output = Tail::open(&project.cluster, &project.name("orders.extracted"));
    let mut hub = start();
    let first = orders::send(&project, 2_000, 2);
    output.wait_for(first.well_formed.len());
    hub.kill();

    let second = orders::send(&project, 2_000, 3);
    let begun = Instant::now();
    let hub = start();
    output.wait_for(first.well_formed.len() + second.well_formed.len());
    let took = begun.elapsed();
    println!("working again after {took:?}");
    assert!(took < Duration::from_secs(15), "working again only after {took:?}");
    hub.stop();

    let books = Books::read(&project);
    let mut ends: Vec<&str> =
        books.of_stage(&project, "extract").iter().map(|run| run.end()).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["COMPLETE", "FAIL"]);
}
