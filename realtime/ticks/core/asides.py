"""Streams that are left alone for a while, because what we do for them fails. Times in seconds, passed in."""

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0


class Asides:
    """Each stream comes back after a while, which doubles with every failure until one try succeeds."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}  # by stream: when it comes back, and how long it was away

    def put(self, stream: str, now: float) -> float:
        """Leave it alone; for how long."""
        _, before = self._until.get(stream, (0.0, 0.0))
        seconds = min(max(2 * before, FIRST_SECONDS), LONGEST_SECONDS)
        self._until[stream] = (now + seconds, seconds)
        return seconds

    def succeeded(self, stream: str) -> None:
        self._until.pop(stream, None)

    def away(self, now: float) -> set[str]:
        return {stream for stream, (until, _) in self._until.items() if now < until}
