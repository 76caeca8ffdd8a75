"""Regular work, each kind at its own interval."""

import time


class Intervals:
    """Each kind of work is due at once, and then once an interval."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def is_due(self, what: str, every: float) -> bool:
        """Return whether the work is due, and if so start its next interval of `every` seconds."""
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every
        return True

    def make_due(self, what: str) -> None:
        self._next[what] = 0.0
