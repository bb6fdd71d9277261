"""Latency from end to end at fixed rates, by commit interval.

Load goes on whatever becomes of it, and a record's latency counts from the
moment that it was due: a pipeline that stalls does not slow the load down, and
so cannot hide its stall.
"""

import os
import sys
import time

from .. import drive, measure, report
from ..embedded import broker_of
from ..process import Processes
from ..scenarios import hub_scaled, need

LOOK_SECONDS = 0.1

COLUMNS = (
    ("interval", 8, lambda run: f"{run['interval_ms']} ms"),
    ("records/s", 11, lambda run: f"{run['rate']:,}"),
    ("p50 ms", 9, lambda run: f"{run['p50_ms']:,.1f}"),
    ("p99 ms", 9, lambda run: f"{run['p99_ms']:,.1f}"),
    ("p99.9 ms", 10, lambda run: f"{run['p999_ms']:,.1f}"),
    ("max ms", 9, lambda run: f"{run['max_ms']:,.1f}"),
    ("late", 9, lambda run: f"{run['late']:,}"),
    ("latest ms", 11, lambda run: f"{run['latest_ms']:,.1f}"),
    ("hub CPU %", 11, lambda run: f"{run['hub_cpu_share'] * 100:.0f}"),
    ("goal", 14, lambda run: goal(run)),
    ("output", 8, lambda run: "WRONG" if run["problems"] else "right"),
)

# Of rates up to this one: with more, two cores are what is measured.
GOAL_RATE = 10_000
GOAL_INTERVALS = 4
# Under this interval what is not the interval counts more: a goal in milliseconds.
SHORT_INTERVAL_MS, SHORT_GOAL_MS = 50, 150


def run(options):
    """Runs each rate with each interval; whether an output was wrong or a goal missed."""
    need(options.paths, "hub", "raw")
    data = measure.data_folder()
    runs = []
    with broker_of(options, data) as broker:
        for interval in options.interval:
            for rate in options.rates:
                result = _one(options, broker, data, rate, interval)
                runs.append(result)
                print(f"{rate:,} records/s, {interval} ms: p99 {result['p99_ms']:,.1f} ms, "
                      f"{'; '.join(result['problems']) or 'right'}", file=sys.stderr)
    print(report.rows(COLUMNS, runs))
    print(report.problems(runs), end="")
    report.keep("latency", options, {"runs": runs})
    return any(result["problems"] or goal(result).startswith("MISSED") for result in runs)


def goal_ms(interval_ms):
    """The latency under which 99 of 100 records are to stay."""
    return SHORT_GOAL_MS if interval_ms < SHORT_INTERVAL_MS else GOAL_INTERVALS * interval_ms


def goal(result):
    """Whether the goal for its interval was met; `-` where none is set."""
    if result["rate"] > GOAL_RATE:
        return "-"
    wanted = goal_ms(result["interval_ms"])
    return f"{'met' if result['p99_ms'] < wanted else 'MISSED'} (< {wanted})"


def _one(options, broker, data, rate, interval):
    with measure.place(broker, data) as (prefix, folder):
        one = drive.place(broker, prefix, folder)
        launch = hub_scaled(1, {"STAGE__COMMIT__INTERVAL": f"{interval}ms"})(options.paths, one)
        processes = Processes(launch.commands, dict(os.environ) | launch.environment, data / "latency.log")
        try:
            with drive.Driver(options.paths, broker, one, data, rate=rate, seconds=options.seconds,
                              warm_up=options.warm_up, seed=options.seed) as load:
                share = _cpu_share(load, processes)
                summary = load.finish()
        finally:
            processes.stop()
    return summary | {"interval_ms": interval, "hub_cpu_share": share, "problems": drive.problems(summary)}


def _cpu_share(load, processes):
    """Of one core, what the hub uses while load goes on; its start is not in it."""
    sent, seen = None, []
    while load.is_running():
        latest = load.latest().get("sent")
        if sent is not None and latest > sent:
            seen.append((time.monotonic(), processes.sample()))
        sent = latest
        time.sleep(LOOK_SECONDS)
    if len(seen) < 2:
        return 0.0
    (begin, before), (end, after) = seen[0], seen[-1]
    return round((after - before) / (end - begin), 3)
