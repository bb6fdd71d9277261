//! What the graph reads of any producer's event. A facet of another shape than
//! OpenLineage's is passed over, and the rest of its event is read.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Field, NodeId};
use crate::lineage::{EventType, is_ours};

/// An event of a run, a job or a dataset.
#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "OpenLineage's own name of the field")]
pub(super) struct Event {
    pub(super) time: Timestamp,
    pub(super) kind: Option<EventType>,
    body: Body,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    event_type: Option<String>,
    event_time: String,
    producer: String,
    run: Option<RunPart>,
    job: Option<JobPart>,
    dataset: Option<DatasetPart>,
    inputs: Option<Vec<DatasetPart>>,
    outputs: Option<Vec<DatasetPart>>,
}

#[derive(Debug, Deserialize)]
struct RunPart {
    #[serde(rename = "runId")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    facets: Option<RunFacets>,
}

#[derive(Debug, Deserialize)]
struct RunFacets {
    #[serde(default, deserialize_with = "lenient")]
    parent: Option<ParentPart>,
}

#[derive(Debug, Deserialize)]
struct ParentPart {
    job: NamePart,
}

#[derive(Debug, Deserialize)]
struct NamePart {
    namespace: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct JobPart {
    namespace: String,
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    facets: Option<JobFacets>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobFacets {
    #[serde(default, deserialize_with = "lenient")]
    documentation: Option<DocumentationPart>,
    #[serde(default, deserialize_with = "lenient")]
    job_type: Option<JobTypePart>,
}

#[derive(Debug, Deserialize)]
struct DocumentationPart {
    description: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobTypePart {
    processing_type: String,
}

/// An input, an output, or the dataset of an event of its own.
#[derive(Debug, Deserialize)]
pub(super) struct DatasetPart {
    namespace: String,
    name: String,
    #[serde(default, deserialize_with = "lenient")]
    facets: Option<DatasetFacets>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DatasetFacets {
    #[serde(default, deserialize_with = "lenient")]
    documentation: Option<DocumentationPart>,
    #[serde(default, deserialize_with = "lenient")]
    schema: Option<SchemaPart>,
    #[serde(default, deserialize_with = "lenient")]
    column_lineage: Option<ColumnsPart>,
}

#[derive(Debug, Deserialize)]
struct SchemaPart {
    fields: Vec<FieldPart>,
}

#[derive(Debug, Deserialize)]
struct FieldPart {
    name: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ColumnsPart {
    #[serde(default)]
    pub(super) fields: BTreeMap<String, OutputFieldPart>,
    #[serde(default)]
    pub(super) dataset: Vec<InputFieldPart>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OutputFieldPart {
    #[serde(rename = "inputFields", default)]
    pub(super) inputs: Vec<InputFieldPart>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InputFieldPart {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) field: String,
    #[serde(default)]
    pub(super) transformations: Vec<TransformationPart>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct TransformationPart {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subtype: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) masking: bool,
}

impl InputFieldPart {
    /// Whether it is a nested field of another.
    pub(super) fn is_part_of(&self, namespace: &str, name: &str, field: &str) -> bool {
        let nested = self.field.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
        nested && self.namespace == namespace && self.name == name
    }
}

impl TransformationPart {
    /// Whether it shows of a nested field what `whole` shows of all of the field.
    pub(super) fn covers(&self, whole: &Self) -> bool {
        let subtype = |how: &Self| match how.subtype.as_deref() {
            Some("IDENTITY") => Some("TRANSFORMATION".to_owned()),
            other => other.map(str::to_owned),
        };
        self.kind == whole.kind
            && self.masking == whole.masking
            && subtype(self) == subtype(whole)
            && self.description == whole.description
    }

    pub(super) fn direct() -> Self {
        Self { kind: "DIRECT".to_owned(), subtype: None, description: None, masking: false }
    }
}

/// What is no `T` is nothing.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

impl Event {
    /// `None` for what is no event.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(bytes).ok()?;
        let time = read_time(&body.event_time)?;
        let kind = body.event_type.as_deref().and_then(EventType::parse);
        Some(Self { time, kind, body })
    }

    pub(super) fn is_ours(&self) -> bool {
        is_ours(&self.body.producer)
    }

    pub(super) fn run_id(&self) -> Option<&str> {
        self.body.run.as_ref().map(|run| run.id.as_str())
    }

    pub(super) fn job_id(&self) -> Option<NodeId> {
        let job = self.body.job.as_ref()?;
        Some(NodeId::job(&job.namespace, &job.name))
    }

    pub(super) fn parent(&self) -> Option<NodeId> {
        let parent = self.body.run.as_ref()?.facets.as_ref()?.parent.as_ref()?;
        Some(NodeId::job(&parent.job.namespace, &parent.job.name))
    }

    pub(super) fn description(&self) -> Option<String> {
        let facets = self.body.job.as_ref()?.facets.as_ref()?;
        Some(facets.documentation.as_ref()?.description.clone())
    }

    /// `BATCH` or `STREAMING`.
    pub(super) fn processing(&self) -> Option<String> {
        let facets = self.body.job.as_ref()?.facets.as_ref()?;
        Some(facets.job_type.as_ref()?.processing_type.clone())
    }

    pub(super) fn inputs(&self) -> &[DatasetPart] {
        self.body.inputs.as_deref().unwrap_or_default()
    }

    pub(super) fn outputs(&self) -> &[DatasetPart] {
        self.body.outputs.as_deref().unwrap_or_default()
    }

    pub(super) fn has_datasets(&self) -> bool {
        !self.inputs().is_empty() || !self.outputs().is_empty()
    }

    pub(super) fn datasets(&self) -> impl Iterator<Item = &DatasetPart> {
        self.inputs().iter().chain(self.outputs()).chain(&self.body.dataset)
    }
}

/// RFC 3339, or the same without a zone, which is taken as UTC.
fn read_time(text: &str) -> Option<Timestamp> {
    let without_zone = || {
        let time: civil::DateTime = text.parse().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(without_zone)
}

impl DatasetPart {
    pub(super) fn id(&self) -> NodeId {
        NodeId::dataset(&self.namespace, &self.name)
    }

    pub(super) fn description(&self) -> Option<String> {
        Some(self.facets.as_ref()?.documentation.as_ref()?.description.clone())
    }

    pub(super) fn fields(&self) -> Option<Vec<Field>> {
        let schema = self.facets.as_ref()?.schema.as_ref()?;
        let field =
            |field: &FieldPart| Field { name: field.name.clone(), kind: field.kind.clone() };
        Some(schema.fields.iter().map(field).collect())
    }

    pub(super) fn columns(&self) -> Option<ColumnsPart> {
        self.facets.as_ref()?.column_lineage.clone()
    }
}
