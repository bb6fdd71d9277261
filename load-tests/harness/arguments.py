"""What the command line may say, for all subcommands."""

import argparse
import os
import re
from pathlib import Path

from .scenarios import LOAD_TESTS, PROJECT, SCENARIOS, Paths

SWEEPS = ("replicas", "batch", "row")
UNITS = {"ms": 1, "s": 1000, "m": 60_000}


def parse(words):
    """The options, with `paths` made of those that say where programs are."""
    options = _parser().parse_args(words)
    load_target = Path(os.environ.get("LOAD_TARGET_DIR", LOAD_TESTS / "target"))
    options.paths = Paths(options.hub, load_target / "release" / "orders-load", samples=options.samples)
    return options


def _parser():
    top = argparse.ArgumentParser(
        prog="load-tests", description="What a record costs: one measurement a subcommand. "
        "Exit code 1 where an output was wrong or a goal was missed.")
    commands = top.add_subparsers(dest="command", required=True, metavar="SUBCOMMAND")
    _throughput(_add(commands, "throughput", "the hub next to librdkafka alone and Kafka Streams, on a real Kafka"))
    _latency(_add(commands, "latency", "from the moment that a record is due to its reader, at fixed rates"))
    _forward(_add(commands, "forward", "the forwarder next to a bare load generator, and after an outage"))
    _soak(_add(commands, "soak", "a fixed rate for long, stages killed: does anything grow, is anything lost?"))
    _scale(_add(commands, "scale", "CPU of a record by replicas, partitions, size of batches and of rows"))
    _plot(_add(commands, "plot", "stored results as SVG, each beside its JSON"))
    return top


def _add(commands, name, summary):
    return commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".",
                               formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def _throughput(parser):
    _programs(parser)
    _broker(parser, _default_bootstrap(), "broker")
    _input(parser, records=1_000_000, rounds=3)
    parser.add_argument("--scenarios", type=_some_of(SCENARIOS), default="hub,raw,kafka-streams",
                        help=f"some of {', '.join(SCENARIOS)}")


def _latency(parser):
    _programs(parser)
    _broker(parser)
    parser.add_argument("--rates", type=_list(_positive), default="1000,10000,50000",
                        help="records a second, of each run")
    parser.add_argument("--interval", type=_list(milliseconds), default="100ms,20ms",
                        help="stage.commit.interval of the hub, of each run")
    parser.add_argument("--seconds", type=_positive, default=30, help="seconds of a run that count")
    parser.add_argument("--warm-up", type=_positive, default=5, help="seconds before them that do not")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same input")


def _forward(parser):
    _programs(parser)
    parser.add_argument("--cases", type=_list(_case), default="30:10000,0:100000",
                        help="milliseconds that the backend takes an event, and events")
    parser.add_argument("--connections", type=_positive, default=16, help="requests under way at once")
    parser.add_argument("--outage", type=_positive, default=10, help="seconds that the backend is away in mid-delivery")


def _soak(parser):
    _programs(parser)
    _broker(parser)
    parser.add_argument("--minutes", type=_above_zero, default=60, help="how long the load lasts")
    parser.add_argument("--rate", type=_positive, default=5000, help="records a second")
    parser.add_argument("--fault-each", type=_positive, default=180,
                        help="seconds between two kills, on average")
    parser.add_argument("--sample-each", type=_positive, default=5, help="seconds between two samples")
    parser.add_argument("--seed", type=int, help="of the orders, and of who is killed when; none: a new one")


def _scale(parser):
    _programs(parser)
    _broker(parser)
    _input(parser, records=1_000_000, rounds=1)
    parser.add_argument("--sweeps", type=_some_of(SWEEPS), default=",".join(SWEEPS),
                        help=f"some of {', '.join(SWEEPS)}")
    parser.add_argument("--replicas", type=_list(_positive), default="1,2,4", help="replicas of each stage")
    parser.add_argument("--partitions", type=_list(_positive), default="4,16,64", help="partitions of each topic")
    parser.add_argument("--batches", type=_list(_positive), default="256,1024,4096,16384", help="batch.records_max")
    parser.add_argument("--padding", type=_list(int), default="0,700,3800", help="bytes that each row is larger by")
    parser.add_argument("--flat", type=_above_zero, default=1.5,
                        help="most that a record may cost, of what it costs with the first replicas and partitions")


def _plot(parser):
    parser.add_argument("results", type=Path, nargs="*", help="files of results; none: all that are stored")
    parser.set_defaults(hub=_default_hub(), samples=PROJECT)


def _programs(parser):
    parser.add_argument("--hub", type=Path, default=_default_hub(), help="program of the hub")
    parser.add_argument("--samples", type=Path, default=PROJECT, help="folder of topics/ and pipelines/")


def _broker(parser, default=None, what="broker; none: an embedded one is started"):
    parser.add_argument("--bootstrap", default=default, help=what)
    parser.add_argument("--broker-pid", type=_positive, help="its process, if scripts/kafka.sh did not start it")


def _input(parser, records, rounds):
    parser.add_argument("--records", type=_positive, default=records, help="records of the input")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same input")
    parser.add_argument("--rounds", type=_positive, default=rounds, help="runs of each kind")
    parser.add_argument("--limit", type=_positive, default=600, help="seconds after which a run failed")


def _default_hub():
    return Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "release" / "lineage-hub"


def _default_bootstrap():
    port = os.environ.get("KAFKA_PORT", "19092")
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")


def milliseconds(text):
    """As the hub's settings are written: 20ms, 1s."""
    found = re.fullmatch(r"(\d+)(ms|s|m)", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"`{text}` is no time such as 100ms or 1s")
    return int(found[1]) * UNITS[found[2]]


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number of at least 1")
    return int(text)


def _above_zero(text):
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number above 0")
    return number


def _case(text):
    found = re.fullmatch(r"(\d+):([1-9]\d*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"`{text}` is not MILLISECONDS:EVENTS")
    return int(found[1]), int(found[2])


def _list(kind):
    def items(text):
        return [kind(item) for item in text.split(",")]
    return items


def _some_of(known):
    def names(text):
        given = text.split(",")
        unknown = [name for name in given if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
        return given
    return names
