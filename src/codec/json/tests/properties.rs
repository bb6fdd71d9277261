use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, value::RawValue};

use super::*;
use crate::codec::schema::format_type;

/// A type's text, and a value of that type as the encoder writes it.
fn any_typed_value() -> impl Strategy<Value = (String, Vec<String>)> {
    any_type(3).prop_flat_map(|text| {
        let field = parse_field("v", &text).unwrap();
        (Just(text), vec(any_value(&field), 1..6))
    })
}

fn any_type(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "decimal(20,3)",
        "decimal(38,0)",
        "string",
        "binary",
        "date",
        "time",
        "time(9)",
        "timestamp",
        "timestamp(9)",
    ]);
    let null = prop::sample::select(vec!["", " not null"]);
    let leaf = (leaf, null.clone()).prop_map(|(leaf, null)| format!("{leaf}{null}"));
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = any_type(depth - 1);
    prop_oneof![
        2 => leaf,
        1 => (inner.clone(), null.clone()).prop_map(|(t, n)| format!("list<{t}>{n}")),
        1 => (inner.clone(), null.clone()).prop_map(|(t, n)| format!("map<string,{t}>{n}")),
        1 => (inner.clone(), inner, null)
            .prop_map(|(a, b, n)| format!("struct<a:{a}, \"ö \"\"b\":{b}>{n}")),
    ]
    .boxed()
}

fn any_value(field: &Field) -> BoxedStrategy<String> {
    let value = any_present_value(field.data_type());
    if field.is_nullable() {
        prop_oneof![1 => Just("null".to_owned()), 4 => value].boxed()
    } else {
        value
    }
}

fn any_present_value(data_type: &DataType) -> BoxedStrategy<String> {
    let column = |column: ArrayRef| written(column).remove(0);
    match data_type {
        DataType::Boolean => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        DataType::Int8 => any::<i8>().prop_map(|value| value.to_string()).boxed(),
        DataType::Int16 => any::<i16>().prop_map(|value| value.to_string()).boxed(),
        DataType::Int32 => any::<i32>().prop_map(|value| value.to_string()).boxed(),
        DataType::Int64 => any::<i64>().prop_map(|value| value.to_string()).boxed(),
        DataType::Float32 => {
            use proptest::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
            let floats = POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO;
            floats.prop_map(|value| zmij::Buffer::new().format_finite(value).to_owned()).boxed()
        }
        DataType::Float64 => {
            use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
            let floats = POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO;
            floats.prop_map(|value| zmij::Buffer::new().format_finite(value).to_owned()).boxed()
        }
        DataType::Decimal128(_, 0) => {
            (1 - 10i128.pow(38)..10i128.pow(38)).prop_map(|value| value.to_string()).boxed()
        }
        DataType::Decimal128(..) => (any::<bool>(), 0..10u64.pow(17), 0..1000u32)
            .prop_filter("no negative zero", |(minus, whole, part)| {
                !minus || whole + u64::from(*part) > 0
            })
            .prop_map(|(minus, whole, part)| {
                format!("{}{whole}.{part:03}", if minus { "-" } else { "" })
            })
            .boxed(),
        DataType::Utf8 => any::<String>().prop_map(|text| json_text(&text)).boxed(),
        DataType::Binary => vec(any::<u8>(), 0..20)
            .prop_map(move |bytes| {
                column(Arc::new(arrow::array::BinaryArray::from(vec![bytes.as_slice()])))
            })
            .boxed(),
        DataType::Date32 => (-719_528..=2_932_896)
            .prop_map(move |day| column(Arc::new(arrow::array::Date32Array::from(vec![day]))))
            .boxed(),
        DataType::Time64(_) | DataType::Timestamp(..) => any_clock_value(data_type),
        DataType::List(item) => {
            vec(any_value(item), 0..4).prop_map(|items| format!("[{}]", items.join(","))).boxed()
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else { unreachable!() };
            proptest::collection::btree_map(any::<String>(), any_value(&pair[1]), 0..4)
                .prop_map(|entries| {
                    let entries = entries.iter().map(|(k, v)| format!("{}:{v}", json_text(k)));
                    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
                })
                .boxed()
        }
        DataType::Struct(fields) => {
            let members = fields.iter().map(|field| {
                let name = json_text(field.name());
                any_value(field).prop_map(move |value| format!("{name}:{value}")).boxed()
            });
            let members: Vec<_> = members.collect();
            members.prop_map(|members| format!("{{{}}}", members.join(","))).boxed()
        }
        other => unreachable!("{other}"),
    }
}

