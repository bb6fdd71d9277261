//! `sql`: the SELECT of a stage.

use serde::Serialize;

use super::{Facet, OfJob};

/// The query of a job, as its user wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sql {
    pub query: String,
    dialect: &'static str,
}

impl Sql {
    pub fn new(query: impl Into<String>) -> Self {
        Self { query: query.into(), dialect: "datafusion" }
    }
}

impl Facet<OfJob> for Sql {
    const KEY: &'static str = "sql";
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet";
}
