//! The whole task over a topic and a backend in memory, in stopped time: hours
//! of outage pass in no time, and no test waits for a clock.

mod http;
mod judged;
mod lost;
#[path = "../../../tests/support/marquez.rs"]
mod marquez;
pub(super) mod memory;
mod poison;
mod random;
mod repeats;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::memory::{MemoryBackend, MemoryTopic};
use super::{
    Coalesce, ForwardConfig, ForwardError, Status, Task,
    transport::{Answer, Failure, Transport},
};

/// A task under test.
struct Running {
    topic: MemoryTopic,
    status: Arc<Status>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ForwardError<io::Error>>>,
}

impl Running {
    fn start(topic: &MemoryTopic, transport: Box<dyn Transport>, config: ForwardConfig) -> Self {
        let status = Arc::new(Status::new("test"));
        let shutdown = CancellationToken::new();
        let task = Task::new(topic.clone(), transport, config, status.clone(), shutdown.clone());
        Self { topic: topic.clone(), status, shutdown, task: tokio::spawn(task.run()) }
    }

    /// Waits until everything in `partition` is committed.
    async fn all_committed(&self, partition: i32) {
        let committed = async {
            while self.topic.committed(partition) < self.topic.end(partition) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let committed = timeout(Duration::from_hours(1), committed).await;
        assert!(committed.is_ok(), "not committed: {:#?}", self.status.snapshot());
    }

    /// Ends the task as a crash does.
    async fn crash(self) {
        self.task.abort();
        // An error either way: it was cancelled, or had ended before.
        let _ = self.task.await;
    }

    /// Ends the task as a shutdown does.
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn start(topic: &MemoryTopic, backend: &MemoryBackend, config: ForwardConfig) -> Running {
    Running::start(topic, Box::new(backend.clone()), config)
}

fn passing() -> Failure {
    Failure::Passing { reason: "503".to_owned(), retry_after: None }
}

fn answer(status: u16) -> Answer {
    Answer::new(status, "<html>")
}

/// One that takes nothing until the flag is cleared.
fn down_at_first() -> (Arc<AtomicBool>, MemoryBackend) {
    let down = Arc::new(AtomicBool::new(true));
    let backend = MemoryBackend::new({
        let down = down.clone();
        move |_| if down.load(Ordering::Relaxed) { Err(passing()) } else { Ok(()) }
    });
    (down, backend)
}

fn takes_all() -> MemoryBackend {
    MemoryBackend::new(|_| Ok(()))
}

/// The texts of one run, in their order.
fn of_run<'a>(texts: &'a [String], run: &str) -> Vec<&'a str> {
    texts.iter().map(String::as_str).filter(|text| text.starts_with(run)).collect()
}

