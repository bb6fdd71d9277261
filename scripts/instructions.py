#!/usr/bin/env python3
"""Counts the instructions of the hot path's parts, and holds them to benches/instructions.json.

Callgrind counts a part done once and done five times; the difference is four
batches without the start of the program. Times on a shared machine say little,
instructions nearly the same on every run; what the compiler makes of the same code
in another folder differs by a few per cent.

    instructions.py            compare; exit code 1 where a part takes more than is tolerated
    instructions.py --accept   write what was counted as the new baseline

The program is the tests' build, not the release build: that needs no second build
of everything, and a change shows in both. Needs valgrind.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BASELINE = PROJECT / "benches" / "instructions.json"
TOLERATED = 0.1
FEW, MANY = 1, 5
RECORDS = 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="write the new baseline")
    options = parser.parse_args()
    program = build()
    names = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    counted = {name: per_record(program, name) for name in names}
    if options.accept:
        BASELINE.write_text(json.dumps(counted, indent=2) + "\n", encoding="utf-8")
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    failed = report(counted, known)
    state = "FAILED" if failed else "ok"
    print(f"test result: {state}. {len(counted) - failed} passed; {failed} failed; instructions of the hot path")
    sys.exit(failed > 0)


def build():
    """The benchmark's program, as the tests are built."""
    command = ["cargo", "test", "--bench", "instructions", "--no-run", "--message-format", "json"]
    # Incremental builds split the code in other ways.
    environment = os.environ | {"CARGO_INCREMENTAL": "0"}
    lines = subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    artifacts = [json.loads(line) for line in lines if line.startswith("{")]
    return next(
        artifact["executable"] for artifact in artifacts
        if artifact.get("executable") and artifact["target"]["name"] == "instructions"
    )


def per_record(program, name):
    """Instructions that a part takes for one record of its batch."""
    few, many = (instructions(program, name, times) for times in (FEW, MANY))
    return round((many - few) / (MANY - FEW) / RECORDS, 1)


def instructions(program, name, times):
    with tempfile.NamedTemporaryFile() as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", program, name, str(times)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        sys.exit(f"valgrind failed on {name}:\n{done.stderr[-2000:]}")
    return int(found[1])


def report(counted, known):
    """Prints each part; how many take more than is tolerated, or are not known."""
    failed = 0
    print(f"{'part':<12}{'a record':>12}{'baseline':>12}{'change':>10}")
    for name, count in counted.items():
        before = known.get(name)
        if before is None:
            failed += 1
            print(f"{name:<12}{count:>12,.1f}{'none':>12}  accept it with --accept")
            continue
        change = count / before - 1 if before else 0.0
        is_more = change > TOLERATED
        failed += is_more
        print(f"{name:<12}{count:>12,.1f}{before:>12,.1f}{change:>10.1%}{'  too much' if is_more else ''}")
    return failed


if __name__ == "__main__":
    main()
