//! `dataQualityMetrics`: counts over the rows and columns that a run saw.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Facet, OfDataset, OfInput};

/// Counts of one column. JSON has no infinity: bounds that are none are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "is_no_number")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "is_no_number")]
    pub max: Option<f64>,
    #[serde(skip_serializing_if = "is_no_number")]
    pub sum: Option<f64>,
}

#[expect(clippy::ref_option, reason = "the signature that serde calls it by")]
fn is_no_number(value: &Option<f64>) -> bool {
    !value.is_some_and(f64::is_finite)
}

/// Counts of a dataset, by column.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataQualityMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    pub column_metrics: BTreeMap<String, ColumnMetrics>,
}

impl Facet<OfInput> for DataQualityMetrics {
    const KEY: &'static str = "dataQualityMetrics";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-3/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet";
}

impl Facet<OfDataset> for DataQualityMetrics {
    const KEY: &'static str = "dataQualityMetrics";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-0/DataQualityMetricsDatasetFacet.json#/$defs/DataQualityMetricsDatasetFacet";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_no_number_is_left_out_rather_than_null() {
        let metrics =
            ColumnMetrics { min: Some(f64::NAN), max: Some(2.5), ..ColumnMetrics::default() };
        assert_eq!(serde_json::to_value(metrics).unwrap(), serde_json::json!({"max": 2.5}));
    }
}
