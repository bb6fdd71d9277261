//! The latest dead letters of a topic, and which of them were replayed.

use std::collections::VecDeque;

use serde::Serialize;

use super::queue::{self, Entry, Place};
use crate::{
    broker::{Broker, BrokerError},
    record::Topic,
};

/// A dead letter, as lists show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    #[serde(skip)]
    pub place: Place,
    pub position: String,
    pub stage: String,
    pub step: String,
    pub error: String,
    /// Where the record stood when it failed.
    pub record: String,
    pub timestamp: Option<i64>,
    /// The run that it was replayed as.
    pub replayed: Option<String>,
}

/// Which letters to list.
#[derive(Debug, Clone, Copy)]
pub struct ListOptions<'a> {
    /// Only those of this stage: `orders/extract`.
    pub stage: Option<&'a str>,
    /// Those that were replayed, too.
    pub replayed: bool,
    /// How many, the latest.
    pub limit: usize,
}

/// The latest letters of `topic`, the oldest first in each partition.
pub fn list(
    broker: &Broker,
    topic: &Topic,
    options: ListOptions<'_>,
) -> Result<Vec<Listed>, BrokerError> {
    let mut letters = VecDeque::new();
    queue::scan(broker, topic, |record| {
        match Entry::read(&record) {
            Entry::Mark { place, run } => {
                let marked = letters.iter().position(|letter: &Listed| letter.place == place);
                match marked {
                    Some(index) if options.replayed => letters[index].replayed = Some(run),
                    Some(index) => drop(letters.remove(index)),
                    None => {}
                }
            }
            Entry::Letter(letter) => {
                let of = format!("{}/{}", letter.pipeline, letter.stage);
                if options.stage.is_none_or(|stage| stage == of) {
                    letters.push_back(Listed {
                        place: (record.position().partition, record.offset()),
                        position: record.position().to_string(),
                        stage: of,
                        step: letter.step,
                        error: letter.error,
                        record: letter.position.to_string(),
                        timestamp: record.timestamp(),
                        replayed: None,
                    });
                }
                if letters.len() > options.limit {
                    letters.pop_front();
                }
            }
            Entry::Other => {}
        }
        Ok::<_, BrokerError>(())
    })?;
    Ok(letters.into())
}
