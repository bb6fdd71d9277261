//! `ownership`: whom to ask about a job or a dataset.

use serde::Serialize;

use super::{Facet, OfDataset, OfJob};

/// One owner, as `team:shop` or `user:ada`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub name: String,
    /// The sort of ownership, as `MAINTAINER`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// All owners of a job or a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ownership {
    pub owners: Vec<Owner>,
}

impl Ownership {
    /// One owner of no particular sort.
    pub fn of(name: impl Into<String>) -> Self {
        Self { owners: vec![Owner { name: name.into(), kind: None }] }
    }
}

impl Facet<OfJob> for Ownership {
    const KEY: &'static str = "ownership";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet";
}

impl Facet<OfDataset> for Ownership {
    const KEY: &'static str = "ownership";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet";
}
