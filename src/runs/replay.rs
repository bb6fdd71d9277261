//! Dead letters of one stage, sent back to the topic that they came from as a
//! bounded run, each once.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{RunPlan, RunSender};
use crate::{
    broker::{Broker, BrokerError, OutRecord, Produce},
    dead_letter::{
        DeadLetter, own_headers,
        queue::{self, Entry},
    },
    record::{HeaderBytes, Position, REPLAY_HEADER, RUN_HEADER, Record, Topic},
    runtime::Shutdown,
};

/// Why letters were not replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("interrupted")]
    Interrupted,
}

/// The letters of one stage, on their way back.
pub struct Replay<'a> {
    pub broker: &'a Broker,
    /// The lineage topic.
    pub lineage: &'a Topic,
    pub pipeline: &'a str,
    pub stage: &'a str,
    /// Where the stage's dead letters stand.
    pub letters: &'a Topic,
    /// The run that they become, from their stage on.
    pub plan: &'a RunPlan,
    /// Those that stand here; none: all.
    pub positions: &'a BTreeSet<Position>,
}

/// The letters that were replayed before.
type Marks = BTreeMap<queue::Place, String>;

impl Replay<'_> {
    /// How many letters would be sent.
    pub fn count(&self) -> Result<u64, ReplayError> {
        let (marks, mut count) = (queue::marks(self.broker, self.letters)?, 0);
        self.each(&marks, |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// How many letters were sent, and as which run.
    pub fn run(&self, shutdown: &Shutdown) -> Result<(u64, Option<Uuid>), ReplayError> {
        // One at a time for each topic: whoever connects next fences the others,
        // and then reads the marks of all that they have committed.
        let id = format!("lineage-hub-dlq-replay-{}", self.letters);
        let mut sender = RunSender::connect(self.broker, self.lineage, self.plan, Some(id))?;
        let marks = queue::marks(self.broker, self.letters)?;
        let mut begun = false;
        let sent = self.each(&marks, |record| {
            if !begun {
                sender.start(self.plan)?;
                begun = true;
            }
            self.send(&mut sender, &record, shutdown)
        });
        let sent = sent.and_then(|count| {
            if begun {
                sender.finish()?;
            }
            Ok(count)
        });
        match sent {
            Ok(count) => Ok((count, begun.then(|| sender.id()))),
            Err(error) => {
                if begun {
                    sender.abort(&error.to_string());
                }
                Err(error)
            }
        }
    }

    fn is_wanted(&self, record: &Record<'_>, letter: &DeadLetter) -> bool {
        letter.pipeline == self.pipeline
            && letter.stage == self.stage
            && letter.position.topic == self.plan.topic
            && (self.positions.is_empty() || self.positions.contains(&record.position()))
    }

    /// Visits the letters that are wanted and not yet replayed; how many.
    fn each(
        &self,
        marks: &Marks,
        mut visit: impl FnMut(Record<'_>) -> Result<(), ReplayError>,
    ) -> Result<u64, ReplayError> {
        let mut count = 0;
        queue::scan(self.broker, self.letters, |record| {
            let Entry::Letter(letter) = Entry::read(&record) else { return Ok(()) };
            let place = (record.position().partition, record.offset());
            if self.is_wanted(&record, &letter) && !marks.contains_key(&place) {
                count += 1;
                return visit(record);
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Sends the record to where it failed, and the mark beside its letter.
    fn send(
        &self,
        sender: &mut RunSender,
        record: &Record<'_>,
        shutdown: &Shutdown,
    ) -> Result<(), ReplayError> {
        if shutdown.is_cancelled() {
            return Err(ReplayError::Interrupted);
        }
        let Some(letter) = DeadLetter::read(record) else { return Ok(()) };
        let run = sender.id().to_string();
        let target = format!("{} {}/{}", self.plan.topic, self.pipeline, self.stage);
        let mut headers = HeaderBytes::default();
        let ours = |name: &str| name == RUN_HEADER || name == REPLAY_HEADER;
        for (name, value) in own_headers(record).filter(|(name, _)| !ours(name)) {
            headers.push(name, value);
        }
        headers.push(RUN_HEADER, Some(run.as_bytes()));
        headers.push(REPLAY_HEADER, Some(target.as_bytes()));
        let bytes = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let bytes = length(record.key()) + length(record.value()) + bytes.sum::<usize>();
        sender.producer().send(&OutRecord {
            topic: &letter.position.topic,
            partition: Some(letter.position.partition),
            key: record.key(),
            value: record.value(),
            headers: &headers,
            timestamp: record.timestamp(),
        })?;
        headers.clear();
        headers.push(RUN_HEADER, Some(run.as_bytes()));
        queue::mark((record.position().partition, record.offset()), &mut headers);
        sender.producer().send(&OutRecord {
            topic: self.letters,
            partition: Some(record.position().partition),
            key: record.key(),
            value: None,
            headers: &headers,
            timestamp: None,
        })?;
        Ok(sender.count(bytes)?)
    }
}
