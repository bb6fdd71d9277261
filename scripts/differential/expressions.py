"""The expressions: combinations over the types of the columns, and those in `written.txt` and `more.txt`."""

import itertools
import pathlib
from dataclasses import dataclass

from rows import COLUMNS


@dataclass(frozen=True)
class Case:
    here: str
    # The same in the other engines; none where the engine cannot say it.
    postgres: str | None = None
    duckdb: str | None = None
    # An error there is a null here.
    tries: bool = False


def case(here, postgres=None):
    return Case(here, postgres or here)


def duck(here, duckdb=None):
    return Case(here, None, duckdb or here)


NUMBERS = ["n", "i", "l", "d", "f", "p", "q", "w"]
PAIRS = {"n": "j", "i": "j", "l": "m", "d": "e", "f": "e", "p": "q", "q": "p", "w": "q", "s": "s2", "b": "b2",
         "dt": "du", "ts": "te", "tm": "tm", "c": "s", "x": "x"}
ORDERED = ["b", "n", "i", "l", "d", "f", "p", "q", "w", "s", "dt", "ts", "tm", "x"]
TYPES = {"BOOLEAN": "boolean", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint", "DOUBLE": "float8",
         "REAL": "real", "DECIMAL(38,10)": "numeric(38,10)", "DECIMAL(10,2)": "numeric(10,2)",
         "DECIMAL(38,0)": "numeric(38,0)", "VARCHAR": "text", "DATE": "date", "TIMESTAMP": "timestamptz", "TIME": "time"}
LITERALS = {
    "b": ["TRUE"], "n": ["1", "-32768"], "i": ["7", "2147483647", "2147483648"], "l": ["0", "9223372036854775807"],
    "d": ["0.1", "1e300", "CAST('NaN' AS DOUBLE)", "0"], "f": ["0.1", "16777216"],
    "p": ["1.5", "0.0000000001", "12345678901234567890.0123456789", "3"], "q": ["0.01", "1.505", "99999999.99", "-1"],
    "w": ["1", "0.5", "99999999999999999999999999999999999999"], "s": ["'abc'", "''", "'é'", "'🎉'"],
    "dt": ["DATE '2024-02-29'", "'9999-12-31'", "DATE '0001-01-01'"],
    "ts": ["TIMESTAMP '2024-02-29 12:34:56.789012Z'", "'9999-12-31T00:00:00Z'", "TIMESTAMP '0001-01-01 00:00:00Z'"],
    "tm": ["TIME '12:00:00'"], "x": [],
}


def postgres_text(expression):
    """The types' names in PostgreSQL."""
    for here, there in (("AS DOUBLE", "AS float8"), ("TIMESTAMP '", "timestamptz '")):
        expression = expression.replace(here, there)
    return expression


def plain(here):
    return Case(here, postgres_text(here))


def casts():
    for column in ORDERED + ["c", "g", "sd"]:
        for name, there in TYPES.items():
            if column in ("c", "g", "sd") and name in ("VARCHAR",):
                continue
            source = column
            yield Case(f"CAST({column} AS {name})", f"CAST({source} AS {there})")
    for column, name in itertools.product(["c", "g", "sd", "l", "d", "p"], TYPES):
        yield Case(f"TRY_CAST({column} AS {name})", f"CAST({column} AS {TYPES[name]})", tries=True)
    for column in ("c", "g", "sd", "s"):
        yield Case(f"CAST(CAST({column} AS VARCHAR) AS VARCHAR)", f"{column}::text::text")


