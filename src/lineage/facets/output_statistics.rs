//! `outputStatistics`: how much a run wrote.

use serde::Serialize;

use super::{Facet, OfOutput};

/// What a run wrote so far, to one dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OutputStatistics {
    /// Records.
    #[serde(rename = "rowCount")]
    pub rows: u64,
    /// Bytes of their keys, values and headers.
    #[serde(rename = "size")]
    pub bytes: u64,
}

impl Facet<OfOutput> for OutputStatistics {
    const KEY: &'static str = "outputStatistics";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet";
}
