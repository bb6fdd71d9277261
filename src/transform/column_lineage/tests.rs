use std::fmt::Write;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion_expr::{ColumnarValue, Volatility, create_udf};

use super::{ColumnLineage, Source};
use crate::transform::{
    Functions, SqlPlan,
    testing::{list, orders, planned, structure},
};

/// The orders, and a struct, a map, a decimal and lists beside.
fn schema() -> Schema {
    let geo = structure(vec![("lat", DataType::Float64), ("lon", DataType::Float64)]);
    let address = structure(vec![("city", DataType::Utf8), ("geo", geo)]);
    let entry = structure(vec![("keys", DataType::Utf8), ("values", DataType::Utf8)]);
    let more = [
        Field::new("address", address, true),
        Field::new(
            "attributes",
            DataType::Map(Arc::new(Field::new("e", entry, false)), false),
            true,
        ),
        Field::new("price", DataType::Decimal128(12, 2), true),
        Field::new("tags", list(DataType::Utf8), true),
        Field::new("orderRef", DataType::Utf8, true),
    ];
    let fields: Vec<_> =
        orders().fields().iter().cloned().chain(more.into_iter().map(Arc::new)).collect();
    Schema::new(fields)
}

/// `total <- items.qty DIRECT/TRANSFORMATION, …; * <- status INDIRECT/FILTER`
fn compact(lineage: &ColumnLineage) -> String {
    let mut parts = Vec::new();
    for (field, sources) in &lineage.fields {
        parts.push(format!("{field} <- {}", list_of(sources)));
    }
    if !lineage.dataset.is_empty() {
        parts.push(format!("* <- {}", list_of(&lineage.dataset)));
    }
    parts.join("; ").trim_end().to_owned()
}

fn list_of(sources: &[Source]) -> String {
    let mut text = String::new();
    for Source { field, transformation, masking, .. } in sources {
        let separator = if text.is_empty() { "" } else { ", " };
        let kind = (transformation.kind(), transformation.subtype());
        let masked = if *masking { " masked" } else { "" };
        write!(text, "{separator}{field} {}/{}{masked}", kind.0, kind.1).unwrap();
    }
    text
}

const IDENTITY: &str = "DIRECT/IDENTITY";