def comparisons():
    for column in ORDERED:
        other = PAIRS[column]
        for operator in ("=", "<>", "<", "<=", ">", ">="):
            yield case(f"{column} {operator} {other}")
        for operator in ("IS DISTINCT FROM", "IS NOT DISTINCT FROM"):
            yield case(f"{column} {operator} {other}")
        for value in LITERALS[column]:
            yield plain(f"{column} < {value}")
            yield plain(f"{column} = {value}")
            yield plain(f"{value} >= {column}")
            yield plain(f"{column} IN ({value}, {other})")
            yield plain(f"{column} NOT IN ({value})")
            yield plain(f"{column} BETWEEN {value} AND {other}")
            yield plain(f"{column} NOT BETWEEN {other} AND {value}")
            yield plain(f"coalesce({column}, {value})")
            yield plain(f"CASE {column} WHEN {value} THEN 1 WHEN {other} THEN 2 ELSE 3 END")
    for left, right in itertools.combinations(NUMBERS, 2):
        yield case(f"{left} < {right}")
        yield case(f"{left} = {right}")
        yield case(f"coalesce({left}, {right})")
    yield case("dt < ts")
    yield case("ts = dt")
    yield case("dt >= te")


def conditionals():
    for column in ORDERED:
        other = PAIRS[column]
        yield case(f"coalesce({column}, {other})")
        yield case(f"nullif({column}, {other})")
        yield Case(f"nvl({column}, {other})", f"coalesce({column}, {other})")
        yield Case(f"ifnull({column}, {other})", f"coalesce({column}, {other})")
        yield Case(f"nvl2({column}, {other}, {column})",
                   f"CASE WHEN {column} IS NOT NULL THEN {other} ELSE {column} END")
        yield case(f"CASE WHEN b THEN {column} ELSE {other} END")
        yield case(f"CASE WHEN b THEN {column} END")
        if column != "b":
            yield case(f"greatest({column}, {other})")
            yield case(f"least({column}, {other})")
        for value in LITERALS[column]:
            if column != "b" and not value.startswith("'"):
                yield plain(f"greatest({column}, {value})")
                yield plain(f"least({value}, {column}, {other})")
        yield case(f"{column} IS NULL")
        yield case(f"{column} IS NOT NULL AND {other} IS NULL")


def arithmetic():
    for left, right in itertools.product(NUMBERS, NUMBERS):
        for operator in ("+", "-", "*", "/"):
            yield case(f"{left} {operator} {right}")
    for left in NUMBERS:
        other = PAIRS[left]
        for operator in ("+", "-", "*", "/"):
            yield case(f"{left} {operator} {other}")
        yield duck(f"{left} % {other}") if left in "df" else case(f"{left} % {other}")
        for value in ("1", "0.1", "-2.5", "3", "0", "1000000.000001"):
            for operator in ("+", "-", "*", "/", "%"):
                if left in "df" and operator == "%":
                    yield duck(f"{left} {operator} {value}")
                    continue
                yield case(f"{left} {operator} {value}")
            yield case(f"{value} - {left}")
            yield case(f"{value} / {left}")
        yield case(f"-{left}")
        yield case(f"({left} + {other}) * (1 + 0.19)")
        yield case(f"({left} - {other}) / 3")
    for left, right in (("n", "j"), ("i", "j"), ("l", "m")):
        for operator in ("&", "|"):
            yield case(f"{left} {operator} {right}")
        yield Case(f"{left} ^ {right}", f"{left} # {right}")
        yield case(f"{left} << 3")
        yield case(f"{left} >> 2")
    for function in ("abs", "ceil", "floor", "round", "trunc"):
        for column in NUMBERS:
            yield case(f"{function}({column})", f"{function}({column})")
    for function in ("round", "trunc"):
        for column, places in itertools.product(("p", "q", "w"), ("0", "1", "2", "-1", "5")):
            yield case(f"{function}({column}, {places})")
        for column, places in itertools.product(("d", "f"), ("0", "2", "-2")):
            yield duck(f"{function}({column}, {places})")
    for function in ("sqrt", "cbrt", "exp", "ln", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                     "tanh", "asinh", "acosh", "atanh", "degrees", "radians", "cot"):
        for column in ("d", "i", "q"):
            yield case(f"{function}({column})", f"{function}({column}::float8)")
    for column in ("d", "i", "q"):
        yield Case(f"signum({column})", f"sign({column})")
        yield Case(f"power({column}, 2)", f"power({column}::float8, 2)" if column == "d" else f"power({column}, 2)")
        yield Case(f"log2({column})", None, f"log2({column})")
        yield Case(f"atan2({column}, e)", f"atan2({column}, e)")
        yield Case(f"log(2, {column})", None, f"log(2, {column})")
    for column in ("d", "e", "f"):
        yield duck(f"isnan({column})")
        yield Case(f"iszero({column})", f"{column} = 0")
        yield Case(f"nanvl({column}, 1)", f"CASE WHEN {column} = 'NaN' THEN 1 ELSE {column} END")
    for left, right in (("i", "j"), ("l", "m"), ("n", "k")):
        yield case(f"gcd({left}, {right})")
        yield case(f"lcm({left}, {right})")
    yield case("factorial(k)")


