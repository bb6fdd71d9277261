"""What can be run: the hub, and the peers to compare it with.

A scenario turns a run (its prefix and its folder) into commands. All read the
workload's topic and write PREFIXorders.extracted, .transformed and .loaded,
exactly once, each 100 ms a transaction, compressed with lz4.
"""

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import hub_project

LOAD_TESTS = Path(__file__).resolve().parents[1]
PROJECT = LOAD_TESTS.parent

STAGES = ("extract", "transform", "load")


@dataclass(frozen=True)
class Paths:
    """Where the programs are."""

    hub: Path
    orders_load: Path
    streams: Path = LOAD_TESTS / "kafka-streams" / "target"
    samples: Path = PROJECT


@dataclass(frozen=True)
class Run:
    """One run of one scenario."""

    prefix: str
    folder: Path
    bootstrap: str
    workload: object

    def topic(self, name):
        """A topic of this run."""
        return self.prefix + name


@dataclass(frozen=True)
class Launch:
    """What to start. `whole_pipeline`: the output is loaded orders, not copies."""

    commands: list
    environment: dict = field(default_factory=dict)
    whole_pipeline: bool = True
    # What is run to its end first, as it is no part of what is measured.
    prepare: list = field(default_factory=list)


def hub(paths, run):
    """The hub: all stages in one process."""
    return _hub(paths, run, lambda _: [["up", "--no-forward"]])


def hub_arrow(paths, run):
    """The hub as in `hub`, with Arrow records between the stages."""
    return _hub(paths, run, lambda _: [["up", "--no-forward"]], arrow="lz4")


def hub_arrow_plain(paths, run):
    """The hub as in `hub-arrow`, and what is between the stages is not compressed."""
    return _hub(paths, run, lambda _: [["up", "--no-forward"]], arrow="none")


def hub_no_lineage(paths, run):
    """The hub as in `hub`, with lineage off: what lineage costs, following the runs included."""
    return _without_lineage(hub(paths, run))


def hub_stages(paths, run, more=()):
    """The hub: a process for each stage. None of them makes topics, as that of lineage."""
    launch = _hub(paths, run, lambda pipeline: [["stage", f"{pipeline}/{stage}", *more] for stage in STAGES])
    program = launch.commands[0]
    apply = [*program[:program.index("stage")], "topics", "apply"]
    return Launch(launch.commands, launch.environment, prepare=[apply])


def hub_stages_no_lineage(paths, run):
    """The stages as in `hub-stages`, with lineage off: what lineage costs the stages."""
    return _without_lineage(hub_stages(paths, run))


def _without_lineage(launch):
    return replace(launch, environment=launch.environment | _settings({"LINEAGE__ENABLED": "false"}))


def hub_scaled(replicas, settings):
    """`hub` with so many replicas of each stage, and with these settings."""
    def scenario(paths, run):
        more = [word for stage in STAGES for word in ("--replicas", f"{stage}={replicas}")]
        launch = _hub(paths, run, lambda _: [["up", "--no-forward", *more]])
        return Launch(launch.commands, launch.environment | _settings(settings))
    return scenario


def _settings(named):
    return {f"LINEAGE_HUB__{name}": value for name, value in named.items()}


def _hub(paths, run, subcommands, arrow=None):
    """The one place that knows the hub's command line."""
    project = run.folder / "project"
    orders = run.workload
    pipeline = hub_project.write(paths.samples, project, orders.topic, run.prefix, orders.partitions, arrow)
    start = [str(paths.hub), "--project", str(project), "--bootstrap", run.bootstrap]
    environment = {
        # A topic of its own: what earlier runs reported is not read again.
        "LINEAGE_HUB__LINEAGE__TOPIC": run.topic("lineage.events"),
        # A shell that is set up for a real Marquez must not have load tests delivered to it.
        "MARQUEZ_URL": "",
        "OPENLINEAGE_URL": "",
        "OTEL_SDK_DISABLED": "true",
    }
    return Launch([start + subcommand for subcommand in subcommands(pipeline)], environment)


def raw(paths, run):
    """librdkafka alone: three copies in a chain, nothing parsed, nothing filtered."""
    chain = [run.workload.topic] + [run.topic(name) for name in hub_project.OUTPUTS]
    commands = [
        [str(paths.orders_load), "--bootstrap", run.bootstrap, "pass", "--from", source, "--to", target,
         "--group", f"{run.prefix}raw-{number}", "--count", str(run.workload.records)]
        for number, (source, target) in enumerate(zip(chain, chain[1:]), start=1)
    ]
    return Launch(commands, whole_pipeline=False)


def kafka_streams(paths, run):
    """Kafka Streams with Jackson: one application, exactly_once_v2, one thread."""
    return _kafka_streams(paths, run, threads=1)


def kafka_streams_2(paths, run):
    """The same with two threads."""
    return _kafka_streams(paths, run, threads=2)


def _kafka_streams(paths, run, threads):
    classes = f"{paths.streams / 'classes'}{os.pathsep}{paths.streams / 'jars' / '*'}"
    command = ["java", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
               "-cp", classes, "orders.Main"]
    environment = {
        "BOOTSTRAP": run.bootstrap,
        "INPUT": run.workload.topic,
        "PREFIX": run.prefix,
        "STATE_DIR": str(run.folder / "state"),
        "THREADS": str(threads),
        "GUARANTEE": "exactly_once_v2",
    }
    return Launch([command], environment)


SCENARIOS = {
    "hub": hub,
    "hub-arrow": hub_arrow,
    "hub-arrow-plain": hub_arrow_plain,
    "hub-no-lineage": hub_no_lineage,
    "hub-stages": hub_stages,
    "hub-stages-no-lineage": hub_stages_no_lineage,
    "raw": raw,
    "kafka-streams": kafka_streams,
    "kafka-streams-2": kafka_streams_2,
}


def missing(paths, name):
    """The file that a scenario lacks, with what makes it; None if it can run."""
    needed = {
        "hub": (paths.hub, "cargo build --release"),
        "raw": (paths.orders_load, "load-tests/setup.sh"),
        "kafka": (paths.streams / "jars", "load-tests/setup.sh"),
    }
    path, remedy = needed[name.split("-")[0]]
    return None if path.exists() else f"{path} is missing: make it with `{remedy}`"


def need(paths, *names):
    """Ends the program where something of these scenarios is missing."""
    problems = [found for name in names if (found := missing(paths, name))]
    if problems:
        sys.exit("\n".join(problems))
