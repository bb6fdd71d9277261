//! Facets: one file each, with the key and schema that OpenLineage gives it.
//!
//! A facet says by `impl Facet<Place>` where it may stand, so that an input's
//! statistics cannot be set on a job.
//!
//! # Not here
//!
//! The hub's own facets (`balance`).

mod column_lineage;
mod data_quality_assertions;
mod data_quality_metrics;
mod data_source;
mod dataset_type;
mod documentation;
mod error_message;
mod input_statistics;
mod job_type;
mod nominal_time;
mod output_statistics;
mod ownership;
mod parent;
mod processing_engine;
mod schema;
mod source_code_location;
mod sql;
mod tags;

pub use column_lineage::{
    ColumnLineage, InputField, OutputField, Subtype, Transformation, TransformationType,
};
pub use data_quality_assertions::{Assertion, DataQualityAssertions};
pub use data_quality_metrics::{ColumnMetrics, DataQualityMetrics};
pub use data_source::DataSource;
pub use dataset_type::DatasetType;
pub use documentation::Documentation;
pub use error_message::ErrorMessage;
pub use input_statistics::InputStatistics;
pub use job_type::{EmissionPattern, JobType, ProcessingType};
pub use nominal_time::NominalTime;
pub use output_statistics::OutputStatistics;
pub use ownership::{Owner, Ownership};
pub use parent::{Parent, ParentJob, ParentRef};
pub use processing_engine::ProcessingEngine;
pub use schema::{Schema, SchemaField};
pub use source_code_location::SourceCodeLocation;
pub use sql::Sql;
pub use tags::{Tag, Tags};

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::PRODUCER;

/// A place for facets: `run.facets`.
#[derive(Debug, Clone, Copy)]
pub struct OfRun;
/// A place for facets: `job.facets`.
#[derive(Debug, Clone, Copy)]
pub struct OfJob;
/// A place for facets: `facets` of an input or output.
#[derive(Debug, Clone, Copy)]
pub struct OfDataset;
/// A place for facets: `inputFacets` of an input.
#[derive(Debug, Clone, Copy)]
pub struct OfInput;
/// A place for facets: `outputFacets` of an output.
#[derive(Debug, Clone, Copy)]
pub struct OfOutput;

/// What may stand among the facets of `Place`.
pub trait Facet<Place>: Serialize {
    /// Its key among the facets.
    const KEY: &'static str;
    /// Its `_schemaURL`.
    const SCHEMA_URL: &'static str;
}

/// The facets of one place, serialised; a clone shares them.
#[derive(Debug)]
pub struct Facets<Place> {
    by_key: BTreeMap<&'static str, Arc<RawValue>>,
    place: PhantomData<Place>,
}

#[derive(Serialize)]
struct Signed<'a, F> {
    #[serde(rename = "_producer")]
    producer: &'static str,
    #[serde(rename = "_schemaURL")]
    schema_url: &'static str,
    #[serde(flatten)]
    body: &'a F,
}

impl<Place> Facets<Place> {
    /// Sets a facet, in place of an earlier one of its key.
    pub fn set<F: Facet<Place>>(&mut self, facet: &F) {
        let signed = Signed { producer: PRODUCER, schema_url: F::SCHEMA_URL, body: facet };
        let raw = serde_json::value::to_raw_value(&signed)
            .expect("a facet is an object with string keys, which always serialises");
        self.by_key.insert(F::KEY, raw.into());
    }

    /// As [`Facets::set`], for a chain of them.
    #[must_use]
    pub fn with<F: Facet<Place>>(mut self, facet: &F) -> Self {
        self.set(facet);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<Place> Default for Facets<Place> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), place: PhantomData }
    }
}

impl<Place> Clone for Facets<Place> {
    fn clone(&self) -> Self {
        Self { by_key: self.by_key.clone(), place: PhantomData }
    }
}

impl<Place> Serialize for Facets<Place> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.by_key.iter().map(|(key, raw)| (key, &**raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facet_is_signed_and_a_later_one_of_its_key_replaces_it() {
        let mut facets = Facets::<OfJob>::default();
        facets.set(&Sql::new("SELECT 1"));
        let before = facets.clone();
        facets.set(&Sql::new("SELECT 2"));

        let json = serde_json::to_value(&facets).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 1);
        assert_eq!(json["sql"]["query"], "SELECT 2");
        assert_eq!(json["sql"]["_producer"], PRODUCER);
        assert_eq!(
            json["sql"]["_schemaURL"],
            "https://openlineage.io/spec/facets/1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet"
        );
        assert_eq!(serde_json::to_value(&before).unwrap()["sql"]["query"], "SELECT 1");
    }
}