def texts():
    unary = {"lower": None, "upper": None, "length": None, "char_length": None, "character_length": None,
             "octet_length": None, "bit_length": None, "reverse": None, "btrim": None, "trim": None, "ltrim": None,
             "rtrim": None, "initcap": None, "ascii": None, "md5": None}
    for function in unary:
        for column in ("s", "s2", "c", "sd"):
            yield case(f"{function}({column})")
    for column in ("s", "s2", "c"):
        for function in ("left", "right", "repeat"):
            yield case(f"{function}({column}, k)")
        for function in ("lpad", "rpad"):
            yield case(f"{function}({column}, k)")
            yield case(f"{function}({column}, k, 'é🎉')")
            yield case(f"{function}({column}, 3, '')")
        yield case(f"substr({column}, 2)")
        yield case(f"substr({column}, k)")
        yield case(f"substr({column}, 2, k)")
        yield case(f"substr({column}, k, 2)")
        yield case(f"substring({column} FROM 2 FOR 3)")
        yield case(f"substring({column} FROM k)")
        yield case(f"overlay({column} PLACING '🎉' FROM 2)")
        yield case(f"overlay({column} PLACING 'é' FROM 2 FOR 0)")
        yield case(f"position(s2 IN {column})")
        yield case(f"strpos({column}, s2)")
        yield case(f"starts_with({column}, s2)")
        yield Case(f"ends_with({column}, s2)", f"right({column}, length(s2)) = s2")
        yield Case(f"contains({column}, s2)", f"strpos({column}, s2) > 0")
        yield case(f"replace({column}, s2, 'é')")
        yield case(f"replace({column}, '', 'x')")
        yield case(f"translate({column}, 'abcé', 'x🎉')")
        yield case(f"split_part({column}, ',', 2)")
        yield case(f"split_part({column}, s2, 1)")
        yield case(f"split_part({column}, s2, -1)")
        yield case(f"split_part({column}, ',', k)")
        yield case(f"split_part({column}, '', 1)")
        yield case(f"concat({column}, s2, '!')")
        yield case(f"concat({column}, i)")
        yield case(f"{column} || s2")
        yield case(f"{column} || i")
        yield case(f"concat_ws('-', {column}, s2, 'z')")
        yield case(f"concat_ws(s2, {column}, NULL, 'z')")
        yield case(f"trim(BOTH 'a' FROM {column})")
        yield case(f"trim(LEADING ' ' FROM {column})")
        yield case(f"btrim({column}, s2)")
        yield case(f"ltrim({column}, 'a ')")
        yield case(f"rtrim({column}, 'é b')")
        for pattern in ("a%", "%b_", "_", "%", "", "%é%", "%🎉%", r"%\%%", r"%\_%", r"%\\%", "A%", "%\n%"):
            yield case(f"{column} LIKE '{pattern}'")
            yield case(f"{column} NOT LIKE '{pattern}'")
            yield case(f"{column} ILIKE '{pattern}'")
        yield case(f"{column} LIKE s2 || '%'")
        for pattern in ("^a", "[0-9]+", "b.*c", "^$", "é", r"\d", r"\s", "(a|b)c?", "^.{3}$", r"\.", "[[:alpha:]]", "A"):
            yield case(f"{column} ~ '{pattern}'")
            yield case(f"{column} !~ '{pattern}'")
            yield case(f"{column} ~* '{pattern}'")
            yield Case(f"regexp_like({column}, '{pattern}')", f"{column} ~ '{pattern}'")
            yield Case(f"regexp_like({column}, '{pattern}', 'i')", f"{column} ~* '{pattern}'")
            yield case(f"regexp_replace({column}, '{pattern}', 'X')")
            yield case(f"regexp_replace({column}, '{pattern}', 'X', 'g')")
            yield case(f"regexp_replace({column}, '({pattern})', '<\\1$\\&>', 'g')")
            yield case(f"regexp_count({column}, '{pattern}')")
            yield case(f"regexp_match({column}, '{pattern}')")
            yield case(f"regexp_instr({column}, '{pattern}')")
        for pattern in ("abc", "a%", "%(b|d)%", "_{3}", "[a-z]+", "a", "%,%"):
            yield case(f"{column} SIMILAR TO '{pattern}'")
            yield case(f"{column} NOT SIMILAR TO '{pattern}'")
        yield duck(f"levenshtein({column}, s2)")
        yield Case(f"sha256({column})", f"sha256(convert_to({column}, 'UTF8'))")
        yield Case(f"sha512({column})", f"sha512(convert_to({column}, 'UTF8'))")
        yield Case(f"sha224({column})", f"sha224(convert_to({column}, 'UTF8'))")
        yield Case(f"sha384({column})", f"sha384(convert_to({column}, 'UTF8'))")
        yield Case(f"sha256_hex({column})", f"encode(sha256(convert_to({column}, 'UTF8')), 'hex')")
        yield Case(f"encode({column}, 'hex')", f"encode(convert_to({column}, 'UTF8'), 'hex')")
        yield Case(f"encode({column}, 'base64')", f"encode(convert_to({column}, 'UTF8'), 'base64')")
        yield Case(f"decode(encode({column}, 'hex'), 'hex')", f"convert_to({column}, 'UTF8')")
        yield Case(f"decode(encode({column}, 'base64'), 'base64')", f"convert_to({column}, 'UTF8')")
        yield Case(f"string_to_array({column}, ',')", f"string_to_array({column}, ',')")
        yield case(f"string_to_array({column}, s2)")
        yield case(f"string_to_array({column}, ',', 'b')")
        yield case(f"string_to_array({column}, NULL)")
        yield case(f"string_to_array({column}, '')")
    yield Case("levenshtein(s, 'abd')", None, "levenshtein(s, 'abd')")
    for column in ("i", "l", "k"):
        yield case(f"chr({column})") if column == "k" else case(f"to_hex({column})")
    for column in ("x",):
        yield case(f"octet_length({column})", f"octet_length({column})")
        yield case(f"encode({column}, 'hex')")
        yield case(f"encode({column}, 'base64')")
        yield case(f"md5({column})")
        yield case(f"sha256({column})")
        yield case(f"sha512({column})")
        yield case(f"length({column})")
        yield case(f"bit_length({column})")
    yield case("uuid() IS NULL", "gen_random_uuid() IS NULL")
    for pattern in ("0x41", "41", ""):
        yield case(f"decode('{pattern}', 'hex')")
    yield case("decode(c, 'hex')")
    yield case("decode(c, 'base64')")


