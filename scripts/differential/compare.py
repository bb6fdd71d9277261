"""Compares the values of SQL expressions here with those of PostgreSQL and DuckDB.

Prints each difference that `differences.toml` does not list, and counts. Exit code 1 if there is one.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field

import values
from engines import DuckDb, Postgres
from expressions import cases
from kinds import TESTS
from rows import ROWS, table

FOLDER = pathlib.Path(__file__).parent
GUIDE = FOLDER.parent.parent / "docs" / "guide.md"
HEADING = "| Expression | Here | PostgreSQL | Why |\n|---|---|---|---|\n"
# With fewer compared expressions the suite would say nothing.
COMPARED_MIN = 800


@dataclass
class Result:
    case: object
    engine: str
    kind: str = ""
    # "value", "error here", "error there"; by row: (row, here, there).
    rows: dict = field(default_factory=lambda: collections.defaultdict(list))
    refused: str | None = None


def evaluate_here(program, found):
    """The answers of `examples/evaluate.rs`, in the order of the expressions."""
    lines = [table(), *(json.dumps(case.here) for case in found)]
    done = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(answers) != len(found):
        last = found[len(answers)].here if len(answers) < len(found) else "the end"
        raise SystemExit(f"{program} stopped at {last}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return answers


def not_finite(value):
    return isinstance(value, str) and value.lower().lstrip("-") in ("nan", "infinity", "inf")


def compare(case, answer, engine, theirs):
    result = Result(case, engine, answer.get("type", ""))
    if "panic" in answer:
        result.rows["panic"].append((0, "panic", None))
        return result
    if "refused" in answer:
        result.refused = answer["refused"]
        return result
    for row in range(ROWS):
        one, there = answer["rows"][row], theirs[row]
        if case.tries and values.failed(there):
            there = None
        if one is None:
            result.rows["lost"].append((row, None, there))
        elif "error" in one:
            # JSON has no NaN and no infinity: a row of it is a dead letter.
            if not values.failed(there) and not not_finite(there):
                result.rows["error here"].append((row, one["error"], there))
        else:
            here = values.from_json(one["value"])["v"]
            if values.failed(there):
                result.rows["error there"].append((row, here, there[1]))
            elif not values.same(here, there, answer["type"]):
                result.rows["value"].append((row, here, there))
    if "passes" in answer:
        true = [row for row in range(ROWS) if (answer["rows"][row] or {}).get("value") == '{"v":true}']
        if answer["passes"] != true:
            result.rows["filter"].append((0, answer["passes"], true))
    return result


def load_differences():
    entries = tomllib.loads((FOLDER / "differences.toml").read_text())["difference"]
    for entry in entries:
        entry["patterns"] = [re.compile(pattern, re.DOTALL) for pattern in entry.get("expressions", [".*"])]
        entry["used"] = 0
    return entries


def listed(entries, result, outcome, here, there):
    """Whether the list has this difference of one row."""
    for entry in entries:
        message = here if outcome == "error here" else there
        if (entry["outcome"] == outcome
                and any(one.fullmatch(result.case.here) for one in entry["patterns"])
                and (outcome == "value" or re.search(entry["message"], str(message)))
                and (outcome != "value" or TESTS[entry["test"]](here, there, result.kind))):
            entry["used"] += 1
            return True
    return False


def show(value):
    return f"error {value[1]}" if values.failed(value) else str(value)


def report(results, entries, out):
    failures = 0
    outcomes = collections.Counter()
    for result in results:
        if result.refused is not None:
            outcomes["refused"] += 1
            continue
        unlisted = {}
        for outcome, rows in result.rows.items():
            if left := [row for row in rows if not listed(entries, result, outcome, row[1], row[2])]:
                unlisted[outcome] = left
        outcomes["in the table" if result.rows and not unlisted else "differs" if unlisted else "same"] += 1
        if not unlisted:
            continue
        failures += 1
        text = result.case.postgres or result.case.duckdb
        there = "" if text == result.case.here else f"   [{result.engine}: {text}]"
        print(f"differs: {result.case.here}   ({result.kind}){there}", file=out)
        for outcome, rows in unlisted.items():
            for row, here, other in rows[:4]:
                print(f"    {outcome}, row {row}: here {show(here)!r}, {result.engine} {show(other)!r}", file=out)
            if len(rows) > 4:
                print(f"    {outcome}: {len(rows) - 4} more rows", file=out)
    return failures, outcomes


def guide_rows(entries):
    cell = lambda text: str(text).replace("|", "\\|")
    return "".join(f"| `{cell(one['example'])}` | {cell(one['here'])} | {cell(one['postgres'])} | {cell(one['reason'])} |\n"
                   for one in entries)


def check_guide(entries, write):
    """The guide's table is made from the list."""
    text = GUIDE.read_text()
    before, heading, after = text.partition("### Differences from PostgreSQL\n")
    if not heading:
        return ["docs/guide.md has no section `Differences from PostgreSQL`"]
    prose, mark, rest = after.partition(HEADING)
    rows = re.match(r"(\|.*\n)*", rest)[0]
    wanted = guide_rows(entries)
    if rows == wanted and mark:
        return []
    if write:
        GUIDE.write_text(before + heading + prose + HEADING + wanted + rest[len(rows):])
        return []
    return ["docs/guide.md: the table of differences is not that of differences.toml: scripts/differential.sh --write-guide"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", required=True, help="examples/evaluate.rs, built")
    arguments.add_argument("--port", type=int, default=21432, help="names the socket of PostgreSQL")
    arguments.add_argument("--only", help="a regular expression that the expressions must contain")
    arguments.add_argument("--refused", action="store_true", help="also print what is refused, with its message")
    arguments.add_argument("--write-guide", action="store_true", help="write the table in docs/guide.md")
    options = arguments.parse_args()
    entries = load_differences()
    found = [one for one in cases() if not options.only or re.search(options.only, one.here)]
    begun = time.monotonic()
    answers = evaluate_here(options.program, found)
    here = time.monotonic() - begun
    postgres, duckdb = Postgres(options.port), DuckDb()
    results = []
    try:
        for one, answer in zip(found, answers):
            engine = postgres if one.postgres else duckdb
            name = "PostgreSQL" if one.postgres else "DuckDB"
            theirs = [None] * ROWS if "refused" in answer else engine.evaluate(one.postgres or one.duckdb)
            results.append(compare(one, answer, name, theirs))
    finally:
        postgres.stop()
    failures, outcomes = report(results, entries, sys.stdout)
    if options.refused:
        for result in results:
            if result.refused is not None:
                print(f"refused: {result.case.here}: {result.refused}")
    problems = check_guide(entries, options.write_guide)
    compared = len(results) - outcomes["refused"]
    if not options.only:
        problems += [f"differences.toml: nothing differs as in `{one['example']}`: remove it" for one in entries
                     if not one["used"]]
        if compared < COMPARED_MIN:
            problems.append(f"only {compared} expressions were compared, of at least {COMPARED_MIN}")
    for problem in problems:
        print(f"problem: {problem}")
    print(f"{len(results)} expressions of {ROWS} rows: {dict(outcomes)}; PostgreSQL {postgres.version}, DuckDB {duckdb.version}; "
          f"{here:.0f} s here, {time.monotonic() - begun:.0f} s in all")
    failed = failures + len(problems)
    passed = len(results) - failures
    # In cargo's form, which .ci/run adds up.
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed;")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
