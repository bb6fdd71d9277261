//! `columnLineage`: which input fields each output field comes from, and how.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Facet, OfDataset};

/// Whether a value flows, or only decides about others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransformationType {
    /// The output's value is made of the input's.
    Direct,
    /// The input's value decides what comes out, and is not part of it.
    Indirect,
}

/// How an input field takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Subtype {
    Identity,
    Transformation,
    Aggregation,
    Join,
    GroupBy,
    Filter,
    Sort,
    Window,
    Conditional,
}

impl Subtype {
    fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Transformation => "TRANSFORMATION",
            Self::Aggregation => "AGGREGATION",
            Self::Join => "JOIN",
            Self::GroupBy => "GROUP_BY",
            Self::Filter => "FILTER",
            Self::Sort => "SORT",
            Self::Window => "WINDOW",
            Self::Conditional => "CONDITIONAL",
        }
    }
}

/// One way in which an input field takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transformation {
    #[serde(rename = "type")]
    pub kind: TransformationType,
    pub subtype: Subtype,
    /// The expression, as SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the original value can no longer be told.
    pub masking: bool,
}

/// An input field and how it takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputField {
    /// Namespace of the input dataset.
    pub namespace: String,
    /// Name of the input dataset.
    pub name: String,
    /// Name of the field in it; a nested one with dots.
    pub field: String,
    pub transformations: Vec<Transformation>,
}

/// An output field and all that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputField {
    pub name: String,
    pub inputs: Vec<InputField>,
}

/// The column lineage of an output. Backends show it only for fields that the
/// dataset's `schema` facet has, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnLineage {
    /// In the order of the schema.
    #[serde(serialize_with = "as_map")]
    pub fields: Vec<OutputField>,
    /// What touches every field: a filter's columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset: Vec<InputField>,
}

fn as_map<S: Serializer>(fields: &[OutputField], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for field in fields {
        map.serialize_entry(&field.name, &FieldBody::of(field))?;
    }
    map.end()
}

/// With the deprecated pair beside `transformations`: Marquez shows only that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldBody<'a> {
    input_fields: &'a [InputField],
    #[serde(skip_serializing_if = "Option::is_none")]
    transformation_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transformation_description: Option<String>,
}

impl<'a> FieldBody<'a> {
    fn of(field: &'a OutputField) -> Self {
        let direct = || {
            let all = field.inputs.iter().flat_map(|input| &input.transformations);
            all.filter(|transformation| transformation.kind == TransformationType::Direct)
        };
        let transformation_type = if direct().any(|transformation| transformation.masking) {
            Some("MASKED")
        } else {
            // One that is not the identity makes the whole field something else.
            let other = direct().find(|transformation| transformation.subtype != Subtype::Identity);
            other.or_else(|| direct().next()).map(|shown| shown.subtype.as_str())
        };
        let mut descriptions: Vec<&str> = Vec::new();
        for description in direct().filter_map(|shown| shown.description.as_deref()) {
            if !descriptions.contains(&description) {
                descriptions.push(description);
            }
        }
        let transformation_description =
            (!descriptions.is_empty()).then(|| descriptions.join("; "));
        Self { input_fields: &field.inputs, transformation_type, transformation_description }
    }
}

impl Facet<OfDataset> for ColumnLineage {
    const KEY: &'static str = "columnLineage";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, inputs: &[(&str, Subtype, bool)]) -> OutputField {
        let inputs = inputs.iter().map(|&(field, subtype, masking)| InputField {
            namespace: "kafka://kafka:9092".to_owned(),
            name: "orders".to_owned(),
            field: field.to_owned(),
            transformations: vec![Transformation {
                kind: match subtype {
                    Subtype::Identity | Subtype::Transformation => TransformationType::Direct,
                    _ => TransformationType::Indirect,
                },
                subtype,
                description: (subtype == Subtype::Transformation).then(|| "qty * price".to_owned()),
                masking,
            }],
        });
        OutputField { name: name.to_owned(), inputs: inputs.collect() }
    }

    /// The pair that old backends show must say the same as the new form.
    #[test]
    fn the_deprecated_pair_follows_from_the_transformations() {
        let lineage = ColumnLineage {
            fields: vec![
                field("id", &[("id", Subtype::Identity, false)]),
                field(
                    "total",
                    &[
                        ("qty", Subtype::Transformation, false),
                        ("price", Subtype::Transformation, false),
                    ],
                ),
                field("email", &[("email", Subtype::Transformation, true)]),
                field("rank", &[("ts", Subtype::Sort, false)]),
                field("one", &[]),
            ],
            dataset: field("", &[("status", Subtype::Filter, false)]).inputs,
        };
        let json = serde_json::to_value(&lineage).unwrap();
        let fields = &json["fields"];
        assert_eq!(fields["id"]["transformationType"], "IDENTITY");
        assert_eq!(fields["id"].get("transformationDescription"), None);
        assert_eq!(fields["total"]["transformationType"], "TRANSFORMATION");
        assert_eq!(fields["total"]["transformationDescription"], "qty * price");
        assert_eq!(fields["email"]["transformationType"], "MASKED");
        assert_eq!(fields["rank"].get("transformationType"), None);
        assert_eq!(fields["rank"]["inputFields"][0]["transformations"][0]["type"], "INDIRECT");
        assert_eq!(fields["one"], serde_json::json!({"inputFields": []}));
        assert_eq!(json["dataset"][0]["transformations"][0]["subtype"], "FILTER");
    }

    #[test]
    fn the_shown_name_of_a_subtype_is_its_name_in_the_facet() {
        for subtype in [
            Subtype::Identity,
            Subtype::Transformation,
            Subtype::Aggregation,
            Subtype::Join,
            Subtype::GroupBy,
            Subtype::Filter,
            Subtype::Sort,
            Subtype::Window,
            Subtype::Conditional,
        ] {
            assert_eq!(serde_json::to_value(subtype).unwrap(), subtype.as_str());
        }
    }
}