def times():
    fields = ("year", "month", "day", "hour", "minute", "second", "quarter", "week", "dow", "doy", "epoch", "millisecond",
              "microsecond", "isodow", "isoyear", "century", "decade", "millennium", "julian")
    for field in fields:
        for column in ("ts", "dt", "te", "tm"):
            yield Case(f"extract({field} FROM {column})", f"extract({field} FROM {column})")
        yield Case(f"date_part('{field}', ts)", f"date_part('{field}', ts)")
        yield case(f"extract({field} FROM te - ts)")
    for unit in ("microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
                 "decade", "century"):
        for column in ("ts", "te"):
            yield case(f"date_trunc('{unit}', {column})")
        yield Case(f"date_trunc('{unit}', dt)", f"date_trunc('{unit}', dt::timestamp)")
    for step in ("1 minute", "15 minutes", "1 hour", "1 day", "7 days", "90 seconds"):
        origin = "TIMESTAMP '2001-01-01 00:00:00Z'"
        yield plain(f"date_bin(INTERVAL '{step}', ts, {origin})")
        yield Case(f"date_bin(INTERVAL '{step}', te)", f"date_bin(INTERVAL '{step}', te, timestamptz '1970-01-01Z')")
    for step in ("1 day", "1 month", "1 year", "36 hours", "1 day 12 hours", "13 months", "0.5 seconds", "1 microsecond",
                 "-1 day", "7 days", "90 minutes", "1 year 2 months 3 days 04:05:06.789"):
        for column in ("ts", "dt"):
            for operator in ("+", "-"):
                yield case(f"{column} {operator} INTERVAL '{step}'")
        for operator in ("<", "=", ">", ">="):
            yield case(f"te - ts {operator} INTERVAL '{step}'")
        yield case(f"INTERVAL '{step}' > INTERVAL '30 days'")
        yield case(f"te > ts + INTERVAL '{step}'")
        yield case(f"te - ts BETWEEN INTERVAL '{step}' AND INTERVAL '1000 days'")
        yield case(f"ts + INTERVAL '{step}' - INTERVAL '{step}' = ts")
    yield case("dt - du")
    yield case("dt + 1")
    yield case("extract(epoch FROM te) - extract(epoch FROM ts)")
    yield Case("CAST(te - ts AS BIGINT)", "(extract(epoch FROM te - ts) * 1000000)::bigint")
    for here, there in (("%Y-%m-%d", "YYYY-MM-DD"), ("%Y-%m-%d %H:%M:%S", "YYYY-MM-DD HH24:MI:SS"),
                        ("%d.%m.%Y", "DD.MM.YYYY"), ("%H:%M:%S%.6f", "HH24:MI:SS.US"), ("%j", "DDD"),
                        ("%I:%M %p", "HH12:MI AM"), ("%A", "FMDay"), ("%B %b", "FMMonth Mon"), ("%G-%V", "IYYY-IW")):
        for column in ("ts", "te", "dt"):
            yield Case(f"to_char({column}, '{here}')", f"to_char({column}, '{there}')")
    yield Case("to_unixtime(ts)", "floor(extract(epoch FROM ts))::bigint")
    yield Case("to_unixtime(te)", "floor(extract(epoch FROM te))::bigint")
    yield Case("from_unixtime(i)", "to_timestamp(i)")
    yield Case("to_timestamp_seconds(i)", "to_timestamp(i)")
    yield Case("to_timestamp_millis(i)", "to_timestamp(i / 1000.0)")
    yield Case("to_timestamp_micros(i)", "timestamptz '1970-01-01Z' + i * interval '1 microsecond'")
    yield Case("to_timestamp(i)", "to_timestamp(i)")
    yield Case("to_timestamp(sd)", "sd::timestamptz")
    yield Case("to_date(sd)", "sd::date")
    yield case("make_date(2000 + k, 2, 29)")
    yield case("make_date(2024, k, k)")
    yield case("make_time(k, k, k)")
    for zone in ("UTC", "America/New_York", "Asia/Kolkata", "+05:30"):
        yield Case(f"extract(hour FROM ts AT TIME ZONE '{zone}')", f"extract(hour FROM ts AT TIME ZONE '{zone}')")
        yield Case(f"to_char(ts AT TIME ZONE '{zone}', '%Y-%m-%d %H:%M')",
                   f"to_char(ts AT TIME ZONE '{zone}', 'YYYY-MM-DD HH24:MI')")
        yield Case(f"CAST(ts AT TIME ZONE '{zone}' AS DATE)", f"(ts AT TIME ZONE '{zone}')::date")
    for text in ("ts < current_date", "ts < now()", "dt < current_date", "now() - ts > INTERVAL '30 days'"):
        yield case(text)


