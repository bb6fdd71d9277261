//! `dataSource`: the system that holds a dataset.

use serde::Serialize;

use super::{Facet, OfDataset};

/// The system that holds a dataset: for a topic, its broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataSource {
    pub name: String,
    pub uri: String,
}

impl DataSource {
    /// The broker of a dataset namespace, as [`crate::lineage::naming::kafka_namespace`] gives it.
    pub fn kafka(namespace: &str) -> Self {
        Self { name: namespace.to_owned(), uri: namespace.to_owned() }
    }
}

impl Facet<OfDataset> for DataSource {
    const KEY: &'static str = "dataSource";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-1/DatasourceDatasetFacet.json#/$defs/DatasourceDatasetFacet";
}
