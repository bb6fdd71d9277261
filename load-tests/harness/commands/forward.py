"""The forwarder between a lineage topic and a backend that takes so long an event.

The rate that a bare load generator reaches against the stand-in comes first,
then the forwarder's over as many connections, with its own CPU out of /proc.
Then the stand-in goes away in mid-delivery, and what has waited is drained: each
event must come, and those of a run in their order.
Broker, stand-in and forwarder are processes of their own, all on loopback.
"""

import json
import select
import subprocess
import tempfile
from pathlib import Path

from .. import report
from ..embedded import free_port, wait_for_port
from ..process import Background, cpu_seconds, peak_mib
from ..scenarios import need

LIMIT_SECONDS = 600
# Of the run that is interrupted: events of each run, and the part before the outage.
EVENTS_PER_RUN = 4
BEFORE_OUTAGE = 0.1

COLUMNS = (
    ("wait ms", 8, lambda run: str(run["wait_ms"])),
    ("events", 10, lambda run: f"{run['events']:,}"),
    ("bare/s", 10, lambda run: f"{run['bare_per_second']:,}"),
    ("forwarder/s", 13, lambda run: f"{run['forward_per_second']:,}"),
    ("share", 8, lambda run: f"{run['share']:.3f}"),
    ("a core/s", 11, lambda run: f"{run['forward_per_core_second'] or 0:,}"),
    ("peak MiB", 10, lambda run: f"{run['forward_peak_mib']:.0f}"),
    ("drained/s", 11, lambda run: f"{run['drain_per_second']:,}"),
    ("back after s", 14, lambda run: f"{run['back_after_seconds']:.1f}"),
    ("repeated", 10, lambda run: f"{run['repeated']:,}"),
    ("order", 8, lambda run: "WRONG" if run["problems"] else "right"),
)


def run(options):
    """Runs all cases; whether events came out of order."""
    need(options.paths, "hub", "raw")
    runs = []
    for wait, events in options.cases:
        steady = _measured(options, wait, events, _steady)
        runs.append(steady | _measured(options, wait, events, _drain))
    print(report.rows(COLUMNS, runs))
    print(report.problems(runs), end="")
    report.keep("forward", options, {"runs": runs})
    return any(run["problems"] for run in runs)


class Setup:
    """A project with a lineage topic, a broker, and a stand-in that is not started yet."""

    def __init__(self, options, wait, events, folder, background):
        self.events, self.connections = events, options.connections
        self._load, self._wait = str(options.paths.orders_load), str(wait)
        self._stand_in, kafka = free_port(), free_port()
        self._background = background
        _write_project(folder, self._stand_in, options.connections)
        self._bootstrap = f"127.0.0.1:{kafka}"
        self._hub = [str(options.hub), "--project", str(folder)]
        background.start([*self._hub, "broker", "--listen", self._bootstrap])
        wait_for_port(kafka)
        subprocess.run([*self._hub, "--bootstrap", self._bootstrap, "topics", "apply"], check=True,
                       stdout=subprocess.DEVNULL)

    def stand_in(self, *more):
        """Starts the stand-in; it tells on its standard output what it was given."""
        taker = self._background.start(
            [self._load, "stand-in", "--listen", f"127.0.0.1:{self._stand_in}", "--wait", self._wait,
             "--count", str(self.events), *more], stdout=subprocess.PIPE, text=True)
        wait_for_port(self._stand_in)
        return taker

    def post(self):
        """All events by the bare load generator."""
        subprocess.run(
            [self._load, "post", "--to", f"127.0.0.1:{self._stand_in}", "--connections",
             str(self.connections), "--count", str(self.events)], check=True, timeout=LIMIT_SECONDS)

    def write_events(self, per_run):
        """All events into the lineage topic."""
        subprocess.run([self._load, "--bootstrap", self._bootstrap, "lineage-events", "--count",
                        str(self.events), "--per-run", str(per_run)], check=True)

    def forwarder(self):
        """Starts the forwarder."""
        return self._background.start([*self._hub, "--bootstrap", self._bootstrap, "forward"])


def _measured(options, wait, events, measurement):
    with tempfile.TemporaryDirectory() as name, Background(Path(name)) as background:
        return measurement(Setup(options, wait, events, Path(name), background), wait, options)


def _steady(setup, wait, _options):
    taker = setup.stand_in()
    setup.post()
    bare = told(taker)
    setup.write_events(per_run=1)
    forwarder = setup.forwarder()
    forwarded = told(taker)
    cpu = cpu_seconds(forwarder.pid)
    rate = {name: answer["events"] / answer["seconds"]
            for name, answer in (("bare", bare), ("forward", forwarded))}
    return {
        "events": setup.events, "wait_ms": wait, "connections": setup.connections,
        "bare_per_second": round(rate["bare"]), "forward_per_second": round(rate["forward"]),
        "share": round(rate["forward"] / rate["bare"], 3), "forward_cpu_seconds": cpu,
        "forward_per_core_second": round(setup.events / cpu) if cpu else None,
        "forward_peak_mib": round(peak_mib(forwarder.pid), 1),
    }


def _drain(setup, _wait, options):
    taker = setup.stand_in("--outage-after", str(max(1, round(setup.events * BEFORE_OUTAGE))),
                           "--outage-seconds", str(options.outage))
    setup.write_events(EVENTS_PER_RUN)
    setup.forwarder()
    answer = told(taker)
    drain = answer["drain"]
    wrong = answer["out_of_order"]
    return {
        "outage_seconds": options.outage, "drained": drain["events"],
        "drain_per_second": round(drain["events"] / drain["seconds"]),
        "back_after_seconds": round(drain["back_after_seconds"], 2),
        "repeated": answer["repeated"], "out_of_order": wrong,
        "problems": [f"{wrong:,} events after an outage were out of order"] if wrong else [],
    }


def told(taker):
    """The next line of the stand-in. It says nothing before it has all events: one
    that is lost must not be waited for without end."""
    if not select.select([taker.stdout], [], [], LIMIT_SECONDS)[0]:
        raise SystemExit(f"the backend did not get all events in {LIMIT_SECONDS} s")
    return json.loads(taker.stdout.readline())


def _write_project(folder, stand_in, connections):
    (folder / "pipelines").mkdir()
    (folder / "topics").mkdir()
    (folder / "topics/in.yaml").write_text("topic: in\nfields: { id: bigint }\n")
    stage = "pipeline: p\nstages: { s: { from: in, to: out, sql: SELECT id FROM input } }\n"
    (folder / "pipelines/p.yaml").write_text(stage)
    (folder / "hub.yaml").write_text(
        f"forward:\n  concurrency: {connections}\n  backends:\n"
        f"    load: {{ type: http, url: \"http://127.0.0.1:{stand_in}\" }}\n")
