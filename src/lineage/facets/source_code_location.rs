//! `sourceCodeLocation`: the file that declares a job, at its revision.

use serde::Serialize;

use super::{Facet, OfJob};

/// Where the declaration of a job is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceCodeLocation {
    /// The source control system: `git`.
    #[serde(rename = "type")]
    pub system: String,
    /// The full URL of the file.
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_url: Option<String>,
    /// Path of the file in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The revision: for git, the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

impl Facet<OfJob> for SourceCodeLocation {
    const KEY: &'static str = "sourceCodeLocation";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-0/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet";
}
