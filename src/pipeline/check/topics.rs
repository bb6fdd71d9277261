//! The declared topics: their types and keys.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::{
    codec::{arrow_ipc::ArrowConfig, schema::parse_field},
    pipeline::{
        plan::TopicPlan,
        problem::{At, Place, Problems, did_you_mean},
        spec::{FieldSpec, Format, TopicSpec},
    },
};

/// Partitions of a topic whose file does not say, and that no stage writes.
const PARTITIONS_DEFAULT: i32 = 1;

/// The declared topics by name.
pub(super) struct Topics<'p> {
    declared: BTreeMap<&'p str, Declared<'p>>,
}

pub(super) struct Declared<'p> {
    pub(super) spec: &'p TopicSpec,
    /// `None` where the file leaves the fields to be inferred, or has them wrong.
    pub(super) schema: Option<SchemaRef>,
}

impl Declared<'_> {
    /// The topic, if its file says its fields.
    pub(super) fn complete(&self) -> Option<TopicPlan> {
        let schema = self.schema.clone()?;
        Some(plan(self.spec, schema, PARTITIONS_DEFAULT))
    }
}

impl<'p> Topics<'p> {
    pub(super) fn read(specs: &'p [TopicSpec], problems: &mut Problems) -> Self {
        let mut declared: BTreeMap<&str, Declared<'_>> = BTreeMap::new();
        for spec in specs {
            let name = spec.name.value.as_str();
            if let Some(first) = declared.get(name) {
                let message = format!("a second file for topic `{name}`");
                let hint = format!("the first is {}", first.spec.name.place.file);
                problems.error_hint(&spec.name.place, message, hint);
                continue;
            }
            let schema = spec.fields.as_deref().and_then(|fields| read_schema(fields, problems));
            if let Some(schema) = &schema {
                check_key(spec, schema, problems);
            }
            declared.insert(name, Declared { spec, schema });
        }
        Self { declared }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Declared<'p>> {
        self.declared.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'p str> {
        self.declared.keys().copied()
    }

    /// The names of topics whose files leave the fields to be inferred.
    pub(super) fn without_fields(&self) -> impl Iterator<Item = &'p At<String>> {
        self.declared
            .values()
            .filter(|topic| topic.spec.fields.is_none())
            .map(|topic| &topic.spec.name)
    }

    /// Topics that can stand without a stage: those whose file says their fields.
    pub(super) fn complete(&self) -> impl Iterator<Item = TopicPlan> {
        self.declared.values().filter_map(Declared::complete)
    }

    /// The plan of a topic that a stage writes with the fields of `schema`.
    pub(super) fn written(&self, name: &str, schema: SchemaRef, input: &TopicPlan) -> TopicPlan {
        match self.get(name) {
            Some(declared) => {
                let schema = declared.schema.clone().unwrap_or(schema);
                plan(declared.spec, schema, input.partitions)
            }
            None => TopicPlan {
                name: name.to_owned(),
                description: None,
                owner: None,
                partitions: input.partitions,
                replication: input.replication,
                format: Format::Json,
                arrow: ArrowConfig::default(),
                key: None,
                config: BTreeMap::new(),
                compression: None,
                schema,
                descriptions: BTreeMap::new(),
                column_statistics: false,
                declared: false,
            },
        }
    }
}

fn plan(spec: &TopicSpec, schema: SchemaRef, partitions_default: i32) -> TopicPlan {
    TopicPlan {
        name: spec.name.value.clone(),
        description: spec.description.clone(),
        owner: spec.owner.clone(),
        partitions: spec.partitions.as_ref().map_or(partitions_default, |at| at.value),
        replication: spec.replication.as_ref().map(|at| at.value),
        format: spec.format,
        arrow: spec.arrow.clone(),
        key: spec.key.as_ref().map(|key| key.as_str().to_owned()),
        config: spec.config.iter().cloned().collect(),
        compression: spec.compression.clone(),
        schema,
        descriptions: descriptions(spec),
        column_statistics: spec.column_statistics,
        declared: true,
    }
}

fn descriptions(spec: &TopicSpec) -> BTreeMap<String, String> {
    let fields = spec.fields.iter().flatten();
    let described = fields.filter_map(|field| {
        Some((field.name.as_str().to_owned(), field.description.as_ref()?.trim_end().to_owned()))
    });
    described.collect()
}

/// All types that do not read are reported; then there is no schema.
fn read_schema(specs: &[FieldSpec], problems: &mut Problems) -> Option<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(specs.len());
    for FieldSpec { name, type_text, .. } in specs {
        match parse_field(name.as_str(), type_text.as_str()) {
            Ok(field) => fields.push(field),
            Err(error) => {
                let message = format!(
                    "type of `{}`: found {}, expected {}",
                    name.as_str(),
                    error.found,
                    error.expected
                );
                let hint = error.hint.map(|hint| format!("did you mean `{hint}`?"));
                problems.error_hint(&type_text.locate_offset(error.offset), message, hint);
            }
        }
    }
    (fields.len() == specs.len()).then(|| Arc::new(Schema::new(fields)))
}

/// A key is a field of the topic that can be written as text.
fn check_key(spec: &TopicSpec, schema: &Schema, problems: &mut Problems) {
    let Some(key) = &spec.key else { return };
    check_key_field(key.as_str(), key.place(), schema, problems);
}

pub(super) fn check_key_field(key: &str, place: &Place, schema: &Schema, problems: &mut Problems) {
    match schema.field_with_name(key) {
        Ok(field) if can_be_key(field.data_type()) => {}
        Ok(_) => problems.error(
            place,
            format!("`{key}` cannot be the key: a key is one text, number, date or time"),
        ),
        Err(_) => {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let hint = did_you_mean(key, names.iter().copied())
                .unwrap_or_else(|| format!("fields: {}", names.join(", ")));
            problems.error_hint(place, format!("the key `{key}` is no field"), hint);
        }
    }
}

fn can_be_key(data_type: &DataType) -> bool {
    !data_type.is_nested() && *data_type != DataType::Null
}
