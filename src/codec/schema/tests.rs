use proptest::prelude::*;

use super::*;
use crate::codec::schema::parse::TypeError;

fn parsed(text: &str) -> Field {
    parse_field("f", text).unwrap()
}

fn refused(text: &str) -> TypeError {
    parse_field("f", text).unwrap_err()
}

#[test]
fn each_name_means_its_type_in_any_case() {
    for (text, data_type) in [
        ("boolean", DataType::Boolean),
        ("TinyInt", DataType::Int8),
        ("smallint", DataType::Int16),
        ("int", DataType::Int32),
        ("INTEGER", DataType::Int32),
        (" bigint ", DataType::Int64),
        ("float", DataType::Float32),
        ("real", DataType::Float32),
        ("double", DataType::Float64),
        ("decimal( 10 , 2 )", DataType::Decimal128(10, 2)),
        ("string", DataType::Utf8),
        ("varchar", DataType::Utf8),
        ("text", DataType::Utf8),
        ("binary", DataType::Binary),
        ("date", DataType::Date32),
        ("time", DataType::Time64(TimeUnit::Microsecond)),
        ("time(9)", DataType::Time64(TimeUnit::Nanosecond)),
        ("timestamp", timestamp(TimeUnit::Microsecond)),
        ("timestamp(6)", timestamp(TimeUnit::Microsecond)),
        ("timestamp(9)", timestamp(TimeUnit::Nanosecond)),
    ] {
        assert_eq!(parsed(text), Field::new("f", data_type, true), "{text}");
    }
}

#[test]
fn not_null_is_heard_at_every_depth() {
    let field = parsed(
        "list<struct<sku: string NOT NULL, qty:int, price double not null> not null> not null",
    );
    let inner = vec![
        Field::new("sku", DataType::Utf8, false),
        Field::new("qty", DataType::Int32, true),
        Field::new("price", DataType::Float64, false),
    ];
    let item = Field::new("item", DataType::Struct(inner.into()), false);
    assert_eq!(field, Field::new("f", list(item), false));

    let tags = parsed("map<string, bigint not null>");
    assert_eq!(tags.data_type(), &map(Field::new("value", DataType::Int64, false)));
    assert!(tags.is_nullable());
}

#[test]
fn an_error_says_where_what_was_found_and_what_was_meant() {
    let error = refused("list<struct<sku: strng>>");
    assert_eq!(
        error.to_string(),
        "type of field `f`: found `strng` at byte 17 of `list<struct<sku: strng>>`, \
         expected a type; did you mean `string`?"
    );
    assert_eq!(refused("int64").hint, Some("bigint"));
    assert_eq!(refused("array<int>").hint, Some("list<…>"));
    assert_eq!(refused("qqqqqqq").hint, None);
}

#[test]
fn each_mistake_is_found_at_its_place() {
    for (text, offset, found, expected) in [
        ("", 0, "the end", "a type"),
        ("list", 4, "the end", "`<`"),
        ("list<int", 8, "the end", "`>`"),
        ("int null", 4, "`null`", "`not null` or the end"),
        ("int not", 7, "the end", "`null` after `not`"),
        ("varchar(20)", 7, "`(`", "`not null` or the end"),
        ("decimal(39,2)", 8, "`39`", "a precision, 1 to 38"),
        ("decimal(4,5)", 10, "`5`", "a scale, 0 to 4"),
        ("decimal(4)", 9, "`)`", "`,`"),
        ("timestamp(3)", 10, "`3`", "6 or 9 (digits of the fraction of a second)"),
        ("map<int,int>", 4, "`int`", "`string` (the keys of a JSON object)"),
        ("struct<>", 7, "`>`", "the name of a field"),
        ("struct<a:int a:int>", 13, "`a`", "`,`, `>` or `not null`"),
        ("struct<a:int, a:int>", 14, "`a`", "a name that the struct does not have yet"),
        ("struct<\"a:int>", 7, "`\"`", "a closing `\"` of the name"),
    ] {
        let error = refused(text);
        let seen = (error.offset, error.found.as_str(), error.expected.as_ref());
        assert_eq!(seen, (offset, found, expected), "{text}");
    }
}

