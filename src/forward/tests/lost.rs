//! Partitions that go to another forwarder.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{
    down_at_first,
    memory::{MemoryBackend, MemoryTopic},
    passing, start, takes_all,
};
use crate::forward::ForwardConfig;

#[tokio::test(start_paused = true)]
async fn a_lost_partition_is_dropped_and_the_others_go_on() {
    let down = Arc::new(AtomicBool::new(true));
    let backend = MemoryBackend::new({
        let down = down.clone();
        move |text| match text {
            "a START" => Ok(()),
            _ if down.load(Ordering::Relaxed) => Err(passing()),
            _ => Ok(()),
        }
    });
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START", "b START", "b COMPLETE"]);
    topic.write_events(4, &["c START"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_mins(1)).await;
    topic.lose(3);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(topic.committed(3), 1, "what was settled is committed before it goes");
    assert_eq!(running.status.snapshot().backlog, 1);

    down.store(false, Ordering::Relaxed);
    running.all_committed(4).await;
    sleep(Duration::from_mins(10)).await;
    assert_eq!(backend.taken(), ["a START", "c START"], "run b is another task's by now");
    assert_eq!(topic.committed(3), 1);
    running.stop().await;
}

/// With a full window nothing is read, for as long as an outage is; but the next
/// owner of a partition must not send beside this one.
#[tokio::test(start_paused = true)]
async fn a_partition_is_given_up_also_while_the_window_is_full() {
    let (down, backend) = down_at_first();
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START", "b START"]);
    topic.write_events(3, &["c START"]);
    topic.write_events(4, &["d START"]);
    let config = ForwardConfig { window_events_max: 2, ..ForwardConfig::default() };
    let running = start(&topic, &backend, config);
    sleep(Duration::from_mins(1)).await;
    assert_eq!((running.status.snapshot().backlog, topic.unread()), (2, 2));
    topic.lose(3);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((running.status.snapshot().backlog, topic.unread()), (1, 0));

    down.store(false, Ordering::Relaxed);
    running.all_committed(4).await;
    assert_eq!((backend.taken(), topic.committed(3)), (vec!["d START".to_owned()], 0));
    running.stop().await;
}

/// Sent on by the next owner, an event must not be overtaken by what this one
/// still had under way.
#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_heard_out_before_its_partition_goes() {
    let topic = MemoryTopic::default();
    let backend = takes_all().with_latency(Duration::from_secs(2));
    topic.write_events(3, &["a START", "a COMPLETE"]);
    let running = start(&topic, &backend, ForwardConfig::default());
    sleep(Duration::from_secs(1)).await;
    topic.lose(3);
    sleep(Duration::from_mins(1)).await;
    assert_eq!((backend.taken(), topic.committed(3)), (vec!["a START".to_owned()], 1));
    running.stop().await;
}
