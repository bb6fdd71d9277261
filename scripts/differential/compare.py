#!/usr/bin/env python3
"""Compares a stage's SELECT with PostgreSQL, expression by expression and row by row.

usage: compare.py EVALUATE PSQL...   EVALUATE: the program of examples/evaluate;
                                     PSQL: a command that runs SQL from stdin

`check` may refuse an expression, and a row may fail in both. Everything else must agree,
or be one of the kinds of `differences.toml`. The last lines count in cargo's words.
"""

import collections
import datetime
import decimal
import fnmatch
import json
import math
import os
import pathlib
import subprocess
import sys
import tomllib

import expressions
import rows

HERE = pathlib.Path(__file__).parent
EVALUATE_FUNCTION = """
CREATE FUNCTION evaluate(expr text) RETURNS TABLE (r int, v text, failure text) LANGUAGE plpgsql AS $$
BEGIN
  FOR r IN SELECT input.r FROM input ORDER BY 1 LOOP
    BEGIN
      EXECUTE format('SELECT to_json(x)::text FROM (SELECT (%s) AS x FROM input WHERE r = %s) q', expr, r) INTO v;
      failure := NULL;
    EXCEPTION WHEN OTHERS THEN
      v := NULL; failure := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END $$;
"""


def postgres(command, pairs):
    """By expression: a value or a failure for each row."""
    script = ["SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1;",
              "DROP TABLE IF EXISTS input; DROP FUNCTION IF EXISTS evaluate;"]
    script += list(rows.table()) + [EVALUATE_FUNCTION, "CREATE TEMP TABLE e (id int, x text);"]
    for number, (_, expr) in enumerate(pairs):
        script.append(f"INSERT INTO e VALUES ({number}, $expr${expr}$expr$);")
    script.append("COPY (SELECT json_build_array(e.id, q.r, q.v, q.failure) FROM e, LATERAL evaluate(e.x) q) TO STDOUT;")
    done = subprocess.run(command, input="\n".join(script), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"PostgreSQL failed:\n{done.stderr[-3000:]}")
    answers = collections.defaultdict(dict)
    for line in done.stdout.splitlines():
        if line.startswith("["):
            # COPY doubles backslashes.
            number, row, value, failure = json.loads(line.replace("\\\\", "\\"))
            answers[number][row] = ("failure", failure) if failure is not None else ("value", value)
    return answers


def hub(program, pairs):
    """By expression: the refusal of `check`, or a value or a failure for each row."""
    fields, lines = rows.fields(), list(rows.lines())
    # The rows are spliced in as text: a JSON library would round them.
    tasks = [
        json.dumps({"id": number, "fields": fields, "sql": f"SELECT r, {expr} AS v FROM input"})[:-1]
        + ', "rows": [' + ",".join(lines) + "]}"
        for number, (expr, _) in enumerate(pairs)
    ]
    done = subprocess.run([program], input="\n".join(tasks), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the evaluation ended with {done.returncode}:\n{done.stderr[-3000:]}")
    answers = {}
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        if "error" in answer:
            answers[answer["id"]] = answer["error"]
            continue
        values = {}
        for text in answer["rows"]:
            row = json.loads(text)["r"]
            values[row] = ("value", value_text(text))
        for offset, step, error in answer["dead"]:
            values[offset] = ("failure", f"{step}: {error}")
        answers[answer["id"]] = values
    return answers


def value_text(line):
    """The JSON text of `v` in a line that begins with `r`."""
    _, _, rest = line.partition(',"v":')
    return rest[:-1] if rest else "null"


class Number(str):
    """A number as it was written."""


def parse(text):
    return None if text is None else json.loads(text, parse_float=Number, parse_int=Number)


def instant(text):
    """Microseconds, for a text that is a timestamp."""
    if not isinstance(text, str) or len(text) < 19 or text[10] not in "T ":
        return None
    try:
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=datetime.timezone.utc)
    return (when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def same(ours, theirs):
    """Whether two JSON values are one value; `nearly` for doubles that differ in the last digits."""
    if isinstance(ours, Number) and isinstance(theirs, Number):
        left, right = decimal.Decimal(ours), decimal.Decimal(theirs)
        if left == right:
            return True
        # PostgreSQL prints a numeric's digits; a double is compared as a double.
        a, b = float(ours), float(theirs)
        is_double = "e" in (ours + theirs).lower() or "." in ours
        if is_double and a == b and len(ours.lstrip("-").replace(".", "")) <= 17:
            return True
        return "nearly" if is_double and math.isclose(a, b, rel_tol=4e-15) else False
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs))
    if isinstance(ours, Number) != isinstance(theirs, Number):
        return False
    at = instant(ours)
    if at is not None and at == instant(theirs):
        return True
    # A time keeps or drops trailing zeros of its second.
    if isinstance(ours, str) and isinstance(theirs, str) and ours.count(":") == 2 == theirs.count(":"):
        if ours.rstrip("0").rstrip(".") == theirs.rstrip("0").rstrip("."):
            return True
    return ours == theirs


def differences(pairs, ours, theirs):
    """Every (expression, row, kind, our value, PostgreSQL's value) that is not one value."""
    for number, (expr, _) in enumerate(pairs):
        if isinstance(ours[number], str):
            continue
        for row in range(len(rows.ROWS)):
            left = ours[number].get(row, ("missing", None))
            right = theirs[number][row]
            if left[0] == "value" and right[0] == "value":
                verdict = same(parse(left[1]), parse(right[1]))
                if verdict is not True:
                    yield expr, row, "nearly" if verdict else "value", left[1], right[1]
            elif left[0] != right[0]:
                kind = {"failure": "dead letter", "value": "no failure", "missing": "missing"}[left[0]]
                yield expr, row, kind, left[1], right[1]


def main():
    program, command = sys.argv[1], sys.argv[2:]
    pairs = expressions.pairs()
    theirs = postgres(command, pairs)
    ours = hub(program, pairs)
    accepted = tomllib.loads((HERE / "differences.toml").read_text(encoding="utf-8"))["difference"]
    used, failed, shown = collections.Counter(), set(), 0
    for expr, row, kind, left, right in differences(pairs, ours, theirs):
        match = next((entry for entry in accepted if matches(entry, expr, row, kind)), None)
        if match:
            used[match["name"]] += 1
            continue
        failed.add(expr)
        shown += 1
        if shown <= int(os.environ.get("SHOWN", "200")):
            print(f"{expr}  row {row}: {kind}: {left}  PostgreSQL: {right}")
    refused = [expr for number, (expr, _) in enumerate(pairs) if isinstance(ours[number], str)]
    if os.environ.get("REFUSED"):
        for number, (expr, _) in enumerate(pairs):
            if isinstance(ours[number], str):
                print(f"refused: {expr}: {ours[number].splitlines()[-1][:200]}")
    for entry in accepted:
        if entry["name"] not in used:
            failed.add(entry["name"])
            print(f"differences.toml: `{entry['name']}` accepts nothing; remove it")
    print(f"{len(pairs)} expressions x {len(rows.ROWS)} rows; {len(refused)} refused by check; "
          f"accepted differences: {dict(used)}")
    passed = len(pairs) - len(refused) - len(failed)
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {len(failed)} failed; {len(refused)} ignored")
    sys.exit(1 if failed else 0)


def matches(entry, expr, row, kind):
    if not any(fnmatch.fnmatchcase(expr, pattern) for pattern in entry["expressions"]):
        return False
    return kind in entry["kinds"] and ("rows" not in entry or row in entry["rows"])


if __name__ == "__main__":
    main()
