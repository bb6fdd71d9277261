use super::*;
use crate::codec::schema::parse_field;

fn schema(fields: &[(&str, &str)]) -> Schema {
    let field = |(name, text): &(&str, &str)| parse_field(name, text).unwrap();
    Schema::new(fields.iter().map(field).collect::<Vec<_>>())
}

fn named(columns: &[&str]) -> CsvOptions {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    CsvOptions { columns: Some(columns), ..CsvOptions::default() }
}

/// The records of a file; those of bad rows with their line and reason.
fn read(
    text: &[u8],
    options: CsvOptions,
    schema: &Schema,
    key: Option<&str>,
) -> Result<Vec<String>, HeaderError> {
    let mut csv = Csv::new(options, Some(schema), key)?;
    let mut found = Vec::new();
    let mut take = |csv: &mut Csv| {
        loop {
            let mut out = Vec::new();
            let bad = match csv.next(&mut out) {
                Next::More => return,
                Next::Record => String::new(),
                Next::Bad(BadRow { line, reason }) => format!(" <- line {line}: {reason}"),
            };
            found.push(format!("{}{bad}", String::from_utf8_lossy(&out)));
        }
    };
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        csv.push(line)?;
        take(&mut csv);
    }
    csv.end()?;
    take(&mut csv);
    Ok(found)
}

fn rows(text: &str, fields: &[(&str, &str)]) -> Vec<String> {
    read(text.as_bytes(), CsvOptions::default(), &schema(fields), None).unwrap()
}

