#!/usr/bin/env python3
"""What telemetry costs: CPU of the three stages with it off and on, in turn.

    scripts/collector.sh start
    scripts/telemetry-cost.py --program target/release/lineage-hub --records 500000 --rounds 5

Every round sends the same records as a bounded run, so with telemetry on each
record carries a trace header, at default sampling. The broker and the sender
are processes of their own and are not counted. Prints the CPU seconds a million
records of both sides, and their ratio: of the medians, and of each round.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Project:
    def __init__(self, program, endpoint):
        self.program, self.endpoint = program, endpoint
        self.folder = Path(tempfile.mkdtemp())
        for part in ("topics", "pipelines"):
            shutil.copytree(ROOT / part, self.folder / part)
        self.running = []

    def command(self, *words):
        return [str(self.program), "--project", str(self.folder), *words]

    def environment(self, on):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        if on:
            kept |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_METRIC_EXPORT_INTERVAL": "10000",
            }
        return kept

    def start(self, *words, on=False):
        log = (self.folder / f"{words[0]}.log").open("w")
        process = subprocess.Popen(self.command(*words), stdout=log, stderr=log, env=self.environment(on))
        self.running.append(process)
        return process

    def run(self, *words, on=False):
        done = subprocess.run(self.command(*words), env=self.environment(on), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: {done.stderr}")

    def close(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        shutil.rmtree(self.folder)


def measure(args, orders, on):
    project = Project(args.program, args.endpoint)
    try:
        project.start("broker", "--listen", "127.0.0.1:0")
        time.sleep(args.settle)
        hub = project.start("up", "--no-forward", on=on)
        time.sleep(args.settle)
        before, begun = cpu_seconds(hub.pid), time.monotonic()
        project.run("run", "orders", "--input", str(orders), "--wait", on=on)
        return cpu_seconds(hub.pid) - before, time.monotonic() - begun
    finally:
        project.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/lineage-hub")
    parser.add_argument("--endpoint", default="http://127.0.0.1:24317")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settle", type=float, default=3.0, help="seconds that a start is given")
    args = parser.parse_args()
    args.program = args.program.resolve()
    sides = {False: [], True: []}
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as orders:
        generate = [args.program, "generate", "orders", "--count", str(args.records)]
        subprocess.run(generate, stdout=orders, check=True)
        for number in range(args.rounds):
            # The one that comes first changes: the second finds warmer caches.
            for on in (False, True) if number % 2 == 0 else (True, False):
                cpu, wall = measure(args, orders.name, on)
                sides[on].append(cpu * 1e6 / args.records)
                print(f"round {number} {'on ' if on else 'off'} {sides[on][-1]:7.2f} CPU s/M, {wall:6.1f} s", flush=True)
    off, on = (statistics.median(sides[side]) for side in (False, True))
    ratios = ", ".join(f"{b / a:.3f}" for a, b in zip(sides[False], sides[True]))
    print(f"medians: off {off:.2f}, on {on:.2f} CPU s/M; ratio {on / off:.3f} (of each round: {ratios})")


if __name__ == "__main__":
    main()