#[tokio::test(start_paused = true)]
async fn all_events_are_delivered_once_and_committed() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    topic.write_events(3, &["a START", "b START", "a COMPLETE"]);
    topic.write_events(4, &["c OTHER"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;
    running.all_committed(4).await;

    let mut taken = backend.taken();
    assert_eq!(of_run(&taken, "a"), ["a START", "a COMPLETE"]);
    taken.sort();
    assert_eq!(taken, ["a COMPLETE", "a START", "b START", "c OTHER"]);
    let status = running.status.snapshot();
    assert_eq!((status.delivered, status.parked, status.retries, status.backlog), (4, 0, 0, 0));
    assert!(status.last_delivered.is_some() && status.last_error.is_none());
    assert_eq!(topic.parked(), [""; 0]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runs_go_side_by_side_up_to_the_concurrency_and_each_in_order() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    let backend = backend.with_latency(Duration::from_millis(20));
    let mut texts = Vec::new();
    for number in 0..5 {
        texts.extend((0..6).map(|run| format!("run{run} OTHER {number}")));
    }
    topic.write_events(0, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let config = ForwardConfig { concurrency: 4, ..ForwardConfig::default() };
    let running = start(&topic, &backend, config);
    running.all_committed(0).await;

    assert_eq!(backend.most_under_way(), 4);
    let taken = backend.taken();
    for run in 0..6 {
        let run = format!("run{run}");
        assert_eq!(of_run(&taken, &run), of_run(&texts, &run));
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_parked_and_its_neighbours_go_on() {
    let topic = MemoryTopic::default();
    let backend = MemoryBackend::new(|text| match text {
        "a RUNNING" => Err(Failure::Refused(answer(422))),
        _ => Ok(()),
    });
    topic.write_events(3, &["a START", "a RUNNING", "a COMPLETE"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;

    assert_eq!(backend.taken(), ["a START", "a COMPLETE"]);
    assert_eq!(
        topic.parked(),
        ["lineage/3@1 test: the backend refused the event with 422: <html>"]
    );
    let status = running.status.snapshot();
    assert_eq!((status.delivered, status.parked, status.retries), (2, 1, 0));
    running.stop().await;
}

/// Marquez stores half of such an event and breaks on the rest for ever.
#[tokio::test(start_paused = true)]
async fn an_event_that_backends_break_on_is_parked_unsent_with_its_bytes() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    topic.write(3, &[b"not json", b"", memory::event("a START").as_bytes()]);
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;

    assert_eq!(topic.parked(), ["lineage/3@0 test: the event is not a JSON object"]);
    assert_eq!(topic.parked_bytes(), [b"not json"]);
    assert_eq!(backend.requests().concat(), ["a START"]);
    assert_eq!(running.status.snapshot().skipped, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_dead_letter_topic_holds_the_offset_and_ends_the_task() {
    let topic = MemoryTopic::default();
    topic.fail_parking();
    topic.write(3, &[b"not json"]);
    let running = start(&topic, &takes_all(), ForwardConfig::default());
    let error = running.task.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the lineage topic failed under the forwarder of `test`");
    assert_eq!(topic.committed(3), 0);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_outlive_a_crash_is_not_committed() {
    let (topic, backend) = (MemoryTopic::default(), takes_all().with_failing_sync());
    topic.write_events(3, &["a START"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    let error = running.task.await.unwrap().unwrap_err();
    assert!(matches!(error, ForwardError::Sync { .. }), "{error:?}");
    assert_eq!((backend.taken().len(), topic.committed(3)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_hours_holds_the_offsets_and_loses_nothing() {
    let down = Arc::new(AtomicBool::new(true));
    let backend = MemoryBackend::new({
        let down = down.clone();
        // It answers 500 to everything, as with its database away.
        move |text| match (down.load(Ordering::Relaxed), text.len() % 2) {
            (true, 0) => Err(Failure::Doubtful(answer(500))),
            (true, _) => Err(passing()),
            (false, _) => Ok(()),
        }
    });
    let topic = MemoryTopic::default();
    let texts: Vec<_> = (0..40).map(|run| format!("run{run} START")).collect();
    topic.write_events(3, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let running = start(&topic, &backend, ForwardConfig::default());
    let first = topic.report().at;
    let asked_at_first = {
        sleep(Duration::from_mins(10)).await;
        backend.requests().len()
    };
    sleep(Duration::from_hours(5)).await;
    assert_eq!((topic.committed(3), topic.parked().len(), backend.taken().len()), (0, 0, 0));
    let status = running.status.snapshot();
    assert!(status.down && status.last_error.is_some());
    let report = topic.report();
    assert!(report.down && report.last_error.is_some() && report.at > first, "{report:?}");
    assert_eq!((status.backlog, status.delivered), (40, 0));
    // One event asks each 30 s at most, and half as long on average.
    let asked = backend.requests().len() - asked_at_first;
    assert!((300..3000).contains(&asked), "{asked} requests in 5 h of outage");

    down.store(false, Ordering::Relaxed);
    let back = Instant::now();
    running.all_committed(3).await;
    assert!(back.elapsed() < Duration::from_mins(2), "{:?}", back.elapsed());
    let mut taken = backend.taken();
    taken.sort();
    let mut texts = texts;
    texts.sort();
    assert_eq!(taken, texts);
    assert!(!running.status.snapshot().down && !topic.report().down);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_alone_gets_500_is_parked_once_others_passed_often_enough() {
    let backend = MemoryBackend::new(|text| match text {
        "bad START" => Err(Failure::Doubtful(answer(500))),
        _ => Ok(()),
    });
    let topic = MemoryTopic::default();
    topic.write_events(3, &["bad START", "bad COMPLETE", "good START"]);
    let running = start(&topic, &backend, ForwardConfig::default());

    // Nothing else comes: it cannot be told from an outage, and is held.
    sleep(Duration::from_hours(1)).await;
    assert_eq!((topic.committed(3), topic.parked().len()), (0, 0));
    assert_eq!(backend.taken(), ["good START"]);

    for number in 0..10 {
        topic.write_events(4, &[&format!("run{number} START")]);
        sleep(Duration::from_mins(2)).await;
    }
    running.all_committed(3).await;
    running.all_committed(4).await;
    assert_eq!(topic.parked().len(), 1, "{:?}", topic.parked());
    assert!(topic.parked()[0].starts_with("lineage/3@0 test: the backend failed on this event"));
    assert_eq!(of_run(&backend.taken(), "bad"), ["bad COMPLETE"]);
    running.stop().await;
}

/// Each event fails some times before it passes, as with a server that is
/// overloaded: nothing may be parked, nothing lost, nothing out of order.
#[tokio::test(start_paused = true)]
async fn a_flapping_backend_gets_everything_in_order() {
    let tries = AtomicU32::new(0);
    let backend = MemoryBackend::new(move |_| match tries.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => Err(passing()),
        _ => Ok(()),
    });
    let topic = MemoryTopic::default();
    let mut texts = Vec::new();
    for number in 0..20 {
        texts.extend((0..10).map(|run| format!("run{run} OTHER {number}")));
    }
    for chunk in texts.chunks(7) {
        topic.write_events(3, &chunk.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;
    let taken = backend.taken();
    assert_eq!(taken.len(), texts.len());
    for run in 0..10 {
        let run = format!("run{run} ");
        assert_eq!(of_run(&taken, &run), of_run(&texts, &run));
    }
    assert_eq!(topic.parked(), [""; 0]);
    assert!(running.status.snapshot().retries > 50);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_asks_for_a_pause_gets_it() {
    let mut first = true;
    let backend = MemoryBackend::new(move |_| {
        if std::mem::take(&mut first) {
            let retry_after = Some(Duration::from_mins(2));
            return Err(Failure::Passing { reason: "429".to_owned(), retry_after });
        }
        Ok(())
    });
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_secs(1)).await;
    topic.write_events(3, &["b START"]);
    sleep(Duration::from_secs(118)).await;
    assert_eq!(backend.requests().concat(), ["a START"], "others wait, too");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(backend.taken().len(), 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn superseded_running_events_are_committed_and_not_sent() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    topic.write_events(3, &["a START", "a RUNNING 1", "a RUNNING 2", "a RUNNING 3", "a COMPLETE"]);
    let config = ForwardConfig { coalesce: Coalesce::All, ..ForwardConfig::default() };
    let running = start(&topic, &backend, config);
    running.all_committed(3).await;
    assert_eq!(backend.taken(), ["a START", "a RUNNING 3", "a COMPLETE"]);
    let status = running.status.snapshot();
    assert_eq!((status.delivered, status.coalesced), (3, 2));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn batches_hold_one_event_a_run_and_what_failed_in_one_is_tried_alone() {
    let mut failed = false;
    let backend = MemoryBackend::new(move |text| match text {
        "b START" if !failed => {
            failed = true;
            Err(passing())
        }
        "c START" => Err(Failure::Refused(answer(400))),
        _ => Ok(()),
    })
    .with_batches();
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START", "b START", "c START", "a COMPLETE", "b COMPLETE"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;

    let requests = backend.requests();
    assert_eq!(requests[0], ["a START", "b START", "c START"]);
    assert!(requests.contains(&vec!["b START".to_owned()]));
    let taken = backend.taken();
    assert_eq!(of_run(&taken, "a"), ["a START", "a COMPLETE"]);
    assert_eq!(of_run(&taken, "b"), ["b START", "b COMPLETE"]);
    assert_eq!(topic.parked().len(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_without_batches_is_asked_once_and_served_one_by_one() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    topic.write_events(3, &["a START", "b START", "a COMPLETE"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    running.all_committed(3).await;
    assert_eq!(backend.requests().iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(backend.taken().len(), 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_window_stops_reading_until_there_is_room() {
    let (down, backend) = down_at_first();
    let topic = MemoryTopic::default();
    for run in 0..10 {
        topic.write_events(3, &[&format!("run{run} START")]);
    }
    let config = ForwardConfig { window_events_max: 4, ..ForwardConfig::default() };
    let running = start(&topic, &backend, config);
    sleep(Duration::from_mins(5)).await;
    assert_eq!((running.status.snapshot().backlog, topic.unread()), (4, 6));

    down.store(false, Ordering::Relaxed);
    running.all_committed(3).await;
    assert_eq!((backend.taken().len(), topic.unread()), (10, 0));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_full_of_bytes_stops_reading() {
    let backend = MemoryBackend::new(|_| Err(passing()));
    let topic = MemoryTopic::default();
    for run in 0..3 {
        topic.write_events(3, &[&format!("run{run} START")]);
    }
    let config = ForwardConfig { window_bytes_max: 300, ..ForwardConfig::default() };
    let running = start(&topic, &backend, config);
    sleep(Duration::from_mins(5)).await;
    assert_eq!((running.status.snapshot().backlog, topic.unread()), (2, 1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_commits_what_was_delivered_and_nothing_behind_it() {
    let backend = MemoryBackend::new(|text| match text {
        "b START" => Err(passing()),
        _ => Ok(()),
    })
    .with_latency(Duration::from_secs(2));
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START", "b START", "c START"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_secs(1)).await;
    let stopping = Instant::now();
    running.stop().await;

    // Requests under way were waited for; the one that failed is not tried again.
    assert_eq!(stopping.elapsed().as_secs(), 1);
    assert_eq!(backend.requests().len(), 3);
    assert_eq!(backend.taken(), ["a START", "c START"]);
    assert_eq!(topic.committed(3), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_no_longer_than_it_may() {
    let backend = takes_all().with_latency(Duration::from_hours(1));
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_secs(1)).await;
    let stopping = Instant::now();
    running.stop().await;
    assert_eq!(stopping.elapsed(), ForwardConfig::default().drain_timeout);
    assert_eq!(topic.committed(3), 0);
}
