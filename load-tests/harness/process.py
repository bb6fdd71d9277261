"""The processes under test: start, CPU, memory and handles out of /proc, stop."""

import os
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 20


def cpu_seconds(pid):
    """User and system time of a process so far, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    """Peak resident memory of a process in MiB, 0 when it is gone."""
    return _memory_mib(pid, "VmHWM")


def resident_mib(pid):
    """Resident memory of a process in MiB, 0 when it is gone."""
    return _memory_mib(pid, "VmRSS")


def _memory_mib(pid, name):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def open_handles(pid):
    """Files, sockets and the like that a process holds open, 0 when it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def machine_busy_seconds():
    """CPU time that the whole machine has spent on anything but waiting."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def end(processes):
    """SIGTERM to all, in this order, and SIGKILL to those that stay."""
    processes = list(processes)
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Processes:
    """The processes of one run, each in a session of its own.

    What is read of a process is kept when it ends, so that short ones count.
    """

    def __init__(self, commands, environment, log_path):
        self._cpu = {}
        self._peak = {}
        self._processes = []
        with open(log_path, "wb") as log:
            for command in commands:
                self._processes.append(subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True))

    def sample(self):
        """CPU seconds of all processes together, the ended ones as last seen."""
        for process in self._processes:
            cpu = cpu_seconds(process.pid)
            if cpu is not None:
                # An ended process that is not waited for yet still shows its time.
                self._cpu[process.pid] = max(cpu, self._cpu.get(process.pid, 0.0))
                self._peak[process.pid] = max(peak_mib(process.pid), self._peak.get(process.pid, 0.0))
        return sum(self._cpu.values())

    def peak_mib(self):
        """Sum of the peaks: no less than the peak of the sum."""
        return sum(self._peak.values())

    def all_ended(self):
        """Whether no process runs any more."""
        return all(process.poll() is not None for process in self._processes)

    def failed(self):
        """Exit codes of the processes that ended with a failure."""
        return [process.returncode for process in self._processes if process.poll() not in (None, 0)]

    def stop(self):
        """SIGTERM, and SIGKILL to what is still there after STOP_SECONDS."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        try:
            while not self.all_ended() and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            # Also when Ctrl-C is pressed again: nothing may be left behind.
            self._signal(signal.SIGKILL)
            for process in self._processes:
                process.wait()

    def _signal(self, number):
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, number)


class Background:
    """Processes that end with the measurement, whatever becomes of it."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []

    def start(self, command, **more):
        """Starts a process; what it says goes to a file of the folder."""
        with open(self._folder / f"{len(self._processes)}.log", "wb") as log:
            more.setdefault("stdout", log)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, **more)
        self._processes.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(reversed(self._processes))
