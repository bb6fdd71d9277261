//! What a task would do with the events that wait, without doing it.

use std::collections::HashMap;

use serde::Serialize;

use super::{config::Coalesce, lanes, stage};
use crate::{
    lineage::{EventType, validate},
    record::{Position, Record},
};

/// What would become of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Send,
    /// A later RUNNING event of its run says all that it says.
    Coalesce,
    /// No backend would take it; why.
    Park(String),
    /// It has no value, or was replayed for another backend.
    Skip,
}

/// One event and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previewed {
    pub position: Position,
    pub what: What,
    /// `START` and so on; empty for events without.
    pub event_type: &'static str,
    pub job: String,
    pub bytes: usize,
}

/// The events of one backend, in the order of their partitions.
#[derive(Debug)]
pub struct Preview {
    backend: String,
    coalesce: Coalesce,
    events: Vec<Previewed>,
    /// By run: its last event, where a later one may stand for that.
    last: HashMap<String, Option<(usize, String)>>,
}

impl Preview {
    pub fn new(backend: &str, coalesce: Coalesce) -> Self {
        let backend = stage(backend);
        Self { backend, coalesce, events: Vec::new(), last: HashMap::new() }
    }

    pub fn add(&mut self, record: &Record<'_>) {
        let mut event = Previewed {
            position: record.position(),
            what: What::Skip,
            event_type: "",
            job: String::new(),
            bytes: record.value().map_or(0, <[u8]>::len),
        };
        let is_others = record.replayed_for().is_some_and(|other| other != self.backend);
        if let Some(value) = record.value().filter(|_| !is_others) {
            match validate::check(value) {
                Err(invalid) => event.what = What::Park(invalid.to_string()),
                Ok(checked) => {
                    event.what = What::Send;
                    event.event_type =
                        checked.event_type.map(EventType::as_str).unwrap_or_default();
                    event.job.clone_from(&checked.job);
                    let job = lanes::supersedable(&checked, self.coalesce);
                    let before = self.last.get(&checked.key).cloned().flatten();
                    if let (Some((index, before)), Some(job)) = (before, &job)
                        && before == *job
                    {
                        self.events[index].what = What::Coalesce;
                    }
                    self.last.insert(checked.key, job.map(|job| (self.events.len(), job)));
                }
            }
        }
        self.events.push(event);
    }

    pub fn events(&self) -> &[Previewed] {
        &self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forward::tests::memory,
        record::{Block, REPLAY_HEADER},
    };

    #[test]
    fn each_event_is_told_what_would_become_of_it() {
        let mut block = Block::new("lineage".into(), 3);
        let events = ["a START", "a RUNNING", "a RUNNING", "b RUNNING", "a COMPLETE"];
        for (offset, text) in (0..).zip(events) {
            block.push(offset, None, None, Some(memory::event(text).as_bytes()), []);
        }
        block.push(5, None, None, Some(b"{}"), []);
        block.push(6, None, None, None, []);
        let for_other = [(REPLAY_HEADER, Some(&b"lineage lineage/other"[..]))];
        let event = memory::event("c START");
        block.push(7, None, None, Some(event.as_bytes()), for_other);
        let for_this = [(REPLAY_HEADER, Some(&b"lineage lineage/this"[..]))];
        block.push(8, None, None, Some(event.as_bytes()), for_this);

        let mut preview = Preview::new("this", Coalesce::All);
        block.iter().for_each(|record| preview.add(&record));
        let whats: Vec<_> = preview.events().iter().map(|event| event.what.clone()).collect();
        let parked = What::Park("`eventTime` is missing".to_owned());
        let (send, skip) = (|| What::Send, || What::Skip);
        assert_eq!(
            whats,
            [send(), What::Coalesce, send(), send(), send(), parked, skip(), skip(), send()]
        );
        let first = &preview.events()[0];
        assert_eq!((first.event_type, first.job.as_str()), ("START", "shop/orders"));
        assert_eq!(first.position.to_string(), "lineage/3@0");
    }
}
