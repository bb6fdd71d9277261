//! `documentation`: the description of a job or a dataset.

use serde::Serialize;

use super::{Facet, OfDataset, OfJob};

/// A description in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Documentation {
    pub description: String,
    content_type: &'static str,
}

impl Documentation {
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), content_type: "text/markdown" }
    }
}

impl Facet<OfJob> for Documentation {
    const KEY: &'static str = "documentation";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet";
}

impl Facet<OfDataset> for Documentation {
    const KEY: &'static str = "documentation";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet";
}
