"""One run: start, watch, stop, read back.

Time is the broker's: the output topics stamp records when they are appended,
and a run lasts from the first record in `orders.extracted` to the last one in
`orders.loaded`. Starting a process and joining a group are not in it; they are
`startup_s`, and their CPU is in `app_cpu_s`.

`other_cpu_s` is what the rest of the machine used meanwhile. A run is worth
comparing when it is near 0.
"""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from . import workload as orders
from .hub_project import DEAD_LETTERS, OUTPUTS
from .process import Processes, cpu_seconds, machine_busy_seconds
from .scenarios import Run

SAMPLE_SECONDS = 0.1
OFFSETS_EACH = 5  # samples
SETTLED_SECONDS = 2.0

FIRST, LAST = OUTPUTS[0], OUTPUTS[-1]


@dataclass(frozen=True)
class Sample:
    """CPU seconds since the start of each, at a moment."""

    time: float
    app: float
    broker: float
    machine: float


@dataclass(frozen=True)
class Result:
    """What one run cost. CPU in seconds, memory in MiB."""

    scenario: str
    records: int
    seconds: float
    records_per_s: float
    app_cpu_s: float
    app_cpu_running_s: float
    broker_cpu_s: float | None
    other_cpu_s: float | None
    peak_mib: float
    startup_s: float
    ended: str
    problems: list

    def as_json(self):
        """Rounded to what was measured."""
        return {name: round(value, 3) if isinstance(value, float) else value
                for name, value in asdict(self).items()}


def run(name, scenario, paths, broker, workload, data, limit_seconds):
    """Runs a scenario once, in topics and a folder of its own that are deleted after it."""
    with place(broker, data) as (prefix, folder):
        one = Run(prefix, folder, broker.bootstrap, workload)
        topics = [one.topic(topic) for topic in (*OUTPUTS, DEAD_LETTERS)]
        launch = scenario(paths, one)
        broker.create(topics, workload.partitions, {"message.timestamp.type": "LogAppendTime"})
        environment = dict(os.environ) | launch.environment
        for command in launch.prepare:
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        launched = time.time()
        processes = Processes(launch.commands, environment, data / f"{name}.log")
        try:
            samples, ended = _watch(processes, broker, one, launch, limit_seconds)
        finally:
            processes.stop()
        return _result(name, launch, one, broker, samples, ended, processes, launched)


@contextmanager
def place(broker, data):
    """A prefix of topics and a folder, of which nothing is left behind."""
    prefix = f"load{time.time_ns() // 10**6 % 10**9}."
    folder = data / "runs" / prefix.rstrip(".")
    folder.mkdir(parents=True)
    try:
        yield prefix, folder
    finally:
        broker.delete(broker.topics(prefix))
        shutil.rmtree(folder)


def _watch(processes, broker, one, launch, limit_seconds):
    """Samples until the last topic has what is wanted and does not grow any more.

    End offsets count the markers of transactions too, so they only say when to
    look; what is there is counted when it is read back.
    """
    wanted = one.workload.loaded if launch.whole_pipeline else one.workload.records
    samples = []
    begun = grown = time.time()
    end = 0
    while True:
        now = time.time()
        samples.append(_sample(now, processes, broker))
        if len(samples) % OFFSETS_EACH == 0:
            latest = broker.end_offsets(one.topic(LAST), one.workload.partitions)
            if latest != end:
                end, grown = latest, now
        settled = now - grown > SETTLED_SECONDS
        if settled and end >= wanted:
            return samples, "done"
        if settled and processes.all_ended():
            return samples, "its processes ended"
        if processes.failed():
            return samples, f"a process failed with exit code {processes.failed()[0]}"
        if now - begun > limit_seconds:
            return samples, f"not done in {limit_seconds} s"
        time.sleep(SAMPLE_SECONDS)


def _sample(now, processes, broker):
    of_broker = cpu_seconds(broker.pid) if broker.pid else None
    return Sample(now, processes.sample(), of_broker or 0.0, machine_busy_seconds())


def _result(name, launch, one, broker, samples, ended, processes, launched):
    partitions = one.workload.partitions
    output = orders.read_output(broker, one.topic(LAST), one.topic(DEAD_LETTERS), partitions, launch.whole_pipeline)
    problems = orders.problems(one.workload, output, launch.whole_pipeline)
    if ended != "done":
        problems.append(ended)
    first = broker.first_append(one.topic(FIRST), partitions) or launched
    begin, end = _nearest(samples, first), _nearest(samples, output.last_append or samples[-1].time)
    seconds = max((output.last_append or samples[-1].time) - first, 0.001)
    running = end.app - begin.app
    of_broker = end.broker - begin.broker if broker.pid else None
    other = end.machine - begin.machine - running - of_broker if broker.pid else None
    return Result(
        scenario=name,
        records=one.workload.records,
        seconds=seconds,
        # A rate of wrong results would only mislead.
        records_per_s=0.0 if problems else one.workload.records / seconds,
        app_cpu_s=end.app,
        app_cpu_running_s=running,
        broker_cpu_s=of_broker,
        other_cpu_s=other,
        peak_mib=processes.peak_mib(),
        startup_s=first - launched,
        ended=ended,
        problems=problems,
    )


def _nearest(samples, moment):
    return min(samples, key=lambda sample: abs(sample.time - moment))


def data_folder():
    """Where logs, expected results and the folders of runs are kept."""
    folder = Path(__file__).resolve().parents[1] / ".data"
    folder.mkdir(exist_ok=True)
    return folder
