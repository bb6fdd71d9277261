"""The orders workload through the hub and its peers, in turn, and a comparison."""

import sys

from .. import broker as kafka
from .. import measure, report, workload
from ..scenarios import SCENARIOS, need


def run(options):
    """Runs all rounds; whether an output was wrong."""
    need(options.paths, *options.scenarios)
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
            print(f"round {number} {name}: {report.outcome(result)}", file=sys.stderr)
    print(report.table(results))
    report.keep("throughput", options, {
        "workload": {"topic": orders.topic, "records": orders.records},
        "runs": [result.as_json() for result in results],
    })
    return any(result.problems for result in results)
