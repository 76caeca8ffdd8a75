"""Streams that the consumer leaves alone for a while because handling them failed. Times in seconds, passed in."""

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0


class PausedStreams:
    """A stream's pause doubles with every failure, until one attempt succeeds."""

    def __init__(self) -> None:
        self._pauses: dict[str, tuple[float, float]] = {}  # by stream: when the pause ends, and its length

    def pause(self, stream: str, now: float) -> float:
        """Pause the stream and return the length of the pause."""
        _, before = self._pauses.get(stream, (0.0, 0.0))
        seconds = min(max(2 * before, FIRST_SECONDS), LONGEST_SECONDS)
        self._pauses[stream] = (now + seconds, seconds)
        return seconds

    def succeeded(self, stream: str) -> None:
        """Start again with a short pause at the next failure."""
        self._pauses.pop(stream, None)

    def at(self, now: float) -> set[str]:
        """Return the streams that are paused at `now`."""
        return {stream for stream, (until, _) in self._pauses.items() if now < until}
