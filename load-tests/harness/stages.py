"""The stages, each a process with a name that its group keeps over a restart."""

import os
import subprocess

from .process import end, open_handles, resident_mib
from .scenarios import STAGES, hub_stages

REPLICA = ("--replica", "soak")


class Stages:
    """Running stages that can be killed and started again."""

    def __init__(self, paths, run, log_path):
        launch = hub_stages(paths, run, REPLICA)
        self._commands = dict(zip(STAGES, launch.commands))
        self._prepare = launch.prepare
        self._environment = dict(os.environ) | launch.environment
        self._log = open(log_path, "wb")
        self._running = {}

    def apply_topics(self):
        """Makes what is missing: a stage makes no topics."""
        for command in self._prepare:
            subprocess.run(command, env=self._environment, stdin=subprocess.DEVNULL,
                           stdout=self._log, stderr=self._log, check=True)

    def start(self, name):
        """Starts a stage that does not run."""
        self._running[name] = subprocess.Popen(
            self._commands[name], env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, start_new_session=True)

    def kill(self, name):
        """SIGKILL: it gets no chance to finish anything."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def ended(self):
        """Stages that ended although nobody killed them, with their exit codes."""
        return {name: process.returncode for name, process in self._running.items() if process.poll() is not None}

    def sizes(self):
        """Resident MiB and open handles of each that runs."""
        return {name: (round(resident_mib(process.pid), 2), open_handles(process.pid))
                for name, process in self._running.items()}

    def stop(self):
        """Ends all that run."""
        end(self._running.values())
        self._log.close()
