//! Events that never pass, and those behind and beside them.

use std::{collections::HashSet, time::Duration};

use tokio::time::sleep;

use super::{
    answer,
    memory::{MemoryBackend, MemoryTopic},
    passing, start,
};
use crate::forward::{ForwardConfig, transport::Failure};

fn breaks_on_bad() -> MemoryBackend {
    MemoryBackend::new(|text| {
        if text.starts_with("bad") { Err(Failure::Doubtful(answer(500))) } else { Ok(()) }
    })
}

/// More poisoned runs than requests may be under way, before any other: they
/// must not keep those from passing by whom they are told from an outage.
#[tokio::test(start_paused = true)]
async fn poisoned_runs_are_parked_however_few_requests_go_at_once() {
    for (concurrency, poisoned) in [(1, 1), (1, 9), (4, 12)] {
        let (topic, backend) = (MemoryTopic::default(), breaks_on_bad());
        let bad: Vec<_> = (0..poisoned).map(|run| format!("bad{run} START")).collect();
        topic.write_events(3, &bad.iter().map(String::as_str).collect::<Vec<_>>());
        let config = ForwardConfig { concurrency, ..ForwardConfig::default() };
        let running = start(&topic, &backend, config.clone());
        sleep(Duration::from_mins(5)).await;
        assert!(running.status.snapshot().down, "nothing passes: as in an outage");
        running.crash().await;

        topic.rewind();
        let running = start(&topic, &backend, config);
        for number in 0..20 {
            topic.write_events(4, &[&format!("good{number} START")]);
            sleep(Duration::from_mins(1)).await;
        }
        assert_eq!(backend.taken().len(), 20, "{concurrency} at once");
        running.all_committed(3).await;
        assert_eq!(topic.parked().len(), poisoned, "{concurrency} at once");
        assert!(!running.status.snapshot().down);
        running.stop().await;
    }
}

/// All events of a batch fail once, and one of them for ever.
#[tokio::test(start_paused = true)]
async fn what_failed_in_a_batch_does_not_wait_for_one_that_never_passes() {
    for failure in [passing(), Failure::Doubtful(answer(500))] {
        let mut seen = HashSet::new();
        let backend = MemoryBackend::new(move |text| {
            let again = !seen.insert(text.to_owned());
            if again && text != "run0 START" { Ok(()) } else { Err(failure.clone()) }
        })
        .with_batches();
        let topic = MemoryTopic::default();
        let texts: Vec<_> = (0..50).map(|run| format!("run{run} START")).collect();
        topic.write_events(3, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let config = ForwardConfig { concurrency: 1, ..ForwardConfig::default() };
        let running = start(&topic, &backend, config);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(backend.requests()[0].len(), 50);
        assert_eq!(backend.taken().len(), 49);
        running.stop().await;
    }
}
