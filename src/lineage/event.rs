//! The run event: what is said of one run at one moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::{
    PRODUCER,
    facets::{Facets, OfDataset, OfInput, OfJob, OfOutput, OfRun},
};

/// The `schemaURL` of our run events.
const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The state that a run passes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    Start,
    Running,
    Complete,
    Fail,
    Abort,
    /// Adds to a run without moving it.
    Other,
}

impl EventType {
    /// Whether nothing may follow it in its run.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Complete | Self::Fail | Self::Abort => true,
            Self::Start | Self::Running | Self::Other => false,
        }
    }

    /// Its name in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Fail => "FAIL",
            Self::Abort => "ABORT",
            Self::Other => "OTHER",
        }
    }

    /// By its name in an event; `None` for one that OpenLineage does not know.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "START" => Self::Start,
            "RUNNING" => Self::Running,
            "COMPLETE" => Self::Complete,
            "FAIL" => Self::Fail,
            "ABORT" => Self::Abort,
            "OTHER" => Self::Other,
            _ => return None,
        })
    }
}

/// A run of a job.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    #[serde(rename = "runId")]
    pub id: Uuid,
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub facets: Facets<OfRun>,
}

/// A job: a stage, or a pipeline as the parent of its stages.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    pub namespace: String,
    pub name: String,
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub facets: Facets<OfJob>,
}

/// A dataset that a run reads.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InputDataset {
    pub namespace: String,
    pub name: String,
    /// What holds of the dataset, whoever reads it.
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub facets: Facets<OfDataset>,
    /// What holds of this run's reading it.
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub input_facets: Facets<OfInput>,
}

/// A dataset that a run writes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputDataset {
    pub namespace: String,
    pub name: String,
    /// What holds of the dataset, whoever wrote it.
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub facets: Facets<OfDataset>,
    /// What holds of this run's writing it.
    #[serde(skip_serializing_if = "Facets::is_empty")]
    pub output_facets: Facets<OfOutput>,
}

impl Run {
    pub fn new(id: Uuid) -> Self {
        Self { id, facets: Facets::default() }
    }
}

impl Job {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), facets: Facets::default() }
    }
}

impl InputDataset {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            facets: Facets::default(),
            input_facets: Facets::default(),
        }
    }
}

impl OutputDataset {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            facets: Facets::default(),
            output_facets: Facets::default(),
        }
    }
}

/// One run event. It repeats the inputs and outputs each time: backends take
/// one without them as word that the job has none.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    pub event_type: EventType,
    #[serde(serialize_with = "micros")]
    pub event_time: Timestamp,
    pub run: Run,
    pub job: Job,
    pub inputs: Vec<InputDataset>,
    pub outputs: Vec<OutputDataset>,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

impl RunEvent {
    /// An event without datasets; fill `inputs` and `outputs` before it is sent.
    pub fn new(event_type: EventType, event_time: Timestamp, run: Run, job: Job) -> Self {
        Self {
            event_type,
            event_time,
            run,
            job,
            inputs: Vec::new(),
            outputs: Vec::new(),
            producer: PRODUCER,
            schema_url: SCHEMA_URL,
        }
    }

    /// The key of the lineage record: the run id as text.
    pub fn key(&self) -> String {
        self.run.id.to_string()
    }

    /// The value of the lineage record: the event as JSON in UTF-8.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event has only string keys, which always serialise")
    }
}

/// Always six decimals: some backends cannot read nine, and stores keep six.
fn micros<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_types_end_a_run() {
        let all = ["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"];
        let terminal: Vec<_> = all
            .into_iter()
            .filter(|name| EventType::parse(name).is_some_and(EventType::is_terminal))
            .collect();
        assert_eq!(terminal, ["COMPLETE", "FAIL", "ABORT"]);
        assert_eq!(EventType::parse("start"), None);
        let back = all.map(|name| EventType::parse(name).map(EventType::as_str));
        assert_eq!(back, all.map(Some));
    }

    #[test]
    fn an_event_has_a_type_a_time_in_micros_and_both_lists() {
        let time = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        let run = Run::new(Uuid::from_u128(7));
        let event = RunEvent::new(EventType::Other, time, run, Job::new("shop", "orders.load"));
        let json: serde_json::Value = serde_json::from_slice(&event.to_json()).unwrap();
        assert_eq!(json["eventType"], "OTHER");
        assert_eq!(json["eventTime"], "2026-01-02T03:04:05.123456Z");
        assert_eq!(json["run"]["runId"], event.key());
        assert_eq!(json["job"], serde_json::json!({"namespace": "shop", "name": "orders.load"}));
        let none = serde_json::json!([]);
        assert_eq!((&json["inputs"], &json["outputs"]), (&none, &none));
    }
}