#[test]
fn a_type_without_an_end_to_its_depth_is_refused_not_followed() {
    let deep = |levels: usize| format!("{}int{}", "list<".repeat(levels), ">".repeat(levels));
    assert!(parse_field("f", &deep(31)).is_ok());
    assert_eq!(refused(&deep(100_000)).offset, 32 * 5);
}

#[test]
fn types_that_only_a_plan_has_are_written_as_what_reads_them_back() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8View));
    for (data_type, text) in [
        (DataType::UInt8, "smallint"),
        (DataType::UInt64, "decimal(20,0)"),
        (DataType::Decimal128(5, -2), "decimal(7,0)"),
        (DataType::Decimal128(2, 4), "decimal(4,4)"),
        (DataType::Decimal256(76, 10), "decimal(38,10)"),
        (dictionary, "string"),
        (DataType::Timestamp(TimeUnit::Nanosecond, None), "timestamp(9)"),
        (DataType::Timestamp(TimeUnit::Second, Some("Europe/Paris".into())), "timestamp"),
        (DataType::Null, "string"),
        (DataType::new_large_list(DataType::UInt16, false), "list<int not null>"),
    ] {
        let field = Field::new("f", data_type, true);
        assert_eq!(format_type(&field), text);
        assert_eq!(parsed(text), canonical(&field), "{text}");
    }
}

fn any_type() -> impl Strategy<Value = (DataType, bool)> {
    let leaf = prop_oneof![
        Just(DataType::Boolean),
        Just(DataType::Int8),
        Just(DataType::Int16),
        Just(DataType::Int32),
        Just(DataType::Int64),
        Just(DataType::Float32),
        Just(DataType::Float64),
        Just(DataType::Utf8),
        Just(DataType::Binary),
        Just(DataType::Date32),
        Just(DataType::Time64(TimeUnit::Microsecond)),
        Just(DataType::Time64(TimeUnit::Nanosecond)),
        Just(timestamp(TimeUnit::Microsecond)),
        Just(timestamp(TimeUnit::Nanosecond)),
        (1..=38u8)
            .prop_flat_map(|p| (Just(p), 0..=p))
            .prop_map(|(p, s)| DataType::Decimal128(p, s as i8)),
    ];
    let whole = (leaf, any::<bool>());
    whole.prop_recursive(4, 24, 4, |inner| {
        let fields = proptest::collection::btree_map("[a-z\"<:, é]{0,3}", inner.clone(), 1..4);
        let data_type = prop_oneof![
            inner.clone().prop_map(|(t, n)| list(Field::new("item", t, n))),
            inner.prop_map(|(t, n)| map(Field::new("value", t, n))),
            fields.prop_map(|fields| DataType::Struct(
                fields.into_iter().map(|(name, (t, n))| Field::new(name, t, n)).collect()
            )),
        ];
        (data_type, any::<bool>())
    })
}

proptest! {
    #[test]
    fn a_type_reads_back_as_it_was_written((data_type, nullable) in any_type()) {
        let field = Field::new("f", data_type, nullable);
        let text = format_type(&field);
        prop_assert_eq!(parse_field("f", &text), Ok(field), "{}", text);
    }

    #[test]
    fn any_text_is_a_type_or_an_error_inside_the_text(
        text in "(list|struct|map|decimal|int|not null|[<>(),:\" a-zé0-9]){0,12}",
    ) {
        match parse_field("f", &text) {
            Ok(field) => prop_assert_eq!(parse_field("f", &format_type(&field)), Ok(field)),
            Err(error) => prop_assert!(text.is_char_boundary(error.offset)),
        }
    }
}

#[test]
fn levels_are_counted_as_they_are_read() {
    for (text, levels) in [
        ("int", 1),
        ("list<int>", 2),
        ("struct<a: int, b: list<int>>", 3),
        ("map<string, list<int>>", 3),
    ] {
        assert_eq!(depth(parse_field("f", text).unwrap().data_type()), levels, "{text}");
    }
    for (open, close) in [("list<", ">"), ("struct<a:", ">"), ("map<string,", ">")] {
        let nested =
            |levels: usize| format!("{}int{}", open.repeat(levels - 1), close.repeat(levels - 1));
        let deepest = parse_field("f", &nested(DEPTH_MAX)).unwrap();
        assert_eq!(depth(deepest.data_type()), DEPTH_MAX);
        assert!(parse_field("f", &nested(DEPTH_MAX + 1)).is_err());
    }
}