def lists():
    for left, right, item in (("li", "lj", "m"), ("ls", "ls", "s2"), ("ld", "ld", "e")):
        yield Case(f"array_length({left})", f"coalesce(array_length({left}, 1), 0 * cardinality({left}))")
        yield Case(f"cardinality({left})", f"cardinality({left})")
        yield Case(f"array_append({left}, {item})", f"array_append({left}, {item})")
        yield Case(f"array_prepend({item}, {left})", f"array_prepend({item}, {left})")
        yield Case(f"array_concat({left}, {right})", f"array_cat({left}, {right})")
        yield Case(f"{left} || {right}", f"{left} || {right}")
        yield Case(f"array_remove_all({left}, {item})", f"array_remove({left}, {item})")
        yield Case(f"array_replace_all({left}, {item}, NULL)", f"array_replace({left}, {item}, NULL)")
        yield Case(f"array_position({left}, {item})", f"array_position({left}, {item})")
        yield Case(f"array_positions({left}, {item})", f"array_positions({left}, {item})")
        yield Case(f"array_to_string({left}, ',')", f"array_to_string({left}, ',')")
        yield Case(f"array_to_string({left}, ',', '?')", f"array_to_string({left}, ',', '?')")
        yield Case(f"{left}[1]", f"({left})[1]")
        yield duck(f"{left}[k]")
        yield duck(f"{left}[-1]")
        yield duck(f"array_slice({left}, 2, 3)")
        yield duck(f"{left}[2:3]")
        yield duck(f"array_slice({left}, 1, k)")
        yield Case(f"array_has({left}, {item})", None, f"list_contains({left}, {item})")
        yield Case(f"array_contains({left}, {item})", None, f"list_contains({left}, {item})")
        yield Case(f"array_has_all({left}, {right})", None, f"list_has_all({left}, {right})")
        yield Case(f"array_has_any({left}, {right})", None, f"list_has_any({left}, {right})")
        yield Case(f"array_min({left})", None, f"list_min({left})")
        yield Case(f"array_max({left})", None, f"list_max({left})")
        yield Case(f"array_reverse({left})", None, f"list_reverse({left})")
        yield Case(f"array_distinct({left})", f"(SELECT CASE WHEN {left} IS NULL THEN NULL ELSE coalesce(array_agg(v ORDER BY o), '{{}}') END FROM (SELECT v, min(o) AS o FROM unnest({left}) WITH ORDINALITY AS u(v, o) GROUP BY v) AS w)")
        yield Case(f"array_sort({left})", None, f"list_sort({left}, 'ASC', 'NULLS FIRST')")
        yield Case(f"array_sort({left}, 'DESC', 'NULLS LAST')", None, f"list_sort({left}, 'DESC', 'NULLS LAST')")
        yield Case(f"array_sort({left}, 'ASC', 'NULLS LAST')", None, f"list_sort({left}, 'ASC', 'NULLS LAST')")
        yield Case(f"array_pop_back({left})", None, f"{left}[:-2]")
        yield Case(f"array_pop_front({left})", None, f"{left}[2:]")
        yield Case(f"empty({left})", None, f"len({left}) = 0")
        yield Case(f"array_sum({left})", None, f"list_sum({left})") if left != "ls" else case("cardinality(ls)")
        yield Case(f"array_first({left}, v -> v IS NOT NULL)", None, f"list_filter({left}, lambda v: v IS NOT NULL)[1]")
        yield Case(f"array_any_value({left})", None, f"list_filter({left}, lambda v: v IS NOT NULL)[1]")
        yield Case(f"array_compact({left})", None, f"list_filter({left}, lambda v: v IS NOT NULL)")
        yield Case(f"array_filter({left}, v -> v IS NULL)", None, f"list_filter({left}, lambda v: v IS NULL)")
        yield Case(f"array_transform({left}, v -> v = {item})", None, f"list_transform({left}, lambda v: v = {item})")
        yield Case(f"array_any_match({left}, v -> v = {item})", f"{item} = ANY({left})")
        yield case(f"{left} = {right}")
        yield case(f"{left} < {right}")
        yield case(f"{left} IS NULL")
        yield case(f"coalesce({left}, {right})")
        yield Case(f"array_resize({left}, 3)", None, f"list_resize({left}, 3)")
        yield Case(f"array_resize({left}, k)", None, f"list_resize({left}, k)")
        yield Case(f"array_union({left}, {right})", f"(SELECT CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL ELSE coalesce(array_agg(v ORDER BY o), '{{}}') END FROM (SELECT v, min(o) AS o FROM unnest({left} || {right}) WITH ORDINALITY AS u(v, o) GROUP BY v) AS w)")
        yield Case(f"array_intersect({left}, {right})", f"(SELECT CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL ELSE coalesce(array_agg(v ORDER BY o), '{{}}') END FROM (SELECT v, min(o) AS o FROM unnest({left}) WITH ORDINALITY AS u(v, o) WHERE EXISTS (SELECT 1 FROM unnest({right}) AS r(z) WHERE z IS NOT DISTINCT FROM v) GROUP BY v) AS w)")
        yield Case(f"array_except({left}, {right})", f"(SELECT CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL ELSE coalesce(array_agg(v ORDER BY o), '{{}}') END FROM (SELECT v, min(o) AS o FROM unnest({left}) WITH ORDINALITY AS u(v, o) WHERE NOT EXISTS (SELECT 1 FROM unnest({right}) AS r(z) WHERE z IS NOT DISTINCT FROM v) GROUP BY v) AS w)")
        yield Case(f"array_remove({left}, {item})", f"CASE WHEN array_position({left}, {item}) IS NULL THEN {left} ELSE {left}[:array_position({left}, {item}) - 1] || {left}[array_position({left}, {item}) + 1:] END")
        yield Case(f"array_replace({left}, {item}, NULL)", f"CASE WHEN array_position({left}, {item}) IS NULL THEN {left} ELSE {left}[:array_position({left}, {item}) - 1] || array_append('{{}}', NULL::{COLUMNS[item][1]}) || {left}[array_position({left}, {item}) + 1:] END")
    for function in ("array_dims", "array_ndims"):
        yield Case(f"{function}(li)", f"{function}(li)" if function == "array_ndims" else None,
                   None if function == "array_ndims" else "CASE WHEN len(li) > 0 THEN [len(li)] END")
    yield Case("make_array(i, j, 7)", "ARRAY[i, j, 7]")
    yield Case("[l, m]", "ARRAY[l, m]")
    yield Case("[q, p]", "ARRAY[q, p]")
    yield Case("make_array(s, s2, NULL)", "ARRAY[s, s2, NULL]")
    yield Case("array_repeat(s, k)", None, "CASE WHEN k IS NULL THEN NULL WHEN k <= 0 THEN [] ELSE list_transform(range(k), lambda z: s) END")
    yield Case("array_repeat(i, 3)", "array_fill(i, ARRAY[3])")
    for text in ("range(k)", "range(1, k)", "range(0, 10, nullif(k, 0))", "range(5, 0, -2)", "generate_series(1, k)",
                 "generate_series(10, 1, nullif(k, 0))"):
        yield duck(text)
    yield duck("flatten(make_array(li, lj))", "flatten([li, lj])")
    yield Case("array_sum(array_transform(lt, v -> v['a']))", None, "list_sum(list_transform(lt, lambda v: v['a']))")
    yield Case("array_transform(lt, v -> v['b'])", None, "list_transform(lt, lambda v: v['b'])")
    yield Case("array_filter(lt, v -> v['a'] > 1)", None, "list_filter(lt, lambda v: v['a'] > 1)")
    yield Case("array_transform(li, v -> v + 1)", None, "list_transform(li, lambda v: v + 1)")
    yield Case("array_transform(li, v -> v * m)", None, "list_transform(li, lambda v: v * m)")
    yield Case("array_transform(ls, v -> upper(v))", None, "list_transform(ls, lambda v: upper(v))")
    yield Case("array_filter(ls, v -> length(v) > 1)", None, "list_filter(ls, lambda v: length(v) > 1)")
    yield Case("arrays_zip(li, lj)", None, "list_zip(li, lj)")
    yield Case("array_avg(ld)", None, "list_avg(ld)")
    yield Case("array_avg(li)", None, "list_avg(li)")
    yield Case("array_product(ld)", None, "list_product(ld)")
    yield Case("array_distance([d, e], [e, d])", None, "list_distance([d, e], [e, d])")
    yield Case("inner_product([d, e], [e, d])", None, "list_inner_product([d, e], [e, d])")
    yield Case("cosine_distance([d, e], [e, d])", None, "list_cosine_distance([d, e], [e, d])")


