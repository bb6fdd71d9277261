"""The rows on which every expression is evaluated: one typical row, and extremes."""

# Column: (type in a topic file, type in PostgreSQL).
COLUMNS = {
    "i": ("int", "int4"),
    "k": ("smallint", "int2"),
    "n": ("bigint", "int8"),
    "d": ("double", "float8"),
    "p": ("decimal(12,2)", "numeric(12,2)"),
    "w": ("decimal(38,10)", "numeric(38,10)"),
    "z": ("decimal(38,0)", "numeric(38,0)"),
    "s": ("string", "text"),
    "u": ("string", "text"),
    "b": ("boolean", "bool"),
    "ts": ("timestamp", "timestamptz"),
    "te": ("timestamp", "timestamptz"),
    "dt": ("date", "date"),
    "t": ("time", "time"),
    "l": ("list<int>", "int4[]"),
    "ls": ("list<string>", "text[]"),
}

_NAMES = list(COLUMNS)

# A number is written as text, so that no reader of this file rounds it.
ROWS = [
    ["7", "3", "1000000007", "2.5", "10.00", "12345.6789012345", "12345678901234567890", "abc", "b", True,
     "2024-03-01T10:00:00.123456Z", "2024-03-05T12:30:00Z", "2024-02-29", "10:11:12.5", [3, 1, 2], ["a", "b"]],
    ["2147483647", "32767", "9223372036854775807", "1e300", "9999999999.99", "9999999999999999999999999999.9999999999",
     "99999999999999999999999999999999999999", "ABC def", "A", False,
     "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31", "23:59:59.999999", [2147483647, -2147483648], ["", "zz"]],
    ["-2147483648", "-32768", "-9223372036854775808", "-1e300", "-9999999999.99", "-9999999999999999999999999999.9999999999",
     "-99999999999999999999999999999999999999", "123", "2", True,
     "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z", "0001-01-01", "00:00:00", [], []],
    [None] * 16,
    ["0", "0", "0", "-0.0", "0.00", "0.0000000000", "0", "", "", False,
     "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01", "12:00:00", [0, 0, None], [None, "b"]],
    ["1", "1", "1", "5e-324", "0.01", "0.0000000001", "1", " x ", "x", None,
     "1969-12-31T23:59:59.500Z", "1900-02-28T23:00:00Z", "1969-12-31", "00:00:00.000001", [5], ["x"]],
    ["-1", "-1", "-1", "-0.5", "-0.01", "-0.0000000001", "-1", "äöü ß", "ß", True,
     "1900-02-28T23:00:00.999999Z", "1969-12-31T23:59:59.500Z", "1900-03-01", "01:02:03", [-1, None, 1], ["ß", "ä"]],
    ["42", "10", "4294967296", "0.1", "-2.50", "2.5000000000", "18446744073709551616", "日本語 text", "本", False,
     "2000-02-29T23:59:59.000001Z", "2001-03-01T00:00:00Z", "2000-02-29", "05:06:07.08", [1, 2, 3, 4], ["本", "語"]],
    ["-7", "-3", "-1000000007", "-2.5", "2.50", "-12345.6789012345", "-12345678901234567890", "👍🏽 e\u0301", "e", True,
     "2024-12-30T00:00:00Z", "2024-01-01T00:00:00Z", "2024-12-30", "15:45:30.25", [-3, -1], ["👍🏽"]],
    ["100", "100", "9007199254740993", "123456789.987654321", "1.15", "1.0000000005", "9007199254740993", "a,b,,c", ",", None,
     "2026-11-27T18:26:28Z", "2026-11-27T18:26:28.5Z", "2026-11-27", "18:26:28", [10, 20, 30], ["a,b", "c"]],
    ["60", "60", "86400", "1.5", "0.05", "0.0050000000", "500", "100%_a\\b", "%", True,
     "2021-01-03T00:00:00Z", "2020-12-31T23:59:59Z", "2021-01-03", "23:00:00", [7, 7], ["100%", "_"]],
    ["-100", "-100", "-86401", "3.7", "99.99", "33.3333333333", "7", "It's True", "t", False,
     "1582-10-15T00:00:00Z", "2262-04-12T00:00:00Z", "1582-10-15", "11:59:59.999999", [100, -100], ["It's", ""]],
]

_NUMBERS = ("i", "k", "n", "d", "p", "w", "z")


def _json(name, value):
    import json

    if value is None:
        return "null"
    return value if name in _NUMBERS else json.dumps(value, ensure_ascii=False)


def lines():
    """The rows as NDJSON, with their number as `r`; decimals keep their digits."""
    for number, row in enumerate(ROWS):
        cells = [f'"r":{number}'] + [f'"{name}":{_json(name, value)}' for name, value in zip(_NAMES, row)]
        yield "{" + ",".join(cells) + "}"


def fields():
    """The fields of the topic, as its file declares them."""
    cells = ['r: int'] + [f'{name}: "{hub}"' for name, (hub, _) in COLUMNS.items()]
    return ", ".join(cells)


def _sql(name, value):
    kind = COLUMNS[name][1]
    if value is None:
        return f"NULL::{kind}"
    if isinstance(value, list):
        items = ",".join("NULL" if item is None else _quoted(str(item)) for item in value)
        return f"ARRAY[{items}]::{kind}"
    return f"{_quoted(str(value).lower() if isinstance(value, bool) else value)}::{kind}"


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"


def table():
    """Statements that make the same rows in PostgreSQL."""
    columns = ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
    yield f"CREATE TABLE input (r int4, {columns});"
    for number, row in enumerate(ROWS):
        cells = ", ".join(_sql(name, value) for name, value in zip(_NAMES, row))
        yield f"INSERT INTO input VALUES ({number}, {cells});"
