"""The rows that expressions are evaluated over: twelve, each column with the extremes of its type."""

import json

MAX, MIN = 2**63 - 1, -(2**63)
NINES = "9999999999999999999999999999.9999999999"
WHOLE = "99999999999999999999999999999999999999"


class Number(str):
    """A number by its digits, which a double would not keep."""


def digits(*texts):
    return [None if text is None else Number(text) for text in texts]


# Name: (type in a topic file, in PostgreSQL, in DuckDB, twelve values).
COLUMNS = {
    "id": ("int", "int", "INT", list(range(12))),
    "s": ("string", "text", "VARCHAR", [
        "", "abc", "ÅÉ ñß", "e\u0301a\u0301b", "👩‍👩‍👧 🎉x", "שלום abc", "  pad  ", "a,b,,c",
        "100%_\\x", None, "Hello wORLD-foo", "ABC\nдело"]),
    "s2": ("string", "text", "VARCHAR", ["a", "b", "ß", "é", "🎉", "ש", " ", ",", "%", "x", "o", None]),
    "c": ("string", "text", "VARCHAR", [
        "0", "12", "-7", str(MAX), str(MAX + 1), "1.5", "1e3", " 42 ", "abc", "", "-0", None]),
    "g": ("string", "text", "VARCHAR", [
        "true", "false", "t", "f", "yes", "no", "1", "0", "on", "TRUE", "maybe", None]),
    "sd": ("string", "text", "VARCHAR", [
        "2024-01-31", "2024-02-29T12:34:56.789Z", "1969-12-31 23:59:59.999999", "0001-01-01",
        "9999-12-31T23:59:59.999999Z", "2024-03-10 10:00:00+02:00", "", "not a date", None,
        "2024-02-30", "2024-12-31", "1582-10-15"]),
    "b": ("boolean", "boolean", "BOOLEAN", [True, False, None] * 4),
    "b2": ("boolean", "boolean", "BOOLEAN", [True, True, True, False, False, False, None, None, None, True, False, None]),
    "n": ("smallint", "smallint", "SMALLINT", [0, 1, -1, 32767, -32768, 7, -7, None, 100, 3, 42, -3]),
    "i": ("int", "int", "INT", [0, 1, -1, 2**31 - 1, -(2**31), 7, -7, None, 100, 3, 42, -3]),
    "j": ("int", "int", "INT", [0, 2, 3, -1, -1, None, 2, 1, 7, 3, 0, 5]),
    "k": ("int", "int", "INT", [0, 1, 2, 3, -1, 5, 10, None, 4, -3, 100, 6]),
    "l": ("bigint", "bigint", "BIGINT", [0, 1, -1, MAX, MIN, 2**31, -(2**31) - 1, None, 10**18, 7, -7, 12345]),
    "m": ("bigint", "bigint", "BIGINT", [1, 0, 3, -1, -1, 1, 2, 5, None, -2, 2, -12345]),
    "d": ("double", "float8", "DOUBLE", digits(
        "0.0", "-0.0", "1.5", "-2.5", "2.5", "1e300", "5e-324", None, "-1e-7", "9007199254740993.0", "0.1",
        "123456.789")),
    "e": ("double", "float8", "DOUBLE", digits(
        "1.0", "-0.0", "0.5", "-1.0", "2.0", "1e-300", "2.0", "1.0", None, "3.0", "0.2", "-7.25")),
    "f": ("float", "real", "FLOAT", digits(
        "0.0", "-0.0", "0.1", "16777217", "-3.4e38", "1.2e-38", "1.5", None, "-2.5", "100.25", "0.3", "7")),
    "p": ("decimal(38,10)", "numeric(38,10)", "DECIMAL(38,10)", digits(
        "0", "1.5", "-1.5", NINES, "-" + NINES, "0.0000000001", "2.5", None, "12345678901234567890.0123456789",
        "-0.0000000001", "10", "3.3333333333")),
    "q": ("decimal(10,2)", "numeric(10,2)", "DECIMAL(10,2)", digits(
        "0", "1.50", "-1.50", "99999999.99", "-99999999.99", "0.01", "2.50", None, "10.00", "-0.01", "19.99",
        "3.33")),
    "w": ("decimal(38,0)", "numeric(38,0)", "DECIMAL(38,0)", digits(
        "0", "1", "-1", WHOLE, "-" + WHOLE, "7", "-7", None, "12345678901234567890123456789", "3", "18446744073709551616",
        "-3")),
    "dt": ("date", "date", "DATE", [
        "1970-01-01", "0001-01-01", "9999-12-31", "2024-02-29", "1969-12-31", "1900-03-01", "2024-12-31", None,
        "2023-01-31", "1582-10-04", "2000-02-29", "2021-01-03"]),
    "du": ("date", "date", "DATE", [
        "1970-01-01", "2024-02-29", "0001-01-01", None, "9999-12-31", "1900-02-28", "2025-01-01", "2000-01-01",
        "2023-02-28", "1582-10-15", "2024-02-29", "2020-12-31"]),
    "ts": ("timestamp", "timestamptz", "TIMESTAMP", [
        "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T12:34:56.789012Z",
        "1969-12-31T23:59:59.999999Z", "1900-03-01T06:07:08.5Z", "2024-12-31T23:00:00Z", None,
        "2262-04-12T00:00:00Z", "1677-09-20T00:00:00Z", "1899-12-31T23:59:59.1Z", "2021-01-03T00:00:00Z"]),
    "te": ("timestamp", "timestamptz", "TIMESTAMP", [
        "1970-01-02T00:00:00Z", "9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "2024-03-31T12:34:56.789012Z",
        "1970-01-01T00:00:00Z", None, "2024-12-31T23:01:00.25Z", "2000-01-01T00:00:00Z",
        "2262-04-13T12:00:00Z", "1677-09-20T00:00:00Z", "1900-01-31T23:59:59Z", "2021-02-17T05:00:00Z"]),
    "tm": ("time", "time", "TIME", [
        "00:00:00", "23:59:59.999999", "12:34:56.789012", "12:00:00", "06:07:08.5", "00:00:00.000001", "13:00:00",
        None, "01:02:03", "23:00:00", "11:59:59.5", "10:00:00"]),
    "x": ("binary", "bytea", "BLOB", [
        "", "YWJj", "AA==", "//8=", "AP8A", "8J+OiQ==", "IA==", None, "MTIz", "fw==", "gA==", "QUJD"]),
    "li": ("list<bigint>", "bigint[]", "BIGINT[]", [
        [], [1], [3, 1, 2], [None], [1, None, 1, None], [MAX, MIN], [0, 0, 0], None, [2, 2, 1], [-1, -2], [5, None, 4],
        [1, 2, 3, 4, 5, 6, 7]]),
    "lj": ("list<bigint>", "bigint[]", "BIGINT[]", [
        [1], [], [2, 3, 4], [None, 1], [1], [MIN], None, [1, 2], [1, 2, 2, 3], [-2], [4, None], [7, 6]]),
    "ls": ("list<string>", "text[]", "VARCHAR[]", [
        [], ["a"], ["b", "a", "c"], [None], ["", None, "é"], ["🎉", "ש", "z"], ["a,b", "c"], None, ["x", "x"],
        ["B", "a", "A", "b"], ["ß", "ss"], ["null", ""]]),
    "ld": ("list<double>", "float8[]", "DOUBLE[]", [
        digits(), digits("1.5"), digits("0.1", "0.2", "0.3"), [None], digits("1e300", "-1e300"), digits("5e-324"),
        digits("0.0", "-0.0"), None, digits("3.5", None, "1.0"), digits("-1.0", "2.0"), digits("1.0", "1.0"),
        digits("7.25", "-7.25")]),
    "st": ("struct<a: bigint, b: string>", "pair", "STRUCT(a BIGINT, b VARCHAR)", [
        {"a": 0, "b": ""}, {"a": 1, "b": "abc"}, {"a": None, "b": "x"}, {"a": MAX, "b": None},
        {"a": None, "b": None}, {"a": -1, "b": "é"}, {"a": MIN, "b": "🎉"}, None, {"a": 5, "b": "q"},
        {"a": 6, "b": "w"}, {"a": 7, "b": "null"}, {"a": 8, "b": "  "}]),
    "lt": ("list<struct<a: bigint, b: string>>", "pair[]", "STRUCT(a BIGINT, b VARCHAR)[]", [
        [], [{"a": 1, "b": "x"}], [{"a": 2, "b": "y"}, {"a": 1, "b": "z"}], [{"a": None, "b": None}],
        [{"a": MAX, "b": "m"}, {"a": 1, "b": None}], [{"a": -1, "b": "é"}], [{"a": 0, "b": ""}], None,
        [{"a": 3, "b": "c"}, {"a": 3, "b": "c"}], [{"a": 4, "b": "d"}], [{"a": 5, "b": "🎉"}],
        [{"a": 6, "b": "f"}, {"a": None, "b": "g"}, {"a": 7, "b": "h"}]]),
    "mp": ("map<string, bigint>", None, "MAP(VARCHAR, BIGINT)", [
        {}, {"a": 1}, {"a": 1, "b": 2}, {"a": None}, {"": 0}, {"é": MAX}, {"🎉": MIN}, None, {"b": 3, "a": 4},
        {"x": 5}, {"A": 6, "a": 7}, {"k": 8}]),
}
ROWS = 12


def to_json(value):
    """JSON text that keeps the digits of a `Number`."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def table():
    """The first line for `examples/evaluate.rs`."""
    fields = json.dumps({name: column[0] for name, column in COLUMNS.items()})
    rows = [to_json({name: column[3][row] for name, column in COLUMNS.items()}) for row in range(ROWS)]
    return f'{{"fields": {fields}, "rows": [{", ".join(rows)}]}}'


for _name, _column in COLUMNS.items():
    assert len(_column[3]) == ROWS, _name
