"""Computations that take too long rest: an instruction of numpy cannot be interrupted, so the next one waits."""

from dataclasses import dataclass

SHORTEST, LONGEST = 1.0, 300.0  # seconds


@dataclass(slots=True)
class _Rest:
    until: float
    seconds: float
    reason: str


class Rests:
    """By the name of a computation. Each time that it is slow again, it rests for twice as long."""

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}

    def reason(self, name: str, now: float) -> str | None:
        """Return why the computation does not run now, None if it may."""
        rest = self._rests.get(name)
        return rest.reason if rest is not None and now < rest.until else None

    def measured(self, name: str, taken: float, allowed: float, now: float) -> bool:
        """Note how long a computation took. Return whether that was too long."""
        rest = self._rests.get(name)
        if taken <= allowed:
            if rest is not None and now - rest.until > rest.seconds:
                del self._rests[name]
            return False
        seconds = SHORTEST if rest is None else min(2 * rest.seconds, LONGEST)
        reason = f"took longer than {1000 * allowed:.3g} ms; it is computed again after {seconds:g} s"
        self._rests[name] = _Rest(now + seconds, seconds, reason)
        return True
