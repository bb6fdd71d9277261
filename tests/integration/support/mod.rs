//! What the tests share: a cluster, a project on it, the program as child
//! processes, and an independent look at what is in Kafka.
//!
//! ```text
//! Cluster (embedded, or the one of KAFKA_BOOTSTRAP_SERVERS)
//!    `- Project (a folder; all names with the test's prefix) -> Hub (a child process)
//! topics -> reading (rdkafka, not the program's own door) -> books, orders: compare
//! ```

pub(crate) mod books;
pub(crate) mod broker;
pub(crate) mod chaos;
pub(crate) mod cluster;
pub(crate) mod collector;
#[path = "../../support/endings.rs"]
pub(crate) mod endings;
pub(crate) mod http;
#[path = "../../support/marquez.rs"]
pub(crate) mod marquez;
pub(crate) mod orders;
pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod reading;
#[path = "../../support/spec.rs"]
pub(crate) mod spec;

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) use books::Books;
pub(crate) use process::Hub;
pub(crate) use project::Project;

/// Longest that a test waits for anything; a machine under load is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks at the same thing: looks make clients, whose threads would
/// starve what is looked at on a small machine.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until `holds`; panics with `what` after [`PATIENCE`].
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not so after {PATIENCE:?}");
        thread::sleep(LOOK);
    }
}

/// The events in the lineage topic, each held against OpenLineage's schemas.
pub(crate) fn valid_lineage(project: &Project) -> Vec<serde_json::Value> {
    let validators = spec::Validators::new();
    let events = lineage(project);
    for event in &events {
        validators.assert_valid(event);
    }
    events
}

/// The events in the lineage topic, but for those sent back for one backend.
pub(crate) fn lineage(project: &Project) -> Vec<serde_json::Value> {
    let records = reading::read_all(&project.cluster, &project.name("lineage"));
    let own = records.iter().filter(|record| record.header("lineage-hub-replay").is_none());
    own.filter_map(|record| serde_json::from_slice(record.value.as_deref()?).ok()).collect()
}
