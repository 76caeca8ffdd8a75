"""Runs a few processes as one: prefixed logs, restarts with backoff, and nothing left at the end.

Every process leads a session of its own, so the terminal's Ctrl-C reaches only us and we end them in order. If we are
killed the kernel kills them (see `ends_with_parent`): even those that are stopped or do not listen. One that stands
still (see `heart`) is killed and started again like one that has ended.
"""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

from signalsite.foundation.process import ends_with_parent

from .heart import Heart

GRACE = 20.0  # seconds between TERM and KILL
STEADY = 30.0  # a process that has lived so long starts with the shortest delay when it dies
DELAYS = (0.5, 15.0)
STEP = 0.1
LOOK = 1.0  # seconds between two looks at the processes' hearts
REASONS = ("ended", "stalled")  # why a process was started again
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FULL = (errno.ENOSPC, errno.EDQUOT)
COLOURS = (36, 33, 35, 32, 34, 31)


@dataclass
class Process:
    """One thing to keep running: its command, what its environment has besides ours, and its signs of life, if any."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    heart: Heart | None = None
    child: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    due: float = 0.0
    delay: float = DELAYS[0]
    stalled: bool = False


class Supervisor:
    def __init__(
        self,
        processes: Sequence[Process],
        output: TextIO = sys.stdout,
        *,
        servers_answer: Callable[[], bool] = lambda: True,
        record: Path | None = None,
        json_lines: bool = False,
    ):
        """`servers_answer`: nobody is blamed for silence while it is false. `record`: a file for `restarts`.
        `json_lines`: lines of the processes that are JSON stay as they are, and all others become JSON."""
        self.processes = list(processes)
        self.output = output
        self.servers_answer = servers_answer
        self.record = record
        self.json_lines = json_lines
        self.restarts = Counter({(each.name, reason): 0 for each in processes for reason in REASONS})
        self._looked = time.monotonic()
        self.asked_to_stop = False
        self._print_lock = threading.Lock()
        self._width = max(len(process.name) for process in processes)

    def run(self, each_step: Callable[[], None]) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP; call `each_step` ten times a second. Call it from the main thread.

        Whatever ends it, an exception of `each_step` included, every process has ended when it returns.
        """
        handlers = {number: signal.signal(number, self._stop) for number in ENDINGS}
        self._keep_record()
        try:
            while not self.asked_to_stop:
                for process in self.processes:
                    self._keep_alive(process)
                self._look_for_stalled()
                each_step()
                time.sleep(STEP)
        finally:
            self._end_all()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def add(self, process: Process) -> None:
        self.processes.append(process)

    def say(self, text: str, name: str = "up") -> None:
        line = "" if self.json_lines else f"{name:<{self._width}} | "
        if self.json_lines:
            text = text if text.startswith("{") else json_line(name, text)
        elif self.output.isatty():
            names = [process.name for process in self.processes]
            colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else 1
            line = f"\033[{colour}m{line}\033[0m"
        with self._print_lock:
            try:
                self.output.write(f"{line}{text}\n")
                self.output.flush()
            except OSError as error:
                if error.errno not in FULL:  # a full disk costs lines of the log: there is nowhere else to say so
                    raise

    def _stop(self, number: int, frame: object) -> None:
        self.asked_to_stop = True

    def _keep_alive(self, process: Process) -> None:
        now = time.monotonic()
        if process.child and _has_ended(process.child):
            _kill_group(process.child)
            status = process.child.wait()
            if now - process.started >= STEADY:
                process.delay = DELAYS[0]
            self.say(f"{process.name} ended with status {status}; starting it again in {process.delay:g} s")
            self.restarts[process.name, "stalled" if process.stalled else "ended"] += 1
            self._keep_record()
            process.stalled = False
            process.child, process.due = None, now + process.delay
            process.delay = min(process.delay * 2, DELAYS[1])
        if process.child is None and now >= process.due:
            self._start(process)

    def _look_for_stalled(self) -> None:
        """Kill who stands still; `_keep_alive` does the rest."""
        elapsed = time.monotonic() - self._looked
        if elapsed < LOOK:
            return
        self._looked += elapsed
        for process in self.processes:
            child, heart = process.child, process.heart
            if child and heart and not process.stalled and heart.stands_still(elapsed, self.servers_answer):
                self.say(f"{process.name} shows no sign of life though the servers answer; killing it")
                process.stalled = True
                _kill_group(child)

    def _keep_record(self) -> None:
        if not self.record:
            return
        fresh = self.record.with_suffix(".new")
        try:
            fresh.write_text(json.dumps([[*key, count] for key, count in self.restarts.items()]))
            fresh.replace(self.record)  # whoever reads it finds it whole
        except OSError as error:  # a full disk: the next restart writes all counts
            self.say(f"{self.record} is out of date, it cannot be written: {error.strerror}")

    def _start(self, process: Process) -> None:
        if process.heart:
            process.heart.begin()
        process.child = subprocess.Popen(
            process.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **process.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ends_with_parent(signal.SIGKILL),
        )
        process.started = time.monotonic()
        threading.Thread(target=self._relay, args=(process.name, process.child.stdout), daemon=True).start()

    def _relay(self, name: str, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self.say(line.decode(errors="replace").rstrip("\n"), name)

    def _end_all(self) -> None:
        children = [process.child for process in self.processes if process.child]
        for child in children:
            if not _has_ended(child):
                child.terminate()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not all(_has_ended(child) for child in children):
            time.sleep(STEP / 2)
        for child in children:
            _kill_group(child)  # and what it left behind
            child.wait()


def json_line(component: str, message: str) -> str:
    """A line of a process that does not log as the others do, and our own."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    known = {"timestamp": now, "level": "INFO", "logger": "output", "message": message, "service": "signalsite"}
    return json.dumps({**known, "component": component})


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Like poll(), but the zombie stays: as long as it does, its number cannot become someone else's group."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):  # the leader was the last
        os.killpg(child.pid, signal.SIGKILL)
