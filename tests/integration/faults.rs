//! Faults under load: at the end every order is once where it belongs, and the
//! books, in Kafka and in lineage, say the same.
//!
//! Minutes each, so none of these runs by itself: `make test-faults` runs them on
//! a real Kafka, `cargo test --test integration -- --ignored faults::` on the
//! embedded broker. Each prints its seed (`SEED` sets it) and, once all has been
//! checked, a row of the table in `docs/reliability.md`.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use crate::support::{
    Books, Hub, PATIENCE, Project,
    books::holders,
    broker::BrokerControl,
    chaos::{Random, Supervised},
    orders::{self, Sender, Workload},
    project::STAGES,
    reading::Tail,
    wait_until,
};

/// Orders of a run at least: `FAULT_RECORDS`.
fn records() -> usize {
    let given = env::var("FAULT_RECORDS").ok().and_then(|records| records.parse().ok());
    given.unwrap_or(200_000)
}

/// Orders a second: slow enough that a fault meets work under way.
const RATE: usize = 6_000;

/// A run with a fault in it.
struct FaultRun {
    what: &'static str,
    begun: Instant,
    sender: Sender,
}

impl FaultRun {
    /// Begins to send, and waits until orders come out at the end.
    fn begin(project: &Project, what: &'static str, seed: u64) -> Self {
        let sender = Sender::start(project, records(), seed, RATE);
        Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(1);
        Self { what, begun: Instant::now(), sender }
    }

    fn is_sending(&self) -> bool {
        !self.sender.has_sent_enough()
    }

    /// Waits until all that was sent is through.
    fn settle(self, project: &Project) -> Settled {
        let workload = self.sender.stop();
        orders::wait(project, &workload);
        Settled { what: self.what, begun: self.begun, workload }
    }
}

/// A run whose orders are all through.
struct Settled {
    what: &'static str,
    begun: Instant,
    workload: Workload,
}

impl Settled {
    /// Once every process has stopped: compares all, and prints the row.
    #[track_caller]
    fn check(self, project: &Project, times: usize) -> Books {
        let Self { what, begun, workload } = self;
        orders::check(project, &workload);
        let books = Books::check(project);
        let (sent, loaded) = (workload.records(), workload.loaded().len());
        println!(
            "| {what} | {times} | {sent} | {loaded} | {} | 0 | 0 | 0 | {} |",
            workload.malformed.len(),
            begun.elapsed().as_secs()
        );
        books
    }
}

#[test]
#[ignore = "minutes; make test-faults"]
fn stages_killed() {
    const KILLS_MIN: usize = 20;
    let project = Project::with_topics("kills");
    let mut random = Random::new("kills");
    let mut stages = STAGES.map(|stage| Supervised::start(&project, stage));
    let run = FaultRun::begin(&project, "kill -9 of a stage", 101);
    while run.is_sending() || stages.iter().any(|stage| stage.kills < KILLS_MIN) {
        thread::sleep(random.millis(200, 1200));
        stages[random.below(3) as usize].kill(&project);
    }
    let run = run.settle(&project);
    let each = stages.each_ref().map(|stage| stage.kills);
    for stage in stages {
        stage.stop(&project);
    }
    println!("killed {each:?} times");
    run.check(&project, each.iter().sum());
}

/// Lets the broker end and come back under a running pipeline.
fn restart_broker(what: &'static str, test: &str, signals: &[&str], away: Duration) {
    let control = BrokerControl::start();
    let project = Project::on(test, &control);
    project.run(&["topics", "apply"]).ok();
    let mut random = Random::new(test);
    let stages = STAGES.map(|stage| project.start(&["stage", &project.stage(stage)]));
    let run = FaultRun::begin(&project, what, 102);
    for signal in signals {
        thread::sleep(random.millis(3_000, 6_000));
        control.stop(signal);
        thread::sleep(away);
        control.restart();
    }
    let run = run.settle(&project);
    stages.into_iter().for_each(Hub::stop);
    run.check(&project, signals.len());
}

#[test]
#[ignore = "minutes; make test-faults"]
fn broker_restarted() {
    let signals = ["TERM", "KILL", "KILL", "TERM", "KILL"];
    let what = "broker ended by TERM and by KILL, and restarted";
    restart_broker(what, "restarts", &signals, Duration::from_millis(500));
}

#[test]
#[ignore = "minutes; make test-faults"]
fn broker_away() {
    restart_broker("broker away for 60 s", "away", &["KILL"], Duration::from_mins(1));
}

