"""The broker to test against: the one that is named, or an embedded one."""

import shutil
import socket
import time
from contextlib import contextmanager

from .process import Background

START_SECONDS = 30


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    """Waits until somebody does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


@contextmanager
def broker_of(options, data):
    """`--bootstrap`, or else an embedded broker in a process of its own, on disk."""
    # Here, so that what speaks no Kafka does without a client: `forward`, and the tests.
    from . import broker as kafka

    if options.bootstrap:
        yield kafka.Broker(options.bootstrap, options.broker_pid or kafka.script_pid(options.bootstrap))
        return
    port = free_port()
    folder = data / f"broker-{port}"
    folder.mkdir()
    try:
        with Background(folder) as background:
            address = f"127.0.0.1:{port}"
            process = background.start([str(options.hub), "--project", str(folder), "--data-dir", str(folder),
                                        "broker", "--listen", address])
            wait_for_port(port)
            broker = kafka.Broker(address, process.pid)
            try:
                yield broker
            finally:
                broker.close()
    finally:
        shutil.rmtree(folder)