fn any_clock_value(data_type: &DataType) -> BoxedStrategy<String> {
    let data_type = data_type.clone();
    let nanos = match data_type {
        DataType::Time64(_) => 0..86_400_000_000_000,
        _ => i64::MIN / 2..i64::MAX / 2,
    };
    nanos
        .prop_map(move |nanos| {
            let per_unit =
                if format_type(&Field::new("v", data_type.clone(), true)).ends_with("(9)") {
                    1
                } else {
                    1_000
                };
            let count: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![nanos / per_unit]));
            written(arrow::compute::cast(&count, &data_type).unwrap()).remove(0)
        })
        .boxed()
}

fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    super::super::text::write_string(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap()
}

/// Any JSON value, with the forms that other writers use.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        Just(r#""\u00e9\/\ud83d\ude00""#.to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            vec(("[a-d]", inner), 0..4).prop_map(|members| {
                let members = members.iter().map(|(name, value)| format!("\"{name}\" : {value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join("\t,"))
            }),
        ]
    })
}

/// A small change to a text.
#[derive(Debug, Clone)]
struct Edit {
    at: prop::sample::Index,
    remove: usize,
    insert: &'static str,
}

fn any_edit() -> impl Strategy<Value = Edit> {
    const INSERTS: &[&str] = &[
        "", ",", "]", "}", "\"", "0", ".", "e", "-", "\\", "{", "[", " ", "\n", "t", "\u{1}", ":",
    ];
    (any::<prop::sample::Index>(), 0..3usize, prop::sample::select(INSERTS))
        .prop_map(|(at, remove, insert)| Edit { at, remove, insert })
}

impl Edit {
    fn of(&self, mut text: String) -> String {
        let start = text.floor_char_boundary(self.at.index(text.len()));
        let end = text.ceil_char_boundary(start + self.remove);
        text.replace_range(start..end, self.insert);
        text
    }
}

/// What `serde_json` says. It reads twice: skipped strings are not looked into,
/// and values that are kept must fit an `f64`, which is not asked about here.
fn is_json_object(text: &str) -> bool {
    let kept = serde_json::from_str::<Map<String, Value>>(text);
    let fits = kept.map_or_else(|error| error.to_string().starts_with("number out"), |_| true);
    fits && serde_json::from_str::<&RawValue>(text).is_ok()
}

