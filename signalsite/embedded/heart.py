"""Detects processes that have stalled: they no longer touch their heartbeat file (`foundation.heartbeat`).

Only seconds count in which PostgreSQL and Redis answered and this process ran itself. So a process that waits for a
hanging server is not blamed, and gets its full patience again once the server answers. Nor is any process blamed after
the machine slept or this process was stopped.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

QUIET = 3.0  # seconds of silence before it asks the servers
STARTING = 60.0  # at least, until the first heartbeat: a process may have kernels to compile
LONGEST_STEP = 2.0  # no more than this counts of the time between two checks
FRESH = 4.0  # seconds that an answer of the servers counts


class Heart:
    """The heartbeat file of one process, and its patience: how many seconds the file may stay untouched."""

    def __init__(self, file: Path, patience: float) -> None:
        self.file = file
        self.patience = patience
        self._beat: int | None = None
        self._silent = self._blamed = 0.0

    def begin(self) -> None:
        """Forget the heartbeats of an earlier process, before a new one starts."""
        self.file.unlink(missing_ok=True)
        self._beat, self._silent, self._blamed = None, 0.0, 0.0

    def stands_still(self, elapsed: float, servers_answer: Callable[[], bool]) -> bool:
        """Return whether the process has stalled. Call it about once a second with the seconds since the last call."""
        elapsed = min(elapsed, LONGEST_STEP)
        if (beat := self._newest()) != self._beat:
            self._beat, self._silent, self._blamed = beat, 0.0, 0.0
            return False
        self._silent += elapsed
        if self._silent > QUIET:
            self._blamed = self._blamed + elapsed if servers_answer() else 0.0
        return self._blamed >= (max(STARTING, self.patience) if self._beat is None else self.patience)

    def _newest(self) -> int | None:
        try:
            return self.file.stat().st_mtime_ns
        except FileNotFoundError:
            return None


class Servers:
    """Asks at most once a second whether the servers answer, on a thread, since an answer may never come."""

    def __init__(self, ask: Callable[[], object]) -> None:
        """`ask` raises, or does not return, when one of them does not answer."""
        self._ask = ask
        self._asking: threading.Thread | None = None
        self._asked = self._answered = float("-inf")

    def answer(self) -> bool:
        """Return whether they answered a moment ago. The first call returns False: it only asks."""
        now = time.monotonic()
        if now - self._asked >= 1.0 and not (self._asking and self._asking.is_alive()):
            self._asked = now
            self._asking = threading.Thread(target=self._probe, args=[now], daemon=True)
            self._asking.start()
        return now - self._answered < FRESH

    def _probe(self, begun: float) -> None:
        try:
            self._ask()
        except Exception:  # noqa: BLE001 - any error of a driver means no answer
            return
        self._answered = begun
