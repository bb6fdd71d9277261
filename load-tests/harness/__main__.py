"""`load-tests SUBCOMMAND`: reads the arguments, and leaves the rest to the command."""

import importlib
import signal
import sys

from . import arguments


def main():
    options = arguments.parse(sys.argv[1:])
    # As Ctrl-C: what was started is stopped, and what was made is deleted.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Only what is asked for is loaded: `forward` needs no Kafka client in Python.
    command = importlib.import_module(f"harness.commands.{options.command}")
    sys.exit(command.run(options))


if __name__ == "__main__":
    main()
