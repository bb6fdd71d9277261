//! `schema`: the fields of a dataset, nested ones included.

use serde::Serialize;

use super::{Facet, OfDataset};

/// One field of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SchemaField {
    pub name: String,
    /// The type as the user writes it: `bigint`, `list<struct<…>>`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// From 1 in the order of the fields; [`Schema::new`] fills it in.
    pub ordinal_position: u32,
    /// The fields of a struct, or of the structs of a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Self>,
}

impl SchemaField {
    /// A field with its type; `fields` are those inside it.
    pub fn new(name: impl Into<String>, kind: impl Into<String>, fields: Vec<Self>) -> Self {
        Self { name: name.into(), kind: Some(kind.into()), fields, ..Self::default() }
    }
}

/// The fields of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Schema {
    fields: Vec<SchemaField>,
}

impl Schema {
    /// The fields in their order.
    pub fn new(mut fields: Vec<SchemaField>) -> Self {
        number(&mut fields);
        Self { fields }
    }
}

fn number(fields: &mut [SchemaField]) {
    for (position, field) in (1..).zip(fields) {
        field.ordinal_position = position;
        number(&mut field.fields);
    }
}

impl Facet<OfDataset> for Schema {
    const KEY: &'static str = "schema";
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_are_numbered_by_themselves() {
        let inner = ["sku", "qty"].map(|name| SchemaField::new(name, "string", Vec::new()));
        let schema = Schema::new(vec![
            SchemaField::new("id", "bigint", Vec::new()),
            SchemaField::new("items", "list<struct<sku: string, qty: string>>", inner.to_vec()),
        ]);
        let json = serde_json::to_value(&schema).unwrap();
        assert_eq!(json["fields"][1]["ordinal_position"], 2);
        assert_eq!(json["fields"][1]["fields"][0]["ordinal_position"], 1);
        assert_eq!(json["fields"][0].get("fields"), None);
    }
}
