"""Load at a fixed rate by `orders-load drive`, and what it found."""

import json
import math
import subprocess
import threading
from dataclasses import dataclass

from .hub_project import DEAD_LETTERS, OUTPUTS
from .scenarios import Run
from .workload import PARTITIONS

# Longer than the driver gives the pipeline to start and to drain.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Input:
    """An input topic that is written while it is read."""

    topic: str
    partitions: int


def place(broker, prefix, folder, config=None):
    """A run of such an input, with its topics made."""
    one = Run(prefix, folder, broker.bootstrap, Input(prefix + "raw", PARTITIONS))
    broker.create([one.workload.topic, *map(one.topic, (*OUTPUTS, DEAD_LETTERS))], PARTITIONS, config)
    return one


class Failed(Exception):
    """The driver ended without a result."""


class Driver:
    """The running driver, as long as the `with` lasts; its lines are read as they come."""

    def __init__(self, paths, broker, run, data, *, rate, seconds, warm_up, seed):
        self._seconds = seconds + warm_up
        self._log = data / "drive.log"
        self._latest = {}
        self._summary = None
        command = [
            str(paths.orders_load), "--bootstrap", broker.bootstrap, "drive",
            "--topic", run.workload.topic, "--loaded", run.topic(OUTPUTS[-1]),
            "--dead-letters", run.topic(DEAD_LETTERS), "--partitions", str(run.workload.partitions),
            "--rate", str(rate), "--seconds", str(seconds), "--warm-up", str(warm_up), "--seed", str(seed)]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=log, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        for line in self._process.stdout:
            told = json.loads(line)
            if "tick" in told:
                self._latest = told["tick"]
            else:
                self._summary = told["summary"]

    def latest(self):
        """The latest tick; empty before the first."""
        return self._latest

    def is_running(self):
        """Whether it sends or waits for what it sent."""
        return self._process.poll() is None

    def finish(self):
        """Waits for its end, and returns what it found."""
        self._process.wait(self._seconds + PATIENCE_SECONDS)
        self._reader.join()
        if self._summary is None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-3:]
            raise Failed("the driver ended without a result: " + " / ".join(last))
        return self._summary

    def stop(self):
        """Ends it at once; what has ended is left alone."""
        if self.is_running():
            self._process.kill()
            self._process.wait()


def problems(summary):
    """What is wrong with the output of a driven pipeline; empty when it is right."""
    expected, found = summary["expected"], summary["found"]
    wrong = [f"{name}: {found[key]}, expected {expected[key]}"
             for name, key in (("loaded", "loaded"), ("dead letters", "dead_lettered")) if found[key] != expected[key]]
    if not math.isclose(found["total"], expected["total"], rel_tol=1e-9):
        wrong.append(f"sum of totals: {found['total']:.2f}, expected {expected['total']:.2f}")
    for name, key in (("missing", "missing"), ("twice or of nobody", "unexpected")):
        if summary[key]:
            wrong.append(f"{name}: {summary[key]}")
    return wrong
