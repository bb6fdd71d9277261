//! What a crash has sent again: no more than a commit waits for.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    down_at_first,
    memory::{MemoryBackend, MemoryTopic},
    start, takes_all,
};
use crate::forward::ForwardConfig;

/// Writes events of as many runs, in polls of a hundred.
fn write_runs(topic: &MemoryTopic, count: usize) {
    let texts: Vec<String> = (0..count).map(|run| format!("run{run} START")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    texts.chunks(100).for_each(|texts| topic.write_events(3, texts));
}

fn never_by_the_clock() -> ForwardConfig {
    ForwardConfig { commit_interval: Duration::from_hours(1), ..ForwardConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_no_more_than_one_count_of_events_and_what_was_under_way() {
    let (topic, backend) = (MemoryTopic::default(), takes_all());
    write_runs(&topic, 3000);
    let config = never_by_the_clock();
    let most = config.commit_events_enough + config.concurrency;
    for _ in 0..2 {
        let running = start(&topic, &backend, config.clone());
        sleep(Duration::from_millis(150)).await;
        running.crash().await;
        topic.rewind();
    }
    let committed = topic.committed(3) as usize;
    assert!((2000..3000).contains(&committed), "{committed} were committed");
    let running = start(&topic, &backend, config);
    running.all_committed(3).await;
    let repeats = backend.taken().len() - 3000;
    assert!((1..=2 * most).contains(&repeats), "{repeats} came twice");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_slow_to_commit_does_not_slow_the_deliveries() {
    let length = async |topic: MemoryTopic, config: ForwardConfig| {
        let backend = takes_all();
        write_runs(&topic, 3000);
        let begun = Instant::now();
        let running = start(&topic, &backend, config);
        while backend.taken().len() < 3000 {
            sleep(Duration::from_millis(1)).await;
        }
        running.stop().await;
        begun.elapsed()
    };
    let slow = || MemoryTopic::default().with_slow_commits(Duration::from_millis(5));
    let without =
        length(slow(), ForwardConfig { commit_events_enough: usize::MAX, ..never_by_the_clock() });
    let without = without.await;
    let with = length(slow(), ForwardConfig { commit_events_enough: 1, ..never_by_the_clock() });
    let with = with.await;
    assert!(with > without && with < without.mul_f64(1.1), "{without:?} and {with:?}");
}

/// What passes while an event rests cannot be committed: it would all come twice.
#[tokio::test(start_paused = true)]
async fn events_that_met_an_outage_do_not_rest_once_it_is_over() {
    let (down, backend) = down_at_first();
    let topic = MemoryTopic::default();
    write_runs(&topic, 40);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_hours(1)).await;
    down.store(false, Ordering::Relaxed);
    let first = async |backend: &MemoryBackend| {
        while backend.taken().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    first(&backend).await;
    let back = Instant::now();
    running.all_committed(3).await;
    assert!(back.elapsed() < Duration::from_millis(100), "{:?}", back.elapsed());
    running.stop().await;
}