fn value(data_type: &str, text: &str) -> String {
    let text = format!("v,i\n\"{}\",1\n", text.replace('"', "\"\""));
    let found = rows(&text, &[("v", data_type), ("i", "int")]).remove(0);
    let found = found.strip_prefix(r#"{"v":"#).and_then(|found| found.strip_suffix(r#","i":1}"#));
    found.unwrap().to_owned()
}

/// ClickHouse issue 103104: decimals that pass through a double.
#[test]
fn numbers_keep_the_digits_of_the_file() {
    for digits in [
        "12345678901234567890.123456789012345678",
        "0.100000000000000001",
        "1.10",
        "-0.0",
        "1E5",
        "1.5e-3",
        "36893488147419103233",
    ] {
        assert_eq!(value("decimal(38,18)", digits), digits);
        assert_eq!(value("double", digits), digits);
    }
    assert_eq!(value("bigint", "9007199254740993"), "9007199254740993");
}

#[test]
fn numbers_that_can_mean_one_value_only_are_read_and_others_become_text() {
    for (data_type, text, expected) in [
        ("int", " 7 ", "7"),
        ("int", "+7", "7"),
        ("int", "007", "7"),
        ("int", "-0", "-0"),
        ("int", "3.0", "3"),
        ("int", "3.00", "3"),
        ("int", "3.", "3"),
        ("double", ".5", "0.5"),
        ("double", "-.5", "-0.5"),
        ("double", "5.", "5"),
        ("double", "00.50", "0.50"),
        ("decimal(10,2)", "+1.50", "1.50"),
    ] {
        assert_eq!(value(data_type, text), expected, "{data_type} {text}");
    }
    for (data_type, text) in [
        ("int", "3.5"),
        ("int", "1e3"),
        ("int", "1,234"),
        ("int", "0x10"),
        ("int", "."),
        ("int", "-"),
        ("int", "NA"),
        ("int", "1 2"),
        ("int", " "),
        ("double", "NaN"),
        ("double", "inf"),
        ("double", "1e"),
        ("double", "1,5"),
        ("decimal(10,2)", "€1"),
        ("boolean", "yes"),
        ("boolean", "2"),
        ("timestamp", "01/03/2024 10:00"),
        ("timestamp", "2024-03-01T10:00:00"),
        ("timestamp", "2024-03-01"),
        ("timestamp", "2024-03-01T10:00+1"),
        ("timestamp", "2024-03-01 10:00:00 CET"),
        ("timestamp", "2024-03-01 10:00:00ab"),
        ("list<int>", "{1,2}"),
        ("list<int>", "[1],\"x\":[2]"),
    ] {
        let string = serde_json::to_string(text).unwrap();
        assert_eq!(value(data_type, text), string, "{data_type} {text}");
    }
}

#[test]
fn booleans_are_read_as_pandas_spreadsheets_and_databases_write_them() {
    for text in ["true", "True", "TRUE", "t", "1", " true "] {
        assert_eq!(value("boolean", text), "true", "{text}");
    }
    for text in ["false", "False", "FALSE", "f", "0"] {
        assert_eq!(value("boolean", text), "false", "{text}");
    }
}

#[test]
fn timestamps_are_read_as_databases_write_them_and_no_digit_is_lost() {
    for (text, expected) in [
        ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00Z"),
        ("2024-03-01 10:00:00.1234567 UTC", "2024-03-01 10:00:00.1234567Z"),
        ("2024-03-01 10:00:00+02", "2024-03-01 10:00:00+02:00"),
        ("2024-03-01 10:00:00.5-0330", "2024-03-01 10:00:00.5-03:30"),
        ("2024-03-01T10:00:00+02:00", "2024-03-01T10:00:00+02:00"),
        ("2024-03-01 10:00Z", "2024-03-01 10:00:00Z"),
    ] {
        assert_eq!(value("timestamp", text), format!("\"{expected}\""), "{text}");
    }
    assert_eq!(value("timestamp", "1709287200000"), "1709287200000");
}

#[test]
fn text_stays_as_it_is_whatever_it_looks_like() {
    for text in ["007", " a ", "true", "1.50", "line\r\nend", "a \"quote\"", "é\t☃"] {
        assert_eq!(value("string", text), serde_json::to_string(text).unwrap());
    }
    assert_eq!(value("binary", "1234"), "\"1234\"");
    assert_eq!(value("date", "2026-01-05"), "\"2026-01-05\"");
    assert_eq!(value("list<double>", " [1.10, 2]"), "[1.10, 2]");
    assert_eq!(value("struct<a: int>", "{\"a\":1}"), "{\"a\":1}");
    for data_type in ["string", "int", "timestamp", "list<int>", "boolean"] {
        assert_eq!(value(data_type, ""), "null");
    }
}

#[test]
fn a_row_that_is_not_one_leaves_its_neighbours_as_they_are() {
    let text = b"id,name\r\n1,a\r\n\r\n2\r\n3,b,c\r\n4,\"x\" y\r\n5,\xff\r\n6,\"two\r\nlines\"\r\n7,5\" pipe\r\n8,\"open\r\n9,b\r\n";
    let schema = schema(&[("id", "int"), ("name", "string")]);
    let found = read(text, CsvOptions::default(), &schema, None).unwrap();
    assert_eq!(
        found,
        [
            r#"{"id":1,"name":"a"}"#,
            "2 <- line 4: 1 columns, expected 2",
            "3,b,c <- line 5: 3 columns, expected 2",
            "4,\"x\" y <- line 6: text follows a closing quote",
            "5,\u{fffd} <- line 7: not valid UTF-8",
            r#"{"id":6,"name":"two\r\nlines"}"#,
            r#"{"id":7,"name":"5\" pipe"}"#,
            "8,\"open <- line 11: a quote is not closed",
            r#"{"id":9,"name":"b"}"#,
        ]
    );
    // The quote that would close it opens a good row.
    assert_eq!(
        rows("id,name\n1,\"a\n2,\"b\"\n3,c\n", &[("id", "int"), ("name", "string")]),
        [
            "1,\"a <- line 2: text follows a closing quote",
            r#"{"id":2,"name":"b"}"#,
            r#"{"id":3,"name":"c"}"#,
        ]
    );
}

/// JSON in a column needs quotes; without them it must not become a record of its own.
#[test]
fn a_row_that_is_json_by_itself_is_not_taken_for_a_record() {
    assert_eq!(
        rows("payload\n{\"id\":1,\"payload\":\"x\"}\n", &[("payload", "string")]),
        [r#""{\"id\":1,\"payload\":\"x\"}" <- line 2: text follows a closing quote"#]
    );
}

#[test]
fn a_mark_and_quoted_names_are_no_part_of_the_header_and_the_last_line_need_not_end() {
    assert_eq!(
        rows("\u{feff}\"id\",\"na\"\"me\"\r\n1,a", &[("id", "int"), ("na\"me", "string")]),
        [r#"{"id":1,"na\"me":"a"}"#]
    );
}

const FIELDS: [(&str, &str); 3] = [("id", "string not null"), ("name", "string"), ("qty", "int")];

fn refusal(header: &str, options: CsvOptions) -> String {
    let text = format!("{header}\n1,a,2\n");
    read(text.as_bytes(), options, &schema(&FIELDS), Some("name")).unwrap_err().to_string()
}

/// datapusher-plus issue 256 and its kind: no header may become rows of nulls.
#[test]
fn a_header_that_does_not_fit_the_topic_is_refused_with_the_reason() {
    for (header, reason) in [
        ("id;name;qty", "separated by semicolons: use `--delimiter ';'`"),
        ("\"id\";\"name\";\"qty\"", "use `--delimiter ';'`"),
        ("ID;NAME;QTY;OTHER", "use `--delimiter ';'`"),
        ("id\tname\tqty", "separated by tabs: use `--delimiter 'tab'`"),
        ("id|name|qty", "separated by bars: use `--delimiter '|'`"),
        ("id, name,qty", "` name` has spaces around `name`"),
        ("id,name ,qty", "`name ` has spaces around `name`"),
        ("ID,name,qty", "`ID` is written `id` in the topic file"),
        ("id,name,quantity", "`quantity` is not a field"),
        ("id,nmae,qty", "`nmae` is not a field; did you mean `name`?"),
        ("id,name,qty,qty", "`qty` occurs 2 times"),
        ("id,name,qty,extra", "`extra` is not a field"),
        (",id,name,qty", "a column has no name"),
        ("name,qty", "no column for `id` (not null)"),
        ("id,qty", "no column for `name` (the key)"),
        ("id,name", "no column for `qty`"),
        ("1,a,2", "no column for `id`"),
        ("id,name,q\u{7}ty", "`q\\u{7}ty` is not a field"),
    ] {
        let error = refusal(header, CsvOptions::default());
        assert!(error.contains(reason), "{header}: {error}");
    }
    let all = refusal("id,nmae", CsvOptions::default());
    assert!(all.contains("`nmae`") && all.contains("`qty`") && all.contains("--columns"), "{all}");
    for empty in ["", "\n", "\u{feff}"] {
        let read = read(empty.as_bytes(), CsvOptions::default(), &schema(&FIELDS), None);
        assert_eq!(read, Err(HeaderError::empty()));
    }
    for (header, reason) in [
        (&b"\xff\xfei\0d\0"[..], "UTF-16"),
        (b"\xfe\xff\0i\0d", "UTF-16"),
        (b"id,na\xefme,qty\n", "not valid UTF-8"),
        (b"id,\"name,qty\n1,a,2\n", "a quote is not closed"),
    ] {
        let error = read(header, CsvOptions::default(), &schema(&FIELDS), None).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn options_say_what_the_header_does_not() {
    let with = |text: &str, options: CsvOptions| {
        read(text.as_bytes(), options, &schema(&FIELDS), Some("name"))
    };
    let semicolons = CsvOptions { delimiter: Some(b';'), ..CsvOptions::default() };
    let row = r#"{"id":"1","name":"a, b","qty":2}"#;
    assert_eq!(with("id;name;qty\n1;a, b;2\n", semicolons).unwrap(), [row]);
    // Names in place of the header's; a column left out; a nullable field left out.
    let found = with("Nr,Junk,Who\n1,x,a\n", named(&["id", "-", "name"])).unwrap();
    assert_eq!(found, [r#"{"id":"1","name":"a"}"#]);
    let no_header = CsvOptions { no_header: true, ..CsvOptions::default() };
    assert_eq!(with("1,\"a, b\",2\n", no_header.clone()).unwrap(), [row]);
    let swapped = CsvOptions { no_header: true, ..named(&["name", "id"]) };
    assert_eq!(with("a,1\n", swapped).unwrap(), [r#"{"name":"a","id":"1"}"#]);

    for (columns, reason) in [
        (&["id", "name"][..], "names 2 columns, and the header has 3"),
        (&["id", "name", "nmae"], "`nmae` is not a field"),
        (&["id", "id", "name"], "`id` occurs 2 times"),
        (&["name", "qty", "-"], "no column for `id` (not null)"),
        (&["id", "qty", "-"], "no column for `name` (the key)"),
    ] {
        let error = refusal("a,b,c", named(columns));
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn without_declared_fields_every_column_is_text() {
    let none = Schema::empty();
    let with = |text: &str| read(text.as_bytes(), CsvOptions::default(), &none, None);
    assert_eq!(with("b,a\n1.50,\n").unwrap(), [r#"{"b":"1.50","a":null}"#]);
    let no_header = CsvOptions { no_header: true, ..CsvOptions::default() };
    assert_eq!(read(b"1\n", no_header, &none, None), Err(HeaderError::no_names()));
    for (header, reason) in [
        ("a,a", "`a` occurs 2 times"),
        ("a,", "a column has no name"),
        ("a;b", "use `--delimiter ';'`"),
    ] {
        let error = with(&format!("{header}\n")).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_delimiter_is_one_character_that_is_not_part_of_values() {
    for (text, byte) in [(";", b';'), ("tab", b'\t'), ("\\t", b'\t'), ("|", b'|'), (" ", b' ')] {
        assert_eq!(parse_delimiter(text), Ok(byte), "{text}");
    }
    for text in ["", "\"", "a", "1", ";;", "é"] {
        assert!(parse_delimiter(text).is_err(), "{text}");
    }
}
