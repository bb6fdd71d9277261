//! Fits a program to its input as the stage hands it over, and to the types as
//! they were declared.

use std::sync::Arc;

use arrow::datatypes::{Field, Fields, Schema};

use super::{
    program::{Program, Step},
    types::relaxed,
};
use crate::transform::{ColumnLineage, MetadataColumn, Transformation};

impl Program {
    /// Leaves out of the input the metadata columns that are named and not
    /// read; gives those that are.
    pub(super) fn narrow(
        &mut self,
        declared: &Schema,
        mentioned: &[MetadataColumn],
    ) -> Vec<MetadataColumn> {
        let width = declared.fields().len();
        let read: Vec<usize> =
            (0..mentioned.len()).filter(|index| self.input.contains(&(width + index))).collect();
        let planned = Arc::clone(&self.input_schema);
        let planned: Fields =
            self.input.iter().map(|&index| planned.fields()[index].clone()).collect();
        for column in &mut self.input {
            if let Some(index) = column.checked_sub(width) {
                *column = width + read.iter().filter(|&&other| other < index).count();
            }
        }
        let metadata: Vec<_> = read.into_iter().map(|index| mentioned[index]).collect();
        let fields = declared.fields().iter().cloned();
        let fields = fields.chain(metadata.iter().map(|column| Arc::new(column.field())));
        self.input_schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let differs = self.input.iter().zip(&planned).any(|(&index, planned)| {
            self.input_schema.field(index).data_type() != planned.data_type()
        });
        if differs {
            self.steps.insert(0, Step::Retype { schema: Arc::new(Schema::new(planned)) });
        }
        metadata
    }

    /// A field that passes as it is keeps its declared type, with what is not
    /// null inside of it.
    pub(super) fn restore_types(&mut self, declared: &Schema, lineage: &ColumnLineage) {
        let fields = self.output_schema.fields().iter().zip(&lineage.fields);
        let fields: Vec<_> = fields
            .map(|(field, (_, sources))| {
                let [source] = sources.as_slice() else {
                    return Arc::clone(field);
                };
                match declared.field_with_name(&source.field) {
                    Ok(known)
                        if source.transformation == Transformation::Identity
                            && relaxed(known.data_type()) == *field.data_type() =>
                    {
                        let data_type = known.data_type().clone();
                        Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
                    }
                    _ => Arc::clone(field),
                }
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        if schema != self.output_schema {
            self.steps.push(Step::Retype { schema: Arc::clone(&schema) });
            self.output_schema = schema;
        }
    }
}
