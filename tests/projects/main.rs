//! Generated projects and settings, valid, odd and hostile: what `check` accepts runs.
//!
//! ```text
//! seed -> generate: a folder -> lineage-hub check -+-> refused: with a place, in bounded time and memory
//!                                                  `-> accepted: lineage-hub up starts and stops
//! ```
//!
//! `PROJECTS` sets how many (default 150), `SEED` the first seed. A failure prints its
//! seed and keeps its folder: `SEED=N PROJECTS=1 cargo test --test projects`.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod generate;
mod judge;
mod values;

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use judge::Verdict;

/// Projects that are judged at the same time.
const WORKERS: usize = 2;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_check_accepts_runs_and_what_it_refuses_it_refuses_at_once() {
    let count = setting("PROJECTS", 150);
    let first = setting("SEED", fastrand::u64(..1 << 40));
    println!("SEED={first} PROJECTS={count}");
    let (next, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let failures: Vec<String> = thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return failures;
                }
                match judge::judge(first + index) {
                    Verdict::Ran => {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                    Verdict::Refused => {}
                    Verdict::Failed(reason) => {
                        println!("seed {}: {reason}", first + index);
                        failures.push(format!("seed {}: {reason}", first + index));
                    }
                }
            }
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let accepted = accepted.into_inner();
    println!("{count} projects: {accepted} accepted and run, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Neither half of the claim may be empty.
    assert!(count < 50 || (accepted > count / 20 && accepted < count * 19 / 20), "{accepted}");
}
