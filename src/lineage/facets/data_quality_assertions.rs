//! `dataQualityAssertions`: what was expected of every row, and whether it held.

use serde::Serialize;

use super::{Facet, OfDataset, OfInput};

/// One expectation and how it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    /// The sort of check: `not_null`, or `expression` for a condition of the user's.
    pub assertion: String,
    pub success: bool,
    /// The field that it is about; left out: the whole row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// `error` where a row that breaks it does not go on, `warn` where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The user's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Rows that may break it, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Rows that broke it, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// The condition itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'static str>,
}

impl Assertion {
    /// A condition of the user's on every row, and how many of the rows broke it.
    pub fn expression(name: impl Into<String>, condition: impl Into<String>, broken: u64) -> Self {
        Self {
            assertion: "expression".to_owned(),
            success: broken == 0,
            column: None,
            severity: None,
            name: Some(name.into()),
            description: None,
            expected: Some("0".to_owned()),
            actual: Some(broken.to_string()),
            content: Some(condition.into()),
            content_type: Some("sql"),
        }
    }
}

/// All expectations of a dataset. The schema has it among an input's facets;
/// Marquez reads it among an output's, too, where ours are checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataQualityAssertions {
    pub assertions: Vec<Assertion>,
}

impl Facet<OfInput> for DataQualityAssertions {
    const KEY: &'static str = "dataQualityAssertions";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-0/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet";
}

impl Facet<OfDataset> for DataQualityAssertions {
    const KEY: &'static str = "dataQualityAssertions";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-1-0/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet";
}
