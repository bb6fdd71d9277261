//! Events that wait, in a lane each run: one of a lane is under way at a time.
//!
//! One that failed rests at the head of its lane and then stands behind all
//! lanes that are ready: however many fail, the others have their turn.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{config::Coalesce, input::Partition, retry::Tries};
use crate::{
    lineage::{EventType, is_ours, validate::Checked},
    record::{Block, Record},
};

/// An event on its way, in a block of its own: what waits long holds no more
/// memory than itself.
#[derive(Debug)]
pub(super) struct Event {
    block: Block,
    lane: Arc<str>,
    /// The job, where a later event of its kind may stand for this one.
    supersedable: Option<String>,
    pub(super) tries: Tries,
    /// It failed in a batch: alone it gets an answer of its own.
    pub(super) goes_alone: bool,
    /// What failed was the backend, whatever the event: once it is back, there
    /// is nothing to rest for.
    pub(super) met_outage: bool,
    /// Cancelled at shutdown and when the partition is lost.
    pub(super) stop: CancellationToken,
}

impl Event {
    pub(super) fn new(
        record: Record<'_>,
        checked: Checked,
        coalesce: Coalesce,
        stop: CancellationToken,
    ) -> Self {
        let position = record.position();
        let mut block = Block::new(position.topic, position.partition);
        block.push(
            position.offset,
            record.timestamp(),
            record.key(),
            record.value(),
            record.headers(),
        );
        let supersedable = supersedable(&checked, coalesce);
        Self {
            block,
            lane: checked.key.into(),
            supersedable,
            tries: Tries::default(),
            goes_alone: false,
            met_outage: false,
            stop,
        }
    }

    pub(super) fn record(&self) -> Record<'_> {
        self.block.record(0)
    }

    /// The trace header that came with it.
    pub(super) fn trace(&self) -> Option<&[u8]> {
        self.record().trace()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.record().value().unwrap_or_default()
    }

    pub(super) fn partition(&self) -> Partition {
        Partition { topic: self.block.topic().clone(), number: self.block.partition() }
    }

    pub(super) fn offset(&self) -> i64 {
        self.record().offset()
    }

    pub(super) fn lane(&self) -> &Arc<str> {
        &self.lane
    }
}

/// The job of an event that a later one of its run and job may stand for.
pub(super) fn supersedable(checked: &Checked, coalesce: Coalesce) -> Option<String> {
    let may_coalesce = match coalesce {
        Coalesce::Off => false,
        Coalesce::Own => is_ours(&checked.producer),
        Coalesce::All => true,
    };
    let running = checked.event_type == Some(EventType::Running);
    (may_coalesce && running).then(|| checked.job.clone())
}

/// The lanes. Their bound is the window of the task.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_run: HashMap<Arc<str>, Lane>,
    /// Lanes to look into for an event, in the order in which they became free.
    ready: VecDeque<Arc<str>>,
    /// Lanes of which the first event failed, and when each is ready again.
    resting: BTreeSet<(Instant, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Event>,
    /// Or resting.
    under_way: bool,
}

impl Lanes {
    /// Puts an event at the end of its lane; gives back the one that it supersedes.
    pub(super) fn admit(&mut self, event: Event) -> Option<Event> {
        let lane = self.by_run.entry(Arc::clone(&event.lane)).or_default();
        if let Some(last) = lane.waiting.back_mut()
            && event.supersedable.is_some()
            && last.supersedable == event.supersedable
        {
            return Some(std::mem::replace(last, event));
        }
        if !lane.under_way && lane.waiting.is_empty() {
            self.ready.push_back(Arc::clone(&event.lane));
        }
        lane.waiting.push_back(event);
        None
    }

    /// Up to `most` events to send, each of another lane, which are then under
    /// way. No more are added once they have `bytes_enough`.
    pub(super) fn take(&mut self, most: usize, bytes_enough: usize) -> Vec<Event> {
        let mut taken: Vec<Event> = Vec::new();
        let mut bytes = 0;
        while taken.len() < most
            && bytes < bytes_enough
            && !taken.first().is_some_and(|event| event.goes_alone)
            && let Some(key) = self.ready.pop_front()
        {
            // A lane can stand here twice after a partition was lost and came back.
            let Some(lane) = self.by_run.get_mut(&key).filter(|lane| !lane.under_way) else {
                continue;
            };
            if !taken.is_empty() && lane.waiting.front().is_some_and(|event| event.goes_alone) {
                self.ready.push_front(key);
                break;
            }
            if let Some(event) = lane.waiting.pop_front() {
                lane.under_way = true;
                bytes += event.bytes().len();
                taken.push(event);
            }
        }
        taken
    }

