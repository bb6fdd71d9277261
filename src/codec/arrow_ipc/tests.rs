use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{
        ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
        StringArray,
    },
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
    ipc::writer::StreamWriter,
};
use proptest::prelude::*;

use super::*;
use crate::record::{Block, RUN_HEADER};

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("country", DataType::Utf8, true),
    ])
}

fn columns(rows: usize) -> Vec<ArrayRef> {
    let countries = (0..rows).map(|row| (row % 3 > 0).then(|| format!("c{}", row % 2)));
    vec![
        Arc::new(Int64Array::from_iter_values(0..rows as i64)),
        Arc::new(countries.collect::<StringArray>()),
    ]
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn encoded(config: &ArrowConfig, rows: usize) -> Vec<u8> {
    let encoder = Encoder::new(&schema(), config).unwrap();
    let headers = [("h", Some(&b"1"[..])), ("none", None), (RUN_HEADER, Some(&b"r"[..]))];
    let kept = encoder
        .kept(rows, |row| {
            let key = (row > 0).then_some(&b"key"[..]);
            (key, (row != 1).then_some(7), headers.into_iter())
        })
        .unwrap();
    let mut bytes = Vec::new();
    encoder.encode(&[columns(rows), kept].concat(), &mut bytes).unwrap();
    bytes
}

#[test]
fn rows_read_back_under_every_compression_with_what_they_keep() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let keep = Keep { key: true, timestamp: true, headers: true };
        let dictionary = vec!["country".to_owned()];
        let bytes = encoded(&ArrowConfig { compression, keep, dictionary }, 50);
        let Decoded { came, batch, bad, parts } = Decoder::new(&schema()).decode(&bytes).unwrap();
        assert_eq!(batch.columns(), columns(50));
        assert!(bad.is_empty());
        assert_eq!(came.num_columns(), 2);
        assert!(matches!(came.column(1).data_type(), DataType::Dictionary(..)));

        assert_eq!((parts.key(0), parts.key(1)), (None, Some(&b"key"[..])));
        assert_eq!((parts.timestamp(0), parts.timestamp(1)), (Some(7), None));
        let headers: Vec<_> = parts.headers(0).unwrap().collect();
        assert_eq!(headers, [("h", Some(&b"1"[..])), ("none", None)], "the run is the record's");
    }
}

#[test]
fn nothing_is_kept_where_the_topic_does_not_ask() {
    let config = ArrowConfig { keep: Keep::NOTHING, ..ArrowConfig::default() };
    let parts = Decoder::new(&schema()).decode(&encoded(&config, 2)).unwrap().parts;
    assert!(!parts.has_keys() && parts.headers(0).is_none() && parts.timestamp(0).is_none());
}

#[test]
fn columns_go_by_name_and_types_of_the_same_kind_are_converted() {
    let dictionary: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let one = batch(vec![
        ("more", Arc::new(Float64Array::from(vec![1.5; 3]))),
        ("country", Arc::new(dictionary)),
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3]))),
    ]);
    let decoded = Decoder::new(&schema()).decode(&stream(&[one.clone(), one])).unwrap();
    assert_eq!(decoded.batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 1, 2, 3]);
    assert_eq!(decoded.batch.column(1).as_string::<i32>().value(2), "a");
}

#[test]
fn what_would_lose_a_value_or_is_of_another_kind_is_an_error() {
    let narrow = Schema::new(vec![Field::new("id", DataType::Int32, true)]);
    let error = |schema: &Schema, column: ArrayRef| {
        let bytes = stream(&[batch(vec![("id", column)])]);
        Decoder::new(schema).decode(&bytes).unwrap_err().to_string()
    };
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    assert_eq!(error(&narrow, float), "field `id`: found double, expected int");
    let large: ArrayRef = Arc::new(Int64Array::from(vec![1 << 40]));
    assert!(error(&narrow, large).starts_with("field `id`: "));
    let single = Schema::new(vec![Field::new("id", DataType::Float32, true)]);
    let fine: ArrayRef = Arc::new(Float64Array::from(vec![0.1]));
    assert_eq!(error(&single, fine), "field `id`: a value that float does not hold");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert_eq!(error(&schema(), text), "field `id`: found string, expected bigint");
}

