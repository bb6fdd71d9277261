//! `nominalTime`: the span that a run is of, as a scheduler means it.

use jiff::Timestamp;
use serde::Serialize;

use super::{Facet, OfRun};

/// The nominal span of a run; the end is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NominalTime {
    #[serde(rename = "nominalStartTime", serialize_with = "display")]
    pub start: Timestamp,
    #[serde(
        rename = "nominalEndTime",
        serialize_with = "display_some",
        skip_serializing_if = "Option::is_none"
    )]
    pub end: Option<Timestamp>,
}

fn display<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls it by")]
fn display_some<S: serde::Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => display(time, serializer),
        None => serializer.serialize_none(),
    }
}

impl Facet<OfRun> for NominalTime {
    const KEY: &'static str = "nominalTime";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet";
}
