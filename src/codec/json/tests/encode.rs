use std::sync::Arc;

use arrow::array::{
    BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array, Decimal128Array,
    Decimal256Array, DictionaryArray, DurationMillisecondArray, FixedSizeListArray, Float32Array,
    Float64Array, Int32Array, Int64Array, IntervalDayTimeArray, IntervalMonthDayNanoArray,
    IntervalYearMonthArray, LargeListArray, LargeStringArray, NullArray, StringArray,
    StringViewArray, StructArray, Time32SecondArray, Time64NanosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array,
    UInt64Array,
};
use arrow::datatypes::{
    DataType, Field, Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano, TimeUnit,
    UnionFields, UnionMode, i256,
};

use super::*;
use crate::codec::json::{EncodeConfig, EncodeError, EncodeSetupError};
use crate::record::Recovery;

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn numbers_are_written_with_every_digit_and_no_more() {
    assert_eq!(written(array(UInt64Array::from(vec![u64::MAX]))), ["18446744073709551615"]);
    assert_eq!(written(array(Int64Array::from(vec![i64::MIN]))), ["-9223372036854775808"]);
    assert_eq!(written(array(UInt8Array::from(vec![Some(255), None]))), ["255", "null"]);
    let doubles = vec![12.0, -0.0, 0.1, 1e300, 5e-324, 9_007_199_254_740_993.0];
    for (text, value) in written(array(Float64Array::from(doubles.clone()))).iter().zip(doubles) {
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
    }
    assert_eq!(written(array(Float64Array::from(vec![12.0, 0.1]))), ["12.0", "0.1"]);
    assert_eq!(written(array(Float32Array::from(vec![0.1, 16_777_216.0]))), ["0.1", "16777216.0"]);
    let half = arrow::compute::cast(&Float32Array::from(vec![1.5]), &DataType::Float16).unwrap();
    assert_eq!(written(half), ["1.5"]);
}

#[test]
fn decimals_keep_their_scale() {
    let decimals = |values: &[i128], scale| {
        let values = Decimal128Array::from(values.to_vec());
        written(array(values.with_precision_and_scale(30, scale).unwrap()))
    };
    assert_eq!(decimals(&[0, 5, -5, 123, -12345], 2), ["0.00", "0.05", "-0.05", "1.23", "-123.45"]);
    assert_eq!(decimals(&[0, -7], 0), ["0", "-7"]);
    assert_eq!(decimals(&[0, -7], -3), ["0", "-7000"]);
    let small = Decimal32Array::from(vec![-1250]).with_precision_and_scale(9, 3).unwrap();
    assert_eq!(written(array(small)), ["-1.250"]);
    let wide = i256::from_string(&"9".repeat(76)).unwrap();
    let wide = Decimal256Array::from(vec![wide]).with_precision_and_scale(76, 1).unwrap();
    assert_eq!(written(array(wide)), [format!("{}.9", "9".repeat(75))]);
}