#[test]
fn a_null_where_there_must_be_none_costs_its_row_alone() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let Decoded { came, batch, bad, .. } =
        Decoder::new(&schema()).decode(&stream(&[batch(vec![("id", ids)])])).unwrap();
    assert_eq!((came.num_rows(), batch.num_rows()), (3, 2));
    let [(row, error)] = &bad[..] else { panic!("{bad:?}") };
    assert_eq!((*row, error.to_string()), (1, "field `id`: missing, but `not null`".to_owned()));

    let one = encode_row(&came, 1).unwrap();
    assert_eq!(rows_as_json(&one).unwrap(), [r#"{"id":null}"#]);
}

#[test]
fn a_column_that_must_be_there_and_is_not_costs_the_record() {
    let bytes = stream(&[batch(vec![("country", Arc::new(StringArray::from(vec!["a"])))])]);
    let error = Decoder::new(&schema()).decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "field `id`: missing, but `not null`");
}

#[test]
fn rows_are_shown_with_what_they_keep() {
    let config = ArrowConfig::default();
    let rows = rows_as_json(&encoded(&config, 2)).unwrap();
    assert_eq!(rows[1], r#"{"id":1,"country":"c1","_key":"key","_timestamp":null}"#);
    assert!(is_stream(&encoded(&config, 0)) && !is_stream(b"{}"));
}

#[test]
fn a_table_has_the_rows_of_json_and_arrow_and_where_each_stands() {
    let mut block = Block::new("t".into(), 3);
    block.push(7, Some(5), Some(b"k"), Some(br#"{"id":1,"country":"DE"}"#), []);
    block.push(8, Some(5), None, Some(br#"{"id":"no"}"#), []);
    block.push(9, Some(6), Some(b"record"), Some(&encoded(&ArrowConfig::default(), 2)), []);
    block.push(10, None, None, None, []);
    let mut table = Table::new(&schema()).unwrap();
    block.iter().for_each(|record| table.push(&record));
    assert_eq!(table.unreadable(), 2);

    let rows = rows_as_json(&table.finish().unwrap()).unwrap();
    let place = |offset: i32, time: &str, key: &str| {
        format!(r#","_partition":3,"_offset":{offset},"_timestamp":{time},"_key":{key}}}"#)
    };
    let time = |ms: i32| format!(r#""1970-01-01T00:00:00.00{ms}Z""#);
    assert_eq!(
        rows,
        [
            format!(r#"{{"id":1,"country":"DE"{}"#, place(7, &time(5), r#""k""#)),
            format!(r#"{{"id":0,"country":null{}"#, place(9, &time(7), "null")),
            format!(r#"{{"id":1,"country":"c1"{}"#, place(9, &time(6), r#""key""#)),
        ]
    );
    assert_eq!(rows_as_json(&Table::new(&schema()).unwrap().finish().unwrap()).unwrap(), [""; 0]);
}

#[test]
fn a_claim_of_more_than_anybody_holds_is_refused_before_it_is_allocated() {
    let config = ArrowConfig { compression: Compression::Lz4, ..ArrowConfig::default() };
    let mut bytes = encoded(&config, 500);
    let length = (500_u64 * 8).to_le_bytes();
    let at = bytes.windows(8).position(|window| window == length).unwrap();
    bytes[at..at + 8].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    let error = Decoder::new(&schema()).decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever bytes come: rows or an error.
    #[test]
    fn bytes_that_were_tampered_with_are_rows_or_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        compression in prop_oneof![Just(Compression::None), Just(Compression::Lz4), Just(Compression::Zstd)],
    ) {
        let keep = Keep { key: true, timestamp: true, headers: true };
        let config = ArrowConfig { compression, keep, dictionary: vec!["country".to_owned()] };
        let mut bytes = encoded(&config, 20);
        for (index, byte) in &changes {
            let at = index.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = rows_as_json(&bytes);
        if let Ok(Decoded { came, batch, bad, parts }) = Decoder::new(&schema()).decode(&bytes) {
            prop_assert_eq!(came.num_rows(), batch.num_rows() + bad.len());
            let seen: BTreeSet<_> = (0..came.num_rows()).filter_map(|row| parts.key(row)).collect();
            prop_assert!(seen.len() <= came.num_rows());
        }
    }
}
