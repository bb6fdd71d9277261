//! What a stage's plan says of its job and its datasets, as facets.
//!
//! It does not change between events, so it is made once a task.

use arrow::datatypes::{DataType, Field, Schema};

use super::{EventOptions, ParentRun};
use crate::{
    codec::schema::format_type,
    lineage::{
        InputDataset, Job, OutputDataset,
        facets::{
            self, DataSource, Documentation, JobType, OfRun, Ownership, Parent, ParentJob,
            ParentRef, ProcessingEngine, ProcessingType, SchemaField, SourceCodeLocation, Sql,
            Subtype, Tag, Tags, TransformationType,
        },
        naming::job_name,
    },
    pipeline::{GitLocation, PipelinePlan, StagePlan, TopicPlan},
    transform::{Source, strip_literals},
};

/// Who set a tag, in OpenLineage's words.
const USER: &str = "USER";

pub(super) fn run_facets(options: &EventOptions) -> facets::Facets<OfRun> {
    let mut facets = facets::Facets::default();
    facets.set(&ProcessingEngine::default());
    if let Some(ParentRun { run, namespace, name }) = &options.parent {
        let job = ParentJob { namespace: namespace.clone(), name: name.clone() };
        facets.set(&Parent::root(ParentRef::new(*run, job)));
    }
    facets
}

pub(super) fn job(plan: &StagePlan, options: &EventOptions, job_type: &JobType) -> Job {
    let mut job = Job::new(&plan.namespace, job_name(&plan.pipeline, &plan.stage));
    job.facets.set(job_type);
    if let Some(sql) = &plan.sql {
        let sql = if options.strip_literals { strip_literals(sql) } else { sql.clone() };
        job.facets.set(&Sql::new(sql));
    }
    let StagePlan { description, owner, version, source, .. } = plan;
    describe_job(&mut job, [description, owner, version], source.as_ref());
    job
}

/// The job of a pipeline: the parent of its stages.
pub fn pipeline_job(plan: &PipelinePlan, processing: ProcessingType) -> Job {
    let mut job = Job::new(&plan.namespace, &plan.name);
    job.facets.set(&JobType::pipeline(processing));
    let PipelinePlan { description, owner, version, source, .. } = plan;
    describe_job(&mut job, [description, owner, version], source.as_ref());
    job
}

fn describe_job(
    job: &mut Job,
    [description, owner, version]: [&Option<String>; 3],
    source: Option<&GitLocation>,
) {
    if let Some(description) = description {
        job.facets.set(&Documentation::new(description));
    }
    if let Some(owner) = owner {
        job.facets.set(&Ownership::of(owner));
    }
    if let Some(version) = version {
        let tag = Tag {
            key: "version".to_owned(),
            value: version.clone(),
            source: Some(USER.to_owned()),
        };
        job.facets.set(&Tags { tags: vec![tag] });
    }
    if let Some(source) = source {
        job.facets.set(&source_code(source));
    }
}

fn source_code(source: &GitLocation) -> SourceCodeLocation {
    SourceCodeLocation {
        system: "git".to_owned(),
        url: source.url.clone(),
        repo_url: source.repository.clone(),
        path: Some(source.path.clone()),
        version: Some(source.commit.clone()),
        tag: None,
        branch: source.branch.clone(),
    }
}

pub(super) fn input(plan: &StagePlan, namespace: &str) -> InputDataset {
    let mut input = InputDataset::new(namespace, &plan.from.name);
    input.facets.set(&schema(&plan.from.schema, &plan.from));
    input.facets.set(&DataSource::kafka(namespace));
    describe(&plan.from, &mut input.facets);
    input
}

pub(super) fn output(plan: &StagePlan, namespace: &str) -> OutputDataset {
    let mut output = OutputDataset::new(namespace, &plan.to.name);
    output.facets.set(&schema(plan.plan.value_schema(), &plan.to));
    output.facets.set(&DataSource::kafka(namespace));
    output.facets.set(&column_lineage(plan, namespace));
    describe(&plan.to, &mut output.facets);
    output
}

fn describe(topic: &TopicPlan, facets: &mut facets::Facets<facets::OfDataset>) {
    if let Some(description) = &topic.description {
        facets.set(&Documentation::new(description));
    }
    if let Some(owner) = &topic.owner {
        facets.set(&Ownership::of(owner));
    }
}

