"""Limits on the number of HTTP connections, and on how long one may wait for its request."""

from collections import Counter
from typing import Generic, TypeVar

Connection = TypeVar("Connection")


class Connections(Generic[Connection]):
    """The open connections of a process, and the share of each network. Connections without a request wait, oldest
    first."""

    def __init__(self, most: int, share: int, wait_seconds: float) -> None:
        self._most, self._share, self._wait_seconds = most, share, wait_seconds
        self._open: dict[Connection, str | None] = {}  # with its network
        self._of_network: Counter[str] = Counter()
        self._waiting: dict[Connection, float] = {}  # since when

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, now: float, network: str | None = None) -> Connection | None:
        """Add a connection, and count it for its network unless that is None.

        If there are now too many, return the one to close: the one that has waited longest for its request, or the new
        one when all others have a request."""
        self._open[connection] = network
        if network is not None:
            self._of_network[network] += 1
        self._waiting[connection] = now
        return next(iter(self._waiting)) if len(self._open) > self._most else None

    def exceeds_share(self, connection: Connection) -> bool:
        """Return whether its network has more connections than its share."""
        network = self._open.get(connection)
        return network is not None and self._of_network[network] > self._share

    def wait(self, connection: Connection, now: float) -> None:
        """The connection has no request from now on."""
        if connection in self._open:
            self._waiting.pop(connection, None)  # to the end of the line
            self._waiting[connection] = now

    def engage(self, connection: Connection) -> None:
        """The connection has a request."""
        self._waiting.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        network = self._open.pop(connection, None)
        if network is not None:
            self._of_network[network] -= 1
            if not self._of_network[network]:
                del self._of_network[network]
        self._waiting.pop(connection, None)

    def overdue(self, now: float) -> list[Connection]:
        """Return those that have waited too long. They wait again, so that one that stays open is found again."""
        late = []
        for connection, since in self._waiting.items():
            if now - since < self._wait_seconds:
                break
            late.append(connection)
        for connection in late:
            self.wait(connection, now)
        return late
