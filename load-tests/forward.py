"""The forwarder between a lineage topic and a backend that takes so long an event.

The rate that a bare load generator reaches against the stand-in comes first,
then the forwarder's over as many connections, with its own CPU out of /proc.
Broker, stand-in and forwarder are processes of their own, all on loopback.
"""

import argparse
import json
import pathlib
import socket
import subprocess
import tempfile
import time

from harness.process import cpu_seconds, peak_mib

ROOT = pathlib.Path(__file__).resolve().parent
LIMIT_SECONDS = 600


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


class Background:
    """Processes that end with the measurement, whatever becomes of it."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []

    def start(self, command, **more):
        log = open(self._folder / f"{len(self._processes)}.log", "wb")
        more.setdefault("stdout", log)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, **more)
        self._processes.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def project(folder, stand_in, connections):
    """A project with a lineage topic, and a forwarder to the stand-in."""
    (folder / "pipelines").mkdir()
    (folder / "topics").mkdir()
    (folder / "topics/in.yaml").write_text("topic: in\nfields: { id: bigint }\n")
    stage = "pipeline: p\nstages: { s: { from: in, to: out, sql: SELECT id FROM input } }\n"
    (folder / "pipelines/p.yaml").write_text(stage)
    (folder / "hub.yaml").write_text(
        f"forward:\n  concurrency: {connections}\n  backends:\n"
        f"    load: {{ type: http, url: \"http://127.0.0.1:{stand_in}\" }}\n")


def measure(options, folder):
    stand_in, kafka = free_port(), free_port()
    project(folder, stand_in, options.connections)
    hub = [str(options.hub), "--project", str(folder)]
    bootstrap = f"127.0.0.1:{kafka}"
    with Background(folder) as background:
        taker = background.start(
            [options.load, "stand-in", "--listen", f"127.0.0.1:{stand_in}", "--wait", str(options.wait),
             "--count", str(options.events)], stdout=subprocess.PIPE, text=True)
        wait_for_port(stand_in)
        subprocess.run(
            [options.load, "post", "--to", f"127.0.0.1:{stand_in}", "--connections",
             str(options.connections), "--count", str(options.events)], check=True, timeout=LIMIT_SECONDS)
        bare = json.loads(taker.stdout.readline())

        background.start([*hub, "broker", "--listen", bootstrap])
        wait_for_port(kafka)
        subprocess.run([*hub, "--bootstrap", bootstrap, "topics", "apply"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([options.load, "--bootstrap", bootstrap, "lineage-events", "--count",
                        str(options.events)], check=True)
        forwarder = background.start([*hub, "--bootstrap", bootstrap, "forward"])
        forwarded = json.loads(taker.stdout.readline())
        cpu = cpu_seconds(forwarder.pid)
        peak = peak_mib(forwarder.pid)
    rate = {name: answer["events"] / answer["seconds"]
            for name, answer in (("bare", bare), ("forward", forwarded))}
    return {
        "events": options.events, "wait_ms": options.wait, "connections": options.connections,
        "bare_per_second": round(rate["bare"]), "forward_per_second": round(rate["forward"]),
        "share": round(rate["forward"] / rate["bare"], 3), "forward_cpu_seconds": cpu,
        "forward_per_core_second": round(options.events / cpu) if cpu else None,
        "forward_peak_mib": round(peak, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", type=pathlib.Path, default=ROOT.parent / "target/release/lineage-hub")
    parser.add_argument("--load", type=pathlib.Path, default=ROOT / "target/release/orders-load")
    parser.add_argument("--wait", type=int, default=30, help="milliseconds that the backend takes an event")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args()
    options.load = str(options.load)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, pathlib.Path(folder)), indent=2))


if __name__ == "__main__":
    main()
