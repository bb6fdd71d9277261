//! `processing_engine`: what ran the job. Some backends refuse runs without it.

use serde::Serialize;

use super::{Facet, OfRun};

/// The engine of a run; by default this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingEngine {
    pub name: String,
    pub version: String,
    pub openlineage_adapter_version: String,
}

impl Default for ProcessingEngine {
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: version.to_owned(),
            openlineage_adapter_version: version.to_owned(),
        }
    }
}

impl Facet<OfRun> for ProcessingEngine {
    const KEY: &'static str = "processing_engine";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet";
}
