//! Functions of a list and an element, where one of them is a decimal.
//!
//! DataFusion's refuse decimals of different digits, and a decimal beside doubles. Here list and
//! element get one type first.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion_common::Result;
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, type_coercion::functions::fields_with_udf,
};

use super::rules::whole_type;

/// The functions, and for each the places of lists and of elements among its arguments.
pub(in crate::transform::sql) const FUNCTIONS: [(&str, &[usize], &[usize]); 12] = [
    ("array_append", &[0], &[1]),
    ("array_has", &[0], &[1]),
    ("array_position", &[0], &[1]),
    ("array_positions", &[0], &[1]),
    ("array_prepend", &[1], &[0]),
    ("array_remove", &[0], &[1]),
    ("array_remove_all", &[0], &[1]),
    ("array_remove_n", &[0], &[1]),
    ("array_replace", &[0], &[1, 2]),
    ("array_replace_all", &[0], &[1, 2]),
    ("array_replace_n", &[0], &[1, 2]),
    ("array_resize", &[0], &[2]),
];

/// The function with one type for list and elements.
pub(in crate::transform::sql) fn uniting(
    theirs: Arc<ScalarUDF>,
    lists: &'static [usize],
    elements: &'static [usize],
) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    Uniting { theirs, lists, elements, signature }.into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Uniting {
    theirs: Arc<ScalarUDF>,
    lists: &'static [usize],
    elements: &'static [usize],
    signature: Signature,
}

impl Uniting {
    /// The one type, where a decimal is among the elements.
    fn element_type(&self, types: &[DataType]) -> Option<DataType> {
        let of_list = |place: &usize| match types.get(*place) {
            Some(DataType::List(item)) => Some(item.data_type().clone()),
            _ => None,
        };
        let in_lists = self.lists.iter().map(of_list).collect::<Option<Vec<_>>>()?;
        let elements = self.elements.iter().filter_map(|place| types.get(*place)).cloned();
        let all: Vec<DataType> = in_lists.into_iter().chain(elements).collect();
        all.iter().any(DataType::is_decimal).then(|| united(&all)).flatten()
    }
}

/// A double where one is, else the decimal that holds all digits of the others.
pub(super) fn united(types: &[DataType]) -> Option<DataType> {
    if types.iter().any(DataType::is_floating) {
        let numbers = types.iter().all(|kind| kind.is_numeric() || kind.is_null());
        return numbers.then_some(DataType::Float64);
    }
    let (mut whole, mut scale) = (0, 0);
    for kind in types {
        match whole_type(kind).as_ref().unwrap_or(kind) {
            DataType::Decimal128(p, s) if *s >= 0 => {
                whole = whole.max(*p - s.unsigned_abs());
                scale = scale.max(*s);
            }
            DataType::Null => {}
            _ => return None,
        }
    }
    let precision = (whole + scale.unsigned_abs()).min(DECIMAL128_MAX_PRECISION);
    Some(DataType::Decimal128(precision, scale))
}

impl ScalarUDFImpl for Uniting {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn aliases(&self) -> &[String] {
        self.theirs.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let Some(element) = self.element_type(types) else {
            let fields = types.iter().map(|kind| Arc::new(Field::new("", kind.clone(), true)));
            let fields = fields_with_udf(&fields.collect::<Vec<_>>(), self.theirs.as_ref())?;
            return Ok(fields.iter().map(|field| field.data_type().clone()).collect());
        };
        let list = DataType::List(Arc::new(Field::new_list_field(element.clone(), true)));
        let places = types.iter().enumerate();
        Ok(places
            .map(|(place, _)| {
                if self.lists.contains(&place) {
                    list.clone()
                } else if self.elements.contains(&place) {
                    element.clone()
                } else {
                    DataType::Int64
                }
            })
            .collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.theirs.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.theirs.invoke_with_args(args)
    }
}
