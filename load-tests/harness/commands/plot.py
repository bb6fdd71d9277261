"""Stored results as pictures."""

import subprocess

from ..scenarios import LOAD_TESTS, need


def run(options):
    """Draws each file, or all that are stored; whether one could not be drawn."""
    need(options.paths, "raw")
    files = options.results or sorted((LOAD_TESTS / "results").glob("*.json"))
    return subprocess.run([options.paths.orders_load, "plot", *files], check=False).returncode
