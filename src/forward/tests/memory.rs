//! The lineage topic and a backend in memory, for tests.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::forward::{
    Advance, Input, Partition, Refusal, Report, Source,
    transport::{BatchAnswer, Failure, Transport},
};
use crate::{
    lineage,
    record::{Block, Record},
};

/// An event by `run TYPE`, with what is behind that in its `text`; `ours` in it
/// makes us the producer.
pub(in crate::forward) fn event(text: &str) -> String {
    let mut words = text.split(' ');
    let (run, event_type) = (words.next().unwrap(), words.next().unwrap());
    let producer = if text.contains("ours") { lineage::PRODUCER } else { "https://spark.test/" };
    serde_json::json!({
        "eventType": event_type,
        "eventTime": "2026-01-02T03:04:05Z",
        "producer": producer,
        "run": {"runId": run},
        "job": {"namespace": "shop", "name": "orders"},
        "text": text,
    })
    .to_string()
}

/// The `text` of an event that [`event`] made.
pub(in crate::forward) fn text(event: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(event).unwrap();
    event["text"].as_str().unwrap().to_owned()
}

/// A topic `lineage`; its clones are the same topic.
#[derive(Debug, Clone, Default)]
pub(in crate::forward) struct MemoryTopic(Arc<(Mutex<State>, Notify)>);

#[derive(Debug, Default)]
struct State {
    unread: VecDeque<Block>,
    lost: VecDeque<Partition>,
    /// All values ever written, by partition.
    log: BTreeMap<i32, Vec<Vec<u8>>>,
    parked: Vec<String>,
    parked_bytes: Vec<Vec<u8>>,
    committed: BTreeMap<i32, i64>,
    report: Option<Report>,
    parking_fails: bool,
    commit_takes: Duration,
}

impl MemoryTopic {
    pub(in crate::forward) fn with_slow_commits(self, commit_takes: Duration) -> Self {
        self.0.0.lock().unwrap().commit_takes = commit_takes;
        self
    }

    /// Writes values, as one poll will read them.
    pub(in crate::forward) fn write(&self, partition: i32, values: &[&[u8]]) {
        let mut state = self.0.0.lock().unwrap();
        let log = state.log.entry(partition).or_default();
        let start = log.len();
        log.extend(values.iter().map(|value| value.to_vec()));
        let block = block(partition, start, &log[start..]);
        state.unread.push_back(block);
        drop(state);
        self.0.1.notify_one();
    }

    /// Writes events as [`event`] makes them.
    pub(in crate::forward) fn write_events(&self, partition: i32, texts: &[&str]) {
        let events: Vec<_> = texts.iter().map(|text| event(text)).collect();
        let events: Vec<_> = events.iter().map(String::as_bytes).collect();
        self.write(partition, &events);
    }

    /// The next task begins at the committed offsets, as after a crash.
    pub(in crate::forward) fn rewind(&self) {
        let mut state = self.0.0.lock().unwrap();
        let State { unread, log, committed, .. } = &mut *state;
        unread.clear();
        for (&partition, log) in log {
            let start = committed.get(&partition).map_or(0, |&offset| offset as usize);
            let block = block(partition, start, &log[start..]);
            unread.push_back(block);
        }
    }

    pub(in crate::forward) fn lose(&self, partition: i32) {
        let lost = Partition { topic: "lineage".into(), number: partition };
        let mut state = self.0.0.lock().unwrap();
        state.unread.retain(|block| block.partition() != partition);
        state.lost.push_back(lost);
        drop(state);
        self.0.1.notify_one();
    }

    fn take(&self, has_room: bool) -> Option<Input> {
        let mut state = self.0.0.lock().unwrap();
        if let Some(lost) = state.lost.pop_front() {
            return Some(Input::Lost(vec![lost]));
        }
        let block = if has_room { state.unread.pop_front() } else { None };
        block.map(|block| Input::Records(vec![block]))
    }

    pub(in crate::forward) fn fail_parking(&self) {
        self.0.0.lock().unwrap().parking_fails = true;
    }

    /// What was last said beside the offsets.
    pub(in crate::forward) fn report(&self) -> Report {
        self.0.0.lock().unwrap().report.clone().unwrap_or_default()
    }

    /// The offset committed; 0 where none was.
    pub(in crate::forward) fn committed(&self, partition: i32) -> i64 {
        self.0.0.lock().unwrap().committed.get(&partition).copied().unwrap_or_default()
    }

    pub(in crate::forward) fn end(&self, partition: i32) -> i64 {
        self.0.0.lock().unwrap().log.get(&partition).map_or(0, Vec::len) as i64
    }

    /// Polls that were not read yet.
    pub(in crate::forward) fn unread(&self) -> usize {
        self.0.0.lock().unwrap().unread.len()
    }

    /// Each parked record as `position backend: error`.
    pub(in crate::forward) fn parked(&self) -> Vec<String> {
        self.0.0.lock().unwrap().parked.clone()
    }

