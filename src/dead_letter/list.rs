//! The dead letters of a topic, the newest first, and which of them were replayed.

use std::collections::BTreeMap;

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

/// What letters are ordered by: the newest first, and of one moment by position.
pub type ListKey = (i128, String);

impl Listed {
    pub fn key(&self) -> ListKey {
        (-i128::from(self.timestamp.unwrap_or(i64::MIN)), self.position.clone())
    }
}

/// Which letters to list.
#[derive(Debug, Clone, Copy)]
pub struct ListOptions<'a> {
    /// Only those of this stage: `orders/extract`.
    pub stage: Option<&'a str>,
    /// Those that were replayed, too.
    pub replayed: bool,
    /// Only those behind this one.
    pub after: Option<&'a ListKey>,
    /// How many at most; no more are held.
    pub limit: usize,
}

/// The first letters of `topic` in the order of their keys.
pub fn list(
    broker: &Broker,
    topic: &Topic,
    options: ListOptions<'_>,
) -> Result<Vec<Listed>, BrokerError> {
    // First, for a letter stands before its mark.
    let marks = queue::marks(broker, topic)?;
    let mut first = BTreeMap::new();
    queue::scan(broker, topic, |record| {
        let Entry::Letter(letter) = Entry::read(&record) else { return Ok(()) };
        let place: Place = (record.position().partition, record.offset());
        let listed = Listed {
            position: record.position().to_string(),
            stage: format!("{}/{}", letter.pipeline, letter.stage),
            step: letter.step,
            error: letter.error,
            record: letter.position.to_string(),
            timestamp: record.timestamp(),
            replayed: marks.get(&place).cloned(),
        };
        let key = listed.key();
        if options.stage.is_none_or(|stage| stage == listed.stage)
            && (options.replayed || listed.replayed.is_none())
            && options.after.is_none_or(|after| key > *after)
        {
            first.insert(key, listed);
            if first.len() > options.limit {
                first.pop_last();
            }
        }
        Ok::<_, BrokerError>(())
    })?;
    Ok(first.into_values().collect())
}
