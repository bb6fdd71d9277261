//! What telemetry is told of a transaction, once it is committed.

use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Processed, RunCounts};
use crate::telemetry::{Books, StageTelemetry};

/// What the open transaction holds, as telemetry counts it.
#[derive(Debug)]
pub(super) struct Told {
    telemetry: StageTelemetry,
    books: Books,
    /// Rows that failed each expectation.
    unmet: Vec<u64>,
    /// The trace header of the last batch of each bounded run.
    traces: BTreeMap<Uuid, [u8; 55]>,
}

impl Told {
    pub(super) fn new(telemetry: StageTelemetry) -> Self {
        Self { telemetry, books: Books::default(), unmet: Vec::new(), traces: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, processed: &Processed) {
        self.books += processed.books();
        self.unmet.resize(processed.unmet.len(), 0);
        for (sum, unmet) in self.unmet.iter_mut().zip(&processed.unmet) {
            *sum += unmet;
        }
        if let Some(trace) = processed.trace.events {
            self.traces.extend(processed.runs.iter().map(|RunCounts { run, .. }| (*run, trace)));
        }
    }

    /// The trace that the open transaction's part of a bounded run is of.
    pub(super) fn trace(&self, run: Uuid) -> Option<[u8; 55]> {
        self.traces.get(&run).copied()
    }

    /// `open`: since when the transaction was; `commit`: how long its end took.
    pub(super) fn committed<'e>(
        &mut self,
        open: Instant,
        commit: Duration,
        expectations: impl Iterator<Item = &'e str>,
    ) {
        let books = mem::take(&mut self.books);
        self.telemetry.committed(&books, open.elapsed(), commit);
        for (unmet, expectation) in self.unmet.drain(..).zip(expectations) {
            self.telemetry.unmet(expectation, unmet);
        }
        self.traces.clear();
    }

    pub(super) fn aborted(&mut self) {
        self.telemetry.aborted();
        self.books = Books::default();
        self.unmet.clear();
        self.traces.clear();
    }
}
