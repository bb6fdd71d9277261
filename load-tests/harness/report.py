"""Results as a table for people and as JSON for programs."""

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from .scenarios import LOAD_TESTS

MILLION = 1_000_000

# Title, width, value of a scenario's runs, and how to print it.
COLUMNS = (
    ("records/s", 11, lambda runs: median(run.records_per_s for run in runs), "{:,.0f}"),
    ("app CPU s/M", 13, lambda runs: median(app_cpu_per_million(run) for run in runs), "{:.2f}"),
    ("broker CPU s/M", 16, lambda runs: _per_million(runs, "broker_cpu_s"), "{:.2f}"),
    ("peak MiB", 10, lambda runs: median(run.peak_mib for run in runs), "{:.0f}"),
    ("startup s", 11, lambda runs: median(run.startup_s for run in runs), "{:.2f}"),
    ("other CPU s", 13, lambda runs: _median_known(run.other_cpu_s for run in runs), "{:.1f}"),
)


def app_cpu_per_million(run):
    """CPU seconds of the processes under test, start included, for a million records."""
    return run.app_cpu_s * MILLION / run.records


def _per_million(runs, name):
    per_run = _median_known(getattr(run, name) for run in runs)
    return None if per_run is None else per_run * MILLION / runs[0].records


def _median_known(values):
    known = [value for value in values if value is not None]
    return median(known) if known else None


def table(results):
    """Medians by scenario, and how many times the CPU of each other it needs."""
    by_scenario = {}
    for result in results:
        by_scenario.setdefault(result.scenario, []).append(result)
    lines = ["scenario".ljust(18) + "runs".rjust(5)
             + "".join(title.rjust(width) for title, width, _, _ in COLUMNS) + "  output"]
    for name, runs in by_scenario.items():
        cells = "".join(_cell(value(runs), form).rjust(width) for _, width, value, form in COLUMNS)
        right = "right" if not any(run.problems for run in runs) else "WRONG"
        lines.append(f"{name:<18}{len(runs):>5}{cells}  {right}")
    lines += ["", *_ratios(by_scenario)]
    for result in results:
        lines += [f"{result.scenario}: {problem}" for problem in result.problems]
    return "\n".join(lines).rstrip()


def _cell(value, form):
    return "-" if value is None else form.format(value)


def _ratios(by_scenario):
    """App CPU of the row divided by that of the column, of scenarios that were right."""
    cpu = {name: median(app_cpu_per_million(run) for run in runs)
           for name, runs in by_scenario.items() if not any(run.problems for run in runs)}
    if len(cpu) < 2:
        return []
    width = max(map(len, cpu)) + 3
    lines = ["app CPU, row : column".ljust(23) + "".join(name.rjust(width) for name in cpu)]
    for row, of_row in cpu.items():
        cells = "".join((f"{of_row / of_column:.2f}" if of_column else "-").rjust(width) for of_column in cpu.values())
        lines.append(f"{row:<23}{cells}")
    return lines


def outcome(result):
    """One run in a line."""
    return (f"{result.records_per_s:,.0f} records/s, app {result.app_cpu_s:.2f} CPU s, "
            f"{'; '.join(result.problems) or 'right'}")


def rows(columns, items):
    """A line for each item, from columns of title, width and value."""
    lines = ["".join(title.rjust(width) for title, width, _ in columns)]
    for item in items:
        lines.append("".join(value(item).rjust(width) for _, width, value in columns))
    return "\n".join(lines)


def problems(runs):
    """What was wrong with each run, a line each."""
    return "".join(f"{problem}\n" for run in runs for problem in run["problems"])


def keep(command, options, content, folder=LOAD_TESTS / "results"):
    """Writes the results of one invocation, and draws them."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(timezone.utc)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}-{command}.json"
    head = {
        "command": command,
        "when": now.isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "options": {name: value for name, value in vars(options).items() if not _is_place(value)},
    }
    path.write_text(as_text(head | content), encoding="utf-8")
    print(path, file=sys.stderr)
    subprocess.run([options.paths.orders_load, "plot", path], stdout=subprocess.DEVNULL, check=False)
    return path


def as_text(content):
    """JSON for programs that people can look into: a line for each run or sample."""
    fields = []
    for name, value in content.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
        fields.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _is_place(value):
    """Where programs lie on this machine is nobody's result."""
    return isinstance(value, Path) or hasattr(value, "orders_load")
