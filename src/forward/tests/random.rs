//! The task under random failures and crashes.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    answer,
    memory::{MemoryBackend, MemoryTopic, text},
    of_run, passing, start,
};
use crate::forward::{ForwardConfig, transport::Failure};

/// A backend of which the next answers are given, and then all pass.
fn scripted(mut answers: Vec<u8>) -> MemoryBackend {
    MemoryBackend::new(move |text| match answers.pop() {
        _ if text.ends_with("refused") => Err(Failure::Refused(answer(422))),
        Some(0) => Err(passing()),
        Some(1) => Err(Failure::Passing {
            reason: "429".into(),
            retry_after: Some(Duration::from_secs(3)),
        }),
        Some(2) => Err(Failure::Doubtful(answer(500))),
        _ => Ok(()),
    })
}

/// Events of five runs in two partitions, some of which will be refused.
fn written(runs: &[u8]) -> Vec<(i32, String)> {
    let texts = runs.iter().enumerate().map(|(number, &run)| {
        let end = if run >= 40 { " refused" } else { "" };
        (i32::from(run % 5 % 2), format!("run{} OTHER {number}{end}", run % 5))
    });
    texts.collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]

    /// Whatever fails, and whenever the task crashes: every event arrives or is
    /// parked, each run's in their order (with repeats after a crash), and all
    /// is committed in the end.
    #[test]
    fn nothing_is_lost_and_no_run_is_out_of_order(
        runs in proptest::collection::vec(0_u8..50, 1..60),
        answers in proptest::collection::vec(0_u8..6, 0..80),
        crashes in proptest::collection::vec(0_u64..4000, 0..4),
        batches: bool,
        concurrency in 1_usize..6,
        window_events_max in 1_usize..40,
        commit_events_enough in 1_usize..20,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let written = written(&runs);
            let backend = scripted(answers);
            let backend = if batches { backend.with_batches() } else { backend };
            let topic = MemoryTopic::default();
            for (partition, text) in &written {
                topic.write_events(*partition, &[text]);
            }
            let crashed = !crashes.is_empty();
            let config = ForwardConfig {
                concurrency,
                window_events_max,
                commit_events_enough,
                // Random answers of 500 are no event's own fault.
                poison_attempts: u32::MAX,
                ..ForwardConfig::default()
            };
            for after in crashes {
                let running = start(&topic, &backend, config.clone());
                sleep(Duration::from_millis(after)).await;
                running.crash().await;
                topic.rewind();
            }
            let running = start(&topic, &backend, config);
            running.all_committed(0).await;
            running.all_committed(1).await;
            running.stop().await;

            let taken = backend.taken();
            let parked: Vec<_> = topic.parked_bytes().iter().map(|event| text(event)).collect();
            for (_, text) in &written {
                assert!(taken.contains(text) || parked.contains(text), "{text} is lost");
                assert_eq!(text.ends_with("refused"), !taken.contains(text), "{parked:?}");
            }
            for run in 0..5 {
                let run = format!("run{run} ");
                let of_run = of_run(&taken, &run);
                if crashed {
                    // Repeats begin again at an earlier one, and go on from there.
                    let firsts = first_arrivals(&of_run);
                    assert!(firsts.is_sorted_by_key(|text| number(text)), "{of_run:?}");
                } else {
                    assert!(of_run.is_sorted_by(|a, b| number(a) < number(b)), "{of_run:?}");
                }
            }
        });
    }
}

fn number(text: &str) -> usize {
    text.split(' ').nth(2).unwrap().parse().unwrap()
}

fn first_arrivals<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    texts.iter().copied().filter(|text| seen.insert(*text)).collect()
}
