"""Runs several processes as one: it prefixes their logs, restarts them with backoff, and leaves none behind.

Every process leads a session of its own, so the terminal's Ctrl-C reaches only the supervisor, which ends them in
order. When the supervisor is killed, the kernel kills them (see `ends_with_parent`). The supervisor kills and restarts
processes that have stalled (see `heart`).
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

from signalsite.foundation.process import ends_with_parent, give_way

from .heart import Heart

GRACE = 20.0  # seconds between TERM and KILL
STEADY = 30.0  # a process that has lived this long restarts with the shortest delay
DELAYS = (0.5, 15.0)
STEP = 0.1
LOOK = 1.0  # seconds between two checks of the heartbeats
REASONS = ("ended", "stalled")  # why a process was restarted
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FULL = (errno.ENOSPC, errno.EDQUOT)
COLOURS = (36, 33, 35, 32, 34, 31)


@dataclass
class Process:
    """One process to keep running: its command, additions to its environment, and its heartbeat, if any.

    `niceness`: how far it stands back where processors are scarce."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    heart: Heart | None = None
    niceness: int = 0
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
        """While `servers_answer()` is false, silence is no stall. `record` is a file for `restarts`.
        With `json_lines`, lines that are JSON stay as they are and all others become JSON."""
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

        Every process has ended when it returns, even when `each_step` raises.
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
                if error.errno not in FULL:  # a full disk loses lines of the log
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
        """Kill processes that have stalled. `_keep_alive` restarts them."""
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
            fresh.replace(self.record)  # so that readers never see half a file
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
            preexec_fn=_beginning(process.niceness),
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
            _kill_group(child)  # and its children
            child.wait()


def _beginning(niceness: int) -> Callable[[], None]:
    """Return the `preexec_fn` of a process."""
    end_with_us = ends_with_parent(signal.SIGKILL)

    def before_exec() -> None:
        end_with_us()
        give_way(niceness)

    return before_exec


def json_line(component: str, message: str) -> str:
    """A line of a process that does not log as the others do, and our own."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    known = {"timestamp": now, "level": "INFO", "logger": "output", "message": message, "service": "signalsite"}
    return json.dumps({**known, "component": component})


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Do what poll() does, but keep the zombie, so that its process id cannot become another process's group."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):  # no process of the group is left
        os.killpg(child.pid, signal.SIGKILL)
