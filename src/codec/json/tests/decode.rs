use arrow::array::{AsArray, Float64Array, Int64Array};
use arrow::datatypes::Int64Type;

use super::*;
use crate::codec::json::DecodeSetupError;
use crate::record::Recovery;

const ORDER: &[(&str, &str)] = &[
    ("order_id", "string not null"),
    ("ts", "timestamp"),
    ("total", "decimal(10,2)"),
    ("items", "list<struct<sku: string, qty: int, price: double not null>>"),
    ("tags", "map<string,string>"),
];

#[test]
fn an_order_becomes_a_row_in_whatever_order_its_fields_come() {
    let mut decoder = decoder(ORDER);
    let first = r#"{"order_id":"o-1","ts":"2026-01-05T10:00:00+01:00","total":12.5,
        "items":[{"sku":"a","qty":2,"price":1.5},{"price":2,"sku":null}],"tags":{"x":"y"}}"#;
    let second = r#" { "tags" : {} , "extra":[{"a":[1,2,{}]},"]"], "items" : [ ],
        "total":-0.01,"ts":1767603600000, "ord\u0065r_id":"\u00f6\n" } "#;
    decoder.decode(first.as_bytes()).unwrap();
    decoder.decode(second.as_bytes()).unwrap();
    decoder.decode(br#"{"order_id":"o-3"}"#).unwrap();
    assert_eq!(
        encoded(&decoder.finish()),
        [
            r#"{"order_id":"o-1","ts":"2026-01-05T09:00:00Z","total":12.50,"items":[{"sku":"a","qty":2,"price":1.5},{"sku":null,"qty":null,"price":2.0}],"tags":{"x":"y"}}"#,
            r#"{"order_id":"ö\n","ts":"2026-01-05T09:00:00Z","total":-0.01,"items":[],"tags":{}}"#,
            r#"{"order_id":"o-3","ts":null,"total":null,"items":null,"tags":null}"#,
        ]
    );
}

#[test]
fn a_bad_record_leaves_nothing_behind_and_spares_its_neighbours() {
    let good = r#"{"order_id":"o-1","items":[{"sku":"a","qty":1,"price":1.5}],"tags":{"k":"v"}}"#;
    let bad = [
        r#"{"order_id":"lost","items":[{"sku":"lost","qty":1,"price":1.5},{"sku":"lost","qty":"#,
        r#"{"tags":{"lost":"lost","lost2":7},"order_id":"lost"}"#,
        r#"{"order_id":"lost","items":[{"sku":"lost"}]}"#,
        r#"{"order_id":"lost\q"}"#,
        r#"{"order_id":"lost"} {}"#,
        r#"{"order_id":"lost","order_id":"lost"}"#,
        r#"{"order_id":"lost","tags":{"lost":"1","b":"2","lost":"3"}}"#,
        r#"{"order_id":"lost","#,
    ];
    let mut decoder = decoder(ORDER);
    for bad in bad {
        decoder.decode(good.as_bytes()).unwrap();
        let error = decoder.decode(bad.as_bytes()).unwrap_err();
        assert_eq!(error.recovery(), Recovery::DeadLetter, "{bad}");
    }
    assert_eq!(decoder.rows(), bad.len());
    let rows = encoded(&decoder.finish());
    let whole = r#"{"order_id":"o-1","ts":null,"total":null,"items":[{"sku":"a","qty":1,"price":1.5}],"tags":{"k":"v"}}"#;
    assert_eq!(rows, vec![whole; bad.len()]);
    assert_eq!((decoder.rows(), decoder.finish().num_rows()), (0, 0));
}

