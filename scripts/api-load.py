#!/usr/bin/env python3
"""The HTTP API under more than it lets in: streams, slow readers, a large upload.

    scripts/api-load.py --program target/release/lineage-hub       starts a broker and an API
    scripts/api-load.py --address 127.0.0.1:8000 --pid PID          of a sample project

(a) A body of --mib MiB of NDJSON, in chunks: the process grows by less than 100 MiB.
(b) --streams Server-Sent Events at once: those past the limit are answered 503 with
    Retry-After, none with anything else, and /health answers all the while.
(c) A stream that is never read, of more than buffers hold, is cut off.

Exit code 1 where one of these does not hold. Only the standard library is needed.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GROWTH_MAX_MIB = 100
# Longest that one request of the burst, or of /health meanwhile, may take.
ANSWER_SECONDS, HEALTH_SECONDS = 90, 5
# Longest that a reader that does not read is borne with; api.stall_timeout is 30 s.
CUT_OFF_SECONDS = 90
# Of an order without its id.
ORDER = {
    "customer_id": 7, "ts": "2026-01-05T10:00:00Z", "country": "fr", "status": "paid", "currency": "EUR",
    "email": "ada@example.com", "items": [{"sku": "sku-0001", "qty": 2, "price": 9.5}] * 3,
}


class Target:
    def __init__(self, address, token):
        host, _, port = address.rpartition(":")
        self.place = (host.strip("[]"), int(port))
        self.headers = f"host: {address}\r\n"
        if token:
            self.headers += f"authorization: Bearer {token}\r\n"

    def request(self, path):
        return f"GET {path} HTTP/1.1\r\n{self.headers}connection: close\r\n\r\n".encode()

    def connect(self, receive_buffer=None):
        stream = socket.socket()
        if receive_buffer:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        stream.settimeout(ANSWER_SECONDS)
        stream.connect(self.place)
        return stream

    def get(self, path):
        with self.connect() as stream:
            stream.sendall(self.request(path))
            return read_all(stream)

    def streams_open(self):
        found = re.search(r"^lineage_hub_api_streams (\d+)$", self.get("/metrics"), re.M)
        return int(found[1]) if found else None


def read_all(stream):
    parts = []
    while part := stream.recv(1 << 16):
        parts.append(part)
    return b"".join(parts).decode(errors="replace")


class Outcome:
    def __init__(self):
        self.failures = 0

    def hold(self, what, holds):
        print(f"  {'ok    ' if holds else 'FAILED'} {what}", flush=True)
        self.failures += not holds


def raise_open_files(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


# --- (b) ---------------------------------------------------------------------


async def open_stream(target, path, answers, all_answered):
    """What one stream is answered with; one that is taken is held until all are answered."""
    writer = None
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*target.place), ANSWER_SECONDS)
        writer.write(target.request(path))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
        status = int(head.split(b" ", 2)[1])
        says_when = b"\r\nretry-after:" in head.lower()
        answers[f"{status}{' with Retry-After' if says_when else ''}"] += 1
        if status == 200:
            await all_answered.wait()
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
        answers[type(error).__name__] += 1
    finally:
        if writer:
            writer.close()


async def watch_health(target, waits, ended):
    """How long /health takes, again and again; None where it does not answer."""
    while not ended.is_set():
        begun, took = time.monotonic(), None
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(*target.place), HEALTH_SECONDS)
            writer.write(target.request("/health"))
            head = await asyncio.wait_for(reader.readline(), HEALTH_SECONDS)
            took = time.monotonic() - begun if b" 200 " in head else None
            writer.close()
        except (OSError, asyncio.TimeoutError):
            pass
        waits.append(took)
        await asyncio.sleep(0.1)


async def burst(target, path, count):
    answers, waits = Counter(), []
    all_answered, ended = asyncio.Event(), asyncio.Event()
    health = asyncio.create_task(watch_health(target, waits, ended))
    streams = [asyncio.create_task(open_stream(target, path, answers, all_answered)) for _ in range(count)]
    while answers.total() < count:
        await asyncio.sleep(0.05)
    all_answered.set()
    await asyncio.gather(*streams)
    ended.set()
    await health
    return answers, waits


def check_streams(target, args, outcome):
    print(f"(b) {args.streams} streams at once")
    begun = time.monotonic()
    path = f"/api/v1/topics/{args.topic}/records/tail"
    answers, waits = asyncio.run(burst(target, path, args.streams))
    print(f"  {dict(answers)} in {time.monotonic() - begun:.1f} s")
    taken, refused = answers["200"], answers["503 with Retry-After"]
    outcome.hold(f"{taken} are taken, {args.streams_max} at most", 0 < taken <= args.streams_max)
    outcome.hold(f"{refused} are told when to come again", refused == args.streams - taken)
    slowest = max((wait for wait in waits if wait is not None), default=None)
    told = f"{slowest:.2f} s at most" if slowest is not None else "never"
    outcome.hold(f"/health answers {len(waits)} times: {told}", bool(waits) and None not in waits)


# --- (a) ---------------------------------------------------------------------


def resident_mib(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M)[1]) / 1024


def chunks(size):
    """Lines of orders, a MiB or so at a time."""
    sent, number = 0, 0
    while sent < size:
        lines = []
        for number in range(number, number + 2500):
            lines.append(json.dumps({"order_id": f"o-{number}"} | ORDER))
        chunk = ("\n".join(lines) + "\n").encode()
        number, sent = number + 1, sent + len(chunk)
        yield chunk


def upload(target, args):
    head = f"POST /api/v1/pipeline/run?pipeline={args.pipeline} HTTP/1.1\r\n{target.headers}"
    head += "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    with target.connect() as stream:
        stream.settimeout(600)
        stream.sendall(head.encode())
        for chunk in chunks(args.mib << 20):
            stream.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        stream.sendall(b"0\r\n\r\n")
        return read_all(stream)


def check_upload(target, args, outcome):
    print(f"(a) an upload of {args.mib} MiB")
    before, samples, ended = resident_mib(args.pid), [], threading.Event()

    def sample():
        while not ended.wait(0.1):
            samples.append(resident_mib(args.pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    begun = time.monotonic()
    try:
        answer = upload(target, args)
    finally:
        ended.set()
        sampler.join()
    took = time.monotonic() - begun
    growth = max(samples, default=before) - before
    print(f"  {took:.1f} s, {args.mib / took:.0f} MiB/s; {before:.0f} MiB resident before it")
    status = answer.split(" ", 2)[1] if answer else "nothing"
    outcome.hold(f"answered {status}", status == "202")
    outcome.hold(f"the process grew by {growth:.0f} MiB, under {GROWTH_MAX_MIB}", growth < GROWTH_MAX_MIB)


# --- (c) ---------------------------------------------------------------------


def check_slow_reader(target, args, outcome):
    print("(c) a stream that nobody reads")
    with target.connect(receive_buffer=4096) as stream:
        stream.sendall(target.request(f"/api/v1/topics/{args.topic}/records/tail?from=beginning"))
        begun = time.monotonic()
        was_open = False
        while time.monotonic() - begun < CUT_OFF_SECONDS:
            is_open = target.streams_open() != 0
            if was_open and not is_open:
                break
            was_open |= is_open
            time.sleep(0.5)
        took = time.monotonic() - begun
        outcome.hold(f"it is cut off after {took:.0f} s", was_open and took < CUT_OFF_SECONDS)


# --- an API of our own --------------------------------------------------------


class Own:
    """A broker and an API, each a process, in a folder of the sample project."""

    def __init__(self, program):
        self.program = Path(program).resolve()
        self.folder = Path(tempfile.mkdtemp())
        for part in ("topics", "pipelines"):
            shutil.copytree(ROOT / part, self.folder / part)
        self.running = []
        self.start("broker", "--listen", "127.0.0.1:0")
        self.wait_for("broker", r"(127\.0\.0\.1:\d+)")
        subprocess.run(self.command("topics", "apply"), check=True, stdout=subprocess.DEVNULL)
        self.pid = self.start("api", "--listen", "127.0.0.1:0")
        self.address = self.wait_for("api", r"API on http://([^,]+),")
        while " 200 " not in Target(self.address, None).get("/ready").split("\r\n")[0]:
            time.sleep(0.2)

    def command(self, *words):
        return [self.program, *words, "--project", self.folder]

    def start(self, name, *words):
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen(self.command(name, *words), stdout=log, stderr=log)
        self.running.append(process)
        return process.pid

    def wait_for(self, name, pattern):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = (self.folder / f"{name}.log").read_text()
            if found := re.search(pattern, text):
                return found[1]
            time.sleep(0.1)
        sys.exit(f"{name} did not start: {text}")

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            process.wait()
        shutil.rmtree(self.folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="HOST:PORT of an API that runs")
    parser.add_argument("--pid", type=int, help="its process, whose memory is looked at")
    parser.add_argument("--program", help="the program to start instead")
    parser.add_argument("--token", default=os.environ.get("LINEAGE_HUB__API__TOKEN"))
    parser.add_argument("--topic", default="raw.orders")
    parser.add_argument("--pipeline", default="orders")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--streams-max", type=int, default=256, help="api.streams_max of the API")
    parser.add_argument("--mib", type=int, default=1024)
    args = parser.parse_args()
    if bool(args.program) == bool(args.address and args.pid):
        parser.error("give --program, or --address and --pid")
    # Before anything is started: what is started has the limit that we had.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    own = Own(args.program) if args.program else None
    outcome = Outcome()
    try:
        if own:
            args.address, args.pid = own.address, own.pid
        if raise_open_files(args.streams + 100) < args.streams + 100:
            sys.exit(f"{args.streams} streams need as many open files; the hard limit is {hard}")
        target = Target(args.address, args.token)
        print(f"{args.address}, process {args.pid}; its limit of open files is {soft if own else 'its own'}")
        # First, so that it finds no memory that streams have left behind.
        check_upload(target, args, outcome)
        check_streams(target, args, outcome)
        check_slow_reader(target, args, outcome)
    finally:
        if own:
            own.stop()
    sys.exit(outcome.failures > 0)


if __name__ == "__main__":
    main()
