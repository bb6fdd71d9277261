//! `datasetType`: what a dataset is.

use serde::Serialize;

use super::{Facet, OfDataset};

/// What a dataset is, in a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetType {
    dataset_type: &'static str,
}

impl DatasetType {
    pub const TOPIC: Self = Self { dataset_type: "TOPIC" };
    pub const FILE: Self = Self { dataset_type: "FILE" };
}

impl Facet<OfDataset> for DatasetType {
    const KEY: &'static str = "datasetType";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-1/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet";
}
