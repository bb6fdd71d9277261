//! Transforms of a program's own, by the names that stages ask for them by.
//!
//! ```text
//! Transforms: name -> make(fields of the input topic) -> RustPlan -> a copy for each task
//! ```
//!
//! # Guarantees
//!
//! What a transform gives is held to what it said: its columns, an input row for
//! each output row, ascending. One that breaks its word stops the stage, rather
//! than send rows under another record's key.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    sync::Arc,
};

use arrow::datatypes::{Schema, SchemaRef};

use super::{
    ColumnLineage, Input, MetadataColumn, Origin, Output, Setters, Source, Transform,
    TransformError,
};

/// Why a transform cannot work on the fields of its input: any error, or a text.
pub type PlanError = Box<dyn Error + Send + Sync>;

type Make = dyn Fn(&SchemaRef) -> Result<Box<dyn Prototype>, PlanError> + Send + Sync;

/// The transforms that a stage may name in the place of a SELECT.
#[derive(Clone, Default)]
pub struct Transforms(BTreeMap<String, Arc<Make>>);

impl Transforms {
    /// Makes a transform known by `name`; one of the same name is replaced. `make`
    /// is given the declared fields of the stage's input, and what it makes is
    /// copied for each task.
    pub fn register<T>(
        &mut self,
        name: impl Into<String>,
        make: impl Fn(&SchemaRef) -> Result<T, PlanError> + Send + Sync + 'static,
    ) where
        T: Transform + Clone + Sync + 'static,
    {
        let make = move |input: &SchemaRef| -> Result<Box<dyn Prototype>, PlanError> {
            Ok(Box::new(make(input)?))
        };
        self.0.insert(name.into(), Arc::new(make));
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The transform `name` over `input`, the declared fields of a topic; `None`
    /// where there is none of that name.
    ///
    /// # Errors
    ///
    /// What the transform itself says against the fields, or what it says of its
    /// output that cannot be.
    pub fn plan(&self, name: &str, input: &SchemaRef) -> Option<Result<RustPlan, PlanError>> {
        let make = self.0.get(name)?;
        Some(make(input).and_then(|prototype| RustPlan::new(name, prototype, input)))
    }
}

impl fmt::Debug for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What each task's transform is copied from.
trait Prototype: Transform + Sync {
    fn copy(&self) -> Box<dyn Transform>;
}

impl<T: Transform + Clone + Sync + 'static> Prototype for T {
    fn copy(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

/// A transform of a program's own, made for its input; cheap to clone.
#[derive(Clone)]
pub struct RustPlan {
    name: String,
    prototype: Arc<dyn Prototype>,
    output_schema: SchemaRef,
    value_schema: SchemaRef,
    setters: Setters,
    lineage: Arc<ColumnLineage>,
}

impl RustPlan {
    fn new(
        name: &str,
        prototype: Box<dyn Prototype>,
        input: &SchemaRef,
    ) -> Result<Self, PlanError> {
        let output_schema = prototype.output_schema();
        check_names(&output_schema)?;
        let setters = Setters::of(&output_schema)?;
        let value_schema = setters.value_schema(&output_schema);
        if value_schema.fields().is_empty() {
            return Err("it gives the value no column".into());
        }
        let lineage = match prototype.column_lineage() {
            Some(declared) => {
                check_lineage(declared, input, &value_schema)?;
                declared.clone()
            }
            None => ColumnLineage::opaque(input, &value_schema),
        };
        Ok(Self {
            name: name.to_owned(),
            prototype: prototype.into(),
            output_schema,
            value_schema,
            setters,
            lineage: Arc::new(lineage),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn output_schema(&self) -> &SchemaRef {
        &self.output_schema
    }

    pub(super) fn value_schema(&self) -> &SchemaRef {
        &self.value_schema
    }

    pub(super) fn setters(&self) -> Setters {
        self.setters
    }

    pub(super) fn metadata_columns(&self) -> &[MetadataColumn] {
        self.prototype.metadata_columns()
    }

    pub(super) fn column_lineage(&self) -> &ColumnLineage {
        &self.lineage
    }

    /// The transform of one task.
    pub(super) fn transform(&self) -> Box<dyn Transform> {
        Box::new(Held { transform: self.prototype.copy(), plan: self.clone() })
    }
}

impl fmt::Debug for RustPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustPlan").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Each output column must be something that a record can have, once.
fn check_names(output: &Schema) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for field in output.fields() {
        let name = field.name();
        if MetadataColumn::from_name(name).is_some_and(|column| !column.is_settable()) {
            return Err(format!("a stage cannot set `{name}`"));
        }
        if !names.insert(name) {
            return Err(format!("it gives two columns `{name}`"));
        }
    }
    Ok(())
}

/// Lineage of fields that are not there would name what nobody can find.
fn check_lineage(lineage: &ColumnLineage, input: &Schema, output: &Schema) -> Result<(), String> {
    let ColumnLineage { fields, dataset } = lineage;
    if let Some((name, _)) = fields.iter().find(|(name, _)| output.index_of(name).is_err()) {
        return Err(format!("its column lineage has `{name}`, which is no output field"));
    }
    let mut sources = fields.iter().flat_map(|(_, sources)| sources).chain(dataset);
    let is_unknown = |source: &&Source| {
        let first = source.field.split('.').next().unwrap_or_default();
        input.index_of(&source.field).is_err() && input.index_of(first).is_err()
    };
    match sources.find(is_unknown) {
        Some(Source { field, .. }) => {
            Err(format!("its column lineage has `{field}`, which is no input field"))
        }
        None => Ok(()),
    }
}

/// A transform that is held to its word.
struct Held {
    transform: Box<dyn Transform>,
    plan: RustPlan,
}

impl Transform for Held {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.plan.output_schema)
    }

    fn metadata_columns(&self) -> &[MetadataColumn] {
        self.transform.metadata_columns()
    }

    fn column_lineage(&self) -> Option<&ColumnLineage> {
        Some(&self.plan.lineage)
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
        let output = self.transform.apply(input)?;
        let broken = |what: &str| {
            let message = format!("the transform `{}` gave {what}", self.plan.name);
            Err(TransformError::Input { message })
        };
        if output.batch.schema_ref().fields() != self.plan.output_schema.fields() {
            return broken("other columns than it said");
        }
        let (rows, out) = (input.batch.num_rows(), output.batch.num_rows());
        match &output.origin {
            Origin::Identity if out != rows => broken("other rows than it took, and no origin"),
            Origin::Rows(origins) if origins.len() != out => {
                broken("as many origins as it has no rows")
            }
            Origin::Rows(origins)
                if !origins.is_sorted()
                    || origins.last().is_some_and(|row| *row as usize >= rows) =>
            {
                broken("origins that do not ascend, or of rows that it did not take")
            }
            _ => Ok(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Array, Int64Array, RecordBatch},
        datatypes::{DataType, Field},
    };

    use super::*;
    use crate::transform::Transformation;

    fn schema(names: &[&str]) -> SchemaRef {
        let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Gives its first column back, with the origins that it is told.
    #[derive(Clone)]
    struct Same {
        says: SchemaRef,
        gives: SchemaRef,
        origin: Origin,
        lineage: Option<ColumnLineage>,
    }

    impl Same {
        fn new() -> Self {
            let [says, gives] = [(); 2].map(|()| schema(&["x"]));
            Self { says, gives, origin: Origin::Identity, lineage: None }
        }
    }

    impl Transform for Same {
        fn output_schema(&self) -> SchemaRef {
            Arc::clone(&self.says)
        }

        fn column_lineage(&self) -> Option<&ColumnLineage> {
            self.lineage.as_ref()
        }

        fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
            let rows = match &self.origin {
                Origin::Identity => input.batch.num_rows(),
                Origin::Rows(rows) => rows.len(),
            };
            let column = Arc::new(Int64Array::from(vec![7; rows])) as Arc<dyn Array>;
            let batch = RecordBatch::try_new(Arc::clone(&self.gives), vec![column]).unwrap();
            Ok(Output { batch, origin: self.origin.clone() })
        }
    }

    fn plan(same: &Same) -> Result<RustPlan, PlanError> {
        let mut transforms = Transforms::default();
        let made = same.clone();
        transforms.register("same", move |_| Ok(made.clone()));
        assert!(transforms.plan("other", &schema(&["a"])).is_none());
        transforms.plan("same", &schema(&["a", "b"])).unwrap()
    }

    fn source(field: &str) -> Source {
        Source {
            field: field.to_owned(),
            transformation: Transformation::Identity,
            description: String::new(),
            masking: false,
        }
    }

    #[test]
    fn what_a_transform_does_not_say_of_its_columns_is_opaque() {
        let lineage = plan(&Same::new()).unwrap().column_lineage().clone();
        assert_eq!(lineage, ColumnLineage::opaque(&schema(&["a", "b"]), &schema(&["x"])));

        let declared = ColumnLineage {
            fields: vec![("x".to_owned(), vec![source("a.b")])],
            dataset: vec![source("b")],
        };
        let same = Same { lineage: Some(declared.clone()), ..Same::new() };
        assert_eq!(*plan(&same).unwrap().column_lineage(), declared);
    }

    #[test]
    fn lineage_of_fields_that_are_not_there_is_refused() {
        let no_output = ColumnLineage { fields: vec![("y".to_owned(), vec![])], dataset: vec![] };
        let no_input = ColumnLineage { fields: vec![], dataset: vec![source("c")] };
        let errors = [no_output, no_input].map(|lineage| {
            plan(&Same { lineage: Some(lineage), ..Same::new() }).unwrap_err().to_string()
        });
        assert_eq!(
            errors,
            [
                "its column lineage has `y`, which is no output field",
                "its column lineage has `c`, which is no input field",
            ]
        );
    }

    #[test]
    fn columns_that_no_record_can_have_are_refused() {
        let errors = [&["x", "_offset"][..], &["x", "x"], &["_key"]].map(|names| {
            plan(&Same { says: schema(names), ..Same::new() }).unwrap_err().to_string()
        });
        assert_eq!(
            errors,
            [
                "a stage cannot set `_offset`",
                "it gives two columns `x`",
                "it gives the value no column",
            ]
        );
    }

    #[test]
    fn a_transform_that_breaks_its_word_stops_the_stage() {
        let rows = |origins: &[u32]| Origin::Rows(origins.to_vec());
        let batch = RecordBatch::new_empty(schema(&["a", "b"]));
        let two = {
            let column = Arc::new(Int64Array::from(vec![1, 2])) as Arc<dyn Array>;
            RecordBatch::try_new(schema(&["a", "b"]), vec![column.clone(), column]).unwrap()
        };
        let apply = |same: Same, batch: &RecordBatch| {
            plan(&same).unwrap().transform().apply(&Input { partition: 0, batch })
        };
        for origin in [Origin::Identity, rows(&[0, 0, 1]), rows(&[])] {
            assert!(apply(Same { origin, ..Same::new() }, &two).is_ok());
        }
        let wrong = [
            (Same { gives: schema(&["y"]), ..Same::new() }, &two),
            (Same { origin: rows(&[1, 0]), ..Same::new() }, &two),
            (Same { origin: rows(&[0, 2]), ..Same::new() }, &two),
            (Same { origin: rows(&[0]), ..Same::new() }, &batch),
        ];
        for (same, batch) in wrong {
            let error = apply(same, batch).unwrap_err();
            assert_eq!(error.recovery(), crate::record::Recovery::Stop, "{error}");
        }
    }
}