#[test]
#[ignore = "minutes; make test-faults"]
fn replica_frozen() {
    const FREEZES: usize = 3;
    let project = Project::with_topics("frozen");
    project.write("hub.yaml", "stage: { session_timeout: 6s, transaction_timeout: 10s }\n");
    let mut random = Random::new("freezes");
    let others =
        ["transform", "load"].map(|stage| project.start(&["stage", &project.stage(stage)]));
    let extract = project.stage("extract");
    let mut replicas = [0, 1].map(|_| project.start(&["stage", &extract]));
    let run = FaultRun::begin(&project, "a replica frozen past its session time-out", 103);
    let both_work = |project: &Project| {
        wait_until("both replicas work", || {
            let mut runs: Vec<_> =
                holders(project, "extract").into_iter().map(|(run, _)| run).collect();
            runs.sort();
            runs.dedup();
            runs.len() == 2
        });
    };
    for freeze in 0..FREEZES {
        both_work(&project);
        thread::sleep(random.millis(100, 1_500));
        let frozen = &mut replicas[freeze % 2];
        frozen.signal("STOP");
        thread::sleep(Duration::from_secs(10));
        frozen.signal("CONT");
        thread::sleep(random.millis(2_000, 4_000));
        assert!(frozen.is_running(), "what was frozen does not go on");
    }
    both_work(&project);
    let run = run.settle(&project);
    replicas.into_iter().chain(others).for_each(Hub::stop);
    let books = run.check(&project, FREEZES);
    let failed = books.ended(&project, "extract", "FAIL");
    assert!(failed >= 1, "no freeze was long enough to be taken for dead");
}

#[test]
#[ignore = "minutes; make test-faults"]
fn rebalance_storm() {
    let project = Project::with_topics("storm");
    let mut random = Random::new("storm");
    let others = ["extract", "load"].map(|stage| project.start(&["stage", &project.stage(stage)]));
    let transform = project.stage("transform");
    let start = || project.start(&["stage", &transform]);
    let mut replicas = vec![start()];
    let run = FaultRun::begin(&project, "replicas added and removed", 104);
    let mut changes = 0;
    while run.is_sending() || changes < 20 {
        thread::sleep(random.millis(1_000, 3_000));
        let add = replicas.len() == 1 || random.below(2) == 0;
        if add && replicas.len() < 4 {
            replicas.push(start());
        } else {
            replicas.swap_remove(random.below(replicas.len() as u64) as usize).stop();
        }
        changes += 1;
    }
    let run = run.settle(&project);
    replicas.into_iter().chain(others).for_each(Hub::stop);
    let books = run.check(&project, changes);
    assert_eq!(books.ended(&project, "transform", "FAIL"), 0);
}

#[test]
#[ignore = "minutes; make test-faults"]
fn clean_stops() {
    let project = Project::with_topics("stops");
    let mut random = Random::new("stops");
    let start = || project.start(&["up", "--no-forward"]);
    let mut hub = start();
    let run = FaultRun::begin(&project, "SIGTERM in mid-run, exit code 0", 105);
    let mut stops = 0;
    while run.is_sending() || stops < 5 {
        thread::sleep(random.millis(2_000, 5_000));
        hub.stop();
        hub = start();
        stops += 1;
    }
    let run = run.settle(&project);
    hub.stop();
    let books = run.check(&project, stops);
    for stage in STAGES {
        assert_eq!(books.ended(&project, stage, "FAIL"), 0, "{stage}");
    }
}

/// The one fault that takes records away: those that the topic held are gone with
/// it, and what comes behind is not skipped.
#[test]
#[ignore = "minutes; make test-faults"]
fn topic_deleted() {
    let project = Project::with_topics("deleted");
    let others =
        ["extract", "transform"].map(|stage| project.start(&["stage", &project.stage(stage)]));
    let load = || project.start(&["stage", &project.stage("load")]);
    let mut hub = load();
    let run = FaultRun::begin(&project, "output topic deleted under way", 106);
    let topic = project.name("orders.loaded");
    project.cluster.delete_topic(&topic);
    let deadline = Instant::now() + PATIENCE;
    while hub.is_running() {
        assert!(Instant::now() < deadline, "the stage goes on without its topic");
        thread::sleep(Duration::from_millis(200));
    }
    let done = hub.join();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.err.contains(&format!("topic `{topic}` does not exist")), "{done:?}");
    assert_eq!(Books::read(&project).ended(&project, "load", "FAIL"), 1);

    project.run(&["topics", "apply"]).ok();
    let hub = load();
    let workload = run.sender.stop();
    let expected = workload.loaded().len();
    wait_until("load has taken in all", || Books::taken_in(&project, "load") == expected as u64);
    hub.stop();
    others.into_iter().for_each(Hub::stop);
    let books = Books::read(&project);
    let sent_on: Vec<u64> =
        books.of_stage(&project, "load").iter().map(|run| run.sent_on()).collect();
    let there = Tail::open(&project.cluster, &topic).wait_to_end();
    assert_eq!(sent_on.iter().sum::<u64>(), expected as u64, "{sent_on:?}");
    assert_eq!(there as u64, sent_on[1..].iter().sum::<u64>(), "all behind the deletion is there");
    println!("| {} | 1 | {} | {expected} | - | 0 | 0 | 0 | - |", run.what, workload.records());
}
