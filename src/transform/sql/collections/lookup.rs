//! `map_extract` that gives an empty list for a key that the map lacks, as `DuckDB` does and
//! DataFusion documents: its list with a null looks like a key whose value is null.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, UInt32Array, make_comparator},
    buffer::OffsetBuffer,
    compute::{SortOptions, take},
    datatypes::{DataType, Field},
};
use datafusion_common::{Result, utils::take_function_args};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions_nested::map_extract::MapExtract;

pub(super) fn function() -> ScalarUDF {
    Lookup { theirs: MapExtract::new() }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Lookup {
    theirs: MapExtract,
}

impl ScalarUDFImpl for Lookup {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.theirs.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [map, key] = take_function_args(self.name(), &args.args)?;
        if !matches!(map.data_type(), DataType::Map(..)) {
            return self.theirs.invoke_with_args(args);
        }
        let maps = map.to_array(args.number_rows)?;
        let keys = key.to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(Arc::new(values(maps.as_map(), &keys)?)))
    }
}

fn values(maps: &MapArray, wanted: &ArrayRef) -> Result<ListArray> {
    let compare = make_comparator(maps.keys(), wanted, SortOptions::default())?;
    let mut found = Vec::with_capacity(maps.len());
    let mut lengths = Vec::with_capacity(maps.len());
    for (row, ends) in maps.value_offsets().windows(2).enumerate() {
        let mut entries = ends[0] as usize..ends[1] as usize;
        let entry = if maps.is_valid(row) && wanted.is_valid(row) {
            entries.find(|entry| compare(*entry, row).is_eq())
        } else {
            None
        };
        found.extend(entry.map(|entry| entry as u32));
        lengths.push(usize::from(entry.is_some()));
    }
    let values = take(maps.values(), &UInt32Array::from(found), None)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(ListArray::try_new(
        item,
        OffsetBuffer::from_lengths(lengths),
        values,
        maps.nulls().cloned(),
    )?)
}
