#!/usr/bin/env python3
"""Runs the orders workload through the hub and its peers, in turn, and compares.

    scripts/kafka.sh start
    load-tests/setup.sh
    load-tests/.venv/bin/python load-tests/bench.py --records 1000000 --rounds 3

Exit code 1 if an output was wrong.
"""

import argparse
import os
import sys
from pathlib import Path

from harness import broker as kafka
from harness import measure, report, workload
from harness.scenarios import LOAD_TESTS, PROJECT, SCENARIOS, Paths, missing

DEFAULT_SCENARIOS = "hub,raw,kafka-streams"


def main():
    options = _options()
    problems = [found for name in options.scenarios if (found := missing(options.paths, name))]
    if problems:
        sys.exit("\n".join(problems))
    data = measure.data_folder()
    broker = kafka.Broker(options.bootstrap, options.broker_pid or kafka.script_pid(options.bootstrap))
    if broker.pid is None:
        print("the CPU of the broker is unknown: give --broker-pid, or use scripts/kafka.sh", file=sys.stderr)
    orders = workload.ensure(broker, options.paths.orders_load, options.records, options.seed, data)
    results = []
    # In turn, so that a machine that slows down slows all of them.
    for number in range(1, options.rounds + 1):
        for name in options.scenarios:
            result = measure.run(name, SCENARIOS[name], options.paths, broker, orders, data, options.limit)
            results.append(result)
            outcome = "; ".join(result.problems) or "right"
            print(f"round {number} {name}: {result.records_per_s:,.0f} records/s, "
                  f"app {result.app_cpu_s:.2f} CPU s, {outcome}", file=sys.stderr)
    print(report.table(results))
    print(report.write(results, orders, LOAD_TESTS / "results"), file=sys.stderr)
    sys.exit(any(result.problems for result in results))


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="records of the input (%(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same input (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each scenario (%(default)s)")
    parser.add_argument("--scenarios", type=_scenarios, default=_scenarios(DEFAULT_SCENARIOS),
                        help=f"some of {', '.join(SCENARIOS)} ({DEFAULT_SCENARIOS})")
    parser.add_argument("--limit", type=int, default=600, help="seconds after which a run failed (%(default)s)")
    parser.add_argument("--bootstrap", default=_default_bootstrap(), help="broker (%(default)s)")
    parser.add_argument("--broker-pid", type=int, help="its process, if scripts/kafka.sh did not start it")
    target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    parser.add_argument("--hub", type=Path, default=target / "release" / "lineage-hub",
                        help="program of the hub (%(default)s)")
    parser.add_argument("--samples", type=Path, default=PROJECT, help="folder of topics/ and pipelines/ (%(default)s)")
    load_target = Path(os.environ.get("LOAD_TARGET_DIR", LOAD_TESTS / "target"))
    options = parser.parse_args()
    options.paths = Paths(options.hub, load_target / "release" / "orders-load", samples=options.samples)
    return options


def _default_bootstrap():
    port = os.environ.get("KAFKA_PORT", "19092")
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")


def _scenarios(text):
    names = text.split(",")
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return names


if __name__ == "__main__":
    main()