/// A SELECT and its lineage, where `=` stands for DIRECT/IDENTITY, `~` for
/// DIRECT/TRANSFORMATION, `+` for DIRECT/AGGREGATION, `?` for INDIRECT/CONDITIONAL, `#`
/// for INDIRECT/FILTER and `^` for INDIRECT/SORT.
const CASES: [(&str, &str); 100] = [
    // Columns as they are.
    ("SELECT order_id FROM input", "order_id <- order_id ="),
    ("SELECT order_id AS id FROM input", "id <- order_id ="),
    ("SELECT i.order_id AS id FROM input AS i", "id <- order_id ="),
    ("SELECT input.order_id FROM input", "order_id <- order_id ="),
    ("SELECT ORDER_ID FROM input", "order_id <- order_id ="),
    ("SELECT \"orderRef\" FROM input", "orderRef <- orderRef ="),
    ("SELECT items FROM input", "items <- items ="),
    ("SELECT order_id AS a, order_id AS b FROM input", "a <- order_id =; b <- order_id ="),
    (
        "SELECT * EXCLUDE (ts, country, status, currency, email, items, address, attributes, price, tags, \"orderRef\") FROM input",
        "order_id <- order_id =; customer_id <- customer_id =",
    ),
    (
        "SELECT i.* FROM (SELECT order_id, upper(country) AS c FROM input) i",
        "order_id <- order_id =; c <- country ~",
    ),
    // What comes from no field.
    ("SELECT 1 AS one, NULL AS n, 'x' AS x FROM input", "one <- ; n <- ; x <-"),
    ("SELECT now() AS n, random() AS r, uuid() AS u FROM input", "n <- ; r <- ; u <-"),
    ("SELECT _offset AS o, _key AS k, _headers['a'] AS h FROM input", "o <- ; k <- ; h <-"),
    ("SELECT concat(order_id, _key) AS k FROM input", "k <- order_id ~"),
    ("SELECT order_id FROM input WHERE _partition = 1", "order_id <- order_id ="),
    // Computed.
    ("SELECT upper(country) AS c FROM input", "c <- country ~"),
    ("SELECT customer_id + 1 AS c FROM input", "c <- customer_id ~"),
    ("SELECT -customer_id AS c FROM input", "c <- customer_id ~"),
    ("SELECT country || '-' || currency AS c FROM input", "c <- country ~, currency ~"),
    ("SELECT concat_ws('-', country, currency) AS c FROM input", "c <- country ~, currency ~"),
    ("SELECT country || country AS c FROM input", "c <- country ~"),
    ("SELECT CAST(customer_id AS VARCHAR) AS c FROM input", "c <- customer_id ~"),
    ("SELECT customer_id::double AS c FROM input", "c <- customer_id ~"),
    ("SELECT try_cast(country AS INT) AS c FROM input", "c <- country ~"),
    (
        "SELECT coalesce(country, currency, 'x') AS c FROM input",
        "c <- country ~, country ?, currency ~, currency ?",
    ),
    ("SELECT coalesce(country, currency) AS c FROM input", "c <- country ~, country ?, currency ~"),
    ("SELECT ifnull(country, 'x') AS c FROM input", "c <- country ~, country ?"),
    ("SELECT nvl(country, currency) AS c FROM input", "c <- country ~, country ?, currency ~"),
    (
        "SELECT nvl2(status, country, currency) AS c FROM input",
        "c <- country ~, currency ~, status ?",
    ),
    ("SELECT nullif(country, currency) AS c FROM input", "c <- country ~, country ?, currency ?"),
    (
        "SELECT greatest(country, currency) AS c FROM input",
        "c <- country ~, country ?, currency ~, currency ?",
    ),
    ("SELECT country IS NULL AS c FROM input", "c <- country ~"),
    ("SELECT country IN ('a', currency) AS c FROM input", "c <- country ~, currency ~"),
    ("SELECT customer_id BETWEEN 1 AND price AS c FROM input", "c <- customer_id ~, price ~"),
    ("SELECT NOT (country LIKE 'a%') AS c FROM input", "c <- country ~"),
    ("SELECT date_trunc('day', ts) AS d FROM input", "d <- ts ~"),
    ("SELECT extract(year FROM ts) AS y FROM input", "y <- ts ~"),
    ("SELECT price * 0.92 AS p FROM input", "p <- price ~"),
    ("SELECT cardinality(items) AS n FROM input", "n <- items +"),
    ("SELECT substring(country FROM 1 FOR 2) AS s FROM input", "s <- country ~"),
    // CASE: what decides is conditional.
    ("SELECT CASE WHEN status = 'a' THEN country END AS c FROM input", "c <- country ~, status ?"),
    (
        "SELECT CASE status WHEN 'a' THEN country ELSE currency END AS c FROM input",
        "c <- country ~, currency ~, status ?",
    ),
    ("SELECT CASE WHEN status = 'a' THEN 1 ELSE 2 END AS c FROM input", "c <- status ?"),
    (
        "SELECT CASE WHEN country = 'de' THEN country ELSE 'x' END AS c FROM input",
        "c <- country ~, country ?",
    ),
    (
        "SELECT 2 * CASE WHEN status = 'a' THEN price ELSE 1 END AS c FROM input",
        "c <- price ~, status ?",
    ),
    (
        "SELECT CASE WHEN CASE status WHEN 'a' THEN true END THEN price END AS c FROM input",
        "c <- price ~, status ?",
    ),
    // Fields of structs.
    ("SELECT address.city AS c FROM input", "c <- address.city ="),
    ("SELECT address['city'] FROM input", "city <- address.city ="),
    ("SELECT address.geo.lat FROM input", "lat <- address.geo.lat ="),
    ("SELECT address['geo']['lat'] AS l FROM input", "l <- address.geo.lat ="),
    ("SELECT upper(address.city) AS c FROM input", "c <- address.city ~"),
    (
        "SELECT g.lat + g.lon AS s FROM (SELECT address.geo AS g FROM input)",
        "s <- address.geo.lat ~, address.geo.lon ~",
    ),
    ("SELECT attributes['color'] AS c FROM input", "c <- attributes ~"),
    ("SELECT {'a': order_id, 'b': upper(country)} AS s FROM input", "s <- country ~, order_id ~"),
    (
        "SELECT s.a AS a, s.b AS b FROM (SELECT {'a': order_id, 'b': upper(country)} AS s FROM input)",
        "a <- order_id =; b <- country ~",
    ),
    // Lists.
    ("SELECT items[1] AS i FROM input", "i <- items ~"),
    ("SELECT items[1]['sku'] AS s FROM input", "s <- items.sku ~"),
    ("SELECT tags[customer_id] AS t FROM input", "t <- customer_id ?, tags ~"),
    ("SELECT [country, currency] AS l FROM input", "l <- country ~, currency ~"),
    ("SELECT array_transform(items, i -> i['qty']) AS q FROM input", "q <- items.qty ~"),
    (
        "SELECT array_sum(array_transform(items, i -> i['qty'] * i['price'])) AS total FROM input",
        "total <- items.price +, items.qty +",
    ),
    (
        "SELECT array_sum(array_transform(items, i -> i['qty'] * i['price'])) * CASE currency WHEN 'USD' THEN 0.92 ELSE 1.0 END AS total FROM input WHERE status = 'paid'",
        "total <- currency ?, items.price +, items.qty +; * <- status #",
    ),
    ("SELECT array_transform(items, i -> 1) AS q FROM input", "q <- items ~"),
    (
        "SELECT array_transform(tags, t -> concat(t, country)) AS q FROM input",
        "q <- country ~, tags ~",
    ),
    ("SELECT array_any_match(items, i -> i['qty'] > 2) AS b FROM input", "b <- items.qty +"),
    ("SELECT array_filter(items, i -> i['qty'] > 2) AS l FROM input", "l <- items ~, items.qty #"),
    (
        "SELECT array_transform(array_filter(items, i -> i['qty'] > 2), i -> i['sku']) AS l FROM input",
        "l <- items.qty #, items.sku ~",
    ),
    (
        "SELECT array_transform(tags, t -> array_transform(items, i -> concat(t, i['sku']))) AS l FROM input",
        "l <- items.sku ~, tags ~",
    ),
    ("SELECT unnest(items) AS item FROM input", "item <- items ~; * <- items #"),
    (
        "SELECT order_id, item['sku'] AS sku FROM (SELECT order_id, unnest(items) AS item FROM input)",
        "order_id <- order_id =; sku <- items.sku ~; * <- items #",
    ),
    (
        "SELECT l['s'] AS s, l['t'] AS t FROM (SELECT unnest(array_transform(items, i -> {'s': i['sku'], 't': i['qty'] * i['price']})) AS l FROM input)",
        "s <- items.sku ~; t <- items.price ~, items.qty ~; * <- items.price #, items.qty #, items.sku #",
    ),
    // Lists made one value, whatever is computed of that.
    (
        "SELECT array_sum(array_transform(items, i -> i['qty'])) + 1 AS n FROM input",
        "n <- items.qty +",
    ),
    ("SELECT array_max([customer_id, price]) AS m FROM input", "m <- customer_id +, price +"),
    (
        "SELECT array_min(array_transform(items, i -> i['price'])) * customer_id AS p FROM input",
        "p <- customer_id ~, items.price +",
    ),
    (
        "SELECT array_avg(array_transform(items, i -> i['price'])) AS p FROM input",
        "p <- items.price +",
    ),
    ("SELECT array_to_string(tags, currency) AS t FROM input", "t <- currency ~, tags +"),
    ("SELECT array_length(tags) AS n FROM input", "n <- tags +"),
    ("SELECT empty(tags) AS e FROM input", "e <- tags +"),
    ("SELECT array_has(tags, country) AS b FROM input", "b <- country ~, tags +"),
    ("SELECT array_any_match(tags, t -> t = country) AS b FROM input", "b <- country ~, tags +"),
    (
        "SELECT array_to_string(array_transform(tags, t -> concat(t, country)), ' ') AS t FROM input",
        "t <- country +, tags +",
    ),
    (
        "SELECT inner_product(array_transform(items, i -> i['qty']::double), array_transform(items, i -> i['price'])) AS t FROM input",
        "t <- items.price +, items.qty +",
    ),
    (
        "SELECT CASE WHEN cardinality(tags) > 1 THEN country END AS c FROM input WHERE array_has(tags, 'x')",
        "c <- country ~, tags ?; * <- tags #",
    ),
    // Lists put in order.
    ("SELECT array_sort(tags) AS t FROM input", "t <- tags ~, tags ^"),
    ("SELECT array_sort(tags, 'DESC')[1] AS t FROM input", "t <- tags ~, tags ^"),
    ("SELECT array_to_string(array_sort(tags), ',') AS t FROM input", "t <- tags +, tags ^"),
    ("SELECT unnest(array_sort(tags)) AS t FROM input", "t <- tags ~, tags ^; * <- tags #"),
    ("SELECT array_reverse(tags) AS t FROM input", "t <- tags ~"),
    (
        "SELECT array_sort(array_transform(items, i -> i['price'])) AS p FROM input",
        "p <- items.price ~, items.price ^",
    ),
    // Filters touch every column.
    ("SELECT order_id FROM input WHERE status = 'paid'", "order_id <- order_id =; * <- status #"),
    (
        "SELECT order_id FROM input WHERE upper(status) = 'A' AND customer_id > 1",
        "order_id <- order_id =; * <- customer_id #, status #",
    ),
    (
        "WITH paid AS (SELECT * FROM input WHERE status = 'paid') SELECT order_id FROM paid WHERE price > 1",
        "order_id <- order_id =; * <- price #, status #",
    ),
    (
        "SELECT o FROM (SELECT order_id AS o, upper(country) AS c FROM input) WHERE c = 'DE'",
        "o <- order_id =; * <- country #",
    ),
    (
        "SELECT item['sku'] AS s FROM (SELECT unnest(items) AS item FROM input) WHERE item['qty'] > 1",
        "s <- items.sku ~; * <- items #, items.qty #",
    ),
    // Masked.
    ("SELECT sha256_hex(email) AS e FROM input", "e <- email ~ masked"),
    (
        "SELECT redact(country) AS r, md5(email) AS m FROM input",
        "r <- country ~ masked; m <- email ~ masked",
    ),
    ("SELECT encode(sha256(lower(email)), 'hex') AS e FROM input", "e <- email ~ masked"),
    ("SELECT concat(email, sha256_hex(email)) AS e FROM input", "e <- email ~"),
    (
        "SELECT concat(order_id, encode(sha512(email), 'hex')) AS e FROM input",
        "e <- email ~ masked, order_id ~",
    ),
    (
        "SELECT CASE WHEN md5(email) = 'x' THEN country END AS e FROM input WHERE digest(status, 'md5') = 'x'",
        "e <- country ~, email ? masked; * <- status # masked",
    ),
];

