"""A fixed rate for long, while stages are killed: does anything grow, is anything lost?"""

import random
import sys
import time

from .. import drive, faults, measure, report
from ..embedded import broker_of
from ..growth import Point, judge
from ..process import open_handles, resident_mib
from ..scenarios import STAGES, need
from ..stages import Stages

LOOK_SECONDS = 0.1
# So that the broker holds no more at the end than in the middle: from two minutes on.
TOPIC_CONFIG = {"retention.ms": "60000", "segment.ms": "30000"}
# Growth over half of the time that is tolerated: at least so much, or this share.
MEMORY_MIB, HANDLES, SHARE = 16, 8, 0.1
# Records under way: so many seconds' worth.
WAITING_SECONDS = 0.5

COLUMNS = (
    ("what", 26, lambda growth: growth.name),
    ("level", 10, lambda growth: f"{growth.level:,.1f}"),
    ("grew by", 10, lambda growth: "-" if growth.by is None else f"{growth.by:+,.1f}"),
    ("tolerated", 11, lambda growth: f"{growth.tolerated:,.1f}"),
    ("verdict", 11, lambda growth: growth.verdict()),
)


def run(options):
    """Runs the soak; whether anything grew or an output was wrong."""
    need(options.paths, "hub", "raw")
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    seconds = round(options.minutes * 60)
    planned = faults.schedule(seed, seconds, options.fault_each, STAGES)
    print(f"seed {seed}: {len(planned)} kills in {seconds} s", file=sys.stderr)
    data = measure.data_folder()
    with broker_of(options, data) as broker, measure.place(broker, data) as (prefix, folder):
        one = drive.place(broker, prefix, folder, TOPIC_CONFIG)
        stages = Stages(options.paths, one, data / "soak.log")
        try:
            stages.apply_topics()
            for name in STAGES:
                stages.start(name)
            with drive.Driver(options.paths, broker, one, data, rate=options.rate, seconds=seconds,
                              warm_up=0, seed=seed) as load:
                samples, done, problems = _watch(stages, load, broker, planned, options.sample_each)
                summary = None if problems else load.finish()
        finally:
            stages.stop()
    problems += drive.problems(summary) if summary else []
    growths = judged(samples, done, seconds, options.rate)
    print(report.rows(COLUMNS, growths))
    print("output: " + ("; ".join(problems) or f"right: {summary['found']['loaded']:,} loaded, "
                        f"{summary['found']['dead_lettered']:,} dead letters, none lost, none twice"))
    report.keep("soak", options, {
        "seed": seed, "faults": [vars(fault) for fault in done],
        "growth": [vars(growth) | {"verdict": growth.verdict()} for growth in growths],
        "problems": problems, "summary": summary, "samples": samples})
    return bool(problems) or any(growth.grew for growth in growths)


def _watch(stages, load, broker, planned, sample_each):
    """Kills and samples until the load ends: the samples, the kills, what went wrong."""
    begun = time.monotonic()
    samples, done, coming_back = [], [], {}
    planned = list(planned)
    while load.is_running():
        now = time.monotonic() - begun
        if planned and now >= planned[0].seconds:
            fault = planned.pop(0)
            stages.kill(fault.stage)
            coming_back[fault.stage] = now + fault.down
            done.append(fault)
        for name in [name for name, moment in coming_back.items() if now >= moment]:
            stages.start(name)
            del coming_back[name]
        if now >= len(samples) * sample_each:
            samples.append(_sample(now, stages, load, broker))
        if ended := stages.ended():
            return samples, done, [f"stage {name} ended with exit code {code}" for name, code in ended.items()]
        time.sleep(LOOK_SECONDS)
    return samples, done, []


def _sample(now, stages, load, broker):
    sizes = stages.sizes()
    if broker.pid:
        sizes["broker"] = (round(resident_mib(broker.pid), 2), open_handles(broker.pid))
    latest = load.latest()
    return {"seconds": round(now, 1), "sent": latest.get("sent", 0), "waiting": latest.get("waiting", 0),
            "p99_ms": latest.get("p99_ms", 0.0), "processes": sizes}


def judged(samples, done, end, rate):
    """The growth of each process's memory and handles, and of what is under way."""
    names = {name: None for sample in samples for name in sample["processes"]}
    growths = []
    for index, what, least in ((0, "memory, MiB", MEMORY_MIB), (1, "open handles", HANDLES)):
        for name in names:
            points = [Point(sample["seconds"], sample["processes"][name][index], _born(name, sample["seconds"], done))
                      for sample in samples if sample["seconds"] <= end and name in sample["processes"]]
            growths.append(judge(f"{name}: {what}", points, end, least, SHARE))
    waiting = [Point(sample["seconds"], sample["waiting"]) for sample in samples if sample["seconds"] <= end]
    growths.append(judge("records under way", waiting, end, rate * WAITING_SECONDS, SHARE))
    return growths


def _born(name, moment, done):
    """When the process that lives at this moment began; at 0 if it never was killed."""
    return max((fault.seconds + fault.down for fault in done
                if fault.stage == name and fault.seconds <= moment), default=0.0)
