//! `sha256_hex` and `redact`: functions that hide what went in.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, StringArray, StringBuilder},
    datatypes::DataType,
};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use sha2::{Digest, Sha256};

/// What [`redact`](functions) puts in place of every value.
const REDACTED: &str = "***";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(super) fn functions() -> Vec<ScalarUDF> {
    [Kind::Sha256Hex, Kind::Redact].into_iter().map(|kind| Masking::new(kind).into()).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// The SHA-256 of the text's UTF-8, as 64 lower-case hex digits.
    Sha256Hex,
    /// `***` for every value; null stays null.
    Redact,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Masking {
    kind: Kind,
    signature: Signature,
}

impl Masking {
    fn new(kind: Kind) -> Self {
        let text = TypeSignature::Uniform(
            1,
            vec![DataType::Utf8, DataType::Utf8View, DataType::LargeUtf8],
        );
        Self { kind, signature: Signature::new(text, Volatility::Immutable) }
    }

    fn values<'a>(&self, values: impl ExactSizeIterator<Item = Option<&'a str>>) -> ArrayRef {
        match self.kind {
            Kind::Sha256Hex => Arc::new(sha256_hex(values)),
            Kind::Redact => {
                let redacted: StringArray = values.map(|value| value.map(|_| REDACTED)).collect();
                Arc::new(redacted)
            }
        }
    }
}

impl ScalarUDFImpl for Masking {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Sha256Hex => "sha256_hex",
            Kind::Redact => "redact",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = matches!(args.args.first(), Some(ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [text] = arrays.as_slice() else {
            return internal_err!("{} takes one text", self.name());
        };
        let masked = match text.data_type() {
            DataType::Utf8 => self.values(text.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.values(text.as_string::<i64>().iter()),
            DataType::Utf8View => self.values(text.as_string_view().iter()),
            other => return internal_err!("{} cannot take {other}", self.name()),
        };
        if scalar {
            let value = datafusion_common::ScalarValue::try_from_array(&masked, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(masked))
    }
}

fn sha256_hex<'a>(values: impl ExactSizeIterator<Item = Option<&'a str>>) -> StringArray {
    let mut hashes = StringBuilder::with_capacity(values.len(), values.len() * 64);
    let mut text = [0_u8; 64];
    for value in values {
        let Some(value) = value else {
            hashes.append_null();
            continue;
        };
        for (pair, byte) in text.chunks_exact_mut(2).zip(Sha256::digest(value.as_bytes())) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hashes.append_value(str::from_utf8(&text).unwrap_or_default());
    }
    hashes.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_hex_is_the_published_digest_in_lower_case_and_keeps_nulls() {
        let hashes = sha256_hex([Some("abc"), None, Some("")].into_iter());
        let expected = [
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            None,
            Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ];
        assert_eq!(hashes.iter().collect::<Vec<_>>(), expected);
    }
}
