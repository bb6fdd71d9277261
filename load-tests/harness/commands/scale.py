"""What a record costs by replicas, partitions, size of batches and size of rows.

CPU is counted while records pass, so that the start of more consumers is not in
it: the cost of a record is what must stay flat.
"""

import sys
from statistics import median

from .. import measure, report, workload
from ..embedded import broker_of
from ..report import MILLION
from ..scenarios import hub_scaled, need

BATCH = 4096

COLUMNS = (
    ("sweep", 9, lambda run: run["sweep"]),
    ("replicas", 10, lambda run: str(run["replicas"])),
    ("partitions", 12, lambda run: str(run["partitions"])),
    ("batch", 8, lambda run: f"{run['batch']:,}"),
    ("row bytes", 11, lambda run: f"{run['row_bytes']:,}"),
    ("records/s", 11, lambda run: f"{run['records_per_s']:,.0f}"),
    ("CPU s/M", 9, lambda run: f"{run['cpu_s_per_million']:.2f}"),
    ("of first", 10, lambda run: f"{run['of_first']:.2f}"),
    ("broker CPU s/M", 16, lambda run: _optional(run["broker_cpu_s_per_million"])),
    ("other CPU s", 13, lambda run: _optional(run["other_cpu_s"])),
    ("peak MiB", 10, lambda run: f"{run['peak_mib']:.0f}"),
    ("output", 8, lambda run: "WRONG" if run["problems"] else "right"),
)


def plan(options):
    """The settings of each kind of run, sweep by sweep."""
    base = {"replicas": 1, "partitions": workload.PARTITIONS, "batch": BATCH, "padding": 0}
    sweeps = {
        "replicas": [base | {"replicas": replicas, "partitions": partitions}
                     for partitions in options.partitions for replicas in options.replicas],
        "batch": [base | {"batch": batch} for batch in options.batches],
        "row": [base | {"padding": padding} for padding in options.padding],
    }
    return [{"sweep": name} | settings for name in options.sweeps for settings in sweeps[name]]


def run(options):
    """Runs all sweeps; whether an output was wrong or CPU was not flat."""
    need(options.paths, "hub", "raw")
    data = measure.data_folder()
    kinds = [(settings, []) for settings in plan(options)]
    with broker_of(options, data) as broker:
        # Not counted: the first run of all reads the program from disk, and what
        # all others are compared with must not.
        _one(options, broker, data, kinds[0][0])
        for number in range(1, options.rounds + 1):
            for settings, results in kinds:
                result = _one(options, broker, data, settings)
                results.append(result)
                said = ", ".join(f"{name} {value}" for name, value in settings.items())
                print(f"round {number} {said}: {report.outcome(result[1])}", file=sys.stderr)
    runs = with_ratios([_summary(settings, results) for settings, results in kinds])
    print(report.rows(COLUMNS, runs))
    print(report.problems(runs), end="")
    steep = not_flat(runs, options.flat)
    for problem in steep:
        print(problem)
    report.keep("scale", options, {"runs": runs, "not_flat": steep})
    return bool(steep) or any(run["problems"] for run in runs)


def _one(options, broker, data, settings):
    orders = workload.ensure(broker, options.paths.orders_load, options.records, options.seed, data,
                             settings["partitions"], settings["padding"])
    scenario = hub_scaled(settings["replicas"], {"STAGE__BATCH__RECORDS_MAX": str(settings["batch"])})
    result = measure.run("scale", scenario, options.paths, broker, orders, data, options.limit)
    return orders, result


def _summary(settings, results):
    orders, runs = results[0][0], [result for _, result in results]
    million = MILLION / orders.records
    return settings | {
        "row_bytes": round(orders.row_bytes),
        "records": orders.records,
        "records_per_s": round(median(result.records_per_s for result in runs)),
        "cpu_s_per_million": round(median(result.app_cpu_running_s for result in runs) * million, 3),
        "broker_cpu_s_per_million": _median_known((result.broker_cpu_s for result in runs), million),
        "other_cpu_s": _median_known(result.other_cpu_s for result in runs),
        "peak_mib": round(median(result.peak_mib for result in runs), 1),
        "problems": [problem for result in runs for problem in result.problems],
    }


def _median_known(values, factor=1):
    known = [value * factor for value in values if value is not None]
    return round(median(known), 3) if known else None


def with_ratios(runs):
    """Each run with its CPU as a multiple of that of the first of its sweep."""
    first = {}
    for one in runs:
        first.setdefault(one["sweep"], one["cpu_s_per_million"])
    return [one | {"of_first": round(one["cpu_s_per_million"] / first[one["sweep"]], 3)
                   if first[one["sweep"]] else 0.0} for one in runs]


def not_flat(runs, most):
    """Where more replicas or partitions made a record cost too much more, in words."""
    return [f"{one['replicas']} replicas, {one['partitions']} partitions: a record costs {one['of_first']:.2f} "
            f"times the CPU of the first, more than {most:g}"
            for one in runs if one["sweep"] == "replicas" and one["of_first"] > most]


def _optional(value):
    return "-" if value is None else f"{value:.2f}"
