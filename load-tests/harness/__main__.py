"""`load-tests SUBCOMMAND`: reads the arguments, and leaves the rest to the command."""

import importlib
import sys

from . import arguments


def main():
    options = arguments.parse(sys.argv[1:])
    # Only what is asked for is loaded: `forward` needs no Kafka client in Python.
    command = importlib.import_module(f"harness.commands.{options.command}")
    sys.exit(command.run(options))


if __name__ == "__main__":
    main()