proptest! {
    #[test]
    fn what_is_written_reads_back_and_is_written_the_same(
        (data_type, values) in any_typed_value(),
    ) {
        let mut decoder = decoder(&[("v", &data_type)]);
        let records: Vec<_> = values.iter().map(|value| format!(r#"{{"v":{value}}}"#)).collect();
        for record in &records {
            prop_assert_eq!(decoder.decode(record.as_bytes()), Ok(()), "{}", record);
        }
        let batch = decoder.finish();
        let rows = encoded(&batch);
        prop_assert_eq!(&rows, &records);
        for row in rows {
            prop_assert!(serde_json::from_str::<Value>(&row).is_ok(), "{}", row);
            prop_assert_eq!(decoder.decode(row.as_bytes()), Ok(()));
        }
        prop_assert_eq!(decoder.finish(), batch);
    }

    #[test]
    fn fields_are_found_in_any_order(
        orders in vec(Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(), 1..6),
        absent in vec(0..8usize, 6),
    ) {
        // Five fields that the schema has, and three that it has not.
        let fields = ["f0", "f1", "f2", "f3", "f4"].map(|name| (name, "int"));
        let mut decoder = decoder(&fields);
        let mut expected = Vec::new();
        for (row, order) in orders.iter().enumerate() {
            let present = order.iter().filter(|field| **field != absent[row]);
            let members = present.map(|field| format!("\"f{field}\":{}", row * 10 + field));
            let record = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            prop_assert_eq!(decoder.decode(record.as_bytes()), Ok(()));
            let members = (0..5).map(|field| match absent[row] {
                absent if absent == field => format!("\"f{field}\":null"),
                _ => format!("\"f{field}\":{}", row * 10 + field),
            });
            expected.push(format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
        }
        prop_assert_eq!(encoded(&decoder.finish()), expected);
    }

    #[test]
    fn garbage_between_good_rows_changes_none_of_them(
        (data_type, values) in any_typed_value(),
        garbage in vec(vec(any::<u8>(), 0..30), 1..6),
        cuts in vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let mut alone = decoder(&[("v", &data_type), ("w", "list<string>")]);
        let mut among = decoder(&[("v", &data_type), ("w", "list<string>")]);
        for (index, value) in values.iter().enumerate() {
            let record = format!(r#"{{"w":["x","y"],"v":{value}}}"#);
            prop_assert!(alone.decode(record.as_bytes()).is_ok());
            prop_assert!(among.decode(record.as_bytes()).is_ok());
            let noise = &garbage[index % garbage.len()];
            prop_assert!(among.decode(noise).is_err());
            let cut = cuts[index % cuts.len()].index(record.len());
            prop_assert!(among.decode(&record.as_bytes()[..cut]).is_err());
            let mut spliced = record.as_bytes()[..cut].to_vec();
            spliced.extend_from_slice(noise);
            // A cut and garbage may happen to make a record; then both have it.
            if among.decode(&spliced).is_ok() {
                prop_assert!(alone.decode(&spliced).is_ok());
            }
        }
        prop_assert_eq!(among.finish(), alone.finish());
    }

    #[test]
    fn skipped_values_are_accepted_and_refused_as_serde_json_does(
        value in any_json(),
        edit in any_edit(),
    ) {
        let record = edit.of(format!(r#"{{"skipped":{value}}}"#));
        let outcome = decoder(&[]).decode(record.as_bytes());
        prop_assert_eq!(outcome.is_ok(), is_json_object(&record), "{}: {:?}", record, outcome);
    }

    #[test]
    fn a_row_is_never_made_of_what_is_no_json(
        (data_type, values) in any_typed_value(),
        edit in any_edit(),
    ) {
        let record = edit.of(format!(r#"{{"v":{}}}"#, values[0]));
        let outcome = decoder(&[("v", &data_type)]).decode(record.as_bytes());
        let is_json = is_json_object(&record);
        prop_assert!(is_json || outcome.is_err(), "{}", record);
    }

    #[test]
    fn any_bytes_are_a_row_or_an_error(
        pieces in vec(
            prop_oneof![
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"v\"", "\"w\"", "null", "true", "1", "-1.5e3",
                    "\"2026-01-05T10:00:00Z\"", "\"\\ud83d\"", "\"AAA=\"", " ",
                ]).prop_map(|piece| piece.as_bytes().to_vec()),
                vec(any::<u8>(), 1..4),
            ],
            0..24,
        ),
        data_type in any_type(2),
    ) {
        let mut decoder = decoder(&[("v", &data_type), ("w", "binary")]);
        let good = decoder.decode(&pieces.concat()).is_ok();
        prop_assert_eq!(decoder.rows(), usize::from(good));
        prop_assert_eq!(decoder.finish().num_rows(), usize::from(good));
    }
}