def nested():
    yield Case("st", "st")
    yield Case("st['a']", "(st).a")
    yield Case("st['b']", "(st).b")
    yield Case("st.a", "(st).a")
    yield Case("get_field(st, 'a') + 1", "(st).a + 1")
    yield Case("st IS NULL", None, "st IS NULL")
    yield Case("st['a'] IS NULL AND st['b'] IS NULL", "(st).a IS NULL AND (st).b IS NULL")
    yield Case("coalesce(st['b'], 'none')", "coalesce((st).b, 'none')")
    yield Case("st = named_struct('a', l, 'b', s)", None, "st = struct_pack(a := l, b := s)")
    yield Case("named_struct('a', i, 'b', s2)", "json_build_object('a', i, 'b', s2)")
    yield Case("struct(i, s2)", "json_build_object('c0', i, 'c1', s2)")
    yield Case("lt[1]['a']", "lt[1].a")
    yield Case("lt[2]['b']", "lt[2].b")
    yield Case("lt[1]", "lt[1]")
    yield Case("cardinality(lt)", "cardinality(lt)")
    yield Case("CASE WHEN b THEN st END", None, "CASE WHEN b THEN st END")
    yield Case("coalesce(st, named_struct('a', l, 'b', s))", None, "coalesce(st, struct_pack(a := l, b := s))")
    yield duck("mp")
    yield Case("map_keys(mp)", None, "map_keys(mp)")
    yield Case("map_values(mp)", None, "map_values(mp)")
    yield Case("map_extract(mp, 'a')", None, "map_extract(mp, 'a')")
    yield Case("map_extract(mp, 'a')[1]", None, "map_extract(mp, 'a')[1]")
    yield Case("element_at(mp, s2)", None, "map_extract(mp, s2)")
    yield Case("mp['a']", None, "mp['a']")
    yield Case("map_entries(mp)", None, "map_entries(mp)")
    yield Case("cardinality(mp)", None, "cardinality(mp)")
    yield Case("mp IS NULL", None, "mp IS NULL")
    yield Case("map([s2, 'z'], [l, m])", None, "map([s2, 'z'], [l, m])")
    yield Case("MAP {'a': l, 'b': m}", None, "MAP {'a': l, 'b': m}")