fn schema(schema: &Schema, topic: &TopicPlan) -> facets::Schema {
    let fields = schema.fields().iter().map(|field| SchemaField {
        description: topic.descriptions.get(field.name()).cloned(),
        ..schema_field(field)
    });
    facets::Schema::new(fields.collect())
}

fn schema_field(field: &Field) -> SchemaField {
    SchemaField::new(field.name(), format_type(field), children(field.data_type()))
}

/// The fields within: of a struct, or of a list's structs.
fn children(kind: &DataType) -> Vec<SchemaField> {
    match kind {
        DataType::Struct(fields) => fields.iter().map(|field| schema_field(field)).collect(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            children(item.data_type())
        }
        _ => Vec::new(),
    }
}

fn column_lineage(plan: &StagePlan, namespace: &str) -> facets::ColumnLineage {
    let lineage = plan.plan.column_lineage();
    let inputs = |sources: &[Source]| {
        let mut inputs: Vec<facets::InputField> = Vec::new();
        let mut add = |field: &str, transformation: facets::Transformation| match inputs
            .iter_mut()
            .find(|input| input.field == field)
        {
            Some(input) if input.transformations.contains(&transformation) => {}
            Some(input) => input.transformations.push(transformation),
            None => inputs.push(facets::InputField {
                namespace: namespace.to_owned(),
                name: plan.from.name.clone(),
                field: field.to_owned(),
                transformations: vec![transformation],
            }),
        };
        for source in sources {
            add(&source.field, source.into());
        }
        // Marquez knows top-level fields only, and drops an input field that it does not know.
        for source in sources {
            if let Some(field) = top_level(&source.field, &plan.from.schema) {
                add(field, of_a_part(source));
            }
        }
        inputs
    };
    let fields = lineage
        .fields
        .iter()
        .map(|(name, sources)| facets::OutputField { name: name.clone(), inputs: inputs(sources) });
    facets::ColumnLineage { fields: fields.collect(), dataset: inputs(&lineage.dataset) }
}

/// The field of the schema that a nested field is part of.
fn top_level<'a>(path: &'a str, schema: &Schema) -> Option<&'a str> {
    let is_field = |name: &str| schema.column_with_name(name).is_some();
    if is_field(path) {
        return None;
    }
    path.match_indices('.').map(|(end, _)| &path[..end]).find(|name| is_field(name))
}

/// How the whole of a field takes part of which a part does.
fn of_a_part(source: &Source) -> facets::Transformation {
    let mut transformation = facets::Transformation::from(source);
    if transformation.subtype == Subtype::Identity {
        transformation.subtype = Subtype::Transformation;
    }
    transformation
}

impl From<&Source> for facets::Transformation {
    fn from(source: &Source) -> Self {
        use crate::transform::Transformation as Kind;
        let subtype = match source.transformation {
            Kind::Identity => Subtype::Identity,
            Kind::Transformation => Subtype::Transformation,
            Kind::Aggregation => Subtype::Aggregation,
            Kind::Filter => Subtype::Filter,
            Kind::Conditional => Subtype::Conditional,
            Kind::Sort => Subtype::Sort,
            Kind::GroupBy => Subtype::GroupBy,
            Kind::Join => Subtype::Join,
            Kind::Window => Subtype::Window,
        };
        let kind = if source.transformation.is_direct() {
            TransformationType::Direct
        } else {
            TransformationType::Indirect
        };
        let description = (!source.description.is_empty()).then(|| source.description.clone());
        Self { kind, subtype, description, masking: source.masking }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::Transformation as Kind;

    #[test]
    fn a_nested_field_has_a_top_level_field_and_others_have_none() {
        let field = |name: &str| Field::new(name, DataType::Utf8, true);
        let schema = Schema::new(vec![field("items"), field("a.b")]);
        let cases = [
            ("items.price", Some("items")),
            ("items.tax.rate", Some("items")),
            ("a.b.c", Some("a.b")),
            ("items", None),
            ("a.b", None),
            ("other.c", None),
        ];
        for (path, expected) in cases {
            assert_eq!(top_level(path, &schema), expected, "{path}");
        }
    }

    #[test]
    fn a_part_taken_as_it_is_is_a_transformation_of_the_whole() {
        let source = |transformation| Source {
            field: "address.city".to_owned(),
            transformation,
            description: String::new(),
            masking: false,
        };
        assert_eq!(of_a_part(&source(Kind::Identity)).subtype, Subtype::Transformation);
        assert_eq!(of_a_part(&source(Kind::Filter)).subtype, Subtype::Filter);
    }
}