#[test]
fn an_error_names_the_field_the_place_and_both_sides() {
    let mut decoder = decoder(ORDER);
    let mut message = |record: &str| decoder.decode(record.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        message(r#"{"order_id":"a","items":[{"price":1},{"price":"1"}]}"#),
        "`items[1].price` at byte 46: found `\"1\"`, expected double not null"
    );
    assert_eq!(
        message(r#"{"order_id":"a","items":[{"qty":1}]}"#),
        "`items[0].price` at byte 25: missing, but `not null`"
    );
    assert_eq!(
        message(r#"{"order_id":null}"#),
        "`order_id` at byte 12: found null, expected string not null"
    );
    assert_eq!(
        message(r#"{"order_id":"a","tags":{"colour":[]}}"#),
        "`tags[\"colour\"]` at byte 33: found a list, expected string"
    );
    assert_eq!(
        message(r#"{"order_id":"a","ts":"yesterday"}"#),
        "`ts` at byte 21: found `\"yesterday\"`, \
         expected timestamp (text such as 2026-01-05T10:00:00Z, or epoch milliseconds)"
    );
    assert_eq!(
        message(r#"{"order_id":"a",}"#),
        "not valid JSON, at byte 16: found `}`, expected a name in quotes"
    );
    assert_eq!(
        message(r#"{"order_id":"a","#),
        "not valid JSON, at byte 16: found the end of the record, expected a name in quotes"
    );
    assert_eq!(
        message(r#"{"order_id":"a","order_id":"b"}"#),
        "`order_id` at byte 16: the same name a second time in one object"
    );
    assert_eq!(message("[]"), "not valid JSON, at byte 0: found a list, expected an object");
}

#[test]
fn an_error_shows_no_more_than_a_glimpse_of_the_record() {
    let secret = "s".repeat(10_000);
    for record in [
        format!(r#"{{"order_id":"a","ts":"{secret}"}}"#),
        format!(r#"{{"order_id":"a","ts":{secret}}}"#),
        format!(r#"{{"order_id":"a","tags":{{"{secret}":1}}}}"#),
        format!(r#"{{"order_id":"{secret}"#),
        format!(r#"{{"{secret}":nope}}"#),
    ] {
        let message = decoder(ORDER).decode(record.as_bytes()).unwrap_err().to_string();
        assert!(message.matches('s').count() < 60, "{message}");
    }
    let control = decoder(ORDER).decode(b"{\"ts\":\"\x1b[31m\"}").unwrap_err().to_string();
    assert!(!control.contains('\x1b'), "{control}");
}

#[test]
fn a_whole_number_takes_digits_and_nothing_else() {
    for (value, read_as) in [("0", 0), ("-0", 0), ("127", 127), ("-128", -128)] {
        let column = read("tinyint", value).unwrap();
        assert_eq!(column.as_primitive::<arrow::datatypes::Int8Type>().value(0), read_as);
    }
    let exact = read("bigint", "9007199254740993").unwrap();
    assert_eq!(exact.as_primitive::<Int64Type>(), &Int64Array::from(vec![9_007_199_254_740_993]));
    for none in ["128", "-129", "1.5", "1.0", "1e3", "\"12\"", "true", "[]", "{}", "1E0"] {
        let error = read("tinyint", none).unwrap_err();
        assert!(matches!(error, DecodeError::Mismatch { .. }), "{none}: {error}");
    }
    for no_json in
        ["01", "+1", "1.", ".5", "1e", "-", "0x1", "1_000", "NaN", "Infinity", "-Infinity"]
    {
        for data_type in ["tinyint", "double", "decimal(9,3)"] {
            assert!(read(data_type, no_json).is_err(), "{data_type} {no_json}");
        }
    }
}

#[test]
fn doubles_are_the_nearest_value_and_never_infinite() {
    for value in ["0.1", "12", "1e22", "5e-324", "1.7976931348623157e308", "0.30000000000000004"] {
        let nearest: f64 = value.parse().unwrap();
        let column = read("double", value).unwrap();
        assert_eq!(column.as_any().downcast_ref(), Some(&Float64Array::from(vec![nearest])));
    }
    assert!(read("double", "1e309").is_err());
    assert!(read("float", "1e39").is_err());
    assert!(read("double", "\"1.5\"").is_err());
}

#[test]
fn decimals_are_exact_or_an_error() {
    assert_eq!(again("decimal(10,2)", "12.5"), "12.50");
    assert_eq!(again("decimal(10,2)", "-0.01"), "-0.01");
    assert_eq!(again("decimal(10,2)", "1.2e1"), "12.00");
    assert_eq!(again("decimal(38,0)", &"9".repeat(38)), "9".repeat(38));
    for none in ["0.001", "123456789.00", "1e9", "\"1.00\""] {
        assert!(read("decimal(10,2)", none).is_err(), "{none}");
    }
}

#[test]
fn dates_times_and_instants_are_read_from_text() {
    assert_eq!(again("date", r#""2024-02-29""#), r#""2024-02-29""#);
    assert_eq!(again("time", r#""23:59:59.000001""#), r#""23:59:59.000001""#);
    assert_eq!(again("timestamp", "1767614400001"), r#""2026-01-05T12:00:00.001Z""#);
    let nanos = r#""2026-01-05T12:00:00.123456789Z""#;
    assert_eq!(again("timestamp(9)", nanos), nanos);
    assert!(read("timestamp", nanos).is_err(), "nothing is cut off");
    assert!(read("timestamp", "1767614400001.5").is_err());
    assert!(read("date", "20000").is_err());
    assert_eq!(again("date", r#""2024\u002d02-29""#), r#""2024-02-29""#);
}

#[test]
fn binary_is_base64_in_its_one_proper_form() {
    assert_eq!(again("binary", r#""AAH/""#), r#""AAH/""#);
    assert_eq!(again("binary", r#""AAH\/""#), r#""AAH/""#);
    assert_eq!(again("binary", r#""""#), r#""""#);
    for bad in [r#""AAH""#, r#""AB==C""#, r#""A-_=""#, r#""AB==\n""#, r#""AR==""#, "12"] {
        assert!(read("binary", bad).is_err(), "{bad}");
    }
}

#[test]
fn text_must_be_whole_characters() {
    assert_eq!(again("string", r#""\ud83d\ude00\u0000""#), r#""😀\u0000""#);
    for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\x""#, "\"\n\"", "\"a", "'a'"] {
        assert!(read("string", bad).is_err(), "{bad}");
        let skipped = decoder(ORDER).decode(format!(r#"{{"order_id":"a","x":{bad}}}"#).as_bytes());
        assert!(skipped.is_err(), "{bad} in a skipped field");
    }
    let error = decoder(ORDER).decode(b"{\"order_id\":\"\xff\"}").unwrap_err();
    assert_eq!(error, DecodeError::NotUtf8 { offset: 13 });
    let marked = decoder(ORDER).decode(b"\xEF\xBB\xBF{\"order_id\":\"a\"}").unwrap_err();
    assert_eq!(marked, DecodeError::ByteOrderMark);
}

#[test]
fn depth_has_a_limit_even_where_values_are_skipped() {
    let nested = |depth: usize| {
        format!(r#"{{"order_id":"a","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let objects = format!(r#"{{"order_id":"a","x":{}"#, r#"{"a":["#.repeat(50_000));
    assert_eq!(decoder(ORDER).decode(nested(127).as_bytes()), Ok(()));
    for deep in [nested(128), nested(100_000), objects] {
        let error = decoder(ORDER).decode(deep.as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::TooDeep { limit: 128, .. }), "{error}");
    }
}

#[test]
fn a_record_over_the_limit_is_refused_and_a_large_one_under_it_is_read() {
    let record = format!(r#"{{"order_id":"{}"}}"#, "x".repeat(10 << 20));
    let mut decoder = decoder(ORDER);
    decoder.decode(record.as_bytes()).unwrap();
    assert_eq!(decoder.finish().column(0).as_string::<i32>().value(0).len(), 10 << 20);

    let config = DecodeConfig { record_bytes_max: 100 };
    let mut decoder = Decoder::new(&schema(ORDER), config).unwrap();
    let error = decoder.decode(record.as_bytes()).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { size: record.len(), limit: 100 });
    assert!(error.to_string().contains("`decode.record_bytes_max`"));
}

#[test]
fn null_structs_hide_that_their_fields_may_not_be_null() {
    let mut decoder = decoder(&[("a", "struct<b: struct<c: int not null> not null>")]);
    decoder.decode(br#"{"a":null}"#).unwrap();
    decoder.decode(br#"{"a":{"b":{"c":1}}}"#).unwrap();
    decoder.decode(br#"{"a":{"b":null}}"#).unwrap_err();
    decoder.decode(br#"{"a":{}}"#).unwrap_err();
    decoder.decode(b"{}").unwrap();
    let rows = encoded(&decoder.finish());
    assert_eq!(rows, [r#"{"a":null}"#, r#"{"a":{"b":{"c":1}}}"#, r#"{"a":null}"#]);
}

#[test]
fn a_batch_of_no_columns_still_counts_its_rows() {
    let mut decoder = decoder(&[]);
    decoder.decode(b"{}").unwrap();
    decoder.decode(br#"{"a":1,"a":2}"#).unwrap();
    assert_eq!(decoder.finish().num_rows(), 2);
}

#[test]
fn a_field_named_with_a_quote_is_found_by_its_written_form() {
    let mut decoder = decoder(&[("a\"b", "int"), ("a\\b", "int"), ("é\n", "int")]);
    decoder.decode(r#"{"a\"b":1,"a\\b":2,"é\n":3}"#.as_bytes()).unwrap();
    decoder.decode(r#"{"a\u0022b":4,"a\u005cb":5,"\u00e9\u000a":6}"#.as_bytes()).unwrap();
    let rows = encoded(&decoder.finish());
    assert_eq!(rows[1], r#"{"a\"b":4,"a\\b":5,"é\n":6}"#);
    assert_eq!(rows[0], r#"{"a\"b":1,"a\\b":2,"é\n":3}"#);
}

#[test]
fn a_schema_that_cannot_be_read_is_refused_with_the_field() {
    use arrow::datatypes::{DataType, Field};
    let item = Field::new("item", DataType::UInt8, true);
    let list = Field::new("xs", DataType::List(item.into()), true);
    let outer = Field::new("o", DataType::Struct(vec![list].into()), true);
    let refused = Decoder::new(&Schema::new(vec![outer]), DecodeConfig::default()).unwrap_err();
    let path = "o.xs[]".to_owned();
    assert_eq!(refused, DecodeSetupError::Unsupported { path, data_type: DataType::UInt8 });

    let twice = Schema::new(vec![parse_field("a", "int").unwrap(); 2]);
    let refused = Decoder::new(&twice, DecodeConfig::default()).unwrap_err();
    assert_eq!(refused, DecodeSetupError::Duplicate { path: "a".to_owned() });
}
