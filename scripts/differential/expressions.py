"""The expressions that are compared: pairs of what a stage is given and what PostgreSQL is.

A line of `written.txt` is one expression, or `hub ;; postgres` where the two write it in
different ways. The others are made here, of functions and operators times arguments.
"""

import pathlib

_HERE = pathlib.Path(__file__).parent


def _written():
    for line in (_HERE / "written.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            hub, _, postgres = line.partition(" ;; ")
            yield hub, postgres or hub


def _arithmetic():
    for left in ("i", "k", "n", "d", "p", "w", "z"):
        for op in ("+", "-", "*"):
            for right in ("i", "n", "d", "p", "w", "2", "0.5", "1.19"):
                yield f"{left} {op} {right}"
        for op in ("/", "%"):
            for right in ("i", "n", "p", "w", "3", "0.3", "-7"):
                if left != "d":
                    yield f"{left} {op} {right}"
    for right in ("i", "n", "d", "p", "3", "0.3"):
        yield f"d / {right}"
    for expr in ("-i", "-n", "-d", "-p", "-w", "-z", "+n", "i + k * n", "(i + 1) * 2.5", "p * (1 + 0.19)",
                 "(p + 1) / 3", "p - w", "w * 0.1", "1 - p", "2 * p + 0.05", "p * p", "n + 1 - 1", "0.1 + 0.2 = 0.3"):
        yield expr


def _comparisons():
    for left, rights in {
        "i": ("k", "n", "d", "p", "0", "0.5"),
        "n": ("d", "z", "w", "9223372036854775807", "1e300"),
        "d": ("p", "w", "0.1", "-0.0", "2.5"),
        "p": ("w", "z", "10", "10.00", "0.01", "1e10", "9999999999.990"),
        "w": ("z", "9999999999999999999999999999.9999999999", "0.0000000001", "2.5"),
        "z": ("99999999999999999999999999999999999999", "7"),
        "s": ("u", "'abc'", "''", "'Z'"),
        "b": ("true", "i > 0"),
        "ts": ("te", "dt", "TIMESTAMP '9999-12-31 23:59:59'", "'2024-03-01'", "'9999-12-31T00:00:00Z'", "DATE '2000-02-29'"),
        "dt": ("DATE '9999-12-31'", "'2024-02-29'", "ts"),
        "t": ("'12:00:00'", "TIME '10:11:12.5'"),
    }.items():
        for right in rights:
            for op in ("=", "<>", "<", ">="):
                yield f"{left} {op} {right}"
            yield f"{left} IS DISTINCT FROM {right}"
            yield f"nullif({left}, {right})"
            yield f"coalesce({left}, {right})"
            yield f"greatest({left}, {right})"
            yield f"least({left}, {right})"
            yield f"CASE WHEN {left} < {right} THEN {left} ELSE {right} END"
            yield f"CASE {left} WHEN {right} THEN 'same' ELSE 'other' END"
            yield f"{left} IN ({right}, {left})"
            yield f"{left} BETWEEN {right} AND {right}"


def _casts():
    postgres = {"TINYINT": None, "DOUBLE": "float8", "FLOAT": "float4", "STRING": "text", "TIMESTAMP": "timestamptz"}
    for source in ("i", "n", "d", "p", "w", "z", "s", "u", "b", "dt", "ts", "t"):
        for target in ("SMALLINT", "INT", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL(10,2)", "DECIMAL(38,10)", "STRING",
                       "BOOLEAN", "DATE", "TIMESTAMP", "TIME"):
            yield f"CAST({source} AS {target})", f"CAST({source} AS {postgres.get(target, target)})"
    for text in ("1.5e3", "1E-7", "+7", " 7 ", "0x10", "1_000", "1e400", "-0", ".5", "5.", "NaN", "inf", "t", "yes", "2024-1-5",
                 "2024-02-30", "24:00:00", "2024-03-01 10:00:00+02", "0001-01-01", "9999-12-31 23:59:59.999999"):
        for target in ("INT", "BIGINT", "DOUBLE", "DECIMAL(20,8)", "BOOLEAN", "DATE", "TIMESTAMP"):
            yield f"CAST('{text}' AS {target})", f"CAST('{text}' AS {postgres.get(target, target)})"


def _numeric_functions():
    for column in ("i", "n", "d", "p", "w", "z"):
        for function in ("abs", "ceil", "floor", "round", "trunc", "sign"):
            yield f"{function}({column})"
        for digits in ("0", "1", "2", "-1", "-2"):
            cast = f"({column})::numeric" if column == "d" else column
            yield f"round({column}, {digits})", f"round({cast}, {digits})"
            yield f"trunc({column}, {digits})", f"trunc({cast}, {digits})"
    for column in ("i", "d", "p"):
        for function in ("sqrt", "cbrt", "exp", "ln", "log10", "radians", "degrees", "sin", "cos", "tan", "asin", "acos",
                         "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cot"):
            yield f"{function}({column})", f"{function}(({column})::float8)"
    for expr in ("power(d, 2)", "power(i, 2)", "power(2, k)", "power(d, 0.5)", "atan2(d, 2.0)", "log(2.0, d)"):
        yield expr, expr.replace("log(2.0, d)", "ln(d) / ln(2.0::float8)").replace("power(i, 2)", "power(i::numeric, 2)")
    for expr in ("mod(i, 3)", "mod(n, i)", "mod(p, 3)", "gcd(i, 12)", "lcm(k, 12)", "gcd(n, 18)", "factorial(k % 20)", "pi()",
                 "i & 6", "i | 9", "i # 5", "i << 2", "n >> 3", "isnan(d) ;; d = 'NaN'::float8"):
        hub, _, postgres = expr.partition(" ;; ")
        yield (hub.replace("#", "^"), hub) if "#" in hub else (hub, postgres or hub)


def _string_functions():
    for column in ("s", "u", "ls[1]"):
        for function in ("upper", "lower", "initcap", "length", "char_length", "octet_length", "bit_length", "reverse", "md5",
                         "ascii", "ltrim", "rtrim", "btrim", "trim", "to_hex(length({}))"):
            call = function.format(column) if "{}" in function else f"{function}({column})"
            yield call
    for start in ("1", "2", "0", "-1", "5", "2147483647"):
        yield f"substr(s, {start})"
        for length in ("0", "1", "3", "100", "-1"):
            yield f"substr(s, {start}, {length})"
    for count in ("0", "1", "3", "-1", "-2", "100"):
        for function in ("left", "right"):
            yield f"{function}(s, {count})"
        yield f"repeat(s, {count})"
        for fill in ("", ", '*'", ", u", ", 'ab'", ", ''"):
            yield f"lpad(s, {count}{fill})"
            yield f"rpad(s, {count}{fill})"
    for part in ("1", "2", "3", "-1", "-2", "100"):
        yield f"split_part(s, ',', {part})"
        yield f"split_part(s, u, {part})"
    for function in ("strpos(s, {})", "starts_with(s, {})", "replace(s, {}, 'Q')", "s || {}", "concat(s, {}, i)",
                     "concat_ws('-', s, {}, u)", "translate(s, {}, 'xy')", "ltrim(s, {})", "rtrim(s, {})", "btrim(s, {})",
                     "s LIKE {}", "s ILIKE {}", "s NOT LIKE {}", "string_to_array(s, {})", "overlay(s placing {} from 2)",
                     "overlay(s placing {} from 2 for 2)", "position({} in s)"):
        for argument in ("u", "'b'", "''", "'é'", "NULL"):
            call = function.format(argument)
            yield call, call.replace("NULL", "NULL::text")
    for pattern in ("a%", "%b%", "_b_", "%", "", "100\\\\%%", "%\\\\_%", "%\\\\\\\\%", "A__ %", "日%", "_", "__ e_"):
        pattern = pattern.replace("\\\\", "\\")
        for op in ("LIKE", "NOT LIKE", "ILIKE"):
            yield f"s {op} '{pattern}'"
    for pattern in ("abc", "a%", "(a|A)%", "[a-c]+", "[^a]%", "%(b|,)%", "_{3}", "a*b+c?", "%\\%%", "1_3", "abc|123", ""):
        yield f"s SIMILAR TO '{pattern}'"
        yield f"s NOT SIMILAR TO '{pattern}'"
    for pattern in ("^a", "b", "^[0-9]+$", "[a-z]+", ".", "^$", "é", "(a|b),", "\\\\d", "^\\\\s"):
        pattern = pattern.replace("\\\\", "\\")
        for op in ("~", "!~", "~*", "!~*"):
            yield f"s {op} '{pattern}'"
        yield f"regexp_replace(s, '{pattern}', 'X')"
        yield f"regexp_replace(s, '{pattern}', 'X', 'g')"
        yield f"regexp_like(s, '{pattern}')"
        yield f"regexp_count(s, '{pattern}')"


def _dates():
    for part in ("year", "month", "day", "hour", "minute", "dow", "doy", "isodow", "week", "quarter", "epoch", "isoyear",
                 "decade", "century", "millennium", "julian"):
        yield f"extract({part} FROM ts)"
        if part not in ("hour", "minute"):
            yield f"extract({part} FROM dt)"
        yield f"date_part('{part}', ts)"
    for part in ("second", "millisecond", "microsecond"):
        yield f"extract({part} FROM ts)", f"trunc(extract({part} FROM ts))"
        yield f"extract({part} FROM t)", f"trunc(extract({part} FROM t))"
    for part in ("epoch", "day", "hour", "minute", "month", "year"):
        for span in ("te - ts", "interval '1 month 1 day 0.25 seconds'", "interval '36 hours'", "interval '-90 minutes'",
                     "interval '100 years 5 months'"):
            yield f"extract({part} FROM {span})"
    for unit in ("microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade",
                 "century", "millennium"):
        yield f"date_trunc('{unit}', ts)"
        yield f"date_trunc('{unit}', dt)"
    spans = ("1 day", "36 hours", "1 month", "1 year", "-1 month", "1 month 1 day", "90 seconds", "0.5 seconds", "1000 years")
    for span in spans:
        yield f"ts + interval '{span}'"
        yield f"ts - interval '{span}'"
        yield f"dt + interval '{span}'", f"(dt + interval '{span}') AT TIME ZONE 'UTC'"
        yield f"dt - interval '{span}'", f"(dt - interval '{span}') AT TIME ZONE 'UTC'"
        for op in ("=", "<", ">", "<=", ">=", "<>"):
            yield f"te - ts {op} interval '{span}'"
        yield f"te - ts BETWEEN interval '0 seconds' AND interval '{span}'"
        for other in ("1 day", "30 days", "24 hours"):
            yield f"interval '{span}' = interval '{other}'"
            yield f"interval '{span}' > interval '{other}'"
    for width in ("15 minutes", "1 day", "1 hour", "7 days", "90 seconds"):
        yield (f"date_bin(interval '{width}', ts, TIMESTAMP '2001-01-01')",
               f"date_bin(interval '{width}', ts, TIMESTAMPTZ '2001-01-01')")
    formats = {"%Y-%m-%d": "YYYY-MM-DD", "%H:%M:%S": "HH24:MI:SS", "%d.%m.%Y": "DD.MM.YYYY", "%j": "DDD", "%A": "FMDay",
               "%b": "Mon", "%G-%V": "IYYY-IW"}
    for hub, postgres in formats.items():
        yield f"to_char(ts, '{hub}')", f"to_char(ts, '{postgres}')"
        if hub != "%H:%M:%S":
            yield f"to_char(dt, '{hub}')", f"to_char(dt, '{postgres}')"
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"):
        for part in ("hour", "day", "minute", "year"):
            yield f"extract({part} FROM ts AT TIME ZONE '{zone}')"
        yield f"CAST(ts AT TIME ZONE '{zone}' AS DATE)"
    for expr in ("dt - DATE '2000-01-01'", "dt - dt", "extract(epoch FROM ts - te)", "extract(epoch FROM te - ts) > 86400",
                 "ts < current_date", "dt <= current_date", "make_date(2024, 2, 29)", "make_date(k, 1, 1)",
                 "CAST(ts AS DATE) - dt", "extract(day FROM te - ts) > 3", "ts BETWEEN '1900-01-01' AND '9999-12-31'"):
        yield expr
    yield "to_unixtime(ts)", "floor(extract(epoch FROM ts))"
    yield "to_unixtime(dt)", "floor(extract(epoch FROM dt))"
    yield "from_unixtime(n)", "to_timestamp(n)"
    yield "from_unixtime(i)", "to_timestamp(i)"
    yield "to_date('31.12.9999', '%d.%m.%Y')", "DATE '9999-12-31'"
    yield "to_timestamp('2024-03-01T10:00:00Z')", "TIMESTAMPTZ '2024-03-01 10:00:00+00'"
    yield "to_timestamp('9999-12-31T23:59:59Z')", "TIMESTAMPTZ '9999-12-31 23:59:59+00'"


def _lists():
    for column, value in (("l", "2"), ("l", "7"), ("ls", "'b'"), ("ls", "''")):
        kind = "int4" if column == "l" else "text"
        typed = f"{value}::{kind}"
        yield f"array_append({column}, {value})", f"array_append({column}, {typed})"
        yield f"array_prepend({value}, {column})", f"array_prepend({typed}, {column})"
        yield f"array_position({column}, {value})", f"array_position({column}, {typed})"
        yield f"array_remove_all({column}, {value})", f"array_remove({column}, {typed})"
        yield f"array_replace_all({column}, {value}, {value})", f"array_replace({column}, {typed}, {typed})"
        yield f"array_contains({column}, {value})", f"{typed} = ANY({column})"
        yield f"array_concat({column}, {column})", f"{column} || {column}"
    for column in ("l", "ls"):
        for index in ("1", "2", "4", "0"):
            yield f"{column}[{index}]"
        yield f"cardinality({column})"
        yield f"array_length({column})", f"array_length({column}, 1)"
        yield f"array_to_string({column}, ',')"
        yield f"array_to_string({column}, ',', 'N')"
        yield f"array_slice({column}, 2, 3)", f"{column}[2:3]"
        yield f"{column} = {column}"
        yield f"array_max({column})", f"(SELECT max(x) FROM unnest({column}) x)"
        yield f"array_min({column})", f"(SELECT min(x) FROM unnest({column}) x)"
    yield "array_sum(l)", "(SELECT sum(x) FROM unnest(l) x)"
    yield "make_array(i, n)", "ARRAY[i::int8, n]"
    yield "array_transform(l, x -> x * 2)", "CASE WHEN l IS NULL THEN NULL ELSE ARRAY(SELECT x::int8 * 2 FROM unnest(l) x) END"
    yield "array_filter(l, x -> x > 1)", "CASE WHEN l IS NULL THEN NULL ELSE ARRAY(SELECT x FROM unnest(l) x WHERE x > 1) END"


def pairs():
    """All pairs (hub, postgres), each once, in a fixed order."""
    made = (_written, _arithmetic, _comparisons, _casts, _numeric_functions, _string_functions, _dates, _lists)
    seen = {}
    for source in made:
        for pair in source():
            hub, postgres = (pair, pair) if isinstance(pair, str) else pair
            if hub not in seen:
                seen[hub] = postgres.replace("TIMESTAMP '", "TIMESTAMPTZ '").replace("STRING", "text")
    return list(seen.items())
