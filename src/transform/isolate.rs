//! Finds the rows at fault when a batch fails, by halves.

use arrow::{
    array::{Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};

use super::{Input, Origin, Output, Transform, TransformError};
use crate::record::Recovery;

/// Maximum size of the output of rows that are applied in parts, in bytes. The
/// parts of a batch that failed for its size are not limited by the batch's own limit.
const OUTPUT_MAX: usize = 128 * 1024 * 1024;

/// Applies the transform; where the batch fails, only the rows at fault are left out.
///
/// Gives the output of the good rows, whose origin is the rows of `input`, and
/// the row and cause of each bad one, ascending. Each good row is applied with
/// success exactly once. A failure that is no row's fault is returned as it is.
///
/// # Errors
///
/// What [`TransformError::recovery`] does not answer with `DeadLetter`, as
/// [`TransformError::TooLarge`]: then fewer rows must be applied at a time.
pub fn apply_isolating(
    transform: &mut dyn Transform,
    input: &Input<'_>,
) -> Result<(Output, Vec<(u32, TransformError)>), TransformError> {
    match transform.apply(input) {
        Ok(output) => Ok((output, Vec::new())),
        Err(error) if error.recovery() != Recovery::DeadLetter => Err(error),
        Err(error) => {
            let mut halves =
                Halves { transform, input: *input, good: Vec::new(), bytes: 0, bad: Vec::new() };
            halves.failed(0, input.batch.num_rows(), error)?;
            halves.finish()
        }
    }
}

struct Halves<'a> {
    transform: &'a mut dyn Transform,
    input: Input<'a>,
    /// Outputs, each with the input row its own rows are counted from.
    good: Vec<(usize, Output)>,
    /// The size of these outputs.
    bytes: usize,
    bad: Vec<(u32, TransformError)>,
}

impl Halves<'_> {
    fn apply(&mut self, start: usize, rows: usize) -> Result<(), TransformError> {
        // Copied, since some kernels read the buffers of a slice as a whole: a row would fail
        // for the bytes of its neighbour.
        let indices = UInt32Array::from_iter_values(start as u32..(start + rows) as u32);
        let batch = take_record_batch(self.input.batch, &indices)
            .map_err(|error| TransformError::Input { message: error.to_string() })?;
        match self.transform.apply(&Input { batch: &batch, ..self.input }) {
            Ok(output) => {
                self.bytes = self.bytes.saturating_add(size(&output.batch));
                self.good.push((start, output));
                if self.bytes > OUTPUT_MAX {
                    return Err(TransformError::TooLarge { bytes_max: OUTPUT_MAX });
                }
                Ok(())
            }
            Err(error) => self.failed(start, rows, error),
        }
    }

    /// Depth is the logarithm of the rows: recursion is bounded.
    fn failed(
        &mut self,
        start: usize,
        rows: usize,
        error: TransformError,
    ) -> Result<(), TransformError> {
        if error.recovery() != Recovery::DeadLetter || rows == 0 {
            return Err(error);
        }
        if rows == 1 {
            self.bad.push((start as u32, error));
            return Ok(());
        }
        let half = rows / 2;
        self.apply(start, half)?;
        self.apply(start + half, rows - half)
    }

    fn finish(self) -> Result<(Output, Vec<(u32, TransformError)>), TransformError> {
        let batches: Vec<&RecordBatch> =
            self.good.iter().map(|(_, output)| &output.batch).collect();
        let batch = concat_batches(&self.transform.output_schema(), batches)
            .map_err(|error| TransformError::Input { message: error.to_string() })?;
        let mut rows = Vec::with_capacity(batch.num_rows());
        for (start, output) in &self.good {
            let count = output.batch.num_rows();
            rows.extend((0..count).map(|row| (start + output.origin.of(row)) as u32));
        }
        Ok((Output { batch, origin: Origin::Rows(rows) }, self.bad))
    }
}

/// The bytes of the rows, without those of other rows in the same buffers.
fn size(batch: &RecordBatch) -> usize {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    // A size that cannot be computed is that of an empty type.
    sizes.map(Result::unwrap_or_default).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::Int32Array,
        datatypes::{DataType, Field, Schema, SchemaRef},
    };
    use proptest::prelude::*;

    use super::*;

    /// Fails on a negative number, counts what it took, and stops at 99.
    struct Counting {
        schema: SchemaRef,
        taken: Vec<i32>,
        partitions: Vec<i32>,
    }

    impl Transform for Counting {
        fn output_schema(&self) -> SchemaRef {
            Arc::clone(&self.schema)
        }

        fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
            let values = datafusion_common::cast::as_int32_array(input.batch.column(0)).unwrap();
            if values.values().contains(&99) {
                return Err(TransformError::Input { message: "no 99".to_owned() });
            }
            if let Some(value) = values.values().iter().find(|value| **value < 0) {
                return Err(TransformError::compute("x", &value.to_string()));
            }
            self.taken.extend(values.values());
            self.partitions.push(input.partition);
            Ok(Output { batch: input.batch.clone(), origin: Origin::Identity })
        }
    }

    fn apply(values: &[i32]) -> (Counting, Result<Isolated, TransformError>) {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int32, false)]));
        let column = Arc::new(Int32Array::from(values.to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
        let mut transform = Counting { schema, taken: Vec::new(), partitions: Vec::new() };
        let applied = apply_isolating(&mut transform, &Input { partition: 7, batch: &batch });
        (transform, applied)
    }

    type Isolated = (Output, Vec<(u32, TransformError)>);

    proptest! {
        #[test]
        fn good_rows_are_taken_once_in_order_and_bad_rows_are_named(
            values in prop::collection::vec(-2..5_i32, 0..60),
        ) {
            let (transform, applied) = apply(&values);
            let (output, bad) = applied.unwrap();
            let good: Vec<usize> = (0..values.len()).filter(|row| values[*row] >= 0).collect();
            let taken: Vec<i32> = good.iter().map(|row| values[*row]).collect();
            prop_assert_eq!(transform.taken, taken);
            prop_assert!(transform.partitions.iter().all(|partition| *partition == 7));
            let rows = 0..output.batch.num_rows();
            prop_assert_eq!(rows.map(|row| output.origin.of(row)).collect::<Vec<_>>(), good);
            for (row, error) in &bad {
                let value = values[*row as usize];
                prop_assert!(value < 0);
                prop_assert_eq!(error, &TransformError::compute("x", &value.to_string()));
            }
            prop_assert_eq!(bad.len() + output.batch.num_rows(), values.len());
        }
    }

    #[test]
    fn a_failure_that_is_no_rows_fault_is_not_looked_for_among_them() {
        for values in [&[1, 99][..], &[-1, 99]] {
            let (_, applied) = apply(values);
            assert_eq!(applied.unwrap_err().recovery(), Recovery::Stop);
        }
    }
}
