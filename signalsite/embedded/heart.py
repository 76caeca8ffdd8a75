"""Does a process stand still that should show signs of life (`signalsite.foundation.heartbeat`)?

It does when it has been silent for so many seconds in which PostgreSQL and Redis answered all the time and we ourselves
ran. So whoever waits for a server that hangs is not blamed, and has all of its patience once the server answers; nor is
anybody on a machine that slept or stopped us.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

QUIET = 3.0  # seconds of silence that nobody asks about
STARTING = 60.0  # until the first sign, at least: a process may have kernels to compile
LONGEST_STEP = 2.0  # of the time between two looks, no more counts
FRESH = 4.0  # seconds that an answer of the servers is good for


class Heart:
    """The file that a process touches, and how long it may be silent (s)."""

    def __init__(self, file: Path, patience: float) -> None:
        self.file = file
        self.patience = patience
        self._beat: int | None = None
        self._silent = self._blamed = 0.0

    def begin(self) -> None:
        """A process is being started: what an earlier one has left is no sign of it."""
        self.file.unlink(missing_ok=True)
        self._beat, self._silent, self._blamed = None, 0.0, 0.0

    def stands_still(self, elapsed: float, servers_answer: Callable[[], bool]) -> bool:
        """To be asked about once a second, with the seconds since it was asked last."""
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
    """Do the servers answer? Asked once a second at most, in a thread of its own, since an answer may never come."""

    def __init__(self, ask: Callable[[], object]) -> None:
        """`ask` raises, or does not return, when one of them does not answer."""
        self._ask = ask
        self._asking: threading.Thread | None = None
        self._asked = self._answered = float("-inf")

    def answer(self) -> bool:
        """Whether they did a moment ago; the first time they have not been asked yet."""
        now = time.monotonic()
        if now - self._asked >= 1.0 and not (self._asking and self._asking.is_alive()):
            self._asked = now
            self._asking = threading.Thread(target=self._probe, args=[now], daemon=True)
            self._asking.start()
        return now - self._answered < FRESH

    def _probe(self, begun: float) -> None:
        try:
            self._ask()
        except Exception:  # noqa: BLE001 - whatever a driver raises means: no answer, and that is what is asked
            return
        self._answered = begun
