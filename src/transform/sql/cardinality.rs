//! `cardinality` that reads the length of a list where it stands.
//!
//! DataFusion's makes an array of each row's list to ask it how long it is, which took
//! 3 % of the CPU of three stages: docs/decisions/0015-many-records-a-call.md.
//! Lists of lists, whose innermost elements count, and maps are left to it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, UInt64Array},
    datatypes::DataType,
};
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions_nested::cardinality::Cardinality as Theirs;

pub(super) fn function() -> ScalarUDF {
    Cardinality { theirs: Theirs::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cardinality {
    theirs: Theirs,
}

impl ScalarUDFImpl for Cardinality {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(lists)] if is_flat(lists.data_type()) => {
                Ok(ColumnarValue::Array(lengths(lists)))
            }
            _ => self.theirs.invoke_with_args(args),
        }
    }
}

fn is_flat(list: &DataType) -> bool {
    matches!(list, DataType::List(item) if !item.data_type().is_list())
}

fn lengths(lists: &ArrayRef) -> ArrayRef {
    let lists = lists.as_list::<i32>();
    let lengths = lists.offsets().lengths().map(|length| length as u64).collect::<Vec<_>>();
    Arc::new(UInt64Array::new(lengths.into(), lists.nulls().cloned()))
}

#[cfg(test)]
mod tests {
    use arrow::{array::ListArray, datatypes::Int64Type};

    use super::*;

    #[test]
    fn a_null_list_has_no_length_and_null_elements_count() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(3)]),
        ]);
        let expected: ArrayRef = Arc::new(UInt64Array::from(vec![Some(2), None, Some(0), Some(1)]));
        let lists: ArrayRef = Arc::new(lists);
        assert_eq!(&lengths(&lists), &expected);
        assert_eq!(&lengths(&lists.slice(1, 3)), &expected.slice(1, 3));
    }
}