#[test]
fn each_output_field_names_the_fields_it_comes_from_and_how() {
    let schema = schema();
    let mut wrong = Vec::new();
    for (sql, expected) in CASES {
        let plan = SqlPlan::plan(sql, &schema, &Functions::default());
        let found =
            plan.map_or_else(|error| error.to_string(), |plan| compact(plan.column_lineage()));
        let expected = expected
            .replace(" =", &format!(" {IDENTITY}"))
            .replace(" ~", " DIRECT/TRANSFORMATION")
            .replace(" +", " DIRECT/AGGREGATION")
            .replace(" ^", " INDIRECT/SORT")
            .replace(" ?", " INDIRECT/CONDITIONAL")
            .replace(" #", " INDIRECT/FILTER");
        if found != expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_star_gives_every_field_its_own_identity() {
    let lineage = planned("SELECT *, _offset AS o FROM input", &schema());
    let fields = &lineage.column_lineage().fields;
    assert_eq!(fields.len(), schema().fields().len() + 1);
    for (field, sources) in &fields[..fields.len() - 1] {
        assert_eq!(list_of(sources), format!("{field} {IDENTITY}"));
    }
    assert_eq!(fields[fields.len() - 1], ("o".to_owned(), Vec::new()));
}

#[test]
fn a_function_registered_as_masking_masks_and_another_does_not() {
    let identity = Arc::new(|args: &[ColumnarValue]| Ok(args[0].clone()));
    let text = || DataType::Utf8;
    let function = |name: &str| {
        create_udf(name, vec![text()], text(), Volatility::Immutable, identity.clone())
    };
    let mut functions = Functions::default();
    functions.register_masking(function("token"));
    functions.register(function("same"));
    // One's own function of a known name is one's own to mark.
    functions.register(function("redact"));
    let sql = "SELECT token(email) AS a, same(email) AS b, redact(email) AS c FROM input";
    let plan = SqlPlan::plan(sql, &schema(), &functions).unwrap();
    assert_eq!(
        compact(plan.column_lineage()),
        "a <- email DIRECT/TRANSFORMATION masked; b <- email DIRECT/TRANSFORMATION; \
         c <- email DIRECT/TRANSFORMATION"
    );
}

#[test]
fn descriptions_say_the_expression_and_no_literal() {
    let cases = [
        ("SELECT upper(country) AS x FROM input", "upper(country)"),
        ("SELECT address.city AS x FROM input", ""),
        ("SELECT CAST(country AS INT) + 42 AS x FROM input", "CAST(country AS Int32) + ?"),
        (
            "SELECT array_transform(items, i -> i['qty'] * 42) AS x FROM input",
            "array_transform(items, (i) -> i['qty'] * ?)",
        ),
        (
            "SELECT unnest(array_transform(items, i -> i['qty'] * 42)) + 42 AS x FROM input",
            "unnest + ?",
        ),
        ("SELECT x FROM (SELECT upper(country) AS x FROM input)", "upper(country)"),
        (
            "SELECT CASE WHEN country = 'secret' THEN 'secret' ELSE country END AS x FROM input",
            "CASE WHEN country = ? THEN ? ELSE country END",
        ),
        ("SELECT concat(country, 'secret', 'secret') AS x FROM input", "concat(country, ?, ?)"),
    ];
    for (sql, expected) in cases {
        let plan = planned(sql, &schema());
        let (_, sources) = &plan.column_lineage().fields[0];
        assert_eq!(sources[0].description, expected, "{sql}");
    }
    let plan = planned("SELECT ts FROM input WHERE country = 'secret'", &schema());
    assert_eq!(plan.column_lineage().dataset[0].description, "country = ?");
}

#[test]
fn a_long_expression_is_described_in_200_characters() {
    let sql = format!("SELECT concat({}country) AS x FROM input", "country, ".repeat(60));
    let plan = planned(&sql, &schema());
    let description = &plan.column_lineage().fields[0].1[0].description;
    assert_eq!(description.chars().count(), 200);
    assert!(description.ends_with('…'), "{description}");
}

#[test]
fn a_transform_that_does_not_say_has_every_input_field_in_every_output_field_and_says_so() {
    let field = |name: &str| Field::new(name, DataType::Utf8, true);
    let input = Schema::new(vec![field("a"), field("b")]);
    let output = Schema::new(vec![field("x"), field("y")]);
    let lineage = ColumnLineage::opaque(&input, &output);
    let expected = "x <- a DIRECT/TRANSFORMATION, b DIRECT/TRANSFORMATION; \
                    y <- a DIRECT/TRANSFORMATION, b DIRECT/TRANSFORMATION";
    assert_eq!(compact(&lineage), expected);
    assert!(lineage.fields[0].1[0].description.starts_with("opaque"));
}