    /// Whether [`Lanes::take`] may find something.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the first of the resting lanes is ready again.
    pub(super) fn rest_ends_at(&self) -> Option<Instant> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// Makes the lanes ready that have rested.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.rest_ends_at().is_some_and(|until| until <= now)
            && let Some((_, key)) = self.resting.pop_first()
        {
            self.release(&key);
        }
    }

    /// Makes the lanes ready whose first event met the outage that is over. Left
    /// to rest, they would hold the offsets of all that passes meanwhile.
    pub(super) fn wake_after_outage(&mut self) {
        let Self { by_run, resting, .. } = self;
        let met_outage = |key: &Arc<str>| {
            let first = by_run.get(key).and_then(|lane| lane.waiting.front());
            first.is_none_or(|event| event.met_outage)
        };
        let woken: Vec<_> = resting.extract_if(.., |(_, key)| met_outage(key)).collect();
        for (_, key) in woken {
            self.release(&key);
        }
    }

    /// Frees the lane of an event that was under way.
    pub(super) fn release(&mut self, key: &Arc<str>) {
        let Some(lane) = self.by_run.get_mut(key) else { return };
        lane.under_way = false;
        if lane.waiting.is_empty() {
            self.by_run.remove(key);
        } else {
            self.ready.push_back(Arc::clone(key));
        }
    }

    /// Puts an event that was under way back to the head of its lane, and the lane
    /// before the others: as long as it waits, it holds the offsets of all that pass.
    pub(super) fn put_back(&mut self, event: Event) {
        let key = Arc::clone(&event.lane);
        let lane = self.by_run.entry(Arc::clone(&key)).or_default();
        lane.waiting.push_front(event);
        lane.under_way = false;
        self.ready.push_front(key);
    }

    /// Puts an event that failed back to the head of its lane, which rests.
    pub(super) fn rest(&mut self, event: Event, until: Instant) {
        let key = Arc::clone(&event.lane);
        self.by_run.entry(Arc::clone(&key)).or_default().waiting.push_front(event);
        self.resting.insert((until, key));
    }

    /// Drops what waits of a lost partition.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.by_run.retain(|_, lane| {
            lane.waiting.retain(|event| event.partition() != *partition);
            lane.under_way || !lane.waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{forward::tests::memory, lineage::validate};

    fn event(offset: i64, json: &str, coalesce: Coalesce) -> Event {
        let mut block = Block::new("lineage".into(), 3);
        block.push(offset, None, Some(b"key"), Some(json.as_bytes()), []);
        let checked = validate::check(json.as_bytes()).unwrap();
        Event::new(block.record(0), checked, coalesce, CancellationToken::new())
    }

    /// Events of runs by name, as `r1 RUNNING`, at offsets from 0.
    fn admitted(coalesce: Coalesce, events: &[&str]) -> (Lanes, Vec<i64>) {
        let mut lanes = Lanes::default();
        let mut superseded = Vec::new();
        for (offset, text) in (0..).zip(events) {
            let event = event(offset, &memory::event(text), coalesce);
            superseded.extend(lanes.admit(event).map(|event| event.offset()));
        }
        (lanes, superseded)
    }

    fn offsets(events: &[Event]) -> Vec<i64> {
        events.iter().map(Event::offset).collect()
    }

    #[test]
    fn a_run_goes_one_at_a_time_and_others_beside_it() {
        let (mut lanes, _) = admitted(Coalesce::Off, &["a START", "a COMPLETE", "b START"]);
        let first = lanes.take(10, usize::MAX);
        assert_eq!(offsets(&first), [0, 2]);
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [0; 0], "both runs are under way");

        lanes.release(first[1].lane());
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [0; 0], "run b has no more");
        lanes.release(first[0].lane());
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [1]);
    }

    #[test]
    fn large_events_are_not_taken_together() {
        let (mut lanes, _) = admitted(Coalesce::Off, &["a START", "b START", "c START"]);
        let size = memory::event("a START").len();
        assert_eq!(offsets(&lanes.take(10, 1)), [0]);
        assert_eq!(offsets(&lanes.take(10, size + 1)), [1, 2]);
    }

    #[test]
    fn an_event_put_back_goes_before_the_later_ones_of_its_run_and_before_other_runs() {
        let (mut lanes, _) = admitted(Coalesce::Off, &["a START", "a COMPLETE", "b START"]);
        let first = lanes.take(1, usize::MAX).remove(0);
        lanes.put_back(first);
        let again = lanes.take(10, usize::MAX);
        assert_eq!(offsets(&again), [0, 2]);
        lanes.release(again[0].lane());
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [1]);
    }

    #[test]
    fn nothing_but_a_waiting_running_event_is_superseded() {
        let events = ["a START", "a RUNNING", "a RUNNING", "b RUNNING", "a RUNNING", "a COMPLETE"];
        let (mut lanes, superseded) = admitted(Coalesce::All, &events);
        assert_eq!(superseded, [1, 2]);
        let mut sent = Vec::new();
        loop {
            let events = lanes.take(1, usize::MAX);
            let Some(event) = events.first() else { break };
            sent.push(event.offset());
            lanes.release(event.lane());
        }
        assert_eq!(sent, [0, 3, 4, 5]);
        assert_eq!(admitted(Coalesce::Off, &events).1, [0; 0]);
    }

    /// A foreign producer may say in each event only what is new.
    #[test]
    fn by_default_only_our_own_events_are_superseded() {
        let events = ["a RUNNING", "a RUNNING"];
        assert_eq!(admitted(Coalesce::Own, &events).1, [0; 0]);
        let ours: Vec<_> = events.iter().map(|text| format!("{text} ours")).collect();
        let ours: Vec<_> = ours.iter().map(String::as_str).collect();
        assert_eq!(admitted(Coalesce::Own, &ours).1, [0]);
    }

    #[test]
    fn a_lost_partition_leaves_nothing_waiting() {
        let (mut lanes, _) = admitted(Coalesce::Off, &["a START", "a COMPLETE", "b START"]);
        let first = lanes.take(1, usize::MAX);
        lanes.forget(&first[0].partition());
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [0; 0]);
        lanes.release(first[0].lane());
        assert!(lanes.by_run.is_empty());

        // It is read again, lost again before anything was sent, and read again.
        let read = |lanes: &mut Lanes| {
            for (offset, text) in [(0, "a START"), (1, "a COMPLETE")] {
                lanes.admit(event(offset, &memory::event(text), Coalesce::Off));
            }
        };
        read(&mut lanes);
        lanes.forget(&first[0].partition());
        read(&mut lanes);
        assert_eq!(offsets(&lanes.take(10, usize::MAX)), [0], "still one of a run at a time");
    }
}