#[test]
fn instants_are_utc_whatever_their_unit_and_zone() {
    let nanos = TimestampNanosecondArray::from(vec![1_767_614_400_123_000_000]);
    assert_eq!(written(array(nanos)), [r#""2026-01-05T12:00:00.123Z""#]);
    let zoned = TimestampMillisecondArray::from(vec![-1]).with_timezone("Europe/Paris");
    assert_eq!(written(array(zoned)), [r#""1969-12-31T23:59:59.999Z""#]);
    let seconds = TimestampSecondArray::from(vec![1_767_614_400]).with_timezone("+02:00");
    assert_eq!(written(array(seconds)), [r#""2026-01-05T12:00:00Z""#]);
    assert_eq!(written(array(Date32Array::from(vec![-1]))), [r#""1969-12-31""#]);
    assert_eq!(written(array(Date64Array::from(vec![-1]))), [r#""1969-12-31""#]);
    assert_eq!(written(array(Time32SecondArray::from(vec![86_399]))), [r#""23:59:59""#]);
    let nanosecond = Time64NanosecondArray::from(vec![1]);
    assert_eq!(written(array(nanosecond)), [r#""00:00:00.000000001""#]);
}

#[test]
fn spans_of_time_are_iso_8601_text() {
    let millis = DurationMillisecondArray::from(vec![-1_500, 0, 90_000]);
    assert_eq!(written(array(millis)), [r#""PT-1.500S""#, r#""PT0S""#, r#""PT90S""#]);
    let months = IntervalYearMonthArray::from(vec![14]);
    assert_eq!(written(array(months)), [r#""P14M""#]);
    let days = IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 250)]);
    assert_eq!(written(array(days)), [r#""P1DT0.250S""#]);
    let all =
        IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, -2, 3_000_000_000)]);
    assert_eq!(written(array(all)), [r#""P1M-2DT3S""#]);
}

#[test]
fn text_is_the_same_from_every_layout() {
    let texts = || vec![Some("a\"b"), None, Some("\u{1}é\\")];
    let expected = [r#""a\"b""#, "null", r#""\u0001é\\""#];
    assert_eq!(written(array(StringArray::from(texts()))), expected);
    assert_eq!(written(array(LargeStringArray::from(texts()))), expected);
    assert_eq!(written(array(StringViewArray::from(texts()))), expected);
    let dictionary: DictionaryArray<Int8Type> = texts().into_iter().collect();
    assert_eq!(written(array(dictionary)), expected);
    let empty: DictionaryArray<Int8Type> = [None::<&str>, None].into_iter().collect();
    assert_eq!(written(array(empty)), ["null", "null"]);
    assert_eq!(written(array(NullArray::new(1))), ["null"]);
    let bytes: BinaryViewArray = [Some(&[0u8, 255][..]), None].into_iter().collect();
    assert_eq!(written(array(bytes)), [r#""AP8=""#, "null"]);
}

#[test]
fn slices_of_nested_columns_are_written_from_their_own_start() {
    let lists = |values: &[Option<Vec<Option<i32>>>]| values.to_vec();
    let values = lists(&[Some(vec![Some(1)]), None, Some(vec![]), Some(vec![Some(2), None])]);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(values);
    assert_eq!(written(array(large.slice(1, 3))), ["null", "[]", "[2,null]"]);
    let pairs = [Some(vec![Some(1), Some(2)]), Some(vec![Some(3), Some(4)]), None];
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2);
    assert_eq!(written(array(fixed.slice(1, 2))), ["[3,4]", "null"]);
    let field = Arc::new(Field::new("x", DataType::Int32, true));
    let structs = StructArray::from(vec![(field, array(Int32Array::from(vec![1, 2])))]);
    assert_eq!(written(array(structs.slice(1, 1))), [r#"{"x":2}"#]);
}

#[test]
fn a_row_that_cannot_be_written_is_empty_and_its_neighbours_whole() {
    let values = Float64Array::from(vec![1.0, f64::NAN, f64::NEG_INFINITY, 2.0]);
    let field = Arc::new(Field::new("price", DataType::Float64, true));
    let prices = array(StructArray::from(vec![(field, array(values))]));
    let batch = RecordBatch::try_from_iter([("item", prices)]).unwrap();
    let mut rows = EncodedRows::default();
    let failed = Encoder::new(&batch.schema()).unwrap().encode(&batch, &mut rows);

    let not_finite = |value| EncodeError::NotFinite { path: "item.price".to_owned(), value };
    assert_eq!(failed, [(1, not_finite("NaN")), (2, not_finite("-Infinity"))]);
    let whole = [&br#"{"item":{"price":1.0}}"#[..], b"", b"", br#"{"item":{"price":2.0}}"#];
    assert_eq!(rows.iter().collect::<Vec<_>>(), whole);
    assert_eq!(failed[0].1.recovery(), Recovery::DeadLetter);
}

#[test]
fn dates_outside_four_digit_years_fail_alone() {
    let dates = array(Date32Array::from(vec![i32::MIN, 0, i32::MAX]));
    let times = array(TimestampSecondArray::from(vec![0, i64::MIN, i64::MAX]));
    let batch = RecordBatch::try_from_iter([("d", dates), ("t", times)]).unwrap();
    let mut rows = EncodedRows::default();
    let failed = Encoder::new(&batch.schema()).unwrap().encode(&batch, &mut rows);
    let paths = failed.iter().map(|(row, error)| (*row, error.to_string()[..9].to_owned()));
    let expected = [(0, "field `d`"), (1, "field `t`"), (2, "field `d`")];
    assert_eq!(paths.collect::<Vec<_>>(), expected.map(|(row, text)| (row, text.to_owned())));
}

#[test]
fn a_row_over_the_limit_is_refused_with_the_setting() {
    let texts = array(StringArray::from(vec!["short".to_owned(), "x".repeat(100)]));
    let batch = RecordBatch::try_from_iter([("v", texts)]).unwrap();
    let config = EncodeConfig { record_bytes_max: 50 };
    let mut rows = EncodedRows::default();
    let failed = Encoder::with_config(&batch.schema(), config).unwrap().encode(&batch, &mut rows);
    assert_eq!(failed, [(1, EncodeError::TooLarge { limit: 50 })]);
    assert!(failed[0].1.to_string().contains("`encode.record_bytes_max`"));
    assert_eq!((rows.row(0), rows.row(1)), (&br#"{"v":"short"}"#[..], &b""[..]));
}

#[test]
fn rows_are_appended_behind_those_that_are_there() {
    let batch = RecordBatch::try_from_iter([("v", array(BooleanArray::from(vec![true])))]).unwrap();
    let encoder = Encoder::new(&batch.schema()).unwrap();
    let mut rows = EncodedRows::default();
    assert!(encoder.encode(&batch, &mut rows).is_empty());
    assert!(encoder.encode(&batch, &mut rows).is_empty());
    assert_eq!(rows.iter().collect::<Vec<_>>(), [br#"{"v":true}"#; 2]);
}

#[test]
fn a_batch_of_another_schema_is_refused_whole() {
    let two = array(Int32Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("a", two.clone()), ("b", two)]).unwrap();
    let mut rows = EncodedRows::default();
    let failed = Encoder::new(&schema(&[("a", "int")])).unwrap().encode(&batch, &mut rows);
    assert_eq!(failed, [(0, EncodeError::OtherSchema), (1, EncodeError::OtherSchema)]);
    assert_eq!(failed[0].1.recovery(), Recovery::Stop);
    assert_eq!(rows.len(), 2);
}

#[test]
fn types_without_a_form_in_json_are_refused_with_the_field() {
    let refused = |data_type: DataType| {
        let list = DataType::new_list(data_type.clone(), true);
        let outer = DataType::Struct(vec![Field::new("x", list, true)].into());
        let error = Encoder::new(&Schema::new(vec![Field::new("o", outer, true)])).unwrap_err();
        let path = "o.x[]".to_owned();
        assert_eq!(error, EncodeSetupError::Unsupported { path, data_type });
    };
    refused(DataType::Union(UnionFields::empty(), UnionMode::Sparse));
    let runs = Field::new("run_ends", DataType::Int32, false);
    let values = Field::new("values", DataType::Utf8, true);
    refused(DataType::RunEndEncoded(runs.into(), values.into()));
    let pair =
        vec![Field::new("key", DataType::Int32, false), Field::new("value", DataType::Utf8, true)];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    refused(DataType::Map(entries.into(), false));

    let twice = Schema::new(vec![parse_field("a", "int").unwrap(); 2]);
    let path = "a".to_owned();
    assert_eq!(Encoder::new(&twice).unwrap_err(), EncodeSetupError::Duplicate { path });
}

#[test]
fn every_other_type_of_a_plan_is_taken() {
    use DataType as D;
    let units =
        [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let mut types = vec![D::LargeBinary, D::FixedSizeBinary(3), D::Time32(TimeUnit::Millisecond)];
    types.extend(units.map(|unit| D::Timestamp(unit, None)));
    types.extend(units.map(D::Duration));
    types.push(D::Dictionary(Box::new(D::UInt32), Box::new(D::new_list(D::Utf8View, true))));
    for data_type in types {
        let field = Field::new("f", data_type.clone(), true);
        let batch = Schema::new(vec![field]);
        let encoder = Encoder::new(&batch);
        assert!(encoder.is_ok(), "{data_type}");
        let nulls = arrow::array::new_null_array(&data_type, 2);
        assert_eq!(written(nulls), ["null", "null"], "{data_type}");
    }
}