    pub(in crate::forward) fn parked_bytes(&self) -> Vec<Vec<u8>> {
        self.0.0.lock().unwrap().parked_bytes.clone()
    }
}

impl Source for MemoryTopic {
    type Error = io::Error;

    async fn next(&mut self, has_room: bool) -> io::Result<Input> {
        loop {
            let more = self.0.1.notified();
            if let Some(input) = self.take(has_room) {
                return Ok(input);
            }
            more.await;
        }
    }

    async fn park(
        &mut self,
        record: Record<'_>,
        backend: &str,
        refusal: &Refusal,
    ) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        if state.parking_fails {
            return Err(io::Error::other("no room"));
        }
        assert_eq!((record.key(), record.timestamp()), (Some(&b"key"[..]), Some(11)));
        assert_eq!(record.headers().next(), Some(("h", Some(&b"1"[..]))));
        state.parked.push(format!("{} {backend}: {refusal}", record.position()));
        state.parked_bytes.push(record.value().unwrap_or_default().to_vec());
        Ok(())
    }

    async fn commit(&mut self, advances: &[Advance], report: &Report) -> io::Result<()> {
        let takes = self.0.0.lock().unwrap().commit_takes;
        // A sleep of nothing takes a millisecond.
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let mut state = self.0.0.lock().unwrap();
        state.report = Some(report.clone());
        for advance in advances {
            let before = state.committed.insert(advance.partition.number, advance.next_offset);
            assert!(before.unwrap_or_default() <= advance.next_offset, "a commit went back");
        }
        Ok(())
    }
}

fn block(partition: i32, start: usize, values: &[Vec<u8>]) -> Block {
    let mut block = Block::new("lineage".into(), partition);
    for (offset, value) in (start as i64..).zip(values) {
        // An empty value stands for none.
        let value = Some(value.as_slice()).filter(|value| !value.is_empty());
        block.push(offset, Some(11), Some(b"key"), value, [("h", Some(&b"1"[..]))]);
    }
    block
}

type Script = Box<dyn FnMut(&str) -> Result<(), Failure> + Send>;

/// A backend that answers by a script; its clones are the same backend.
#[derive(Clone)]
pub(in crate::forward) struct MemoryBackend(Arc<Mutex<Answers>>);

struct Answers {
    script: Script,
    latency: Duration,
    batches: bool,
    sync_fails: bool,
    /// Every request: the texts of its events, and when it came.
    requests: Vec<Vec<String>>,
    taken: Vec<String>,
    under_way: usize,
    most_under_way: usize,
}

impl std::fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryBackend")
    }
}

impl MemoryBackend {
    /// Answers each event by its text, after a millisecond.
    pub(in crate::forward) fn new(
        script: impl FnMut(&str) -> Result<(), Failure> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(Answers {
            script: Box::new(script),
            latency: Duration::from_millis(1),
            batches: false,
            sync_fails: false,
            requests: Vec::new(),
            taken: Vec::new(),
            under_way: 0,
            most_under_way: 0,
        })))
    }

    pub(in crate::forward) fn with_batches(self) -> Self {
        self.0.lock().unwrap().batches = true;
        self
    }

    pub(in crate::forward) fn with_failing_sync(self) -> Self {
        self.0.lock().unwrap().sync_fails = true;
        self
    }

    pub(in crate::forward) fn with_latency(self, latency: Duration) -> Self {
        self.0.lock().unwrap().latency = latency;
        self
    }

    pub(in crate::forward) fn requests(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().requests.clone()
    }

    /// The texts of the events taken, in their order.
    pub(in crate::forward) fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().taken.clone()
    }

    pub(in crate::forward) fn most_under_way(&self) -> usize {
        self.0.lock().unwrap().most_under_way
    }

    async fn answer(&self, events: &[&[u8]]) -> Vec<Result<(), Failure>> {
        let latency = {
            let mut answers = self.0.lock().unwrap();
            answers.requests.push(events.iter().map(|event| text(event)).collect());
            answers.under_way += 1;
            answers.most_under_way = answers.most_under_way.max(answers.under_way);
            answers.latency
        };
        tokio::time::sleep(latency).await;
        let mut answers = self.0.lock().unwrap();
        answers.under_way -= 1;
        let one = |event: &&[u8]| {
            let text = text(event);
            let result = (answers.script)(&text);
            if result.is_ok() {
                answers.taken.push(text);
            }
            result
        };
        events.iter().map(one).collect()
    }
}

impl Transport for MemoryBackend {
    fn send<'a>(&'a self, event: &'a [u8]) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.answer(&[event]).await.remove(0) })
    }

    fn send_batch<'a>(&'a self, events: &'a [&'a [u8]]) -> BoxFuture<'a, BatchAnswer> {
        Box::pin(async move {
            if self.0.lock().unwrap().batches {
                BatchAnswer::Each(self.answer(events).await)
            } else {
                BatchAnswer::Unsupported
            }
        })
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        let fails = self.0.lock().unwrap().sync_fails;
        Box::pin(async move { if fails { Err(io::Error::other("disk full")) } else { Ok(()) } })
    }
}