def logic():
    for left, right in itertools.product(("b", "b2", "TRUE", "FALSE", "NULL"), repeat=2):
        for operator in ("AND", "OR"):
            yield case(f"{left} {operator} {right}")
    for column in ("b", "b2"):
        yield case(f"NOT {column}")
        for what in ("TRUE", "FALSE", "UNKNOWN", "NOT TRUE", "NOT FALSE", "NOT UNKNOWN"):
            yield case(f"{column} IS {what}")
    yield case("b <> b2 OR i > 3 AND NOT b")
    for count in (1, 2, 5):
        items = ", ".join(str(number) for number in range(count))
        yield case(f"i IN ({items})")
        yield case(f"i IN ({items}, NULL)")
        yield case(f"i NOT IN ({items}, NULL)")
        yield case(f"s2 IN ('a', 'é', NULL)")


def written():
    """`HERE`, `HERE => POSTGRES` or `HERE =>duckdb DUCKDB`, one per line."""
    folder = pathlib.Path(__file__).parent
    for line in [line for name in ("written.txt", "more.txt") for line in (folder / name).read_text().splitlines()]:
        if not line.strip() or line.startswith("#"):
            continue
        here, arrow, there = line.partition(" => ")
        if arrow:
            yield Case(here.strip(), there.strip())
            continue
        here, arrow, there = line.partition(" =>duckdb ")
        yield Case(here.strip(), None, there.strip()) if arrow else plain(here.strip())


def cases():
    """All of them, each once."""
    found = {}
    for group in (written, casts, comparisons, conditionals, arithmetic, texts, times, lists, nested, logic):
        for one in group():
            found.setdefault(one.here, one)
    return list(found.values())
