//! `inputStatistics`: how much a run read.

use serde::Serialize;

use super::{Facet, OfInput};

/// What a run read so far, from one dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct InputStatistics {
    /// Records.
    #[serde(rename = "rowCount")]
    pub rows: u64,
    /// Bytes of their keys, values and headers.
    #[serde(rename = "size")]
    pub bytes: u64,
}

impl Facet<OfInput> for InputStatistics {
    const KEY: &'static str = "inputStatistics";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/InputStatisticsInputDatasetFacet";
}
